"""Convolution and pooling of clips, `(batch, time, height, width, channels)`, as functions.

A convolution or pool that spans only space, or only time, is computed as a 2D one on a reshaped view:
the values are the same to the last bit, and the 2D kernels (oneDNN, cuDNN NHWC, TFLite) are the better
ones. Padding is TensorFlow's SAME throughout, as in the released code (slim: nets/s3dg.py).
"""

import tensorflow as tf


def known_shape(x):
    """The shape of `x` as a list: an int where it is known, a scalar tensor where it is not."""
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(x.shape)]


def same_size(size, stride):
    """Output size of a SAME convolution or pool, None where the input's is unknown."""
    return None if size is None else -(-size // stride)


def on_frames(operation, x):
    """Applies a 2D `operation` to every frame of `x`: (B, T, H, W, C) as (B*T, H, W, C)."""
    batch, time, height, width, channels = known_shape(x)
    y = operation(tf.reshape(x, [batch * time, height, width, channels]))
    _, height, width, channels = known_shape(y)
    return tf.reshape(y, [batch, time, height, width, channels])


def on_time(operation, x):
    """Applies a 2D `operation` over (time, position) to `x`: (B, T, H, W, C) as (B, T, H*W, C)."""
    batch, time, height, width, channels = known_shape(x)
    y = operation(tf.reshape(x, [batch, time, height * width, channels]))
    _, time, _, channels = known_shape(y)
    return tf.reshape(y, [batch, time, height, width, channels])


def convolve(x, kernel, strides):
    """SAME convolution of `x` (B, T, H, W, C) with `kernel` (t, h, w, C, D), strides (t, h, w)."""
    time_size, height, width = kernel.shape[:3]
    time_stride, *space_strides = strides
    if time_size == 1:
        if time_stride > 1:  # SAME with a kernel of 1 keeps the frames 0, stride, 2 * stride, ...
            x = x[:, ::time_stride]
        return on_frames(lambda frames: tf.nn.conv2d(frames, kernel[0], space_strides, 'SAME'), x)
    if (height, width) == (1, 1) and space_strides == [1, 1]:
        return on_time(lambda rows: tf.nn.conv2d(rows, kernel[:, 0], [time_stride, 1], 'SAME'), x)
    if x.dtype == tf.bfloat16 and not tf.config.list_logical_devices('GPU'):
        # Measured on TensorFlow 2.21: the CPU's gradient of a bfloat16 conv3d's kernel is NaN or infinite
        # now and then, for the same numbers that are finite in the next call.
        wide = tf.nn.conv3d(
            tf.cast(x, tf.float32), tf.cast(kernel, tf.float32), [1, *strides, 1], 'SAME'
        )
        return tf.cast(wide, x.dtype)
    return tf.nn.conv3d(x, kernel, [1, *strides, 1], 'SAME')


def max_pool(x, size, strides):
    """SAME max-pool of `x` (B, T, H, W, C), size and strides as (t, h, w): over space, then over time."""
    if max(*size[1:], *strides[1:]) > 1:
        x = on_frames(lambda frames: tf.nn.max_pool2d(frames, size[1:], strides[1:], 'SAME'), x)
    if max(size[0], strides[0]) > 1:
        x = on_time(lambda r: tf.nn.max_pool2d(r, [size[0], 1], [strides[0], 1], 'SAME'), x)
    return x
