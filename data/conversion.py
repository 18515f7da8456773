"""Converts a builder's videos to TFRecord shards, going on where a killed conversion stopped.

TensorFlow Datasets deletes its unfinished folder and writes shards only after a shuffle of
everything, so the shards are written here and declared to it at the end. The dataset grows in a
staging folder beside its final place (`1.0.0.converting` beside `1.0.0`), which holds at any time:
`plan.json` (the settings and a digest of the list of videos), complete shards, one partial shard,
`videos.csv` and `skipped.csv` (what became of each video). Videos go to shards in a fixed order,
that of a hash of their ids, so whatever was interrupted, the finished files are equal to the last
byte.
"""

import collections
import contextlib
import dataclasses
import fcntl
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import time
from collections.abc import Iterator
from concurrent import futures

import cv2
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from data import outcomes, shards, video, video_builder
from data.outcomes import Skipped
from data.video_builder import DatasetError, Report, Video

VIDEOS_PER_SHARD = 64
LEAST_SHARDS = 8
SECONDS_BETWEEN_REPORTS = 5.0

_PLAN_FILE = 'plan.json'
# Fields of tfds.core.BuilderConfig that say nothing about what is stored, and the place of the
# videos, which does not either: the digest of the list of videos does.
_NOT_SETTINGS = {field.name for field in dataclasses.fields(tfds.core.BuilderConfig)} | {
    'manual_dir'
}


class ConversionError(DatasetError):
    """A conversion ended without a dataset; what is done is kept. The message is one line."""


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What came of a conversion.

    Attributes:
      examples: stored videos of every split.
      skipped: the videos that could not be used, with reasons.
      found: number of videos there were.
      frames: stored frames of all splits.
      frames_decoded: those of them that this very call made.
      data_path: the dataset's folder.
      reused: whether it was there already, and nothing was done.
    """

    examples: dict[str, int]
    skipped: list[Skipped]
    found: int
    frames: int
    frames_decoded: int
    data_path: str
    reused: bool


@dataclasses.dataclass(frozen=True)
class _Shard:
    path: pathlib.Path
    videos: list[Video]


def convert(
    builder: video_builder.VideoBuilder,
    manual_dir: str | None = None,
    *,
    workers: int | None = None,
    max_skipped_fraction: float | None = None,
    overwrite: bool = False,
    report: Report | None = None,
) -> Conversion:
    """Converts a dataset, or finishes an interrupted conversion of it, or finds it converted.

    Only one process converts a dataset at a time; others wait and then find it there.

    Args:
      builder: which dataset, where to, and how.
      manual_dir: folder of the videos; by default the one in the builder's configuration.
      workers: videos decoded at once; by default the number of processor cores.
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
    manual_dir = manual_dir or builder.manual_dir
    final = pathlib.Path(builder.data_dir)
    name = builder.info.full_name
    with _locked(final, name, report):
        if final.exists() and not overwrite:
            result = _reuse(builder, manual_dir, final)
        else:
            builder.prepare_videos(report)
            splits = _list(builder, manual_dir)
            plan = _plan(builder, splits)
            staging = final.with_name(final.name + '.converting')
            info = builder.new_info()
            work = _layout(builder, splits, staging)
            _open_staging(staging, plan, name, report)
            known = outcomes.Outcomes(staging)
            frames_decoded = _write_shards(builder, info, work, known, name, workers, report)
            examples = _finish(builder, info, work, known, staging, final, max_skipped_fraction)
            result = _conversion(examples, known, final, frames_decoded, reused=False)
        builder.info.read_from_directory(str(final))
    return result


def _list(builder, manual_dir) -> dict[str, list[Video]]:
    splits = builder.split_videos(manual_dir)
    video_builder.check_splits(builder.name, splits)
    # TFDS shuffles by a hash of the key too; what matters is that neighbours in a shard are of
    # different classes.
    return {
        split: sorted(videos, key=lambda item: hashlib.sha256(item.id.encode()).digest())
        for split, videos in splits.items()
    }


