"""Clips for training: read and order (see `order`), choose, batch, decode.

Records travel encoded, and only the frames chosen are decoded. Which frames, crop and mirroring an
example gets is a pure function of (seed, epoch, id): neither the order of reading, nor the number
of replicas, nor a restart changes it, and the RGB and the flow clip of one video show the same
moment, window and side.
"""

import dataclasses

import tensorflow as tf
import tensorflow_datasets as tfds

from data.clips import common
from data.clips.common import CLIP, EPOCH
from data.clips.order import Order, hashed
from data.example import ID, LABEL, VIDEO
from data.records import read
from data.records.decode import Decoder
from data.records.heads import stored_files
from s3dg.video import sampling

# What a stateless random number is for.
_START, _CROP_TOP, _CROP_LEFT, _FLIP = range(4)


def training_clips(
    builder: tfds.core.DatasetBuilder,
    split: str,
    *,
    frames: int,
    crop_size: int | tuple[int, int],
    batch_size: int,
    seed: int,
    flip: bool,
    first_example: int = 0,
    num_shards: int = 1,
    shard_index: int = 0,
    deterministic: bool = False,
    shuffle_buffer: int | None = None,
) -> tf.data.Dataset:
    """Endless batches of random clips.

    Every epoch holds every example once, in an order drawn from (seed, epoch); batches run on over
    the end of an epoch. Of each video come `frames` consecutive frames from a start drawn uniformly
    (a shorter video is looped, from its first frame), one crop window for all of them, and, if
    `flip`, a mirroring for every second example (of flow, with its x components negated). The flow
    dataset of the same videos has the same choices for the same seed, the start in proportion to
    its length.

    With several shards (one pipeline per worker), `batch_size` is that of this pipeline, and
    `first_example` still counts the examples of all. When deterministic, worker i takes every
    num_shards-th record of the common order from the i-th on, so that the workers' batches together
    are the batch of a single pipeline; otherwise every worker reads files of its own, where there
    are enough.

    Args:
      builder: an opened dataset.
      split: name of a split.
      frames: clip length.
      crop_size: crop height and width, or one number for both.
      batch_size: clips per batch.
      seed: of all random choices.
      flip: whether to mirror; pass the dataset's `info.metadata["flip_left_right"]`.
      first_example: number of examples already taken (step times the batch size of all workers):
        the dataset begins there, and does not read the files that lie wholly before. When
        deterministic, its batches are equal to the last bit to those of an uninterrupted one.
      num_shards: number of pipelines that share the work.
      shard_index: which of them this is.
      deterministic: keep the same order in every run, at some cost in speed.
      shuffle_buffer: records held for shuffling; by default as many as fit in
        `read.SHUFFLE_BYTES`.

    Returns:
      Dataset of {"clip": uint8 (batch, frames, crop height, crop width, channels), "label": int32
      (batch,), "id": string (batch,), "epoch": int64 (batch,)}, static shapes.

    Raises:
      ClipError: if the split is unknown or empty, stored frames are smaller than the crop, or an
        argument is out of range.
    """
    info, decoder = read.split_info(builder, split), Decoder(builder)
    crop = common.check_crop(builder, decoder, info, crop_size)
    common.check_positive(frames=frames, batch_size=batch_size)
    common.check_shard(num_shards, shard_index, first_example)
    order = Order(
        files=tuple(stored_files(info)),
        lengths=tuple(length for length in info.shard_lengths if length),
        seed=seed,
        buffer=shuffle_buffer or read.shuffle_size(info),
        num_shards=num_shards,
        shard_index=shard_index,
        deterministic=deterministic,
    )
    cut = _Cut(decoder, frames, crop, seed, flip)
    chosen = order.records(first_example).map(
        cut.choose, tf.data.AUTOTUNE, deterministic=deterministic
    )
    batches = chosen.batch(batch_size, drop_remainder=True)
    clips = batches.map(cut.decode, common.BATCHES_AT_ONCE, deterministic=deterministic)
    clips = clips.prefetch(common.PREFETCHED_BATCHES)
    return clips.with_options(read.options(deterministic))


@dataclasses.dataclass(frozen=True)
class _Cut:
    """How a clip is cut from a record."""

    decoder: Decoder
    frames: int
    crop: tuple[int, int]
    seed: int
    flip: bool

    def choose(self, epoch: tf.Tensor, record: tf.Tensor) -> dict:
        """An example whose clip is still (encoded frames, crop window, whether to mirror)."""
        example = read.parse(record)
        random = _RandomChoices(self.seed, epoch, example[ID])
        encoded = example[VIDEO]
        length = tf.size(encoded)
        start = random.share(_START, tf.maximum(length - self.frames, 0) + 1)
        numbers = sampling.frame_numbers(length, start[None], self.frames, tf.range)
        chosen = tf.gather(encoded, numbers[0])
        room = common.crop_room(self.decoder, chosen[0], self.crop, example[ID])
        top = random.share(_CROP_TOP, room[0] + 1)
        left = random.share(_CROP_LEFT, room[1] + 1)
        mirror = random.share(_FLIP, 2) == 1 if self.flip else tf.constant(False)
        return {
            CLIP: (chosen, tf.stack([top, left, *self.crop]), mirror),
            LABEL: tf.cast(example[LABEL], tf.int32),
            ID: example[ID],
            EPOCH: epoch,
        }

    def decode(self, batch: dict) -> dict:
        """The batch with the pixels of its clips."""
        pixels = self.decoder.crops(*batch[CLIP])
        shape = [batch[ID].shape[0], self.frames, *self.crop, self.decoder.channels]
        return batch | {CLIP: tf.ensure_shape(pixels, shape)}


class _RandomChoices:
    """Random numbers that depend on (seed, epoch, id) and what they are for, on nothing else."""

    def __init__(self, seed, epoch, video_id):
        words = (tf.strings.as_string(seed), tf.strings.as_string(epoch), video_id)
        self._key = hashed(*words)

    def share(self, purpose: int, limit) -> tf.Tensor:
        """Uniform int32 in [0, limit): for every limit the same share of it."""
        share = tf.random.stateless_uniform(
            [], [self._key, purpose], dtype=tf.float64, alg='philox'
        )
        return tf.cast(share * tf.cast(limit, tf.float64), tf.int32)
