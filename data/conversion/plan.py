"""What a conversion is to do: decided once, and carried through all rooms of it.

Videos go to shards in a fixed order, that of a hash of their ids, so whatever was interrupted, the
finished files are equal to the last byte.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Iterator

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
_NOT_SETTINGS = {field.name for field in dataclasses.fields(tfds.core.BuilderConfig)} | {
    'manual_dir'
}


class ConversionError(DatasetError):
    """A conversion ended without a dataset; what is done is kept. The message is one line."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """A shard: the name of its file, and the videos it is to hold, in order."""

    name: str
    videos: list[Video]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is converted, and where to.

    Attributes:
      name: of the dataset with its configuration and version, for messages.
      place: folder of the finished dataset.
      own_videos: whether the videos are the user's; others were made for the conversion.
      layout: the shards of every split.
      stored: what decides every byte of the dataset, in JSON types, for the file `plan.json`: see
        `read_plan`.
      info: the dataset's description, without splits.
      examples: `VideoBuilder.examples` of the dataset.
      most_skipped: share of unusable videos that still makes a dataset, 0 to 1.
    """

    name: str
    place: pathlib.Path
    own_videos: bool
    layout: dict[str, list[Shard]]
    stored: dict
    info: tfds.core.DatasetInfo
    examples: Callable[..., Iterator]
    most_skipped: float

    @functools.cached_property
    def shards(self) -> list[Shard]:
        """Those of all splits, in order."""
        return [shard for shards in self.layout.values() for shard in shards]

    @functools.cached_property
    def splits(self) -> dict[str, list[Video]]:
        """The videos of every split, in the order in which they are stored."""
        return {
            split: [item for shard in shards for item in shard.videos]
            for split, shards in self.layout.items()
        }


def make_plan(builder: VideoBuilder, most_skipped: float | None, report: Report) -> Plan:
    """Plans a conversion. Every file is looked at once.

    Args:
      builder: which dataset, where to, and how.
      most_skipped: as of `Plan`; None: the builder's.
      report: takes lines: what is known to be unusable, and the progress.

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
    return Plan(
        name=name,
        place=pathlib.Path(builder.data_dir),
        own_videos=has_own_videos(builder),
        layout={split: _cut(builder.name, split, videos) for split, videos in splits.items()},
        stored=_stored(builder, sources),
        info=builder.new_info(),
        examples=builder.examples,
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


def boundaries(videos: int, videos_per_shard: int, least_shards: int) -> list[int]:
    """Where to cut a split into shards: shard i holds the videos from entry i to entry i + 1.

    There are enough shards to hold `videos_per_shard` each, and at least `least_shards` where that
    leaves as many videos in each, for the order of files to be worth shuffling.
    """
    shards = max(-(-videos // videos_per_shard), min(least_shards, videos // least_shards), 1)
    return [videos * index // shards for index in range(shards + 1)]


def _cut(dataset, split, videos) -> list[Shard]:
    pairs = list(itertools.pairwise(boundaries(len(videos), VIDEOS_PER_SHARD, LEAST_SHARDS)))
    return [
        Shard(f'{dataset}-{split}.tfrecord-{k:05d}-of-{len(pairs):05d}', videos[first:last])
        for k, (first, last) in enumerate(pairs)
    ]


# The stored plan.


def read_plan(path: pathlib.Path) -> dict | None:
    """What a stored plan says; None if it is missing or damaged.

    Returns:
      "settings": those of the configuration; "videos": `Sources.digest_with_frames`; "listing",
      where there are folders of frames: `Sources.digest`.
    """
    try:
        plan = read_json(path, DatasetError, 'convert anew')
    except (FileNotFoundError, NotADirectoryError, DatasetError):  # a power cut can leave it empty
        return None
    return plan if {'settings', 'videos'} <= plan.keys() else None


def is_same_plan(one: dict, other: dict) -> bool:
    """Whether two stored plans lead to the same dataset."""
    return all(one[key] == other[key] for key in ('settings', 'videos'))


def has_same_videos(stored: dict, sources: Sources) -> bool:
    """Whether a finished dataset with this stored plan was made from these files.

    Plans of earlier versions do not tell the folders from the frames in them: all are looked at.
    """
    listing = sources.digest()
    if 'listing' in stored:
        return stored['listing'] == listing
    videos = sources.digest_with_frames() if sources.folders else listing
    return stored['videos'] == videos


def _stored(builder, sources) -> dict:
    """What `read_plan` returns of a plan."""
    plan = {'settings': settings(builder), 'videos': sources.digest()}
    if sources.folders:
        plan |= {'videos': sources.digest_with_frames(), 'listing': plan['videos']}
    return plan


# What is known to be unusable before anything is decoded.


def _check_unusable(builder, splits, sources, most_skipped, report) -> None:
    """Says how many videos cannot be used, and fails at once where that alone is too many."""
    name = builder.info.full_name
    missing, faults = [], []
    for split, videos in splits.items():
        before = len(missing)
        missing += [item for item in videos if not sources.has(item.path)]
        if len(missing) - before == len(videos):
            raise ConversionError(
                f'{name}: found none of the {len(videos)} videos of split {split!r}, expected for'
                f' example {files.readable(videos[0].path)}'
            )
        there = (item for item in videos if sources.has(item.path))
        faults += [(item.id, fault) for item in there if (fault := _fault(builder, item, sources))]
    count, lines = sum(map(len, splits.values())), []
    if missing:
        path = files.readable(missing[0].path)
        lines.append(f'{len(missing)} of {count} videos are not there, for example {path}')
    if faults:
        (video_id, fault) = faults[0]
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
