"""Converts a builder's videos to TFRecord shards, going on where a killed conversion stopped.

How the dataset grows, and why not by TensorFlow Datasets' own means, is told in `data.conversion.staging`.
"""

import contextlib
import dataclasses
import functools
import itertools
import os
import pathlib
from collections.abc import Callable, Iterator

import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from data import encoding
from data.conversion import shards, staging
from data.datasets.builder import VideoBuilder, published_differences
from data.errors import DatasetError, Report
from data.example import VIDEO
from data.records import outcomes, tfrecord
from data.records.outcomes import Skipped
from s3dg import files
from s3dg.errors import VideoError
from s3dg.files import folders, locks
from s3dg.files.disk import writing
from s3dg.progress import ProgressLine

# Files beside the shards that go with the dataset.
_KEPT_FILES = (outcomes.PLAN_FILE, outcomes.STORED_FILE, outcomes.SKIPPED_FILE)

# All that a dataset's folder holds; one with other files is not replaced.
DATASET_FILES = (
    '*.tfrecord-*-of-*',
    'dataset_info.json',
    'features.json',
    'metadata.json',
    '*.labels.txt',
    *_KEPT_FILES,
)

# Writes the shards of a dataset: see `write_shards`.
Write = Callable[..., int]


class ConversionError(DatasetError):
    """A conversion ended without a dataset; what is done is kept. The message is one line."""


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
    """

    examples: dict[str, int]
    skipped: list[Skipped]
    faults: dict[str, str]
    found: int
    frames: int
    frames_decoded: int
    data_path: str
    reused: bool


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
      processes: videos decoded at once, each in a process; by default the number of processor cores.
        0: in this process, for videos of our own making.
      write: writes the shards in another way, such as `beam_conversion.writer` gives.
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
    final = pathlib.Path(builder.data_dir)
    name = builder.info.full_name
    with _locked(final, name, report):
        result = _find_converted(builder, final, overwrite)
        if result is None:
            builder.prepare_videos(report)
            splits = staging.list_videos(builder)
            limit = _skipped_limit(builder, max_skipped_fraction)
            for line in published_differences(builder, splits):
                report(line)
            _check_missing(name, splits, limit, report)
            plan = staging.make_plan(builder, splits)
            own = builder.builder_config.manual_dir is not None  # else they were made here
            with folders.unfinished_folder(final, DATASET_FILES, keep=True) as folder:
                complete = staging.adopt_earlier(final, folder)
                if overwrite and not final.exists() and not complete:
                    folders.clear(folder)  # else it is an overwriting that goes on
                staging.open_folder(folder, plan, name, report, replace=overwrite or not own)
                info = builder.new_info()
                layout = staging.make_layout(builder, splits, folder)
                known = outcomes.Outcomes(folder)
                write = write or functools.partial(write_shards, processes=processes)
                frames_decoded = write(builder, info, layout, known, report)
                examples = _declare(builder, info, layout, known, folder, final, limit)
            result = _conversion(examples, known, final, frames_decoded, reused=False)
        builder.info.read_from_directory(str(final))
    return result


def _locked(final: pathlib.Path, name: str, report: Report) -> contextlib.AbstractContextManager:
    """The lock of a dataset."""
    return locks.held(
        final.with_name(f'.{final.name}.lock'),
        lambda: report(f'{name}: waiting for another process that is converting it'),
    )


def _find_converted(builder, final, overwrite) -> Conversion | None:
    """The dataset as it is; None where it is to be converted.

    An overwriting that was cut off when the new dataset was complete is done with that.
    """
    replaced = folders.finish_swap(final)
    if not final.exists() or (overwrite and not replaced):
        return None
    try:
        return _reuse(builder, final)
    except ConversionError:
        if overwrite:
            return None
        raise


def _reuse(builder, final) -> Conversion:
    plan = staging.read_plan(final / outcomes.PLAN_FILE)
    if plan is None:
        raise ConversionError(
            f'{final}: found a dataset not made by this conversion, without {outcomes.PLAN_FILE} or'
            ' with a damaged one; convert again with --overwrite to replace it'
        )
    same_settings = plan['settings'] == staging.settings(builder)
    expected = plan
    if builder.builder_config.manual_dir is not None:  # else they were made here, and may be gone
        expected = staging.make_plan(builder, staging.list_videos(builder))
    if not same_settings or plan['videos'] != expected['videos']:
        found = 'videos or labels' if same_settings else 'settings'
        raise ConversionError(
            f'{final}: found a dataset converted from other {found};'
            ' convert again with --overwrite to replace it, or under another --config name'
        )
    builder.info.read_from_directory(str(final))
    examples = {split: info.num_examples for split, info in builder.info.splits.items()}
    return _conversion(examples, outcomes.Outcomes(final), final, frames_decoded=0, reused=True)


def _conversion(examples, known, final, frames_decoded, reused) -> Conversion:
    return Conversion(
        examples=examples,
        skipped=list(known.skipped.values()),
        faults=known.faults,
        found=len(known.frames) + len(known.skipped),
        frames=sum(known.frames.values()),
        frames_decoded=frames_decoded,
        data_path=str(final),
        reused=reused,
    )


def write_shards(
    builder: VideoBuilder,
    info: tfds.core.DatasetInfo,
    layout: dict[str, list[staging.Shard]],
    known: outcomes.Outcomes,
    report: Report,
    processes: int | None = None,
) -> int:
    """Writes what is left to write, on this machine.

    Args:
      builder: what to write.
      info: its description.
      layout: the shards of every split.
      known: what is known of the videos; what becomes of them is put there.
      report: takes lines of progress.
      processes: as in `convert`.

    Returns:
      The number of frames decoded.
    """
    processes = os.cpu_count() or 1 if processes is None else processes
    every = [shard for split in layout.values() for shard in split]
    total = sum(len(shard.videos) for shard in every)
    remaining = staging.resume(every, known)
    done = total - sum(len(part.videos) for part in remaining)
    if done:
        report(f'{info.full_name}: resuming, {done} of {total} videos are done')
    progress = ProgressLine(info.full_name, 'videos', report, total, done)
    jobs = [(part, item) for part in remaining for item in part.videos]
    sources = (item.source for _, item in jobs)
    encoded = encoding.in_order(sources, builder.storage(), processes)
    frames_decoded = 0
    results = zip(jobs, encoded, strict=True)
    serialize = Serializer(info)
    with contextlib.closing(encoded):
        for part, group in itertools.groupby(results, key=lambda pair: pair[0][0]):
            with shards.ShardWriter(part.shard.path, part.kept) as writer:
                for (_, item), (_, outcome) in group:
                    try:
                        record = serialize(builder.example(item, outcome))
                    except VideoError as error:
                        path = files.readable(item.path)
                        known.add_skipped(Skipped(item.id, path, str(error)))
                    else:
                        known.add_stored(item.id, len(outcome.frames), outcome.faults)
                        writer.write(record)
                        frames_decoded += len(outcome.frames)
                    done += 1
                    progress(done, known.describe_skipped)
    return frames_decoded


class Serializer:
    """Makes records of examples, as TFDS does, but of an example always the same bytes.

    The frames, which are nearly all of it, are put in by hand: TFDS takes ten times as long for
    them, and all processes wait for this one.
    """

    def __init__(self, info: tfds.core.DatasetInfo):
        others = {key: info.features[key] for key in info.features if key != VIDEO}
        self._others = tfds.features.FeaturesDict(others)

    def __call__(self, example: dict) -> bytes:
        others = {key: value for key, value in example.items() if key != VIDEO}
        encoded = self._others.encode_example(others)
        record = tf.train.Example.FromString(self._others.serialize_example(encoded))
        frames = record.features.feature[VIDEO]
        frames.bytes_list.value.extend(example[VIDEO])
        # Protocol buffers write the features of an example in an order that differs from process
        # to process.
        return record.SerializeToString(deterministic=True)


def _skipped_limit(builder: VideoBuilder, max_skipped_fraction: float | None) -> float:
    """The share of unusable videos that still makes a dataset."""
    return builder.MAX_SKIPPED_FRACTION if max_skipped_fraction is None else max_skipped_fraction


def _check_missing(name, splits, limit, report) -> None:
    """Says how many files are missing, and fails at once where that alone is too many."""
    missing = []
    for split, items in splits.items():
        there = len(missing)
        missing += [item for item in items if not os.path.exists(item.path)]
        if len(missing) - there == len(items):
            raise ConversionError(
                f'{name}: found none of the {len(items)} videos of split {split!r}, expected for one'
                f' {files.readable(items[0].path)}'
            )
    if not missing:
        return
    videos = [item for items in splits.values() for item in items]
    line = (
        f'{name}: {len(missing)} of {len(videos)} videos are not there,'
        f' {files.readable(missing[0].path)} for one'
    )
    if len(missing) > limit * len(videos):
        raise ConversionError(
            f'{line}; more than the share of {limit:g} allowed; fetch them, or run again with a'
            ' higher --max_skipped_fraction'
        )
    report(line)


def _declare(builder, info, layout, known, folder, final, limit) -> dict[str, int]:
    """Declares the shards to TFDS, for their final place. Returns the examples per split."""
    log = folder / outcomes.SKIPPED_FILE
    ids = [item.id for split in layout.values() for shard in split for item in shard.videos]
    # A shard that a power cut had shortened was finished after later ones.
    known.replace(
        {video_id: known.frames[video_id] for video_id in ids if video_id in known.frames},
        {video_id: known.skipped[video_id] for video_id in ids if video_id in known.skipped},
    )
    skipped, found = len(known.skipped), len(ids)
    if skipped > limit * found:
        raise ConversionError(
            f'{info.full_name}: {skipped} of {found} videos could not be used, more than the share'
            f' of {limit:g} allowed; the list is in {log}; run again with a higher'
            ' --max_skipped_fraction to finish without decoding again'
        )
    splits = []
    for split, split_shards in layout.items():
        counts = [tfrecord.count_records(shard.path) for shard in split_shards]
        lengths = [count for count, _ in counts]
        if not sum(lengths):
            raise ConversionError(
                f'{info.full_name}: none of the videos of split {split!r} could be used;'
                f' the reasons are in {log}'
            )
        splits.append(_split_info(builder, split, lengths, sum(size for _, size in counts), final))
    shard_files = {shard.path.name for split_shards in layout.values() for shard in split_shards}
    folders.clear(folder, keep={*shard_files, *_KEPT_FILES})  # of what killed workers left
    info.set_splits(tfds.core.SplitDict(splits))
    kept = 'the converted videos are kept; make room and run again'
    with _without_warnings(), writing(folder / 'dataset_info.json', kept):
        info.write_to_directory(str(folder))
    return {split.name: split.num_examples for split in splits}


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Hides TFDS's warning that its own code uses an old name of its own."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _split_info(builder, split, lengths, size, final) -> tfds.core.SplitInfo:
    template = tfds.core.ShardedFileTemplate(
        data_dir=final, dataset_name=builder.name, split=split, filetype_suffix='tfrecord'
    )
    return tfds.core.SplitInfo(
        name=split, shard_lengths=lengths, num_bytes=size, filename_template=template
    )
