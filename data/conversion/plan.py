"""What a conversion is to do: decided once, and carried through all rooms of it.

Videos go to shards in a fixed order, that of a hash of their ids, so whatever was interrupted, the
finished files are equal to the last byte.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib

import tensorflow_datasets as tfds

from data.conversion.sources import Sources
from data.datasets.builder import VideoBuilder, published_differences
from data.errors import DatasetError, Report
from data.listing import Video, check_splits
from s3dg import files
from s3dg.files.readers import read_json

VIDEOS_PER_SHARD = 64
LEAST_SHARDS = 8

# Fields of tfds.core.BuilderConfig that say nothing about what is stored, and the place of the
# videos, which does not either: the digest of the list of videos does.
_NOT_SETTINGS = {
    'manual_dir',
    *(field.name for field in dataclasses.fields(tfds.core.BuilderConfig)),
}


class ConversionError(DatasetError):
    """A conversion ended without a dataset; what is done is kept. The message is one line."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file of records."""

    name: str
    split: str
    videos: list[Video]  # that it is to hold, in order


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is converted, and where to."""

    builder: VideoBuilder
    name: str  # of the dataset with its configuration and version, for messages
    splits: dict[str, list[Video]]  # in the order in which they are stored
    shards: list[Shard]  # of all splits, in order
    stored: dict  # what decides every byte of the dataset, for `plan.json`: see `read_plan`
    info: tfds.core.DatasetInfo  # the dataset's description, without splits
    most_skipped: float  # share of unusable videos that still makes a dataset, 0 to 1


def make_plan(builder: VideoBuilder, most_skipped: float | None, report: Report) -> Plan:
    """Plans a conversion. Every file is looked at once; `most_skipped` may be the builder's, None.

    Raises:
      ConversionError: if it is known already that too many videos are unusable.
      DatasetError: as `list_videos`.
    """
    name = builder.info.full_name
    splits = list_videos(builder)
    for line in published_differences(builder, splits):
        report(line)
    if most_skipped is None:
        most_skipped = builder.MAX_SKIPPED_FRACTION
    sources = Sources(builder, splits, report)
    _check_unusable(builder, splits, sources, most_skipped, report)
    listing = sources.digest()
    stored = {'settings': settings(builder), 'videos': listing}
    if sources.folders:
        stored |= {'videos': sources.digest_with_frames(), 'listing': listing}
    return Plan(
        builder=builder,
        name=name,
        splits=splits,
        shards=cut(builder.name, splits),
        stored=stored,
        info=builder.new_info(),
        most_skipped=most_skipped,
    )


def has_own_videos(builder: VideoBuilder) -> bool:
    """Whether the videos are the user's; others were made for the conversion, and may be gone."""
    return builder.builder_config.manual_dir is not None


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


def settings(builder: VideoBuilder) -> dict:
    """The fields of the configuration that decide what is stored, in JSON types."""
    config = dataclasses.asdict(builder.builder_config)
    values = {key: value for key, value in config.items() if key not in _NOT_SETTINGS}
    return json.loads(json.dumps(values))  # tuples become lists, as they do in the file


# Shards.


def boundaries(videos: int) -> list[int]:
    """Where to cut a split into shards: shard i holds the videos from entry i to entry i + 1.

    There are enough shards to hold `VIDEOS_PER_SHARD` each, and at least `LEAST_SHARDS` where that
    leaves as many videos in each, for the order of files to be worth shuffling.
    """
    shards = max(-(-videos // VIDEOS_PER_SHARD), min(LEAST_SHARDS, videos // LEAST_SHARDS), 1)
    return [videos * index // shards for index in range(shards + 1)]


def shard_name(dataset: str, split: str, number: int, count: int) -> str:
    """Name of the file of one of `count` shards, from 0, as TFDS has it."""
    return f'{dataset}-{split}.tfrecord-{number:05d}-of-{count:05d}'


def cut(dataset: str, splits: dict[str, list[Video]]) -> list[Shard]:
    """The shards of all splits, whose videos are in the order in which they are stored."""
    shards = []
    for split, videos in splits.items():
        pairs = list(itertools.pairwise(boundaries(len(videos))))
        for k, (first, last) in enumerate(pairs):
            name = shard_name(dataset, split, k, len(pairs))
            shards.append(Shard(name, split, videos[first:last]))
    return shards


# The stored plan.


def read_plan(path: pathlib.Path) -> dict | None:
    """What a stored plan says; None if it is missing or damaged.

    "settings" are those of the configuration, "videos" is `Sources.digest_with_frames`, "listing",
    where there are folders of frames, `Sources.digest`.
    """
    try:
        plan = read_json(path, DatasetError, 'convert anew')
    except (FileNotFoundError, NotADirectoryError, DatasetError):  # a power cut can leave it empty
        return None
    return plan if {'settings', 'videos'} <= plan.keys() else None


def has_same_videos(stored: dict, sources: Sources) -> bool:
    """Whether a finished dataset with this stored plan was made from these files.

    Plans of earlier versions do not tell the folders from the frames in them: all are looked at.
    """
    listing = sources.digest()
    if 'listing' in stored:
        return stored['listing'] == listing
    videos = sources.digest_with_frames() if sources.folders else listing
    return stored['videos'] == videos


# What is known to be unusable before anything is decoded.


def _check_unusable(builder, splits, sources, most_skipped, report) -> None:
    """Says how many videos cannot be used, and fails at once where that alone is too many."""
    name, count = builder.info.full_name, sum(map(len, splits.values()))
    missing, faults, lines = [], [], []
    for split, videos in splits.items():
        there = [item for item in videos if sources.has(item.path)]
        if not there and not builder.is_pool:
            raise ConversionError(
                f'{name}: found none of the {len(videos)} videos of split {split!r}, expected for'
                f' example {files.readable(videos[0].path)}'
            )
        missing += [item.path for item in videos if not sources.has(item.path)]
        faults += [(item.id, fault) for item in there if (fault := _fault(builder, item, sources))]
    if missing:
        path = files.readable(missing[0])
        lines.append(f'{len(missing)} of {count} videos are not there, for example {path}')
    if faults:
        video_id, fault = faults[0]
        lines.append(
            f'{len(faults)} of {count} videos cannot be used, for example {video_id!r}: {fault}'
        )
    if len(missing) + len(faults) > most_skipped * count:
        raise ConversionError(
            f'{name}: {"; ".join(lines)}; more than the share of {most_skipped:g} allowed; fetch'
            ' what is missing, or run again with a higher --max_skipped_fraction'
        )
    for line in lines:
        report(f'{name}: {line}')


def _fault(builder, item, sources) -> str | None:
    if builder.annotation_reader() is not None and not sources.has(item.annotation):
        return f'{os.path.basename(item.annotation)}: file not found'
    return builder.fault(item)
