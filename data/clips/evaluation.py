"""Windows for evaluation: read, cut, decode, batch; every video once, in a fixed order."""

import tensorflow as tf
import tensorflow_datasets as tfds

from data.clips import common
from data.clips.common import CLIP, WINDOW, WINDOWS
from data.example import ID, LABEL, VIDEO
from data.records import read
from data.records.decode import Decoder, reversed_in_time
from data.records.heads import stored_files
from s3dg.video import sampling


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
    """Every video of a split once, cropped in the middle, in windows that cover it.

    They follow each other, and the last one ends with the video (`sampling.window_starts`).

    Args:
      builder: an opened dataset.
      split: name of a split.
      frames: frames of a window.
      crop_size: crop height and width, or one number for both.
      batch_size: windows per batch.
      reverse: reverse the frames of every window, after it is cut (flow is also negated: the flow
        of the reversed video, to first order).
      most_frames: the number of frames of a longer video that are seen, from its first one on.
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
    crop = common.check_crop(builder, decoder, info, crop_size)
    common.check_positive(frames=frames, batch_size=batch_size)
    if most_frames is not None:
        common.check_positive(most_frames=most_frames)
    common.check_shard(num_shards, shard_index)

    def cut(record):
        return _cut(read.parse(record), frames, most_frames)

    def decode(encoded, example, index, count):
        clip = _decode(decoder, encoded, crop, example[ID], reverse)
        return {
            CLIP: tf.ensure_shape(clip, [frames, *crop, decoder.channels]),
            LABEL: tf.cast(example[LABEL], tf.int32),
            ID: example[ID],
            WINDOW: index,
            WINDOWS: count,
        }

    stored = read.records(stored_files(info))
    stored = stored.apply(tf.data.experimental.assert_cardinality(info.num_examples))
    windows = stored.shard(num_shards, shard_index).flat_map(cut)
    windows = windows.map(decode, tf.data.AUTOTUNE, deterministic=True)
    batches = windows.batch(batch_size).prefetch(common.PREFETCHED_BATCHES)
    return batches.with_options(read.options(deterministic=True))


def _cut(example, frames, most_frames) -> tf.data.Dataset:
    """(encoded frames, example without its frames, window, windows) for every window of a video."""
    encoded = example.pop(VIDEO)[:most_frames]
    length = tf.size(encoded)
    starts = sampling.window_starts(length, frames, arange=tf.range)
    numbers = sampling.frame_numbers(length, starts, frames, tf.range)
    count = tf.size(starts)

    def window(index, chosen):
        return tf.gather(encoded, chosen), example, index, count

    return tf.data.Dataset.from_tensor_slices((tf.range(count), numbers)).map(window)


def _decode(decoder, encoded, crop, video_id, reverse) -> tf.Tensor:
    """The middle of the frames of a window."""
    top, left = tf.unstack(common.crop_room(decoder, encoded[0], crop, video_id) // 2)
    pixels = decoder.frames(encoded)[:, top : top + crop[0], left : left + crop[1]]
    return reversed_in_time(pixels, decoder.flow) if reverse else pixels
