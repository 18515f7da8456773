"""The folder in which a dataset grows, and what of it is done.

TensorFlow Datasets deletes its unfinished folder and writes shards only after a shuffle of
everything, so shards are written in a hidden folder beside the dataset's final place
(`s3dg.files.folders`), and declared to it at the end. It holds at any time: `plan.json` (the settings
and a digest of the list of videos), complete shards, one partial shard, `videos.csv` and `skipped.csv`
(what became of each video). Videos go to shards in a fixed order, that of a hash of their ids, so
whatever was interrupted, the finished files are equal to the last byte.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib

import tensorflow_datasets as tfds

from data.conversion import shards
from data.datasets.builder import VideoBuilder
from data.errors import DatasetError, Report
from data.listing import Video, check_splits
from data.records import outcomes, tfrecord
from data.records.outcomes import PLAN_FILE
from s3dg import files
from s3dg.files import folders
from s3dg.files.readers import read_json

VIDEOS_PER_SHARD = 64
LEAST_SHARDS = 8

# Fields of tfds.core.BuilderConfig that say nothing about what is stored, and the place of the
# videos, which does not either: the digest of the list of videos does.
_NOT_SETTINGS = {field.name for field in dataclasses.fields(tfds.core.BuilderConfig)} | {
    'manual_dir'
}


@dataclasses.dataclass(frozen=True)
class Shard:
    """A shard's final file in the staging folder, and the videos it is to hold, in order."""

    path: pathlib.Path
    videos: list[Video]


@dataclasses.dataclass(frozen=True)
class Remaining:
    """What is left to do of a shard: `kept` of its records are there, `videos` are not done."""

    shard: Shard
    kept: int
    videos: list[Video]


def list_videos(builder: VideoBuilder) -> dict[str, list[Video]]:
    """The videos of every split in the order in which they are stored.

    Raises:
      DatasetError: if the builder cannot list them, a split is empty or an id comes twice.
    """
    splits = builder.split_videos()
    check_splits(builder.name, splits)
    # TFDS shuffles by a hash of the key too; what matters is that neighbours in a shard are of
    # different classes.
    return {
        split: sorted(videos, key=lambda item: hashlib.sha256(item.id.encode()).digest())
        for split, videos in splits.items()
    }


def make_plan(builder: VideoBuilder, splits: dict[str, list[Video]]) -> dict:
    """What decides every byte of the dataset, in JSON types: 'settings' and 'videos', a digest.

    The digest is of the labels and of the list of videos with the states of their files.
    """
    digest, states = hashlib.sha256(), {}

    def state(path):
        if path not in states:
            try:
                stat = os.stat(path)
                states[path] = [stat.st_size, stat.st_mtime_ns]
                if os.path.isdir(path):  # which does not change with a picture in it
                    states[path].append(_digest_of_folder(path))
            except OSError:  # not there, or a name that no file can have
                states[path] = None
        return states[path]

    # Stored labels are places in this list.
    digest.update(json.dumps(builder.label_names()).encode() + b'\n')
    for split, videos in splits.items():
        for item in videos:
            line = [split, *dataclasses.astuple(item), state(item.path)]
            if item.annotation is not None:
                line.append(state(item.annotation))
            digest.update(json.dumps(line).encode() + b'\n')
    return {'settings': settings(builder), 'videos': digest.hexdigest()}


def _digest_of_folder(path: str) -> str:
    digest = hashlib.sha256()
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            stat = entry.stat()
            state = f'\0{stat.st_size}\0{stat.st_mtime_ns}\0'
            digest.update(os.fsencode(entry.name) + state.encode())
    return digest.hexdigest()


def settings(builder: VideoBuilder) -> dict:
    """The fields of the configuration that decide what is stored, in JSON types."""
    config = dataclasses.asdict(builder.builder_config)
    values = {key: value for key, value in config.items() if key not in _NOT_SETTINGS}
    return json.loads(json.dumps(values))  # tuples become lists, as they do in the file


