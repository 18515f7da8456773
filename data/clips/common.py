"""What clips for training and windows for evaluation share: keys of a batch, the crop, checks."""

import tensorflow as tf

from data.records.read import ClipError

# Keys of a batch, besides the label and the id of a record.
CLIP = 'clip'
EPOCH = 'epoch'
WINDOW = 'window'
WINDOWS = 'windows'

BATCHES_AT_ONCE = 2  # being decoded, each by all cores
PREFETCHED_BATCHES = 2


def crop_room(decoder, frame, crop, video_id) -> tf.Tensor:
    """How far a crop window can move down and to the right in an encoded frame: int32 (2,)."""
    stored = decoder.size(frame, video_id)
    room = stored - tf.constant(crop)
    message = tf.strings.format(
        'video {}: stored frames (height, width) {} are smaller than the crop {}',
        (video_id, stored, tf.constant(crop)),
    )
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(room >= 0), [message])]):
        return tf.identity(room)


def check_crop(builder, decoder, info, crop_size) -> tuple[int, int]:
    """The crop as (height, width), checked against the stored frames as far as they are known.

    Raises:
      ClipError: if it is no size, or larger than the frames.
    """
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


def check_positive(**values) -> None:
    """Raises ClipError for the first value below 1, by its name."""
    for name, value in values.items():
        if value < 1:
            raise ClipError(f'{name}: found {value}, expected a positive number')


def check_shard(num_shards: int, shard_index: int, first_example: int = 0) -> None:
    """Raises ClipError unless the shard is one of `num_shards`, which begin at `first_example`."""
    check_positive(num_shards=num_shards)
    if not 0 <= shard_index < num_shards:
        raise ClipError(f'shard_index: found {shard_index}, expected 0 to {num_shards - 1}')
    if first_example < 0 or first_example % num_shards:
        raise ClipError(
            f'first_example: found {first_example}, expected a multiple of num_shards={num_shards}'
        )
