"""Files of features, one `.npz` per video: their names, whose they are, and how to write them."""

import dataclasses
import hashlib
import os
import pathlib
import shutil
import tempfile
import zipfile

import numpy as np

from s3dg import files
from s3dg.errors import S3dgError
from s3dg.files.readers import read_npz
from s3dg.program.entry import UsageError
from s3dg.program.workdir import file_identity, home_path
from s3dg.video.reading import VIDEO_SUFFIXES

# By these arrays a file of features says which video it is of: path, size and time of change.
_SOURCE_ARRAYS = {'path': 'video', 'bytes': 'video_bytes', 'changed': 'video_changed'}
_SOURCE_KINDS = {'video': ('U', 0), 'video_bytes': ('iu', 0), 'video_changed': ('f', 0)}
_LONGEST_NAME = 255  # bytes, of Linux's file systems
_KEPT_OF_NAME = 200


class FeatureFileError(S3dgError, ValueError):
    """A file of features that is damaged."""


@dataclasses.dataclass(frozen=True)
class Video:
    """A video, by the path that was given."""

    path: pathlib.Path
    depth: int = 1  # its features are named after this many parts of its path, at least

    @property
    def absolute(self) -> pathlib.Path:
        return pathlib.Path(os.path.abspath(self.path))


@dataclasses.dataclass(frozen=True)
class Target:
    """A video, the file for its features, and whether that is there and up to date.

    Attributes:
      source: the `video_source` when the video was found: one that changes later, before it is read
        or after, is not up to date.
    """

    video: Video
    path: pathlib.Path
    source: dict | None
    is_done: bool


def find_videos(arguments):
    """The videos that the arguments name, each once: files, and the video files of folders.

    Hidden files and folders are left out, and in folders all files whose names are no video's.

    Raises:
      UsageError: for a folder without videos.
    """
    found = {}
    for path in map(home_path, arguments):
        videos = [Video(path)]
        if os.path.isdir(path):  # not `path.is_dir()`, which fails where a name is too long
            files_in = _video_files(path, set())
            videos = [Video(file, len(file.relative_to(path).parts)) for file in files_in]
            if not videos:
                suffixes = ' '.join(sorted(VIDEO_SUFFIXES))
                raise UsageError(f'{path}: found no videos, expected files of {suffixes}.')
        for video in videos:
            found.setdefault(video.absolute, video)
    return list(found.values())


def _video_files(folder, seen):
    """Video files below a folder, by their paths; `seen` keeps links from leading in circles."""
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith('.'):
            continue
        if entry.is_dir():
            yield from _video_files(entry, seen)
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            yield entry


def choose_targets(videos, folder):
    """The `Target`s of `Video`s, below `folder`.

    A file is named after the end of its video's path: `depth` parts of it, and one more for each
    other video that has the name already, in this call or an earlier one.
    """
    owners, targets = {}, []
    for video in videos:
        source = video_source(video)
        for path in _names(video, folder):
            found = read_source(path)
            owner = owners.get(path, found and found['path'])
            if owner in (None, str(video.absolute)):
                owners[path] = str(video.absolute)
                is_done = found is not None and found == source
                targets.append(Target(video, path, source, is_done))
                break
        else:
            raise UsageError(f'{video.path}: {folder} has a file for every end of its path.')
    return targets


def _names(video, folder):
    parts = video.absolute.parts[1:]
    for depth in range(video.depth, len(parts) + 1):
        path = folder.joinpath(*parts[-depth:])
        yield path.with_name(_file_name(path.name))


def _file_name(name):
    """The name of the file for a video of this name; a digest replaces what makes it too long."""
    encoded = os.fsencode(name)
    if len(encoded) + len('.npz') <= _LONGEST_NAME:
        return f'{name}.npz'
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    kept = encoded[:_KEPT_OF_NAME].decode('utf-8', 'ignore')
    return f'{kept}-{digest}.npz'


def video_source(video):
    """Path, bytes and time of change of a video; None where there is no such file."""
    try:
        return file_identity(video.absolute)
    except OSError:
        return None


def read_source(path):
    """The `video_source` that a file of features was made from; None if there is no whole file."""
    if not path.is_file():
        return None
    try:
        arrays = read_npz(path, _SOURCE_KINDS, FeatureFileError, 'it is written anew')
    except FeatureFileError:
        return None  # a file system's crash, not ours: files appear whole
    return {key: arrays[name].item() for key, name in _SOURCE_ARRAYS.items()}


def source_arrays(target):
    """The arrays by which `read_source` recognises the video, which may have come just now."""
    source = target.source or video_source(target.video)
    return {name: source[key] for key, name in _SOURCE_ARRAYS.items()}


def write_npz(path, name, blocks, other_arrays):
    """Writes a `.npz` with one array that is never in memory whole; missing folders are made.

    Args:
      path: the file, which appears when it is complete.
      name: of the large array.
      blocks: its rows in order, float32, at least one at a time. How many there are is known at the
        end only, so they wait in a nameless file beside.
      other_arrays: called after the last block; the other arrays, numbers or strings, by name.

    Raises:
      OSError: with the name of the file, where it cannot be written (a full disk).
    """
    header, count = {'descr': '<f4', 'fortran_order': False}, 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        files.unfinished(path) as temporary,
        tempfile.TemporaryFile(dir=path.parent) as rows,
        zipfile.ZipFile(temporary, 'w') as file,
    ):
        for block in blocks:
            rows.write(np.ascontiguousarray(block, '<f4').data)
            count += len(block)
            header['shape'] = (count, *block.shape[1:])
        rows.seek(0)
        for key, value in other_arrays().items():
            with file.open(f'{key}.npy', 'w') as member:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)
        with file.open(f'{name}.npy', 'w', force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, header)
            shutil.copyfileobj(rows, member)
