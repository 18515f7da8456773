"""Folders that are replaced whole, and those that are never replaced.

A folder grows as `new` in a hidden one beside its place, `.s3dg-NAME-xxxxxxxx`, which carries our
mark: a file that says what it is for, locked as long as its process lives. When it is whole, that
is written down, and it changes places with the old one in one step; where the system cannot do
that, the old one goes into the hidden folder first. Then the hidden folder is deleted. So at any
moment the old or the new folder is there, whole, in its place or in the hidden folder, and
`finish_swap` completes what was cut off. Nothing but marked folders is ever deleted.
"""

import contextlib
import ctypes
import fnmatch
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from typing import BinaryIO

from s3dg import files
from s3dg.errors import S3dgError
from s3dg.files import locks

_PREFIX = '.s3dg-'
_MARK = 's3dg.json'  # of a hidden folder: whose it is, and for which place
_COMPLETE = 'complete.json'  # in it as soon as the new folder is whole: which folder is which
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


class FolderError(S3dgError, ValueError):
    """A folder cannot be made or replaced without deleting what is somebody else's."""


@contextlib.contextmanager
def unfinished_folder(
    path: str | os.PathLike, known: Sequence[str], keep: bool = False
) -> Iterator[pathlib.Path]:
    """Gives a hidden folder that takes the place of `path` on success, and is removed on failure.

    Args:
      path: the folder to make, or to replace; through a link, what that leads to.
      known: patterns of the files, by their paths from the folder, that one to be replaced may
        hold, as of `check_replaceable`.
      keep: on failure the hidden folder stays, and the next call with `keep` goes on with it. No
        two processes may do so at once.

    Raises:
      FolderError: if what is there may not be replaced.
      OSError: with a name.
    """
    place = _place(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    finish_swap(place)
    check_replaceable(place, known)
    hidden, mark = (_find_kept(place) if keep else None) or _make_hidden(place, keep)
    new, complete = hidden / 'new', hidden / _COMPLETE
    with mark:
        try:
            new.mkdir(exist_ok=True)
            yield new
            check_replaceable(place, known)  # work may have been long
            _sync(new)
            files.write_json(complete, {'new': _number(new), 'old': _number(place)})
            try:
                _swap(hidden, place)
            except OSError:
                if not (hidden / 'old').exists():  # all is as before
                    complete.unlink()
                raise
        except BaseException:
            if not keep and not complete.exists():
                _remove(hidden)
            raise
        _remove(hidden)


def finish_swap(path: str | os.PathLike) -> bool:
    """Completes the making or replacing of a folder that a kill cut off, and removes its remains.

    Returns:
      Whether a whole new folder is in its place that was not known to be there before.
    """
    place, finished = _place(path), False
    for hidden, said in _hidden_folders(place):
        mark = _claim(hidden)
        if mark is not None:
            with mark:
                finished |= _finish(hidden, said, place)
    return finished


def clear(folder: pathlib.Path, keep: Collection[str] = ()) -> None:
    """Deletes what a folder that `unfinished_folder` gave holds, but for the names in `keep`."""
    if _read_mark(folder.parent) is None:
        raise ValueError(f'{folder} was not made by unfinished_folder')
    _clear(folder, keep)


def _clear(folder: pathlib.Path, keep: Collection[str]) -> None:
    for path in folder.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def check_place(path: str | os.PathLike) -> None:
    """Refuses a place that cannot be a program's own: of the user, of the code, or above those.

    Raises:
      FolderError: naming it.
    """
    place = _place(path)
    package = pathlib.Path(__file__).parents[1]
    for what, other in (
        ('the current folder', os.curdir),
        ('the home folder', '~'),
        ('the folder of the code', package),
        ('the folder of the code', package.parent),
    ):
        if _place(other).is_relative_to(place):
            raise FolderError(
                f'{path or repr(path)}: is {what} or holds it, expected a folder for this alone.'
            )


def check_replaceable(path: str | os.PathLike, known: Sequence[str]) -> None:
    """Refuses to replace, or to delete, a folder that holds what we did not write.

    Args:
      path: a folder, or one that is not there.
      known: patterns, as of `fnmatch`, of what we write there, by the path from the folder
        ('checkpoints/*'; a star stands for slashes too). Empty folders are nobody's.

    Raises:
      FolderError: naming one file; or as `check_place`.
    """
    check_place(path)
    place = _place(path)
    if not place.exists():
        return
    if not place.is_dir():
        raise FolderError(f'{path}: is a file, expected a folder.')
    for name in _files_in(place):
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in known):
            raise FolderError(
                f'{path}: holds {name}, which this program did not write; nothing was deleted: move'
                ' that file away, or give another folder.'
            )


def _files_in(folder: pathlib.Path) -> Iterator[str]:
    """Paths from the folder of all that is no folder, but for our own remains; links are files."""

    def fail(error):
        raise error

    for base, folders, names in os.walk(folder, onerror=fail):
        base = pathlib.Path(base)
        links = [name for name in folders if (base / name).is_symlink()]
        folders[:] = [
            name
            for name in folders
            if not (name.startswith(_PREFIX) and _read_mark(base / name) is not None)
        ]
        for name in sorted([*names, *links]):
            if not name.startswith(files.UNFINISHED):
                yield (base / name).relative_to(folder).as_posix()


# Hidden folders.


