"""One process at a time: a lock that the operating system releases when its process dies."""

import contextlib
import errno
import fcntl
import os
import pathlib
import weakref
from collections.abc import Callable, Iterator

from s3dg.errors import S3dgError

# What flock says on file systems that have no locks (some network file systems).
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


class InUseError(S3dgError, RuntimeError):
    """Another process is at work on what this one was to write."""


class Lock:
    """A lock that this process holds; released when the last reference to it is gone."""

    def __init__(self, descriptor: int):
        weakref.finalize(self, os.close, descriptor)


# By place: a process that holds a lock may take it again.
_locks = weakref.WeakValueDictionary()


def lock(path: str | os.PathLike, waiting: Callable[[], None] | None = None) -> Lock:
    """Takes the lock that the file `path` stands for, which is made, with its folder, and stays.

    What one process holds, it may take again. On a file system without locks nothing is held.

    Args:
      path: the file.
      waiting: called once if another process holds the lock, which is then waited for.

    Raises:
      InUseError: if another process holds the lock, and there is no `waiting`.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    place = os.path.realpath(path)
    taken = _locks.get(place)
    if taken is not None:
        return taken
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    taken = Lock(descriptor)
    if try_lock(descriptor) is False:
        if waiting is None:
            raise InUseError(f'{path} is held by another process.')
        waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    _locks[place] = taken
    return taken


@contextlib.contextmanager
def held(path: str | os.PathLike, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds a lock for as long as the context lasts, waiting for it; see `lock`."""
    taken = lock(path, waiting)
    try:
        yield
    finally:
        del taken


def beside(folder: str | os.PathLike) -> pathlib.Path:
    """The file that stands for the lock of a folder: beside it, as the folder may be replaced.

    In it, where nothing can be written beside it; then it cannot be replaced either.
    """
    folder = pathlib.Path(os.path.realpath(folder))
    if folder.is_dir() and not os.access(folder.parent, os.W_OK):
        return folder / '.lock'
    return folder.with_name(f'.{folder.name}.lock')


def try_lock(descriptor: int) -> bool | None:
    """Locks an open file until it is closed; whether it was free, None where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True