def _plan(builder, splits) -> dict:
    """What decides every byte of the dataset, in JSON types."""
    digest = hashlib.sha256()
    for split, videos in splits.items():
        for item in videos:
            try:
                stat = os.stat(item.path)
                state = [stat.st_size, stat.st_mtime_ns]
            except FileNotFoundError:
                state = None
            line = [split, *dataclasses.astuple(item), state]
            digest.update(json.dumps(line).encode() + b'\n')
    return {'settings': _settings(builder), 'videos': digest.hexdigest()}


def _settings(builder) -> dict:
    config = dataclasses.asdict(builder.builder_config)
    settings = {key: value for key, value in config.items() if key not in _NOT_SETTINGS}
    return json.loads(json.dumps(settings))  # tuples become lists, as they do in the file


def _layout(builder, splits, staging) -> dict[str, list[_Shard]]:
    layout = {}
    for split, videos in splits.items():
        bounds = shards.boundaries(len(videos), VIDEOS_PER_SHARD, LEAST_SHARDS)
        pairs = list(itertools.pairwise(bounds))
        layout[split] = [
            _Shard(
                staging / f'{builder.name}-{split}.tfrecord-{index:05d}-of-{len(pairs):05d}',
                videos[first:last],
            )
            for index, (first, last) in enumerate(pairs)
        ]
    return layout


@contextlib.contextmanager
def _locked(final: pathlib.Path, name: str, report: Report) -> Iterator[None]:
    """Holds the lock of a dataset; the operating system releases it if this process dies."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with open(final.with_name(f'.{final.name}.lock'), 'a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f'{name}: waiting for another process that is converting it')
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _reuse(builder, manual_dir, final) -> Conversion:
    if not (final / _PLAN_FILE).exists():
        raise ConversionError(
            f'{final}: found a dataset not made by this conversion, without {_PLAN_FILE};'
            ' convert again with --overwrite to replace it'
        )
    plan = json.loads((final / _PLAN_FILE).read_text())
    # The videos may be gone by now; they are compared only where the user points at them again.
    expected = _plan(builder, _list(builder, manual_dir)) if manual_dir else plan
    same_settings = plan['settings'] == _settings(builder)
    if not same_settings or plan['videos'] != expected['videos']:
        found = 'videos' if same_settings else 'settings'
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
        found=len(known.frames) + len(known.skipped),
        frames=sum(known.frames.values()),
        frames_decoded=frames_decoded,
        data_path=str(final),
        reused=reused,
    )


def _open_staging(staging, plan, name, report) -> None:
    plan_file = staging / _PLAN_FILE
    if staging.exists():
        if plan_file.exists() and json.loads(plan_file.read_text()) == plan:
            return
        report(f'{name}: the videos or settings changed since {staging} was begun; starting anew')
        shutil.rmtree(staging)
    staging.mkdir()
    new = plan_file.with_suffix('.new')
    new.write_text(json.dumps(plan, indent=1) + '\n')
    os.replace(new, plan_file)


def _write_shards(builder, info, work, known, name, workers, report) -> int:
    """Writes what is left to write. Returns the number of frames decoded."""
    every = [shard for split in work.values() for shard in split]
    total = sum(len(shard.videos) for shard in every)
    remaining = _resume(every, known)
    done = total - sum(len(videos) for _, _, videos in remaining)
    if done:
        report(f'{name}: resuming, {done} of {total} videos are done')
    progress = _Progress(name, done, total, report)
    jobs = [(shard, kept, item) for shard, kept, videos in remaining for item in videos]

    def record(job):
        return _record(builder, info, job[2])

    results = _in_order(record, jobs, workers or os.cpu_count() or 1)
    frames_decoded = 0
    for (shard, kept), group in itertools.groupby(results, key=lambda pair: pair[0][:2]):
        with shards.ShardWriter(shard.path, kept) as writer:
            for (_, _, item), result in group:
                if isinstance(result, video.VideoError):
                    known.add_skipped(Skipped(item.id, outcomes.readable(item.path), str(result)))
                else:
                    serialized, frames = result
                    known.add_stored(item.id, frames)
                    writer.write(serialized)
                    frames_decoded += frames
                progress.count(len(known.skipped))
    return frames_decoded


def _resume(every: list[_Shard], known: outcomes.Outcomes) -> list[tuple[_Shard, int, list[Video]]]:
    """Finds out what is left to do, and leaves in `known` what is done.

    Returns:
      For every incomplete shard: the shard, the number of its records that are there, and its
      videos still to do.
    """
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
            remaining.append((shard, kept, shard.videos[done:]))
        else:  # killed between its last video and its renaming
            with shards.ShardWriter(shard.path, kept):
                pass
    known.replace(frames, skipped)
    return remaining


def _accounted(shard: _Shard, known: outcomes.Outcomes) -> bool:
    """Whether all is known of each video of a complete shard; a power cut may lose some of it."""
    try:
        count, _ = shards.count_records(shard.path)
    except DatasetError:
        return False
    stored = sum(item.id in known.frames for item in shard.videos)
    skipped = sum(item.id in known.skipped for item in shard.videos)
    return count == stored and stored + skipped == len(shard.videos)


def _record(builder, info, item: Video) -> tuple[bytes, int] | video.VideoError:
    try:
        example = builder.encode_video(item)
    except video.VideoError as error:
        return error
    serialized = info.features.serialize_example(info.features.encode_example(example))
    # Protocol buffers write the features of an example in an order that differs from process to
    # process.
    record = tf.train.Example.FromString(serialized).SerializeToString(deterministic=True)
    return record, len(example[video_builder.VIDEO])


def _in_order(function, jobs, workers) -> Iterator[tuple]:
    """Yields (job, function(job)) in the order of the jobs; threads work on the next few."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # several videos at once use the cores better than several threads a frame
    pool = futures.ThreadPoolExecutor(workers)
    try:
        window = collections.deque()
        for job in jobs:
            window.append((job, pool.submit(function, job)))
            if len(window) > 2 * workers:
                first, future = window.popleft()
                yield first, future.result()
        while window:
            first, future = window.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


