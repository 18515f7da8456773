"""Convolution and pooling against plain NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from s3dg import operations
from tests.s3dg import reference

SHAPES = [(2, 5, 6, 7, 3), (1, 4, 9, 8, 3), (1, 1, 3, 2, 3)]


def _random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize(
    ('kernel', 'strides'),
    [
        ((1, 1, 1), (1, 1, 1)),
        ((1, 3, 3), (1, 1, 1)),
        ((1, 7, 7), (2, 2, 2)),
        ((1, 7, 7), (1, 2, 2)),
        ((3, 1, 1), (1, 1, 1)),
        ((7, 1, 1), (2, 1, 1)),
        ((3, 3, 3), (1, 1, 1)),
        ((3, 7, 7), (2, 2, 2)),
    ],
)
def test_convolution_equals_numpy(shape, kernel, strides):
    x, weights = _random(*shape), _random(*kernel, shape[-1], 4)
    y = operations.convolve(tf.constant(x, tf.float32), tf.constant(weights, tf.float32), strides)
    np.testing.assert_allclose(y, reference.convolution(x, weights, strides), atol=2e-4)


def _check_values_and_gradients(x, weights, strides):
    """Against NumPy, the gradients along a direction against the finite difference in float64."""
    narrow = [tf.constant(values, tf.float32) for values in (x, weights)]
    with tf.GradientTape() as tape:
        tape.watch(narrow)
        y = operations.convolve(*narrow, strides)
        loss = tf.reduce_sum(y**2)
    np.testing.assert_allclose(y, reference.convolution(x, weights, strides), atol=2e-4)
    for place, gradient in enumerate(tape.gradient(loss, narrow)):
        moves = [0.0, 0.0]
        moves[place] = _random(*gradient.shape)
        ahead, behind = (
            np.sum(reference.convolution(x + h * moves[0], weights + h * moves[1], strides) ** 2)
            for h in (1e-4, -1e-4)
        )
        slope = np.sum(gradient * moves[place])
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-4, rtol=1e-4)


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('size', [(15, 34), (16, 32)])  # positions: 510 and 512
@pytest.mark.parametrize(('time', 'kernel'), [(5, 3), (7, 7)])
def test_temporal_convolutions_of_few_and_of_many_positions(size, stride, time, kernel):
    x, weights = _random(2, time, *size, 3), _random(kernel, 1, 1, 3, 4)
    _check_values_and_gradients(x, weights, (stride, 1, 1))


@pytest.mark.parametrize('time', [4, 5, 7, 8])  # at 5 and 7 oneDNN's own gradient is garbage
@pytest.mark.parametrize('kernel', [(7, 7, 7), (3, 7, 7), (3, 3, 3)])
@pytest.mark.parametrize('channels', [2, 3])
def test_gradients_of_stems(time, kernel, channels):
    x, weights = _random(2, time, 14, 13, channels), _random(*kernel, channels, 16)
    _check_values_and_gradients(x, weights, (2, 2, 2))


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('kernel', [(7, 7, 7), (3, 3, 3), (5, 3, 1)])
@pytest.mark.parametrize('strides', [(1, 1, 1), (2, 2, 2), (3, 1, 2)])
@pytest.mark.parametrize('padding', ['same', 'valid', 'symmetric'])
def test_bfloat16_convolution_equals_numpy(shape, kernel, strides, padding):
    paddings = {
        'same': reference.same_padding,
        'valid': reference.no_padding,
        'symmetric': reference.symmetric_padding,
    }
    if padding == 'valid' and any(np.array(shape[1:4]) < kernel):
        pytest.skip('no window fits')
    x, weights = (tf.cast(_random(*s), tf.bfloat16) for s in (shape, (*kernel, shape[-1], 4)))
    given = tuple(size // 2 for size in kernel) if padding == 'symmetric' else padding
    y = tf.cast(operations.convolve(x, weights, strides, given), tf.float64)
    wide = [tf.cast(values, tf.float64).numpy() for values in (x, weights)]
    expected = reference.convolution(*wide, strides, paddings[padding])
    np.testing.assert_allclose(y, expected, atol=0.01 * np.abs(expected).max())


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize(
    ('size', 'strides'),
    [
        ((1, 3, 3), (1, 2, 2)),
        ((3, 3, 3), (2, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
        ((1, 3, 3), (1, 1, 1)),
        ((2, 1, 1), (2, 1, 1)),
    ],
)
def test_max_pool_equals_numpy(shape, size, strides):
    x = _random(*shape) - 5.0  # negative: padding with zeros would show
    y = operations.max_pool(tf.constant(x, tf.float32), size, strides)
    np.testing.assert_allclose(y, reference.max_pool(x, size, strides), rtol=1e-6)


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize(
    ('kernel', 'strides'),
    [
        ((7, 7, 7), (2, 2, 2)),
        ((1, 7, 7), (1, 2, 2)),
        ((7, 1, 1), (2, 1, 1)),
        ((3, 3, 3), (1, 1, 1)),
    ],
)
def test_symmetric_convolution_equals_numpy(shape, kernel, strides):
    x, weights = _random(*shape), _random(*kernel, shape[-1], 4)
    before = tuple(size // 2 for size in kernel)
    y = operations.convolve(
        tf.constant(x, tf.float32), tf.constant(weights, tf.float32), strides, before
    )
    expected = reference.convolution(x, weights, strides, reference.symmetric_padding)
    np.testing.assert_allclose(y, expected, atol=2e-4)
    sizes = operations.output_sizes(shape[1:4], kernel, strides, before)
    assert sizes == tuple(y.shape[1:4])


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize(('size', 'strides'), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2))])
def test_symmetric_max_pool_equals_numpy(shape, size, strides):
    x = _random(*shape) - 5.0
    before = tuple(rows // 2 for rows in size)
    y = operations.max_pool(tf.constant(x, tf.float32), size, strides, before)
    expected = reference.max_pool(x, size, strides, reference.symmetric_padding)
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_pool_without_padding_drops_what_does_not_fill_a_window():
    x = _random(2, 5, 6, 7, 3)
    y = operations.max_pool(tf.constant(x, tf.float32), (2, 2, 2), (2, 2, 2), 'valid')
    expected = reference.max_pool(x, (2, 2, 2), (2, 2, 2), reference.no_padding)
    assert y.shape == (2, 2, 3, 3, 3)
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert operations.output_sizes((5, 6, None), (2, 2, 2), (2, 2, 2), 'valid') == (2, 3, None)
    with pytest.raises(tf.errors.InvalidArgumentError, match='fewer than 2 frames reach it'):
        operations.max_pool(tf.constant(x[:, :1]), (2, 2, 2), (2, 2, 2), 'valid')


def test_trailing_padding_is_same_for_even_sizes_only():
    even, odd = _random(1, 4, 6, 8, 3), _random(1, 5, 7, 9, 3)
    window = ((3, 3, 3), (2, 2, 2))
    np.testing.assert_array_equal(
        operations.max_pool(tf.constant(even), *window, (0, 0, 0)),
        operations.max_pool(tf.constant(even), *window),
    )
    y = operations.max_pool(tf.constant(odd), *window, (0, 0, 0)).numpy()
    assert y.shape == (1, 3, 4, 5, 3)
    np.testing.assert_array_equal(y[:, 0, 0, 0], odd[:, :3, :3, :3].max(axis=(1, 2, 3)))
    np.testing.assert_array_equal(y[:, 2, 3, 4], odd[:, 4, 6, 8])


def test_unknown_dimensions_give_the_same():
    weights = tf.constant(_random(1, 3, 3, 3, 4), tf.float32)
    x = tf.constant(_random(2, 5, 6, 7, 3), tf.float32)
    unknown = tf.TensorSpec([None, None, None, None, 3], tf.float32)

    @tf.function(input_signature=[unknown])
    def compute(x):
        y = operations.convolve(x, weights, (1, 1, 1))
        return operations.max_pool(y, (3, 3, 3), (2, 2, 2))

    expected = operations.max_pool(operations.convolve(x, weights, (1, 1, 1)), (3, 3, 3), (2, 2, 2))
    np.testing.assert_array_equal(compute(x), expected)


def test_all_ones_count_the_positions_under_the_kernel():
    x = tf.ones([1, 3, 3, 3, 1])
    y = operations.convolve(x, tf.ones([3, 3, 3, 1, 1]), (1, 1, 1))[0, ..., 0].numpy()
    assert y[1, 1, 1] == 27
    assert y[0, 1, 1] == 18
    assert y[0, 0, 1] == 12
    assert y[0, 0, 0] == 8


def test_bfloat16_kernel_gradients_are_finite_and_right():
    """The CPU's own bfloat16 conv3d gives a NaN in some calls out of a hundred."""
    x = tf.constant(_random(2, 4, 8, 8, 8), tf.float32)
    kernel = tf.constant(_random(3, 3, 3, 8, 6), tf.float32)

    @tf.function
    def gradient(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            y = operations.convolve(x, kernel, (1, 1, 1))
            total = tf.reduce_sum(tf.cast(y, 'float32') ** 2)
        return tf.cast(tape.gradient(total, kernel), 'float32')

    expected = gradient(x, kernel)
    for _ in range(100):
        found = gradient(tf.cast(x, tf.bfloat16), tf.cast(kernel, tf.bfloat16))
        # Measured: 0.035 where the CPU has no bfloat16 and sums are rounded on the way.
        np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())
