"""Reading records by TensorFlow's pipelines: which files, how many to shuffle, how to parse one."""

import tensorflow as tf
import tensorflow_datasets as tfds

from data.example import ID, LABEL, UNKNOWN_LABEL, VIDEO
from data.records.heads import Head, read_heads, stored_files
from s3dg.errors import S3dgError

SHUFFLE_BYTES = 512 * 2**20  # of encoded records held for shuffling, at most
SHUFFLE_RECORDS = 2048  # at most
RAM_BUDGET = 2 * 2**30  # for tf.data's own tuning, whose default is half of the free memory


class ClipError(S3dgError, ValueError):
    """The clips asked for cannot be cut from a dataset; the message says why, in one line."""


def split_info(builder: tfds.core.DatasetBuilder, split: str) -> tfds.core.SplitInfo:
    """What is known of a split. Raises ClipError if it is unknown or empty."""
    splits = builder.info.splits
    if split not in splits:
        raise ClipError(
            f'{builder.info.full_name}: found no split {split!r},'
            f' expected one of {", ".join(splits)}'
        )
    if not splits[split].num_examples:
        raise ClipError(f'{builder.info.full_name}: split {split!r} has no examples')
    return splits[split]


def records(paths) -> tf.data.Dataset:
    """The serialized records of TFRecord files."""
    # Records are megabytes: a buffer in between is one more copy of each of them.
    return tf.data.TFRecordDataset(paths, buffer_size=0)


def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """A serialized record as {"video": string (time,), "label": int64, "id": string}.

    A record without frames fails, and the message names the video: else it would be passed over.
    """
    example = tf.io.parse_single_example(
        record,
        {
            VIDEO: tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True),
            LABEL: tf.io.FixedLenFeature([], tf.int64),
            ID: tf.io.FixedLenFeature([], tf.string),
        },
    )
    frames = example[VIDEO]
    message = tf.strings.format('video {}: there are no stored frames', example[ID])
    with tf.control_dependencies([tf.debugging.Assert(tf.size(frames) > 0, [message])]):
        return example | {VIDEO: tf.identity(frames)}


def is_labelled(builder: tfds.core.DatasetBuilder, split: str) -> bool:
    """Whether the labels of a split are known; raises as `split_info` and `first_head`."""
    return first_head(split_info(builder, split)).label != UNKNOWN_LABEL


def first_head(info: tfds.core.SplitInfo) -> Head:
    """What the first record of a split holds besides its frames; raises as `read_heads`."""
    return next(read_heads(stored_files(info)[0]))


def shuffle_size(info: tfds.core.SplitInfo) -> int:
    """How many records of a split to hold for shuffling."""
    bytes_each = max(info.num_bytes // info.num_examples, 1)
    return int(max(min(SHUFFLE_BYTES // bytes_each, SHUFFLE_RECORDS, info.num_examples), 1))


def options(deterministic: bool) -> tf.data.Options:
    """Options of a pipeline: bounded memory, and no sharding but by hand."""
    chosen = tf.data.Options()
    chosen.deterministic = deterministic
    chosen.autotune.ram_budget = RAM_BUDGET
    # Sharding is done by hand, where it is known what belongs together.
    chosen.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return chosen