def _place(path: str | os.PathLike) -> pathlib.Path:
    """Where a folder really lies, whatever links lead to it."""
    return pathlib.Path(os.path.realpath(os.path.expanduser(path)))


def _hidden_prefix(place: pathlib.Path) -> str:
    return f'{_PREFIX}{place.name[:40]}-'


def _make_hidden(place: pathlib.Path, keep: bool) -> tuple[pathlib.Path, BinaryIO]:
    """A new hidden folder for a place, and its mark, locked."""
    said = json.dumps({'made_by': 's3dg', 'becomes': place.name, 'keep': keep}) + '\n'
    while True:
        hidden = pathlib.Path(tempfile.mkdtemp(prefix=_hidden_prefix(place), dir=place.parent))
        # Another process may take what has no mark yet for what a killed one has left.
        with contextlib.suppress(FileNotFoundError):
            mark = _open(hidden / _MARK, os.O_CREAT | os.O_EXCL)
            locks.try_lock(mark.fileno())
            if os.fstat(mark.fileno()).st_nlink:
                mark.write(said.encode())
                return hidden, mark
            mark.close()


def _open(path: pathlib.Path, flags: int = 0) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | flags, 0o644), 'r+b', buffering=0)


def _read_mark(hidden: pathlib.Path) -> dict | None:
    """What the mark of a hidden folder says; None where it is not ours."""
    said = _read_json(hidden / _MARK)
    return said if said.get('made_by') == 's3dg' else None


def _read_json(path: pathlib.Path) -> dict:
    """The object that a file holds; an empty one where it holds none."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _hidden_folders(place: pathlib.Path) -> list[tuple[pathlib.Path, dict]]:
    """The marked folders for a place, with what their marks say."""
    prefix, marked = _hidden_prefix(place), []
    try:
        found = sorted(path for path in place.parent.iterdir() if path.name.startswith(prefix))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    for hidden in found:
        if hidden.is_symlink():
            continue
        said = _read_mark(hidden)
        if said is None:
            _remove_blank(hidden)
        elif said.get('becomes') == place.name:
            marked.append((hidden, said))
    return marked


def _remove_blank(hidden: pathlib.Path) -> None:
    """Removes the empty folder of a process that was killed before it could leave its mark."""
    with contextlib.suppress(OSError):  # it holds something, so it is not ours
        path = hidden / _MARK
        if os.path.lexists(path) and not path.stat().st_size:
            mark = _claim(hidden)
            if mark is None:
                return
            with mark:
                if not os.fstat(mark.fileno()).st_size:
                    path.unlink()
        hidden.rmdir()


def _claim(hidden: pathlib.Path) -> BinaryIO | None:
    """The mark, locked; None where its process is at work.

    Where there are no locks, only what is complete is claimed: all that is left to do with it
    comes to the same, whoever does it.
    """
    try:
        mark = _open(hidden / _MARK)
    except OSError:  # gone meanwhile, or not ours to write
        return None
    locked = locks.try_lock(mark.fileno())
    if locked or (locked is None and (hidden / _COMPLETE).exists()):
        return mark
    mark.close()
    return None


def _find_kept(place: pathlib.Path) -> tuple[pathlib.Path, BinaryIO] | None:
    for hidden, said in _hidden_folders(place):
        if said.get('keep') and not (hidden / _COMPLETE).exists():
            mark = _claim(hidden)
            if mark is not None:
                return hidden, mark
    return None


def _finish(hidden: pathlib.Path, said: dict, place: pathlib.Path) -> bool:
    """Goes on where the process of a hidden folder stopped: whether its new folder is in place."""
    complete = _read_json(hidden / _COMPLETE)
    if not complete:
        if not said.get('keep') or not (hidden / 'new').exists():
            _remove(hidden)
        return False
    if _number(hidden / 'new') == complete['new']:  # not yet in its place
        if _number(place) not in (None, complete['old']):
            return False  # somebody put another one there
        _swap(hidden, place)
    elif _number(place) != complete['new']:
        return False  # it was there, and somebody took it away: this may be the only one
    _remove(hidden)
    return True


def _number(folder: pathlib.Path) -> int | None:
    """What tells a folder from others under whatever name: its inode; None where there is none."""
    try:
        return os.lstat(folder).st_ino
    except FileNotFoundError:
        return None


def _swap(hidden: pathlib.Path, place: pathlib.Path) -> None:
    """Puts the new folder in its place, and the old one, if any, into the hidden folder."""
    new, old = hidden / 'new', hidden / 'old'
    if not place.exists():
        os.rename(new, place)
        return
    if exchange(new, place):
        return
    os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        os.rename(old, place)
        raise


def exchange(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Gives two folders each other's names in one step; False where that cannot be done."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # no Linux, or an old one
        return False
    names = os.fsencode(one), os.fsencode(other)
    return rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0


def _remove(hidden: pathlib.Path) -> None:
    """Deletes a hidden folder: what it holds first, and its mark last."""
    for still_there in ([_COMPLETE, _MARK], [_MARK], []):
        _clear(hidden, still_there)
    hidden.rmdir()


def _sync(folder: pathlib.Path) -> None:
    """Sees to it that a power cut leaves what the folder holds."""
    for base, _, names in os.walk(folder):
        for name in names:
            path = pathlib.Path(base, name)
            if path.is_file() and not path.is_symlink():
                with path.open('rb') as file:
                    os.fsync(file.fileno())