def _finish(builder, info, work, known, staging, final, max_skipped_fraction) -> dict[str, int]:
    """Declares the shards to TFDS and moves all to its place. Returns the examples per split."""
    limit = builder.MAX_SKIPPED_FRACTION if max_skipped_fraction is None else max_skipped_fraction
    log = staging / outcomes.SKIPPED_FILE
    ids = [item.id for split in work.values() for shard in split for item in shard.videos]
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
    for split, split_shards in work.items():
        counts = [shards.count_records(shard.path) for shard in split_shards]
        lengths = [count for count, _ in counts]
        if not sum(lengths):
            raise ConversionError(
                f'{info.full_name}: none of the videos of split {split!r} could be used;'
                f' the reasons are in {log}'
            )
        splits.append(_split_info(builder, split, lengths, sum(size for _, size in counts), final))
    info.set_splits(tfds.core.SplitDict(splits))
    with _without_warnings():
        info.write_to_directory(str(staging))
    old = final.with_name(final.name + '.replaced')
    if final.exists():  # with overwrite
        shutil.rmtree(old, ignore_errors=True)
        os.replace(final, old)
    os.replace(staging, final)
    shutil.rmtree(old, ignore_errors=True)
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


class _Progress:
    """Reports a line every few seconds."""

    def __init__(self, name, done, total, report):
        self._name, self._done, self._total, self._report = name, done, total, report
        self._first = done
        self._start = self._last = time.monotonic()

    def count(self, skipped: int) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_REPORTS and self._done < self._total:
            return
        self._last = now
        rate = (self._done - self._first) / max(now - self._start, 1e-9)
        left = (self._total - self._done) / rate
        self._report(
            f'{self._name}: {self._done}/{self._total} videos, {rate:.1f}/s, {left:.0f} s left,'
            f' {skipped} skipped'
        )
