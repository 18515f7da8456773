"""Where cells are, against what really reaches them, and weights against hand-made ones."""

import numpy as np
import pytest
import tensorflow as tf

from s3dg import network as networks
from s3dg.explanation import cells
from tests.s3dg.small import SMALL

SIZES = (16, 64, 96)


@pytest.mark.parametrize(
    ('endpoint', 'first', 'step'),
    [
        # SAME's stem with an even number of rows: rows 2k - 2 to 2k + 4, in the middle of row
        # 2k + 1. A pool of 3 begins at its first row, so from there half a row is added each time.
        ('Conv2d_1a_7x7', (1.5, 1.5, 1.5), (2, 2, 2)),
        ('Conv2d_2c_3x3', (1.5, 3.5, 3.5), (2, 4, 4)),
        ('Mixed_3c', (1.5, 7.5, 7.5), (2, 8, 8)),
        ('Mixed_4f', (3.5, 15.5, 15.5), (4, 16, 16)),
        # A pool of 2 adds nothing to the middle between two cells.
        ('Mixed_5c', (5.5, 23.5, 23.5), (8, 32, 32)),
    ],
)
def test_middles_by_hand(endpoint, first, step):
    network = networks.build('s3d_g', **SMALL)
    found = cells.centres(network, endpoint, SIZES)
    for places, start, apart, size in zip(found, first, step, SIZES, strict=True):
        np.testing.assert_allclose(places, start + apart * np.arange(size // apart))


@pytest.mark.parametrize(
    ('name', 'fields', 'sizes'),
    [
        ('s3d', {}, (9, 45, 64)),
        ('i3d', {'stem_padding': 'symmetric', 'pool_padding': 'symmetric'}, (16, 64, 48)),
        (
            's3d',
            {'stem_spatial_size': 8, 'stem_padding': (1, 4, 4), 'pool_padding': 'trailing'},
            (16, 64, 48),
        ),
        ('i2d_order_blind', {}, (8, 64, 64)),
    ],
)
@pytest.mark.parametrize('endpoint', ['Conv2d_1a_7x7', 'MaxPool_2a_3x3', 'MaxPool_3a_3x3'])
def test_middles_are_those_of_what_reaches_a_cell(name, fields, sizes, endpoint):
    """What has a gradient, where all kernels are ones."""
    network = networks.build(name, **SMALL, input_scale=1.0, input_offset=0.0, **fields)
    found = cells.centres(network, endpoint, sizes)
    for variable in network.variables:
        if variable.name in ('kernel', 'moving_variance'):
            variable.assign(np.ones(variable.shape))
    model = network.endpoint(endpoint)
    shape = model.compute_output_shape((1, *sizes, 3))[1:4]
    assert [len(places) for places in found] == list(shape)
    cell = [n // 2 for n in shape]  # in the middle, which no padding reaches

    @tf.function
    def slopes(clip):
        with tf.GradientTape() as tape:
            tape.watch(clip)
            value = tf.reduce_sum(model(clip, training=False)[0, cell[0], cell[1], cell[2]])
        return tape.gradient(value, clip)[0]

    rng = np.random.default_rng(0)
    reached = np.zeros(sizes, bool)
    for _ in range(30):  # a max-pool passes on one of its values
        clip = rng.uniform(1, 2, (1, *sizes, 3)).astype('float32')
        reached |= slopes(tf.constant(clip)).numpy().any(-1)
    for axis, places in enumerate(found):
        others = tuple(other for other in range(3) if other != axis)
        touched = np.flatnonzero(reached.any(others))
        middle = (touched[0] + touched[-1] + 1) / 2
        assert places[cell[axis]] == pytest.approx(middle)


def test_the_default_is_the_last_endpoint_with_enough_cells():
    network = networks.build('s3d_g', **SMALL)
    for side, endpoint in ((224, 'Mixed_3c'), (128, 'Mixed_3c'), (64, 'Conv2d_2c_3x3')):
        assert cells.default_endpoint(network, (16, side, side)) == endpoint
    assert cells.default_endpoint(network, (16, 64, 256)) == 'Conv2d_2c_3x3'
    assert cells.default_endpoint(network, (16, 16, 16)) == 'Conv2d_1a_7x7'  # which has eight


def test_between_places_values_are_interpolated_and_beyond_them_held():
    weights = cells.interpolation(np.array([1.0, 3.0, 5.0]), np.array([0, 1, 1.5, 4, 5, 9]))
    expected = [[1, 0, 0], [1, 0, 0], [0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1], [0, 0, 1]]
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected)


def test_a_crop_s_cells_are_put_back_into_the_video():
    """Of 40 pixels resized to 20, the network sees those from 2 to 18: from 4 to 36 of the 40."""
    crop = cells.Crop(40, 20, slice(2, 18))
    places = np.array([4.0, 12.0, 20.0])
    np.testing.assert_allclose(crop.in_video(places), [12, 28, 36])  # the last one at its end
    weights = crop.weights(places)
    assert weights.shape == (40, 3)
    assert not weights[:4].any()
    assert not weights[36:].any()
    np.testing.assert_allclose(weights[4:36].sum(1), 1)
    np.testing.assert_allclose(weights[4:12], [[1, 0, 0]] * 8)
    # Pixel 20 of the video, whose middle is 8.25 in the crop, is nearer to the middle one.
    np.testing.assert_allclose(weights[20], [3.75 / 8, 4.25 / 8, 0])
