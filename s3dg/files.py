"""Files that appear under their names only when they are whole.

Everything that writes a file for the user, or for a later run, goes through here.
"""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def unfinished(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a hidden path beside `path`, renamed to it on success and removed on failure.

    The hidden name is nobody else's, short whatever the length of the real one, and has the same
    suffix, by which some writers pick a format.

    Raises:
      OSError: with the name of the file, also where it was raised without one (a full disk).
    """
    path = pathlib.Path(path)
    handle, name = tempfile.mkstemp(prefix='.s3dg-', suffix=path.suffix[:16], dir=path.parent)
    os.close(handle)
    os.chmod(name, 0o644)  # mkstemp makes private files
    try:
        yield pathlib.Path(name)
        with open(name, 'rb') as file:
            os.fsync(file.fileno())  # a power cut may not leave an empty file under the real name
        os.replace(name, path)
    except BaseException as error:
        pathlib.Path(name).unlink(missing_ok=True)
        if (
            isinstance(error, OSError)
            and error.errno is not None
            and error.filename in (None, name)
        ):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


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
