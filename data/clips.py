"""The tf.data pipeline: stored records to batches of uint8 clips.

Its phases: read (order of files and records), parse, choose frames, batch, decode, crop and flip.
Records travel encoded, and only the frames chosen are decoded. Which frames, crop and flip an
example gets is a pure function of (seed, epoch, id): neither the order of reading, nor the number
of replicas, nor a restart changes it, and the RGB and the flow clip of one video show the same
moment, window and side.
"""

import tensorflow as tf
import tensorflow_datasets as tfds

from data.example import ID, LABEL, VIDEO
from data.records import read
from data.records.decode import Decoder, reversed_in_time
from data.records.heads import stored_files
from data.records.read import ClipError

# Keys of a batch.
CLIP = 'clip'
EPOCH = 'epoch'
WINDOW = 'window'
WINDOWS = 'windows'

FILES_AT_ONCE = 8  # fixed, for the order of records must not depend on the machine
BATCHES_AT_ONCE = 2  # being decoded, each by all cores
PREFETCHED_BATCHES = 2

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

    Every epoch gives every example once, in an order drawn from (seed, epoch); batches run on over
    the end of an epoch. Of each video come `frames` consecutive frames from a start drawn uniformly
    (a shorter video is looped, from its first frame), one crop window for all of them, and, if
    `flip`, a mirroring for every second example (of flow, with its x components negated). The flow
    dataset of the same videos gives the same choices for the same seed, the start in proportion
    to its length.

    With several shards (one pipeline per worker), `batch_size` is that of this pipeline, and
    `first_example` still counts the examples of all. When deterministic, worker i takes every
    num_shards-th record of the common order from the i-th on, so that the workers' batches together
    are the batch a single pipeline would give; otherwise every worker reads files of its own, where
    there are enough.

    Args:
      builder: an opened dataset.
      split: name of a split.
      frames: clip length.
      crop_size: crop height and width, or one number for both.
      batch_size: clips per batch.
      seed: of all random choices.
      flip: whether to mirror; give the dataset's `info.metadata["flip_left_right"]`.
      first_example: number of examples already taken (step times the batch size of all workers):
        the dataset begins there, without decoding what it skips. When deterministic, its batches
        are equal to the last bit to those of an uninterrupted one.
      num_shards: number of pipelines that share the work.
      shard_index: which of them this is.
      deterministic: give the same order in every run, at some cost in speed.
      shuffle_buffer: records held for shuffling; by default as many as fit in `read.SHUFFLE_BYTES`.

    Returns:
      Dataset of {"clip": uint8 (batch, frames, crop height, crop width, channels), "label": int32
      (batch,), "id": string (batch,), "epoch": int64 (batch,)}, static shapes.

    Raises:
      ClipError: if the split is unknown or empty, stored frames are smaller than the crop, or an
        argument is out of range.
    """
    info, decoder = read.split_info(builder, split), Decoder(builder)
    height, width = _crop(builder, decoder, info, crop_size)
    _check_positive(frames=frames, batch_size=batch_size, num_shards=num_shards)
    _check_shard(num_shards, shard_index)
    if first_example < 0 or first_example % num_shards:
        raise ClipError(
            f'first_example: found {first_example}, expected a multiple of num_shards={num_shards}'
        )
    paths = stored_files(info)
    lengths = tf.constant([length for length in info.shard_lengths if length], tf.int64)
    by_file = num_shards > 1 and not deterministic and len(paths) >= num_shards
    # Taking every n-th record is a partition only if all workers see the same order.
    common_order = deterministic or (num_shards > 1 and not by_file)
    buffer = shuffle_buffer or read.shuffle_size(info)

    def epoch_records(epoch):
        order = tf.argsort(_file_keys(seed, epoch, len(paths)), stable=True)
        if by_file:
            order = order[shard_index::num_shards]
        files = tf.data.Dataset.from_tensor_slices(tf.gather(tf.constant(paths), order))
        stored = files.interleave(
            read.records,
            cycle_length=min(FILES_AT_ONCE, len(paths)),
            num_parallel_calls=min(FILES_AT_ONCE, len(paths)),
            deterministic=common_order,
        )
        # What is cut where a record ends looks whole to TensorFlow, and what is empty like an epoch.
        count = tf.reduce_sum(tf.gather(lengths, order))
        stored = stored.apply(tf.data.experimental.assert_cardinality(count))
        # This function's own graph: without it the order would depend on TensorFlow's global seed,
        # and with a global seed of 0 `shuffle` compares the symbolic seed and fails.
        tf.random.set_seed(1)
        stored = stored.shuffle(
            buffer,
            seed=_hash(tf.strings.as_string(seed), tf.strings.as_string(epoch)),
            reshuffle_each_iteration=False,
        )
        return stored.map(lambda record: (epoch, record))

    first_epoch, skipped = divmod(first_example, info.num_examples)
    stored = tf.data.Dataset.counter(first_epoch).flat_map(epoch_records)
    if by_file:
        stored = stored.skip(skipped // num_shards)
    else:
        stored = stored.skip(skipped).shard(num_shards, shard_index)

    def choose(epoch, record):
        example = read.parse(record)
        random = _RandomChoices(seed, epoch, example[ID])
        encoded = example[VIDEO]
        length = tf.size(encoded)
        start = random.share(_START, tf.maximum(length - frames, 0) + 1)
        chosen = tf.gather(encoded, (start + tf.range(frames)) % length)
        room = _room(decoder, chosen[0], height, width, example[ID])
        top = random.share(_CROP_TOP, room[0] + 1)
        left = random.share(_CROP_LEFT, room[1] + 1)
        mirror = random.share(_FLIP, 2) == 1 if flip else tf.constant(False)
        return {
            CLIP: (chosen, tf.stack([top, left, height, width]), mirror),
            LABEL: tf.cast(example[LABEL], tf.int32),
            ID: example[ID],
            EPOCH: epoch,
        }

    def decode(batch):
        pixels = decoder.crops(*batch[CLIP])
        shape = [batch_size, frames, height, width, decoder.channels]
        return batch | {CLIP: tf.ensure_shape(pixels, shape)}

    dataset = stored.map(choose, tf.data.AUTOTUNE, deterministic=deterministic)
    dataset = dataset.batch(batch_size, drop_remainder=True)
    dataset = dataset.map(decode, BATCHES_AT_ONCE, deterministic=deterministic)
    dataset = dataset.prefetch(PREFETCHED_BATCHES)
    return dataset.with_options(read.options(deterministic))


def evaluation_windows(
    builder: tfds.core.DatasetBuilder,
    split: str,
    *,
    frames: int,
    crop_size: int | tuple[int, int],
    batch_size: int,
    reverse: bool = False,
    most_frames: int | None = None,
    num_shards: int = 1,
    shard_index: int = 0,
) -> tf.data.Dataset:
    """Every video of a split once, in windows that cover it (see `sampling.window_starts`), centre crop.

    Args:
      builder: an opened dataset.
      split: name of a split.
      frames: frames of a window.
      crop_size: crop height and width, or one number for both.
      batch_size: windows per batch.
      reverse: reverse the frames of every window, after it is cut (flow is also negated: the flow
        of the reversed video, to first order).
      most_frames: of a longer video see its first so many frames only.
      num_shards: number of pipelines that share the work; every video is in exactly one.
      shard_index: which of them this is.

    Returns:
      Finite dataset, in a fixed order, of {"clip": uint8 (batch, frames, crop height, crop width,
      channels), "label": int32 (batch,), "id": string (batch,), "window": int32 (batch,),
      "windows": int32 (batch,)}; the windows of a video follow each other, and the last batch may
      be smaller. Frames equal `cv2.imdecode` of the stored JPEG to the bit.

    Raises:
      ClipError: as `training_clips`.
    """
    info, decoder = read.split_info(builder, split), Decoder(builder)
    height, width = _crop(builder, decoder, info, crop_size)
    _check_positive(frames=frames, batch_size=batch_size, num_shards=num_shards)
    if most_frames is not None:
        _check_positive(most_frames=most_frames)
    _check_shard(num_shards, shard_index)

    def windows(record):
        example = read.parse(record)
        encoded = example.pop(VIDEO)
        encoded = encoded[:most_frames]
        length = tf.size(encoded)
        count = -(-length // frames)
        starts = tf.range(count) * tf.maximum(length - frames, 0) // tf.maximum(count - 1, 1)

        def window(index, start):
            chosen = (start + tf.range(frames)) % length
            return tf.gather(encoded, chosen), example, index, count

        return tf.data.Dataset.from_tensor_slices((tf.range(count), starts)).map(window)

    def clip(encoded, example, index, count):
        room = _room(decoder, encoded[0], height, width, example[ID])
        pixels = decoder.frames(encoded)
        top, left = room[0] // 2, room[1] // 2
        pixels = pixels[:, top : top + height, left : left + width]
        if reverse:
            pixels = reversed_in_time(pixels, decoder.flow)
        return {
            CLIP: tf.ensure_shape(pixels, [frames, height, width, decoder.channels]),
            LABEL: tf.cast(example[LABEL], tf.int32),
            ID: example[ID],
            WINDOW: index,
            WINDOWS: count,
        }

    stored = read.records(stored_files(info))
    stored = stored.apply(tf.data.experimental.assert_cardinality(info.num_examples))
    dataset = stored.shard(num_shards, shard_index).flat_map(windows)
    dataset = dataset.map(clip, tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.batch(batch_size).prefetch(PREFETCHED_BATCHES)
    return dataset.with_options(read.options(deterministic=True))


def _hash(*words) -> tf.Tensor:
    """A non-negative int64 that depends on all the words."""
    return tf.strings.to_hash_bucket_fast(tf.strings.join(words, separator='\n'), 2**62)


def _file_keys(seed, epoch, files) -> tf.Tensor:
    # A named generator: the default one differs between kinds of device.
    return tf.random.stateless_uniform([files], [tf.cast(seed, tf.int64), epoch], alg='philox')


class _RandomChoices:
    """Random numbers that depend on (seed, epoch, id) and what they are for, on nothing else."""

    def __init__(self, seed, epoch, video_id):
        words = (tf.strings.as_string(seed), tf.strings.as_string(epoch), video_id)
        self._key = _hash(*words)

    def share(self, purpose: int, limit) -> tf.Tensor:
        """Uniform int32 in [0, limit): for every limit the same share of it."""
        share = tf.random.stateless_uniform(
            [], [self._key, purpose], dtype=tf.float64, alg='philox'
        )
        return tf.cast(share * tf.cast(limit, tf.float64), tf.int32)


def _room(decoder, frame, height, width, video_id) -> tf.Tensor:
    """How far the crop window can move down and to the right in an encoded frame: int32 (2,)."""
    stored = decoder.size(frame, video_id)
    room = stored - tf.constant([height, width])
    message = tf.strings.format(
        'video {}: stored frames (height, width) {} are smaller than the crop {}',
        (video_id, stored, tf.constant([height, width])),
    )
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(room >= 0), [message])]):
        return tf.identity(room)


def _crop(builder, decoder, info, crop_size) -> tuple[int, int]:
    """The crop as (height, width), checked against the stored frames as far as they are known."""
    crop = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
    if len(crop) != 2 or min(crop) < 1:
        raise ClipError(f'crop_size: found {crop_size}, expected pixels or (height, width)')
    stored = decoder.stored_size(info)  # the rest of the videos are checked as they come
    if stored[0] < crop[0] or stored[1] < crop[1]:
        raise ClipError(
            f'{builder.info.full_name}: found stored frames of {stored[0]}x{stored[1]}'
            f' (height x width), expected at least the crop of {crop[0]}x{crop[1]};'
            ' take a smaller crop or convert again with larger frames'
        )
    return crop


def _check_positive(**values) -> None:
    for name, value in values.items():
        if value < 1:
            raise ClipError(f'{name}: found {value}, expected a positive number')


def _check_shard(num_shards, shard_index) -> None:
    if not 0 <= shard_index < num_shards:
        raise ClipError(f'shard_index: found {shard_index}, expected 0 to {num_shards - 1}')
