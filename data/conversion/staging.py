"""The folder in which a dataset grows, and what of it is done.

TensorFlow Datasets deletes its unfinished folder, and writes shards only after a shuffle of all
examples. So we write shards in a hidden folder beside the dataset's final place
(`s3dg.files.folders`), and declare them to it at the end. The folder holds at any time: `plan.json`
(the settings and a digest of the list of videos), complete shards, one partial shard, and what
became of each video: `videos.csv` and `skipped.csv`.

A shard grows as `NAME.partial` and is renamed to NAME when it is complete. Every record is handed
to the operating system before the next one is begun, so a killed process leaves whole records and
at most one torn one behind. Nothing here starts TensorFlow's runtime: devices can still be
configured after a conversion.
"""

import contextlib
import dataclasses
import os
import pathlib

import tensorflow as tf

from data.conversion.plan import Plan, Shard, read_plan
from data.errors import DatasetError, Report
from data.example import ID, VIDEO
from data.listing import Video
from data.records import outcomes, tfrecord
from data.records.outcomes import PLAN_FILE
from s3dg import files
from s3dg.files import folders


@dataclasses.dataclass(frozen=True)
class Remaining:
    """What is left to do of a shard: `kept` of its records are there, `videos` are not done."""

    shard: Shard
    kept: int
    videos: list[Video]


def open_folder(folder: pathlib.Path, plan: Plan, report: Report, replace: bool) -> None:
    """Readies an unfinished folder for a plan: leaves what was begun with the same one as it is.

    Raises:
      DatasetError: if it was begun with another plan, unless it may be replaced.
    """
    if any(folder.iterdir()):
        begun = read_plan(folder / PLAN_FILE)
        # What else a plan says follows from these two, and those of earlier versions lack it.
        decisive = ('settings', 'videos')
        if begun is None or any(begun[key] != plan.stored[key] for key in decisive):
            done = outcomes.Outcomes(folder).frames
            if begun is not None and done and not replace:
                raise DatasetError(
                    f'{folder}: found {len(done)} videos converted from other videos or labels or'
                    ' with other settings; give the same ones to go on, another --config name to'
                    ' leave it, or --overwrite to begin anew'
                )
            report(
                f'{plan.name}: other videos, labels or settings than {folder} was begun with;'
                ' starting anew'
            )
            folders.clear(folder)
        elif begun == plan.stored:
            return
    files.write_json(folder / PLAN_FILE, plan.stored)


def adopt_earlier(final: pathlib.Path, folder: pathlib.Path) -> bool:
    """Moves what an earlier version of this code had begun beside `final` into an empty folder.

    It wrote to `1.0.0.converting`, and renamed an old dataset to `1.0.0.replaced` before it renamed
    that to `1.0.0`. Folders of these names without our plan are somebody else's.

    Returns:
      Whether it was stopped between its two renames, and what it had begun is complete.
    """
    earlier, old = (_with_suffix(final, end) for end in ('.converting', '.replaced'))
    ours = not earlier.is_symlink() and read_plan(earlier / PLAN_FILE) is not None
    if not ours or any(folder.iterdir()):
        return False
    os.rename(earlier, folder)
    return not final.exists() and read_plan(old / PLAN_FILE) is not None


def resume(plan: Plan, folder: pathlib.Path, known: outcomes.Outcomes) -> list[Remaining]:
    """Finds out what is left to do, and leaves in `known` what is done."""
    remaining, frames, skipped = [], {}, {}
    for shard in plan.shards:
        path = folder / shard.name
        if path.exists():
            if _accounted(path, shard.videos, known):
                for item in shard.videos:
                    if item.id in known.skipped:
                        skipped[item.id] = known.skipped[item.id]
                    else:
                        frames[item.id] = known.frames[item.id]
                continue
            os.replace(path, _partial(path))
        contents = _partial_contents(path)
        kept = done = 0
        for item in shard.videos:
            if kept < len(contents) and contents[kept][0] == item.id:
                frames[item.id] = contents[kept][1]
                kept += 1
            elif item.id in known.skipped:
                skipped[item.id] = known.skipped[item.id]
            else:
                break
            done += 1
        if done < len(shard.videos):
            remaining.append(Remaining(shard, kept, shard.videos[done:]))
        else:  # killed between its last video and its renaming
            with ShardWriter(path, kept):
                pass
    known.replace(frames, skipped)
    return remaining


def _accounted(path, videos, known) -> bool:
    """Whether all is known of each video of a complete shard; a power cut may lose some of it."""
    try:
        count, _ = tfrecord.count_records(path)
    except DatasetError:
        return False
    stored = sum(item.id in known.frames for item in videos)
    skipped = sum(item.id in known.skipped for item in videos)
    return count == stored and stored + skipped == len(videos)


class ShardWriter:
    """Context manager that writes a shard, after the first `kept` records of its partial file."""

    def __init__(self, path: pathlib.Path, kept: int = 0):
        self._path, self._kept = path, kept

    def __enter__(self) -> 'ShardWriter':
        copy = _with_suffix(self._path, '.copy')
        self._writer = tf.io.TFRecordWriter(str(copy))
        if self._kept:
            records = tfrecord.read_whole(_partial(self._path))
            for _ in range(self._kept):
                self.write(next(records))
        os.replace(copy, _partial(self._path))  # the writer goes on writing to the renamed file
        return self

    def write(self, record: bytes) -> None:
        try:
            self._writer.write(record)
            self._writer.flush()
        except tf.errors.OpError as error:  # a full disk
            raise DatasetError(
                f'{error.message}; what is done is kept: make room and run again'
            ) from None

    def __exit__(self, kind, error, trace):
        with contextlib.suppress(*([tf.errors.OpError] if kind else [])):
            self._writer.close()
        if kind is None:
            with _partial(self._path).open('rb') as file:
                os.fsync(file.fileno())
            os.replace(_partial(self._path), self._path)


def _partial_contents(path) -> list[tuple[str, int]]:
    """(id, number of frames) of each whole record in a shard's partial file, if there is one."""
    if not _partial(path).exists():
        return []
    contents = []
    for record in tfrecord.read_whole(_partial(path)):
        features = tf.train.Example.FromString(record).features.feature
        video_id = features[ID].bytes_list.value[0].decode()
        contents.append((video_id, len(features[VIDEO].bytes_list.value)))
    return contents


def _partial(path):
    return _with_suffix(path, '.partial')


def _with_suffix(path, suffix):
    return path.with_name(path.name + suffix)
