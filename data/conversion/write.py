"""Writes the shards of a plan on this machine; records are serialized in the same way elsewhere."""

import contextlib
import itertools
import os
import pathlib

import tensorflow as tf
import tensorflow_datasets as tfds

from data.conversion import staging
from data.conversion.plan import Plan
from data.errors import Report
from data.example import VIDEO
from data.records.outcomes import Outcomes, Skipped, describe_skipped
from s3dg.progress import ProgressLine


def write_shards(
    plan: Plan,
    folder: pathlib.Path,
    known: Outcomes,
    report: Report,
    processes: int | None = None,
) -> int:
    """Writes what is left of a plan into the folder where the dataset grows.

    What becomes of the videos is put into `known`; `processes` is as of `convert_dataset`.

    Returns:
      The number of frames decoded.
    """
    processes = os.cpu_count() or 1 if processes is None else processes
    remaining = staging.resume(plan, folder, known)
    total = sum(len(shard.videos) for shard in plan.shards)
    done = total - sum(len(part.videos) for part in remaining)
    if done:
        report(f'{plan.name}: resuming, {done} of {total} videos are done')
    progress = ProgressLine(plan.name, 'videos', report, total, done)
    serialize, frames_decoded = Serializer(plan.info), 0
    # One stream over all shards: no process waits for the last videos of a shard.
    videos = [item for part in remaining for item in part.videos]
    with contextlib.closing(plan.builder.examples(videos, processes)) as made:
        for part in remaining:
            with staging.ShardWriter(folder / part.shard.name, part.kept) as writer:
                for item, outcome, example in itertools.islice(made, len(part.videos)):
                    if example is None:
                        known.add_skipped(Skipped.of(item, outcome))
                    else:
                        record = serialize(example)
                        known.add_stored(item.id, len(outcome.frames), outcome.faults)
                        writer.write(record)
                        frames_decoded += len(outcome.frames)
                    done += 1
                    progress(done, lambda: describe_skipped(known.skipped.values()))
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
        record.features.feature[VIDEO].bytes_list.value.extend(example[VIDEO])
        # Protocol buffers write the features of an example in an order that differs from process
        # to process.
        return record.SerializeToString(deterministic=True)
