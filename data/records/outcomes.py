"""What became of each video: the files `videos.csv` and `skipped.csv` beside the records."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Collection, Iterable, Sequence

from data.listing import Video
from data.records import cells
from s3dg import files
from s3dg.errors import S3dgError, VideoError
from s3dg.files.readers import read_table
from s3dg.video import reading

STORED_FILE = 'videos.csv'
STORED_COLUMNS = ('id', 'frames', 'faults')
SKIPPED_FILE = 'skipped.csv'
SKIPPED_COLUMNS = ('id', 'path', 'reason')
# Beside the two where `data.conversion` made the dataset.
PLAN_FILE = 'plan.json'

_REMEDY = (
    'delete it and convert again: it is written anew, at the end of a conversion that goes on from'
    ' its shards, or with --overwrite'
)


class OutcomesError(S3dgError, ValueError):
    """One of the two files is damaged."""


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A video that could not be converted."""

    id: str
    path: str
    reason: str

    @classmethod
    def of(cls, video: Video, reason: VideoError | str) -> 'Skipped':
        return cls(video.id, files.readable(video.path), str(reason))


class Outcomes:
    """The two files of a folder, written row by row: a kill leaves one torn line at most.

    Attributes, by the ids of videos:
      frames: number of frames of every stored one.
      faults: what was damaged in the files of stored ones, in words.
      skipped: those that could not be used.
    """

    def __init__(self, folder: str | os.PathLike):
        """Reads what the folder has. Raises OutcomesError, naming the file that is damaged."""
        self._folder = pathlib.Path(folder)
        self.frames, self.faults = {}, {}
        stored = self._folder / STORED_FILE
        for row in read_table(stored, _stored_columns(stored), OutcomesError, _REMEDY):
            video_id, frames, *faults = cells.unescaped(row)
            if not (frames.isascii() and frames.isdigit() and len(frames) < 10):
                raise OutcomesError(
                    f'{stored} is damaged: video {video_id!r} has {frames!r} frames, expected a '
                    f'number; {_REMEDY}'
                )
            self.frames[video_id] = int(frames)
            if any(faults):
                self.faults[video_id] = faults[0]
        skipped = self._folder / SKIPPED_FILE
        rows = read_table(skipped, SKIPPED_COLUMNS, OutcomesError, _REMEDY)
        self.skipped = {one.id: one for one in (Skipped(*cells.unescaped(row)) for row in rows)}

    def add_stored(self, video_id: str, frames: int, faults: str = '') -> None:
        self.frames[video_id] = frames
        if faults:
            self.faults[video_id] = faults
        append_rows(self._folder / STORED_FILE, STORED_COLUMNS, [(video_id, frames, faults)])

    def add_skipped(self, skipped: Skipped) -> None:
        self.skipped[skipped.id] = skipped
        append_rows(self._folder / SKIPPED_FILE, SKIPPED_COLUMNS, [dataclasses.astuple(skipped)])

    def replace(self, frames: dict[str, int], skipped: dict[str, Skipped]) -> None:
        """Replaces all rows, each file at once; faults stay those of videos still stored."""
        self.frames, self.skipped = frames, skipped
        self.faults = {key: faults for key, faults in self.faults.items() if key in frames}
        stored = ((key, count, self.faults.get(key, '')) for key, count in frames.items())
        _replace(self._folder / STORED_FILE, STORED_COLUMNS, stored)
        rows = map(dataclasses.astuple, skipped.values())
        _replace(self._folder / SKIPPED_FILE, SKIPPED_COLUMNS, rows)


def _stored_columns(path: pathlib.Path) -> Sequence[str]:
    """Those of a file; earlier versions did not tell faults."""
    with contextlib.suppress(FileNotFoundError), path.open('rb') as file:
        if file.readline(100).rstrip(b'\n') == b'id,frames':
            return STORED_COLUMNS[:2]
    return STORED_COLUMNS


def describe_skipped(skipped: Collection[Skipped]) -> str:
    """How many videos were skipped, the missing ones told apart: '3 skipped (1 missing)'."""
    missing = count_missing(skipped)
    return f'{len(skipped)} skipped' + (f' ({missing} missing)' if missing else '')


def count_missing(skipped: Iterable[Skipped]) -> int:
    """How many of the skipped videos were not there."""
    return sum(row.reason == reading.MISSING for row in skipped)


def append_rows(path: str | os.PathLike, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Adds rows to a CSV file, which is made with its header if it is not there; see `cells`."""
    try:
        with open(path, 'a', encoding='utf-8', newline='') as file:
            if not file.tell():
                file.write(cells.line(columns))
            file.writelines(map(cells.line, rows))
    except OSError as error:  # a full disk names no file
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _replace(path: pathlib.Path, columns, rows) -> None:
    with files.unfinished(path) as new:
        append_rows(new, columns, rows)
