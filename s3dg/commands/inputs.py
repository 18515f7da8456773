"""The videos that a command is given: files, folders of frames, folders of these, and lists."""

import csv
import dataclasses
import os
import pathlib

from s3dg.program.entry import UsageError
from s3dg.program.number_flags import MOST_RATE, define_number
from s3dg.program.workdir import home_path
from s3dg.video import frame_folder, sources
from s3dg.video.reading import VIDEO_SUFFIXES

_COLUMNS = ('path', 'name')


@dataclasses.dataclass(frozen=True)
class Video:
    """A video, by the path that was given."""

    path: pathlib.Path
    depth: int = 1  # its features are named after this many parts of its path, at least
    name: str | None = None  # that a list gives it

    @property
    def absolute(self) -> pathlib.Path:
        return pathlib.Path(os.path.abspath(self.path))


def define_folder_flags():
    """The flag of programs that take folders of images."""
    folder_fps = 'Frames a second of a folder of images.'
    define_number('folder_fps', sources.FOLDER_RATE, folder_fps, MOST_RATE, 0.001)


def video_id(video):
    """What a video is called without its folder and suffix, or by a list."""
    if video.name is not None:
        return video.name
    return video.path.name if video.path.is_dir() else video.path.stem


def find_videos(arguments):
    """The videos that the arguments name, each once.

    Args:
      arguments: paths of video files; of folders of numbered images, each of which is a video; of
        other folders, which are searched for both with the folders in them; and of `.csv` lists.
        Hidden files and folders are left out, and in folders all files whose names are no video's.

    Raises:
      UsageError: for a folder without videos, or a list that cannot be used.
    """
    found = {}
    for path in map(home_path, arguments):
        for video in _videos_of(path):
            found.setdefault(video.absolute, video)
    return list(found.values())


def _videos_of(path):
    if path.suffix.lower() == '.csv' and not os.path.isdir(path):
        return read_list(path)
    if not os.path.isdir(path):  # not `path.is_dir()`, which fails where a name is too long
        return [Video(path)]
    files = list(_videos_in(path, set()))
    if not files and frame_folder.holds_frames(path):
        return [Video(path)]
    if not files:
        suffixes = ' '.join(sorted(VIDEO_SUFFIXES))
        raise UsageError(
            f'{path}: found no videos, expected files of {suffixes}, or numbered images.'
        )
    return [Video(file, len(file.relative_to(path).parts)) for file in files]


def _videos_in(folder, seen):
    """Videos below a folder, by their paths; `seen` keeps links from leading in circles."""
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith('.'):
            continue
        if entry.is_dir():
            below = list(_videos_in(entry, seen))
            if not below and frame_folder.holds_frames(entry):
                below = [entry]
            yield from below
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            yield entry


def read_list(path):
    """The `Video`s of a list: a CSV file with a header, `path`, and beside it `name` if wanted.

    Paths that are not absolute are taken from the list's folder. A name may have folders in it.

    Raises:
      UsageError: naming the line that cannot be used.
    """
    try:
        with open(path, newline='', encoding='utf-8-sig') as file:
            rows = list(csv.reader(file, strict=True))
    except OSError as error:
        raise UsageError(f'{path}: {error.strerror}, expected a list of videos.') from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f'{path}: not a CSV file in UTF-8 ({error}).') from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    if 'path' not in header or not set(header) <= set(_COLUMNS):
        raise UsageError(
            f'{path}: its first line is {",".join(header)!r}, expected a header: path,name or path.'
        )
    videos, names = [], {}
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(header):
            raise UsageError(f'{path}: line {number} has {len(row)} cells, expected {len(header)}.')
        cells = {key: cell.strip() for key, cell in zip(header, row, strict=True)}
        videos.append(_listed(path, number, cells, names))
    if not videos:
        raise UsageError(f'{path}: it lists no videos.')
    return videos


def _listed(path, number, cells, names):
    """The `Video` of a line of a list; `names` holds the lines of those before."""
    if not cells['path']:
        raise UsageError(f'{path}: line {number} has no path.')
    name = cells.get('name') or None
    if name is not None:
        parts = pathlib.PurePosixPath(name).parts
        if name.startswith('/') or not parts or '..' in parts or '\0' in name:
            raise UsageError(
                f'{path}: line {number} has the name {name!r}, expected one below a folder.'
            )
        if name in names:
            raise UsageError(
                f'{path}: line {number} has the name {name!r}, as line {names[name]} has.'
            )
        names[name] = number
    return Video(path.parent / home_path(cells['path']), name=name)
