"""Convolution and pooling of clips, `(batch, time, height, width, channels)`, as functions.

A convolution or pool that spans only space, or only time, is computed as a 2D one on a reshaped
view: the values are the same to the last bit, and the 2D kernels (oneDNN, cuDNN NHWC, TFLite) are
the better ones. On a CPU some gradients are computed otherwise than TensorFlow would, where that
is slow or wrong.

`padding` is 'same' (TensorFlow's SAME, which the released code has throughout: slim nets/s3dg.py),
'valid' (none: an incomplete last window is dropped), or how many rows (time, height, width) come
before the first, for weights from other frameworks: as many come after the last as give SAME's
output size, `ceil(size / stride)`. At stride 2, SAME puts the odd row of padding at the end, so a
kernel of 7 sees two rows before the first of an even number of rows, and other values than with a
symmetric three.
"""

import tensorflow as tf

# Channels up to which a 3D convolution in float32 on a CPU has the gradient of `_convolve_few`.
_FEW = 4
# Positions of a frame from which on a temporal convolution on a CPU has that of `_convolve_rows`.
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


def convolve(x, kernel, strides, padding='same', then=lambda y: y):
    """Convolution of `x` (B, T, H, W, C) with `kernel` (t, h, w, C, D), strides (t, h, w).

    What comes `then` is done to the result while it has the shape of the kernel that computes it,
    (N, rows, columns, D) or (B, T, H, W, D), and keeps that shape: TensorFlow fuses a bias, batch
    norm in inference and ReLU with the convolution where no reshape is between them.
    """
    x, padding = _pad(x, kernel.shape[:3], strides, padding, 0)
    time_size, height, width = kernel.shape[:3]
    time_stride, *space_strides = strides
    if time_size == 1:
        if time_stride > 1:  # a kernel of 1 keeps the frames 0, stride, 2 * stride, ...
            x = x[:, ::time_stride]
        return on_frames(
            lambda frames: then(tf.nn.conv2d(frames, kernel[0], space_strides, padding)), x
        )
    if (height, width) == (1, 1) and space_strides == [1, 1]:
        return on_time(
            lambda rows: then(_convolve_rows(rows, kernel[:, 0], time_stride, padding)), x
        )
    if not _has_gpu():
        if x.dtype == tf.bfloat16:
            return _convolve_stacked(x, kernel, strides, padding, then)
        if x.dtype == tf.float32 and x.shape[-1] <= _FEW:
            return then(_convolve_few(x, kernel, strides, padding))
    return then(tf.nn.conv3d(x, kernel, [1, *strides, 1], padding))


def _convolve_rows(x, kernel, stride, padding):
    """Convolution over time of `x` (B, T, positions, C) with `kernel` (t, 1, C, D).

    On a CPU the kernel's gradient over many positions is computed as matrix products: oneDNN's own
    takes 906 instead of 168 ms with AVX2 only, for 32 frames of 56x56 positions and 192 channels,
    and 274 instead of 144 with AVX-512.
    """
    options = {'strides': [1, stride, 1, 1], 'padding': padding}

    @tf.custom_gradient
    def convolution(x, kernel):
        def gradients(upstream):
            of_x = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, **options
            )
            time_size, _, channels, filters = kernel.shape
            rows = tf.reshape(upstream, [-1, filters])
            of_kernel = [
                tf.matmul(tf.reshape(frames, [-1, channels]), rows, transpose_a=True)
                for frames in _seen(x, time_size, stride, padding)
            ]
            return of_x, tf.stack(of_kernel)[:, None]

        return tf.nn.conv2d(x, kernel, **options), gradients

    if _has_gpu() or x.shape[2] is None or x.shape[2] < _WIDE:
        return tf.nn.conv2d(x, kernel, **options)
    return convolution(x, kernel)


def _convolve_stacked(x, kernel, strides, padding, then):
    """A 3D convolution as a 2D one of the frames that each output frame sees, side by side.

    For bfloat16 on a CPU. Measured on TensorFlow 2.21: the gradient of a bfloat16 conv3d's kernel
    is NaN or infinite there now and then, for the same numbers that are finite in the next call;
    and a forward pass of S3D-G takes 0.17 instead of 0.24 s (AMX).
    """
    time_size, height, width, channels, filters = kernel.shape
    stacked = tf.concat(_seen(x, time_size, strides[0], padding), -1)
    kernel = tf.transpose(kernel, [1, 2, 0, 3, 4])
    kernel = tf.reshape(kernel, [height, width, time_size * channels, filters])
    return on_frames(
        lambda frames: then(tf.nn.conv2d(frames, kernel, strides[1:], padding)), stacked
    )


def _convolve_few(x, kernel, strides, padding):
    """A 3D convolution of few channels, of whose kernel the gradient is a 2D convolution's.

    oneDNN's 3D gradient is slow for few channels on a CPU with AVX2 only: that of the stem, at 16
    clips of 16x64x64 and 16 filters, takes 64 ms, the 2D one 24. With AVX-512 both take the same,
    but measured on TensorFlow 2.21 that of a kernel of 7 frames is wrong, or ends the process, for
    clips of 5 and of 7 frames.
    """
    time_size, height, width, channels, filters = kernel.shape
    options = {'strides': [1, *strides, 1], 'padding': padding}

    @tf.custom_gradient
    def convolution(x, kernel):
        def gradients(upstream):
            of_x = tf.raw_ops.Conv3DBackpropInputV2(
                input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, **options
            )
            stacked = tf.concat(_seen(x, time_size, strides[0], padding), -1)
            stacked, upstream = (
                tf.reshape(y, [-1, *known_shape(y)[2:]]) for y in (stacked, upstream)
            )
            of_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=stacked,
                filter_sizes=[height, width, time_size * channels, filters],
                out_backprop=upstream,
                strides=[1, *strides[1:], 1],
                padding=padding,
            )
            of_kernel = tf.reshape(of_kernel, [height, width, time_size, channels, filters])
            return of_x, tf.transpose(of_kernel, [2, 0, 1, 3, 4])

        return tf.nn.conv3d(x, kernel, **options), gradients

    return convolution(x, kernel)


def _seen(x, time_size, stride, padding):
    """For each frame of a kernel, the frames of `x` (B, T, ...) that it meets: (B, T', ...)."""
    batch, time, *rest = known_shape(x)
    missing = before = 0
    steps = (time - time_size) // stride + 1
    if padding == 'SAME':
        steps = -(-time // stride)
        missing = tf.maximum((steps - 1) * stride + time_size - time, 0)
        before = missing // 2
    # Slices with a stride take thirty times as long as those without: frame k is at
    # [k // stride, k % stride].
    after = missing - before + (-(time + missing)) % stride
    x = tf.pad(x, [[0, 0], [before, after], *([[0, 0]] * len(rest))])
    x = tf.reshape(x, [batch, -1, stride, *rest])
    whole = [0] * len(rest), [-1] * len(rest)
    return [
        tf.squeeze(
            tf.slice(x, [0, k // stride, k % stride, *whole[0]], [-1, steps, 1, *whole[1]]), 2
        )
        for k in range(time_size)
    ]


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
