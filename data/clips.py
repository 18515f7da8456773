"""The tf.data pipeline: stored records to batches of uint8 clips.

Its phases: read (order of files and records), parse, choose frames, decode and crop, flip, batch.
Records travel encoded, and only the frames chosen are decoded. Which frames, crop and flip an
example gets is a pure function of (seed, epoch, id): neither the order of reading, nor the number
of replicas, nor a restart changes it.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from data import video_builder

# Keys of a batch.
CLIP = 'clip'
LABEL = 'label'
ID = 'id'
EPOCH = 'epoch'
WINDOW = 'window'
WINDOWS = 'windows'

SHUFFLE_BYTES = 512 * 2**20  # of encoded records held for shuffling, at most
SHUFFLE_RECORDS = 2048  # at most
FILES_AT_ONCE = 8  # fixed, for the order of records must not depend on the machine
PREFETCHED_BATCHES = 2
RAM_BUDGET = 2 * 2**30  # for tf.data's own tuning, whose default is half of the free memory

# What a stateless random number is for.
_START, _CROP_TOP, _CROP_LEFT, _FLIP = range(4)

_CHANNELS = {'rgb': 3}


class ClipError(ValueError):
    """Clips as asked for cannot be cut from a dataset; the message says why, in one line."""


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
    `flip`, a mirroring for every second example.

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
      shuffle_buffer: records held for shuffling; by default as many as fit in SHUFFLE_BYTES.

    Returns:
      Dataset of {"clip": uint8 (batch, frames, crop height, crop width, channels), "label": int32
      (batch,), "id": string (batch,), "epoch": int64 (batch,)}, static shapes.

    Raises:
      ClipError: if the split is unknown or empty, stored frames are smaller than the crop, or an
        argument is out of range.
    """
    info = _split_info(builder, split)
    height, width = _crop(builder, info, crop_size)
    _check_positive(frames=frames, batch_size=batch_size, num_shards=num_shards)
    _check_shard(num_shards, shard_index)
    if first_example < 0 or first_example % num_shards:
        raise ClipError(
            f'first_example: found {first_example}, expected a multiple of num_shards={num_shards}'
        )
    paths = [path for path, _ in _files(info)]
    by_file = num_shards > 1 and not deterministic and len(paths) >= num_shards
    # Taking every n-th record is a partition only if all workers see the same order.
    common_order = deterministic or (num_shards > 1 and not by_file)
    buffer = shuffle_buffer or _shuffle_records(info)

    def epoch_records(epoch):
        order = tf.argsort(_file_keys(seed, epoch, len(paths)), stable=True)
        files = tf.data.Dataset.from_tensor_slices(tf.gather(tf.constant(paths), order))
        if by_file:
            files = files.shard(num_shards, shard_index)
        records = files.interleave(
            tf.data.TFRecordDataset,
            cycle_length=min(FILES_AT_ONCE, len(paths)),
            num_parallel_calls=min(FILES_AT_ONCE, len(paths)),
            deterministic=common_order,
        )
        # This function's own graph: without it the order would depend on TensorFlow's global seed,
        # and with a global seed of 0 `shuffle` compares the symbolic seed and fails.
        tf.random.set_seed(1)
        records = records.shuffle(
            buffer,
            seed=_hash(tf.strings.as_string(seed), tf.strings.as_string(epoch)),
            reshuffle_each_iteration=False,
        )
        return records.map(lambda record: (epoch, record))

    first_epoch, skipped = divmod(first_example, info.num_examples)
    records = tf.data.Dataset.counter(first_epoch).flat_map(epoch_records)
    if by_file:
        records = records.skip(skipped // num_shards)
    else:
        records = records.skip(skipped).shard(num_shards, shard_index)

    def clip(epoch, record):
        example = _parse(record)
        random = _RandomChoices(seed, epoch, example[video_builder.ID])
        encoded = example[video_builder.VIDEO]
        length = tf.size(encoded)
        start = random.integer(_START, tf.maximum(length - frames, 0) + 1)
        chosen = tf.gather(encoded, (start + tf.range(frames)) % length)
        room = _room(chosen[0], height, width, example[video_builder.ID])
        top = random.integer(_CROP_TOP, room[0] + 1)
        left = random.integer(_CROP_LEFT, room[1] + 1)
        pixels = _decode_crops(chosen, tf.stack([top, left, height, width]))
        if flip:
            mirrored = random.integer(_FLIP, 2) == 1
            pixels = tf.cond(mirrored, lambda: tf.reverse(pixels, [2]), lambda: pixels)
        return {
            CLIP: tf.ensure_shape(pixels, [frames, height, width, _channels(builder)]),
            LABEL: tf.cast(example[video_builder.LABEL], tf.int32),
            ID: example[video_builder.ID],
            EPOCH: epoch,
        }

    dataset = records.map(clip, tf.data.AUTOTUNE, deterministic=deterministic)
    dataset = dataset.batch(batch_size, drop_remainder=True).prefetch(PREFETCHED_BATCHES)
    return dataset.with_options(_options(deterministic))


def window_starts(length: int, frames: int) -> np.ndarray:
    """First frames of the windows in which evaluation sees a video.

    As few windows of `frames` frames as cover every frame, evenly spaced from the first frame to
    the last; a single one for a video that is shorter, which is looped.

    Args:
      length: frames of the video, at least 1.
      frames: frames of a window.

    Returns:
      int64 array (windows,).
    """
    windows = -(-length // frames)
    return np.arange(windows) * max(length - frames, 0) // max(windows - 1, 1)


def evaluation_windows(
    builder: tfds.core.DatasetBuilder,
    split: str,
    *,
    frames: int,
    crop_size: int | tuple[int, int],
    batch_size: int,
    reverse: bool = False,
    num_shards: int = 1,
    shard_index: int = 0,
) -> tf.data.Dataset:
    """Every video of a split once, in windows that cover it (see `window_starts`), centre crop.

    Args:
      builder: an opened dataset.
      split: name of a split.
      frames: frames of a window.
      crop_size: crop height and width, or one number for both.
      batch_size: windows per batch.
      reverse: reverse the frames of every window, after it is cut.
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
    info = _split_info(builder, split)
    height, width = _crop(builder, info, crop_size)
    _check_positive(frames=frames, batch_size=batch_size, num_shards=num_shards)
    _check_shard(num_shards, shard_index)
    channels = _channels(builder)

    def windows(record):
        example = _parse(record)
        encoded = example.pop(video_builder.VIDEO)
        length = tf.size(encoded)
        count = -(-length // frames)
        starts = tf.range(count) * tf.maximum(length - frames, 0) // tf.maximum(count - 1, 1)

        def window(index, start):
            chosen = (start + tf.range(frames)) % length
            if reverse:
                chosen = chosen[::-1]
            return tf.gather(encoded, chosen), example, index, count

        return tf.data.Dataset.from_tensor_slices((tf.range(count), starts)).map(window)

    def clip(encoded, example, index, count):
        room = _room(encoded[0], height, width, example[video_builder.ID])
        pixels = _decode_frames(encoded)
        top, left = room[0] // 2, room[1] // 2
        pixels = pixels[:, top : top + height, left : left + width]
        return {
            CLIP: tf.ensure_shape(pixels, [frames, height, width, channels]),
            LABEL: tf.cast(example[video_builder.LABEL], tf.int32),
            ID: example[video_builder.ID],
            WINDOW: index,
            WINDOWS: count,
        }

    records = tf.data.TFRecordDataset([path for path, _ in _files(info)])
    dataset = records.shard(num_shards, shard_index).flat_map(windows)
    dataset = dataset.map(clip, tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.batch(batch_size).prefetch(PREFETCHED_BATCHES)
    return dataset.with_options(_options(deterministic=True))


def stored_videos(
    builder: tfds.core.DatasetBuilder, split: str, limit: int | None = None
) -> Iterator[dict]:
    """Whole videos as they are stored, in the order of evaluation.

    Yields:
      {"video": uint8 array (time, height, width, channels), "label": int, "id": str}.

    Raises:
      ClipError: if the split is unknown or empty.
    """
    info = _split_info(builder, split)
    records = tf.data.TFRecordDataset([path for path, _ in _files(info)])
    for record in records.take(-1 if limit is None else limit):
        example = _parse(record)
        yield {
            'video': _decode_frames(example[video_builder.VIDEO]).numpy(),
            LABEL: int(example[video_builder.LABEL]),
            ID: example[video_builder.ID].numpy().decode(),
        }


# Read and parse.


def _split_info(builder, split):
    splits = builder.info.splits
    if split not in splits:
        raise ClipError(
            f'{builder.info.full_name}: found no split {split!r},'
            f' expected one of {", ".join(splits)}'
        )
    if not splits[split].num_examples:
        raise ClipError(f'{builder.info.full_name}: split {split!r} has no examples')
    return splits[split]


def _files(info) -> list[tuple[str, int]]:
    """Paths and lengths of the shards that are not empty."""
    pairs = zip(info.filepaths, info.shard_lengths, strict=True)
    return [(str(path), length) for path, length in pairs if length]


def _parse(record) -> dict[str, tf.Tensor]:
    return tf.io.parse_single_example(
        record,
        {
            video_builder.VIDEO: tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True),
            video_builder.LABEL: tf.io.FixedLenFeature([], tf.int64),
            video_builder.ID: tf.io.FixedLenFeature([], tf.string),
        },
    )


def _shuffle_records(info) -> int:
    bytes_each = max(info.num_bytes // info.num_examples, 1)
    return int(max(min(SHUFFLE_BYTES // bytes_each, SHUFFLE_RECORDS, info.num_examples), 1))


def _options(deterministic: bool) -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = deterministic
    options.autotune.ram_budget = RAM_BUDGET
    # Sharding is done by hand above, where it is known what belongs together.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options


# Choose.


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

    def integer(self, purpose: int, limit) -> tf.Tensor:
        """Uniform int32 in [0, limit)."""
        return tf.random.stateless_uniform(
            [], [self._key, purpose], 0, limit, tf.int32, alg='philox'
        )


# Decode and crop.


def _decode_crops(encoded, window) -> tf.Tensor:
    """JPEG strings (time,), window (top, left, height, width) to uint8 (time, height, ...)."""
    # The accurate transform equals OpenCV's decoder to the bit and is no slower.
    return tf.map_fn(
        lambda frame: tf.io.decode_and_crop_jpeg(
            frame, window, channels=3, dct_method='INTEGER_ACCURATE'
        ),
        encoded,
        fn_output_signature=tf.uint8,
    )


def _decode_frames(encoded) -> tf.Tensor:
    return tf.map_fn(
        lambda frame: tf.io.decode_jpeg(frame, channels=3, dct_method='INTEGER_ACCURATE'),
        encoded,
        fn_output_signature=tf.uint8,
    )


def _room(frame, height, width, video_id) -> tf.Tensor:
    """How far the crop window can move down and to the right in an encoded frame: int32 (2,)."""
    stored = tf.io.extract_jpeg_shape(frame)[:2]
    room = stored - tf.constant([height, width])
    message = tf.strings.format(
        'video {}: stored frames (height, width) {} are smaller than the crop {}',
        (video_id, stored, tf.constant([height, width])),
    )
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(room >= 0), [message])]):
        return tf.identity(room)


def _channels(builder) -> int:
    modality = builder.info.metadata['modality']
    if modality not in _CHANNELS:
        raise ClipError(
            f'{builder.info.full_name}: found modality {modality!r},'
            f' expected one of {", ".join(_CHANNELS)}'
        )
    return _CHANNELS[modality]


def _crop(builder, info, crop_size) -> tuple[int, int]:
    """The crop as (height, width), checked against the stored frames as far as they are known."""
    crop = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
    if len(crop) != 2 or min(crop) < 1:
        raise ClipError(f'crop_size: found {crop_size}, expected pixels or (height, width)')
    stored = builder.info.metadata['frame_size']
    if stored is None:  # sizes differ from video to video; the rest are checked as they come
        record = next(tf.data.TFRecordDataset(_files(info)[0][0]).take(1).as_numpy_iterator())
        first = _parse(record)[video_builder.VIDEO][0]
        stored = tf.io.extract_jpeg_shape(first)[:2].numpy().tolist()
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