def make_layout(
    builder: VideoBuilder, splits: dict[str, list[Video]], folder: pathlib.Path
) -> dict[str, list[Shard]]:
    """The shards of every split."""
    layout = {}
    for split, videos in splits.items():
        bounds = shards.boundaries(len(videos), VIDEOS_PER_SHARD, LEAST_SHARDS)
        pairs = list(itertools.pairwise(bounds))
        layout[split] = [
            Shard(
                folder / f'{builder.name}-{split}.tfrecord-{index:05d}-of-{len(pairs):05d}',
                videos[first:last],
            )
            for index, (first, last) in enumerate(pairs)
        ]
    return layout


def open_folder(folder: pathlib.Path, plan: dict, name: str, report: Report, replace: bool) -> None:
    """Readies an unfinished folder for a plan: leaves what was begun with the same one as it is.

    Raises:
      DatasetError: if it was begun with another plan, unless it may be replaced.
    """
    if any(folder.iterdir()):
        begun = read_plan(folder / PLAN_FILE)
        if begun == plan:
            return
        done = outcomes.Outcomes(folder).frames
        if begun is not None and done and not replace:
            raise DatasetError(
                f'{folder}: found {len(done)} videos converted from other videos or labels or with'
                ' other settings; give the same ones to go on, another --config name to leave it, or'
                ' --overwrite to begin anew'
            )
        report(
            f'{name}: other videos, labels or settings than {folder} was begun with; starting anew'
        )
        folders.clear(folder)
    files.write_json(folder / PLAN_FILE, plan)


def adopt_earlier(final: pathlib.Path, folder: pathlib.Path) -> bool:
    """Moves what an earlier version of this code had begun beside `final` into an empty folder.

    It wrote to `1.0.0.converting`, and renamed an old dataset to `1.0.0.replaced` before it renamed
    that to `1.0.0`. Folders of these names without our plan are somebody else's.

    Returns:
      Whether it was stopped between its two renames, and what it had begun is complete.
    """
    earlier, old = (final.with_name(final.name + end) for end in ('.converting', '.replaced'))
    ours = not earlier.is_symlink() and read_plan(earlier / PLAN_FILE) is not None
    if not ours or any(folder.iterdir()):
        return False
    os.rename(earlier, folder)
    return not final.exists() and read_plan(old / PLAN_FILE) is not None


def read_plan(path: pathlib.Path) -> dict | None:
    """What a file holds that `open_folder` wrote; None if it is missing or damaged."""
    try:
        plan = read_json(path, DatasetError, 'convert anew')
    except (FileNotFoundError, NotADirectoryError, DatasetError):  # a power cut can leave it empty
        return None
    return plan if {'settings', 'videos'} <= plan.keys() else None


def resume(every: list[Shard], known: outcomes.Outcomes) -> list[Remaining]:
    """Finds out what is left to do, and leaves in `known` what is done."""
    remaining, frames, skipped = [], {}, {}
    for shard in every:
        if shard.path.exists():
            if _accounted(shard, known):
                for item in shard.videos:
                    if item.id in known.skipped:
                        skipped[item.id] = known.skipped[item.id]
                    else:
                        frames[item.id] = known.frames[item.id]
                continue
            shards.reopen(shard.path)
        contents = shards.partial_contents(shard.path)
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
            with shards.ShardWriter(shard.path, kept):
                pass
    known.replace(frames, skipped)
    return remaining


def _accounted(shard: Shard, known: outcomes.Outcomes) -> bool:
    """Whether all is known of each video of a complete shard; a power cut may lose some of it."""
    try:
        count, _ = tfrecord.count_records(shard.path)
    except DatasetError:
        return False
    stored = sum(item.id in known.frames for item in shard.videos)
    skipped = sum(item.id in known.skipped for item in shard.videos)
    return count == stored and stored + skipped == len(shard.videos)
