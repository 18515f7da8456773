"""Convolution and pooling of clips, `(batch, time, height, width, channels)`, as functions.

A convolution or pool that spans only space, or only time, is computed as a 2D one on a reshaped
view: the values are the same to the last bit, and the 2D kernels (oneDNN, cuDNN NHWC, TFLite) are
the better ones. One exception: on a CPU with AVX2 only, oneDNN's 2D gradients of a temporal
convolution take three times as long as its 3D ones where a frame has 56x56 positions (measured; at
16x16 they are the faster ones, and with AVX-512 there is no difference).

`padding` is 'same' (TensorFlow's SAME, which the released code has throughout: slim nets/s3dg.py),
'valid' (none: an incomplete last window is dropped), or how many rows (time, height, width) come
before the first, for weights from other frameworks: as many come after the last as give SAME's
output size, `ceil(size / stride)`. At stride 2, SAME puts the odd row of padding at the end, so a
kernel of 7 sees two rows before the first of an even number of rows, and other values than with a
symmetric three.
"""

import tensorflow as tf

# Positions of a frame from which on a temporal convolution in float32 on a CPU is a 3D one.
_WIDE = 512


def known_shape(x):
    """The shape of `x` as a list: an int where it is known, a scalar tensor where it is not."""
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(x.shape)]


def output_sizes(sizes, windows, strides, padding):
    """Output (time, height, width) of a convolution or pool, None where the input's is unknown.

    All are (time, height, width), and `padding` may be a word: see the module.
    """
    valid = padding == 'valid'
    return tuple(
        None if size is None else (size - window) // stride + 1 if valid else -(-size // stride)
        for size, window, stride in zip(sizes, windows, strides, strict=True)
    )


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


def _pad(x, windows, strides, padding, value):
    """`x`, padded over (time, height, width) for windows, and the padding left to the kernel."""
    if isinstance(padding, str):
        return x, padding.upper()
    pairs = []
    rows = zip(known_shape(x)[1:4], windows, strides, padding, strict=True)
    for size, window, stride, before in rows:
        after = (-(-size // stride) - 1) * stride + window - size - before
        pairs.append([before, tf.maximum(after, 0)])
    return tf.pad(x, [[0, 0], *pairs, [0, 0]], constant_values=value), 'VALID'


def convolve(x, kernel, strides, padding='same'):
    """Convolution of `x` (B, T, H, W, C) with `kernel` (t, h, w, C, D), strides (t, h, w)."""
    x, padding = _pad(x, kernel.shape[:3], strides, padding, 0)
    time_size, height, width = kernel.shape[:3]
    time_stride, *space_strides = strides
    if time_size == 1:
        if time_stride > 1:  # a kernel of 1 keeps the frames 0, stride, 2 * stride, ...
            x = x[:, ::time_stride]
        return on_frames(lambda frames: tf.nn.conv2d(frames, kernel[0], space_strides, padding), x)
    if (height, width) == (1, 1) and space_strides == [1, 1] and _suits_rows(x):
        return on_time(lambda rows: tf.nn.conv2d(rows, kernel[:, 0], [time_stride, 1], padding), x)
    if x.dtype == tf.bfloat16 and not _has_gpu():
        # Measured on TensorFlow 2.21: the CPU's gradient of a bfloat16 conv3d's kernel is NaN or
        # infinite now and then, for the same numbers that are finite in the next call.
        wide = tf.nn.conv3d(
            tf.cast(x, tf.float32), tf.cast(kernel, tf.float32), [1, *strides, 1], padding
        )
        return tf.cast(wide, x.dtype)
    return tf.nn.conv3d(x, kernel, [1, *strides, 1], padding)


def _suits_rows(x):
    """Whether a temporal convolution of `x` is computed over (time, position): see the module."""
    if x.dtype != tf.float32 or _has_gpu():
        return True
    return None not in x.shape[2:4] and x.shape[2] * x.shape[3] < _WIDE


def _has_gpu():
    return bool(tf.config.list_logical_devices('GPU'))


def max_pool(x, size, strides, padding='same'):
    """Max-pool of `x` (B, T, H, W, C), size and strides (t, h, w): over space, then time."""
    if padding == 'valid':
        for axis, name in enumerate(('frames', 'rows', 'columns'), start=1):
            least = size[axis - 1]
            message = (
                f'Clip too small for a pool without padding: fewer than {least} {name} reach it.'
            )
            tf.debugging.assert_greater_equal(tf.shape(x)[axis], least, message)
    x, padding = _pad(x, size, strides, padding, x.dtype.min)
    if max(*size[1:], *strides[1:]) > 1:
        x = on_frames(lambda frames: tf.nn.max_pool2d(frames, size[1:], strides[1:], padding), x)
    if max(size[0], strides[0]) > 1:
        x = on_time(lambda r: tf.nn.max_pool2d(r, [size[0], 1], [strides[0], 1], padding), x)
    return x
