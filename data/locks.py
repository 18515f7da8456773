"""One process at a time: a lock that the operating system releases when its process dies."""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def held(path: str | os.PathLike, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds the lock that the file `path` stands for, which is made and stays.

    Args:
      path: the file; its folder is made too.
      waiting: called once if another process holds the lock, which is then waited for.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
