"""Files of features: their names, whose they are, and how to write them.

By itself a video has one `.npz`, which says what it is of. In another layout its files are what the
layout's consumer reads, and a record beside says whose they are.
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import shutil
import tempfile
import zipfile

import numpy as np

from s3dg import files
from s3dg.commands.inputs import Video
from s3dg.errors import S3dgError
from s3dg.files.readers import read_json, read_npz
from s3dg.program.entry import UsageError
from s3dg.program.workdir import file_identity

# By these arrays a file of features says which video it is of: path, size and time of change.
_SOURCE_ARRAYS = {'path': 'video', 'bytes': 'video_bytes', 'changed': 'video_changed'}
_SOURCE_KINDS = {'video': ('U', 0), 'video_bytes': ('iu', 0), 'video_changed': ('f', 0)}
_LONGEST_NAME = 255  # bytes, of Linux's file systems
_KEPT_OF_NAME = 200


class FeatureFileError(S3dgError, ValueError):
    """A file of features that is damaged."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A video, the file for its features, and whether that is there and up to date.

    Attributes:
      path: of the `.npz`, or of the record.
      source: the `video_source` when the video was found: one that changes later, before it is read
        or after, is not up to date.
    """

    video: Video
    path: pathlib.Path
    source: dict | None
    is_done: bool


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
    if video.name is not None:
        yield folder / f'{video.name}.npz'
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


class NpzSink:
    """A `.npz` of a video's features, which are never in memory whole; an `extraction.Sink`.

    Where there is one crop the features have no axis of crops; those of two streams are joined
    along the channels, RGB first.

    Args:
      target: the `Target`; missing folders are made.
      arrays: numbers and strings, by the names of the file's other arrays.
      tell: called with the number of windows done, and at the end with the faults of the video.

    Raises, by its methods:
      OSError: with the name of the file, where it cannot be written (a full disk).
    """

    def __init__(self, target, arrays, tell):
        self.target, self._arrays, self._tell = target, arrays, tell
        self.windows, self._header = 0, {'descr': '<f4', 'fortran_order': False}
        self._stack = contextlib.ExitStack()

    def append(self, rows):
        if not self.windows:
            self._open()
        joined = np.concatenate(list(rows.values()), axis=-1)
        if joined.shape[1] == 1:
            joined = joined[:, 0]
        try:
            self._rows.write(np.ascontiguousarray(joined, '<f4').data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fspath(self.target.path)) from error
        self.windows += len(joined)
        self._header['shape'] = (self.windows, *joined.shape[1:])
        self._tell(self.windows)

    def _open(self):
        path = self.target.path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = self._stack.enter_context(files.unfinished(path))
        # How many rows there are is known at the end only, so they wait in a nameless file beside.
        waiting = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
        self._rows = self._stack.enter_context(waiting)

    def finish(self, times, faults):
        arrays = {
            **self._arrays,
            **source_arrays(self.target),
            'frames_per_second': times.frames_per_second,
            'frame_times': times.frame_times,
            'feature_times': times.feature_times,
        }
        with self._stack:
            self._rows.seek(0)
            with zipfile.ZipFile(self._temporary, 'w') as file:
                for key, value in arrays.items():
                    with file.open(f'{key}.npy', 'w') as member:
                        np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)
                with file.open('features.npy', 'w', force_zip64=True) as member:
                    np.lib.format.write_array_header_1_0(member, self._header)
                    shutil.copyfileobj(self._rows, member)
        self._tell(self.windows, faults)

    def fail(self, error):
        with contextlib.suppress(_AbandonedError), self._stack:
            raise _AbandonedError  # so that nothing appears under the name


class _AbandonedError(Exception):
    """Ends what a sink has open."""


class LayoutSink:
    """The files of a video in a layout, written when all of them are there; an `extraction.Sink`.

    Last comes the record, by which a later run knows that they are done: `target.path`.

    Args:
      target: the `Target`.
      layout, name: a `layouts.Layout`, and the id of the video.
      folder: for the files.
      tell: as of `NpzSink`.
    """

    def __init__(self, target, layout, name, folder, tell):
        self.target, self._layout, self._name = target, layout, name
        self._folder, self._tell = folder, tell
        self._rows, self.windows = [], 0

    def append(self, rows):
        self._rows.append(rows)
        self.windows += len(next(iter(rows.values())))
        self._tell(self.windows)

    def finish(self, times, faults):
        features = {
            name: np.concatenate([rows[name] for rows in self._rows]) for name in self._rows[0]
        }
        written = self._layout.files(self._name, features, times)
        for name, array in written.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.unfinished(path) as temporary, open(temporary, 'wb') as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
        record = {
            **(self.target.source or video_source(self.target.video)),
            'files': list(written),
            'windows': self.windows,
            'frames_per_second': times.frames_per_second,
        }
        self.target.path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(self.target.path, record)
        self._tell(self.windows, faults)

    def fail(self, error):
        self._rows.clear()


def layout_targets(names, folder, records):
    """The `Target`s of videos in a layout; their paths are those of the records.

    Args:
      names: dict from `Video` to its id.
      folder, records: of the files, and of the records.
    """
    targets = []
    for video, name in names.items():
        source, path = video_source(video), records / f'{name}.json'
        found = _read_record(path)
        is_done = found is not None and {key: found[key] for key in _SOURCE_ARRAYS} == source
        is_done = is_done and all((folder / file).is_file() for file in found['files'])
        targets.append(Target(video, path, source, is_done))
    return targets


def _read_record(path):
    """A record, or None where there is no whole one."""
    if not path.is_file():
        return None
    try:
        found = read_json(path, FeatureFileError, 'it is written anew')
        return (
            found
            if isinstance(found['files'], list) and set(_SOURCE_ARRAYS) <= set(found)
            else None
        )
    except (FeatureFileError, KeyError, TypeError):
        return None
