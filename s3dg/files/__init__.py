"""Files and folders that appear under their names only when they are whole.

Whatever writes a file for the user, or for a later run, goes through `unfinished` here; `folders`
makes and replaces whole folders, and says which ones nobody may replace; `locks` keeps two
processes from writing the same.
"""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator

from s3dg.files import locks

UNFINISHED = '.s3dg-unfinished-'  # no other program's files are called so

_swept = set()  # folders in which this process has removed what killed ones had left


@contextlib.contextmanager
def unfinished(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a hidden path beside `path`, renamed to it on success and removed on failure.

    The hidden name is nobody else's, short whatever the length of the real one, and has the same
    suffix, by which some writers pick a format. What a killed process has left is removed by the
    next one that writes in the same folder.

    Raises:
      OSError: with the name of the file, also where it was raised without one (a full disk).
    """
    path = pathlib.Path(path)
    _sweep(path.parent)
    descriptor, name = _locked_file(path)
    try:
        yield pathlib.Path(name)
        with open(name, 'rb') as file:
            os.fsync(file.fileno())  # a power cut may not leave an empty file under the real name
        os.replace(name, path)
    except BaseException as error:
        pathlib.Path(name).unlink(missing_ok=True)
        nameless = isinstance(error, OSError) and error.filename in (None, name)
        if nameless and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise
    finally:
        os.close(descriptor)


def _locked_file(path: pathlib.Path) -> tuple[int, str]:
    """A new hidden file, locked as long as its descriptor is open."""
    suffix = path.suffix[:16]
    while True:
        descriptor, name = tempfile.mkstemp(suffix, UNFINISHED, path.parent)
        os.chmod(name, 0o644)  # mkstemp makes private files
        locks.try_lock(descriptor)
        if os.fstat(descriptor).st_nlink:  # else another process took it for a killed one's
            return descriptor, name
        os.close(descriptor)


def _sweep(folder: pathlib.Path) -> None:
    """Removes the unfinished files of processes that are no more; once per process and folder."""
    place = os.path.realpath(folder)
    if place in _swept or not os.path.isdir(place):
        return
    _swept.add(place)
    for path in pathlib.Path(place).glob(f'{UNFINISHED}*'):
        with (
            contextlib.suppress(FileNotFoundError, PermissionError, IsADirectoryError),
            open(os.open(path, os.O_RDWR | os.O_NOFOLLOW), 'rb') as file,
        ):
            if locks.try_lock(file.fileno()):
                path.unlink()


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a whole file at once. Raises OSError as `unfinished`."""
    with unfinished(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike, content: str) -> None:
    """Writes a whole UTF-8 file at once. Raises OSError as `unfinished`."""
    write_bytes(path, content.encode())


def write_json(path: str | os.PathLike, values: object) -> None:
    """Writes values as JSON, whole at any time. Raises OSError as `unfinished`."""
    write_text(path, json.dumps(values, indent=2) + '\n')


def readable(path: str) -> str:
    """A path as valid UTF-8: bytes that are not are written as escapes."""
    return os.fsencode(path).decode('utf-8', 'backslashreplace')
