"""Converts a builder's videos to a dataset of TensorFlow Datasets; a killed conversion goes on."""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator

import tensorflow_datasets as tfds
from absl import logging

from data.conversion import division, staging
from data.conversion.plan import (
    ConversionError,
    Plan,
    has_own_videos,
    has_same_videos,
    list_videos,
    make_plan,
    read_plan,
    settings,
)
from data.conversion.sources import Sources
from data.conversion.write import write_shards
from data.datasets.builder import VideoBuilder
from data.errors import Report
from data.listing import Video
from data.records import outcomes, tfrecord
from data.records.outcomes import Skipped
from s3dg.files import folders, locks
from s3dg.files.disk import writing

# Writes the shards of a dataset: see `write.write_shards`.
Write = Callable[..., int]

# Files beside the shards that go with the dataset.
_KEPT_FILES = (outcomes.PLAN_FILE, outcomes.STORED_FILE, outcomes.SKIPPED_FILE)

# All that a dataset's folder holds; one with other files is not replaced.
_DATASET_FILES = (
    '*.tfrecord-*-of-*',
    'dataset_info.json',
    'features.json',
    'metadata.json',
    '*.labels.txt',
    *_KEPT_FILES,
)


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What came of a conversion."""

    examples: dict[str, int]  # stored videos of every split
    skipped: list[Skipped]
    faults: dict[str, str]  # of stored videos, by id: how the file was damaged, in words
    found: int  # videos there were
    frames: int  # stored, of all splits
    frames_decoded: int  # those of them that this very call made
    data_path: str  # the dataset's folder
    reused: bool  # it was there already, and nothing was done
    listing: dict[str, list[Video]]  # the videos of every split


def convert_dataset(
    builder: VideoBuilder,
    *,
    processes: int | None = None,
    write: Write | None = None,
    max_skipped_fraction: float | None = None,
    overwrite: bool = False,
    report: Report | None = None,
) -> Conversion:
    """Converts a dataset, or finishes an interrupted conversion of it, or finds it converted.

    Only one process converts a dataset at a time; others wait and then find it there. Of a dataset
    with several divisions into splits the pool is converted, once for all of them; a division is
    links to its shards (`division`).

    Args:
      builder: which dataset, where to, and how.
      processes: how many of them decode videos; by default one per processor core. 0: this process
        does, for videos of our own making.
      write: writes the shards in another way, such as `beam.writer` returns.
      max_skipped_fraction: share of unusable videos that still makes a dataset, 0 to 1; by default
        the builder's.
      overwrite: convert again even if the dataset is there; it is replaced when the new one is
        complete.
      report: called with a line every few seconds.

    Raises:
      ConversionError: if too many videos are unusable, if a split has none left, or if the dataset
        is there but was made from other videos or with other settings.
      DatasetError: if the builder cannot list its videos.
    """
    report = report or (lambda line: None)
    write = write or functools.partial(write_shards, processes=processes)
    final, name = pathlib.Path(builder.data_dir), builder.info.full_name
    lock = final.with_name(f'.{final.name}.lock')
    waiting = f'{name}: waiting for another process that is converting it'
    with locks.held(lock, lambda: report(waiting)):
        splits = _find_converted(builder, final, overwrite, report)
        reused = splits is not None
        if reused:
            known, frames_decoded = outcomes.Outcomes(final), 0
        else:
            pool = builder.pool()
            if pool is None:
                builder.prepare_videos(report)
            plan = make_plan(builder, max_skipped_fraction, report)
            splits = plan.splits
            with folders.unfinished_folder(final, _DATASET_FILES, keep=True) as folder:
                complete = staging.adopt_earlier(final, folder)
                if overwrite and not final.exists() and not complete:
                    folders.clear(folder)  # else it is an overwriting that goes on
                if pool is not None and not division.was_begun_alone(folder):
                    converted = convert_dataset(
                        pool,
                        processes=processes,
                        write=write,
                        max_skipped_fraction=max_skipped_fraction,
                        overwrite=overwrite,
                        report=report,
                    )
                    plan, write = division.linked(plan, converted)
                staging.open_folder(folder, plan, report, overwrite or not has_own_videos(builder))
                known = outcomes.Outcomes(folder)
                frames_decoded = write(plan, folder, known, report)
                _declare(plan, folder, known)
        builder.info.read_from_directory(str(final))
    return Conversion(
        examples={split: info.num_examples for split, info in builder.info.splits.items()},
        skipped=list(known.skipped.values()),
        faults=known.faults,
        found=len(known.frames) + len(known.skipped),
        frames=sum(known.frames.values()),
        frames_decoded=frames_decoded,
        data_path=str(final),
        reused=reused,
        listing=splits,
    )


def _find_converted(builder, final, overwrite, report) -> dict[str, list[Video]] | None:
    """The videos of every split of the dataset that is there; None where it is to be converted.

    An overwriting that was cut off when the new dataset was complete is done with that.
    """
    replaced = folders.finish_swap(final)
    if not final.exists() or (overwrite and not replaced):
        return None
    try:
        return _check_reusable(builder, final, report)
    except ConversionError:
        if overwrite:
            return None
        raise


def _check_reusable(builder, final, report) -> dict[str, list[Video]]:
    """The videos of every split. Raises ConversionError if the dataset is of others."""
    stored = read_plan(final / outcomes.PLAN_FILE)
    if stored is None:
        raise ConversionError(
            f'{final}: found a dataset not made by this conversion, without {outcomes.PLAN_FILE} or'
            ' with a damaged one; convert again with --overwrite to replace it'
        )
    splits = list_videos(builder)
    other = None
    if stored['settings'] != settings(builder):
        other = 'settings'
    elif has_own_videos(builder) and not has_same_videos(stored, Sources(builder, splits, report)):
        other = 'videos or labels'
    if other is not None:
        raise ConversionError(
            f'{final}: found a dataset converted from other {other};'
            ' convert again with --overwrite to replace it, or under another --config name'
        )
    return splits


def _declare(plan: Plan, folder: pathlib.Path, known: outcomes.Outcomes) -> None:
    """Makes a dataset of a folder with all shards: declares them to TFDS, and removes the rest.

    Raises:
      ConversionError: if too many videos were skipped, or all of a split.
    """
    log = folder / outcomes.SKIPPED_FILE
    ids = [item.id for shard in plan.shards for item in shard.videos]
    # A shard that a power cut had shortened was finished after later ones.
    known.replace(
        {video_id: known.frames[video_id] for video_id in ids if video_id in known.frames},
        {video_id: known.skipped[video_id] for video_id in ids if video_id in known.skipped},
    )
    skipped, found = len(known.skipped), len(ids)
    if skipped > plan.most_skipped * found:
        raise ConversionError(
            f'{plan.name}: {skipped} of {found} videos could not be used, more than the share of'
            f' {plan.most_skipped:g} allowed; the list is in {log}; run again with a higher'
            ' --max_skipped_fraction to finish without decoding again'
        )
    splits = []
    for split in plan.splits:
        names = [shard.name for shard in plan.shards if shard.split == split]
        lengths, sizes = zip(
            *(tfrecord.count_records(folder / name) for name in names), strict=True
        )
        if not sum(lengths) and not plan.builder.is_pool:
            raise ConversionError(
                f'{plan.name}: none of the videos of split {split!r} could be used; the reasons are'
                f' in {log}'
            )
        template = tfds.core.ShardedFileTemplate(
            data_dir=pathlib.Path(plan.builder.data_dir),
            dataset_name=plan.info.name,
            split=split,
            filetype_suffix='tfrecord',
        )
        splits.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=list(lengths),
                num_bytes=sum(sizes),
                filename_template=template,
            )
        )
    # Killed workers may have left other files.
    folders.clear(folder, keep={*(shard.name for shard in plan.shards), *_KEPT_FILES})
    plan.info.set_splits(tfds.core.SplitDict(splits))
    kept = 'the converted videos are kept; make room and run again'
    with _without_warnings(), writing(folder / 'dataset_info.json', kept):
        plan.info.write_to_directory(str(folder))


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Hides TFDS's warning that its own code uses an old name of its own."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
