"""Kills a process at any of the steps that it takes with files."""

import os
import pathlib
import signal
import traceback
from collections.abc import Callable

from s3dg.files import folders

_STEPS = ('open', 'mkdir', 'fsync', 'rename', 'replace', 'unlink', 'rmdir')


def killed_at(step: int, action: Callable[[], object], exchanges: bool, after=None) -> bool:
    """Runs an action in a process of its own, which is killed before its `step`th step, from 1 on.

    Args:
      step: which of the calls of `os` that make, write out, rename or delete something, or
        exchange two folders.
      action: what to do.
      exchanges: whether the system can exchange two folders in one step.
      after: (module, name) of a function: steps are counted from its first call on.

    Returns:
      Whether it was killed; else it has taken fewer steps, and is at its end.
    """
    child = os.fork()
    if not child:
        try:
            _arm(step, exchanges, after)
            action()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def _arm(step, exchanges, after):
    state = {'taken': 0, 'counting': after is None}

    def counted(function):
        def call(*args, **kwargs):
            state['taken'] += state['counting']
            if state['taken'] == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    def starting(function):
        def call(*args, **kwargs):
            state['counting'] = True
            return function(*args, **kwargs)

        return call

    for name in _STEPS:
        setattr(os, name, counted(getattr(os, name)))
    folders.exchange = counted(folders.exchange) if exchanges else lambda one, other: False
    if after is not None:
        setattr(*after, starting(getattr(*after)))


def contents(folder: str | os.PathLike) -> dict[str, bytes] | None:
    """All files below a folder by their paths from there; None where there is no such folder."""
    folder = pathlib.Path(folder)
    if not folder.exists():
        return None
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def hidden_contents(place: pathlib.Path) -> list[dict[str, bytes]]:
    """What the hidden folders beside a place hold, by the folders in them."""
    hidden = (path for path in place.parent.glob('.s3dg-*') if path.is_dir())
    return [contents(path) for folder in hidden for path in folder.iterdir() if path.is_dir()]
