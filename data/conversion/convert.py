"""Converts a builder's videos to TFRecord shards, going on where a killed conversion stopped."""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Callable

from data.conversion import staging
from data.conversion.declare import DATASET_FILES, declare
from data.conversion.plan import (
    ConversionError,
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
from data.records import outcomes
from data.records.outcomes import Skipped
from s3dg.files import folders, locks

# Writes the shards of a dataset: see `write.write_shards`.
Write = Callable[..., int]


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What came of a conversion.

    Attributes:
      examples: stored videos of every split.
      skipped: the videos that could not be used, with reasons.
      faults: of those stored videos whose file was damaged, by their ids: in which way, in words.
      found: number of videos there were.
      frames: stored frames of all splits.
      frames_decoded: those of them that this very call made.
      data_path: the dataset's folder.
      reused: whether it was there already, and nothing was done.
      listing: the videos of every split.
    """

    examples: dict[str, int]
    skipped: list[Skipped]
    faults: dict[str, str]
    found: int
    frames: int
    frames_decoded: int
    data_path: str
    reused: bool
    listing: dict[str, list[Video]]


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

    Only one process converts a dataset at a time; others wait and then find it there.

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

    Returns:
      The counts, and what was skipped.

    Raises:
      ConversionError: if too many videos are unusable, if a split has none left, or if the dataset
        is there but was made from other videos or with other settings.
      DatasetError: if the builder cannot list its videos.
    """
    report = report or (lambda line: None)
    write = write or functools.partial(write_shards, processes=processes)
    final = pathlib.Path(builder.data_dir)
    with _locked(final, builder.info.full_name, report):
        result = _find_converted(builder, final, overwrite, report)
        if result is None:
            builder.prepare_videos(report)
            plan = make_plan(builder, max_skipped_fraction, report)
            with folders.unfinished_folder(final, DATASET_FILES, keep=True) as folder:
                complete = staging.adopt_earlier(final, folder)
                if overwrite and not final.exists() and not complete:
                    folders.clear(folder)  # else it is an overwriting that goes on
                staging.open_folder(folder, plan, report, overwrite or not plan.own_videos)
                known = outcomes.Outcomes(folder)
                frames_decoded = write(plan, folder, known, report)
                examples = declare(plan, folder, known)
            result = _conversion(examples, known, final, plan.splits, frames_decoded)
        builder.info.read_from_directory(str(final))
    return result


def _locked(final: pathlib.Path, name: str, report: Report) -> contextlib.AbstractContextManager:
    """The lock of a dataset."""
    return locks.held(
        final.with_name(f'.{final.name}.lock'),
        lambda: report(f'{name}: waiting for another process that is converting it'),
    )


def _find_converted(builder, final, overwrite, report) -> Conversion | None:
    """The dataset as it is; None where it is to be converted.

    An overwriting that was cut off when the new dataset was complete is done with that.
    """
    replaced = folders.finish_swap(final)
    if not final.exists() or (overwrite and not replaced):
        return None
    try:
        return _reuse(builder, final, report)
    except ConversionError:
        if overwrite:
            return None
        raise


def _reuse(builder, final, report) -> Conversion:
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
    builder.info.read_from_directory(str(final))
    examples = {split: info.num_examples for split, info in builder.info.splits.items()}
    return _conversion(examples, outcomes.Outcomes(final), final, splits, None)


def _conversion(examples, known, final, listing, frames_decoded) -> Conversion:
    return Conversion(
        examples=examples,
        skipped=list(known.skipped.values()),
        faults=known.faults,
        found=len(known.frames) + len(known.skipped),
        frames=sum(known.frames.values()),
        frames_decoded=frames_decoded or 0,
        data_path=str(final),
        reused=frames_decoded is None,
        listing=listing,
    )
