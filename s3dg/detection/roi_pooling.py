"""3D RoI pooling (section 5.3): the same box cut out of every time step of a map."""

import tensorflow as tf

from s3dg.operations import known_shape

SIZE = 7  # rows and columns of a box's map
_SAMPLED = 2 * SIZE  # that many are read by bilinear interpolation, then the larger of two


def pool(maps, boxes, height, width):
    """What boxes show of maps; no gradient reaches the boxes.

    Time is folded into the channels, so that one reading serves all time steps. It does not run
    under XLA, for which TensorFlow has no CropAndResize.

    Args:
      maps: float (B, T, rows, columns, C) of frames of `height` x `width` pixels.
      boxes: float32 (B, R, 4): y_min, x_min, y_max, x_max in pixels.
      height, width: of the frames.

    Returns:
      float32 (B * R, T, 7, 7, C).
    """
    batch, time, rows, columns, channels = known_shape(maps)
    count = known_shape(boxes)[1]
    size = tf.cast(tf.stack([height, width, height, width]), tf.float32)
    shares = tf.stop_gradient(tf.reshape(boxes / size, [-1, 4]))
    folded = tf.reshape(
        tf.transpose(maps, [0, 2, 3, 1, 4]), [batch, rows, columns, time * channels]
    )
    cut = tf.image.crop_and_resize(
        folded, shares, tf.repeat(tf.range(batch), count), [_SAMPLED, _SAMPLED]
    )
    cut = tf.nn.max_pool2d(cut, 2, 2, 'VALID')
    cut = tf.reshape(cut, [-1, SIZE, SIZE, time, channels])
    return tf.transpose(cut, [0, 3, 1, 2, 4])
