"""Networks started from others: ImageNet's Inception-v1 made 3D, and an I3D made separable."""

import numpy as np
import pytest

import s3dg
from s3dg import weights
from s3dg.config import ENDPOINTS
from s3dg.weights import inflation
from s3dg.weights.assign import network_weights
from tests.s3dg.weights import golden
from tests.s3dg.weights.pseudo_weights import clip

IMAGE = 'slim_inception_v1'


def _still(frames):
    return golden.golden_clip(IMAGE).repeat(frames, axis=1)


def _activations(network, frames):
    return network.endpoints(ENDPOINTS)(_still(frames))


@pytest.mark.parametrize(
    ('network', 'fields'),
    [
        ('i2d', {}),
        ('s3d', {'stem_temporal_size': 1}),
        ('s3d_slim', {'stem_temporal_size': 1}),
        ('s3d', {'stem_temporal_size': 1, 'temporal_batch_norm': True, 'batch_norm_scale': True}),
        ('top_heavy_s3d', {'stem_temporal_size': 1}),
    ],
)
def test_a_still_video_gives_what_its_image_gives_at_every_step(network, fields):
    imported = weights.from_arrays('inception_v1', golden.arrays(IMAGE), network=network, **fields)
    assert imported.variables_used == 228
    assert imported.layers_kept == ['logits']
    activations = _activations(imported.network, 16)
    assert activations['Mixed_5c'].shape[1] == 2
    for endpoint, x in activations.items():
        for step in range(x.shape[1]):
            assert golden.endpoint_error(IMAGE, endpoint, x[:, step]) < 1e-4, (endpoint, step)


# How many time steps at each end the zeros beyond a 128-frame clip reach: by hand, from kernel
# sizes and strides. A kernel of 3 carries a reach of r to r + 1. The stem, of 7 at stride 2, pads
# 2 rows before and 3 after: they reach 1 step and 2 steps. A pool of stride 2 halves a reach, its
# window included: the one of 3 sees steps 2i ... 2i + 2, that of 2 sees 2i and 2i + 1.
REACH = {
    'Conv2d_1a_7x7': (1, 2),
    'MaxPool_2a_3x3': (1, 2),
    'Conv2d_2b_1x1': (1, 2),
    'Conv2d_2c_3x3': (2, 3),
    'MaxPool_3a_3x3': (2, 3),
    'Mixed_3b': (3, 4),
    'Mixed_3c': (4, 5),
    'MaxPool_4a_3x3': (2, 3),
    'Mixed_4b': (3, 4),
    'Mixed_4c': (4, 5),
    'Mixed_4d': (5, 6),
    'Mixed_4e': (6, 7),
    'Mixed_4f': (7, 8),
    'MaxPool_5a_2x2': (4, 4),
    'Mixed_5b': (5, 5),
    'Mixed_5c': (6, 6),
}


def test_dense_network_gives_it_away_from_the_clips_ends():
    imported = weights.from_arrays('inception_v1', golden.arrays(IMAGE), network='i3d')
    activations = _activations(imported.network, 128)
    for endpoint, x in activations.items():
        before, after = REACH[endpoint]
        assert x.shape[1] > before + after
        for step in range(before, x.shape[1] - after):
            assert golden.endpoint_error(IMAGE, endpoint, x[:, step]) < 1e-4, (endpoint, step)
    first = activations['Mixed_5c'][:, 0]
    assert golden.endpoint_error(IMAGE, 'Mixed_5c', first) > 1e-3  # else nothing was tested


def test_flow_network_looks_at_the_mean_of_the_colours():
    imported = weights.from_arrays(
        'inception_v1', golden.arrays(IMAGE), network='i3d', channels=2, num_classes=7
    )
    stem = imported.network.get_layer('Conv2d_1a_7x7').parts[0].kernel.numpy()
    image = golden.arrays(IMAGE)['InceptionV1/Conv2d_1a_7x7/weights']
    assert stem.shape == (7, 7, 7, 2, 64)
    np.testing.assert_allclose(stem[3, :, :, 1], image.mean(axis=2) / 7, rtol=1e-5, atol=1e-7)
    assert imported.network(clip((16, 64, 64, 2))[None]).shape == (1, 7)


def test_imagenets_own_classifier_is_left_out():
    arrays = golden.arrays(IMAGE)
    head = 'InceptionV1/Logits/Conv2d_0c_1x1/'
    extra = {
        head + 'weights': np.zeros((1, 1, 1024, 1001), 'f4'),
        head + 'biases': np.zeros(1001, 'f4'),
    }
    imported = weights.from_arrays('inception_v1', {**arrays, **extra}, network='i2d')
    assert imported.variables_left_out == sorted(extra)


def _taps(*values):
    return np.float32(values).reshape(-1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ('taps', 'size', 'expected'),
    [
        ([6.0], 3, [2, 2, 2]),
        ([1, 2, 3], 1, [6]),
        ([1, 2, 3], 3, [1, 2, 3]),
        ([1, 2, 3], 7, [0, 0, 1, 2, 3, 0, 0]),
        ([1, 2, 3, 4, 5, 6, 7], 3, [6, 4, 18]),
        ([1, 2, 3, 4], 1, [10]),
    ],
)
def test_kernels_are_fitted_in_time(taps, size, expected):
    np.testing.assert_allclose(inflation.fit_time(_taps(*taps), size), _taps(*expected))


def test_an_even_kernel_has_no_middle():
    with pytest.raises(weights.WeightsError, match='temporal size 4 cannot become one of 3'):
        inflation.fit_time(_taps(1, 2, 3, 4), 3)


@pytest.fixture(scope='module')
def small_i3d():
    network = s3dg.build('i3d', 3, width=0.25, class_names=['a', 'b', 'c'], batch_norm_decay=0.5)
    rng = np.random.default_rng(0)
    for path, variable in network_weights(network).items():
        if path.endswith('moving_variance'):
            value = rng.uniform(0.5, 1.5, variable.shape)
        elif path.endswith('kernel'):
            fan_in = np.prod(variable.shape[:-1])
            value = rng.standard_normal(variable.shape) * np.sqrt(2.0 / fan_in)
        else:
            value = 0.1 * rng.standard_normal(variable.shape)
        variable.assign(value)
    return network


def _from(source, name, **fields):
    names = source.class_names
    inherited = inflation.inherited_fields(source.config)
    return s3dg.build(name, len(names), class_names=names, **{**inherited, **fields})


@pytest.mark.parametrize('name', ['s3d', 's3d_slim', 'fast_s3d', 'i2d', 'top_heavy_i3d'])
def test_dense_weights_see_the_same_in_a_still_video(small_i3d, name):
    target = _from(small_i3d, name)
    assert inflation.inflate(small_i3d, target) == []
    still = clip((1, 32, 48, 3))[None].repeat(128, axis=1)
    one, two = (network.endpoint('Mixed_5c')(still).numpy() for network in (small_i3d, target))
    middle = one.shape[1] // 2
    np.testing.assert_allclose(two[:, middle], one[:, middle], atol=1e-5 * np.abs(one).max())
    np.testing.assert_array_equal(
        target.get_layer('logits').kernel.numpy(), small_i3d.get_layer('logits').kernel.numpy()
    )
    moving = clip((16, 32, 48, 3))[None]
    assert np.abs(small_i3d(moving) - target(moving)).max() > 1e-4


def test_gates_and_other_classes_start_afresh(small_i3d):
    target = _from(small_i3d, 's3d_g')
    kept = inflation.inflate(small_i3d, target)
    assert len(kept) == 37  # 2c and four branches of nine blocks
    assert kept[:2] == ['Conv2d_2c_3x3/self_gating', 'Mixed_3b/Branch_0/self_gating']
    other = s3dg.build('s3d', 5, **inflation.inherited_fields(small_i3d.config))
    assert inflation.inflate(small_i3d, other) == ['logits']


def test_gates_are_copied_where_both_have_them():
    source = s3dg.build('s3d_g', 3, width=0.25)
    target = s3dg.build('s3d_g', 3, width=0.25, gating_from='Mixed_4b', stem_temporal_size=7)
    assert inflation.inflate(source, target) == []
    gate = 'Mixed_4b/Branch_1/self_gating/kernel'
    np.testing.assert_array_equal(
        network_weights(target)[gate].numpy(), network_weights(source)[gate].numpy()
    )


def test_what_cannot_be_is_refused(small_i3d):
    separable = s3dg.build('s3d', 3, width=0.25)
    with pytest.raises(weights.WeightsError, match='Conv2d_2c_3x3/convolution: a separable'):
        inflation.inflate(separable, small_i3d)
    wide = s3dg.build('s3d', 3, width=0.5)
    with pytest.raises(weights.WeightsError, match='kernel of shape .* does not fit'):
        inflation.inflate(small_i3d, wide)
    scaled = s3dg.build('i3d', 3, width=0.25, batch_norm_scale=True)
    with pytest.raises(weights.WeightsError, match='no place for its gamma'):
        inflation.inflate(scaled, small_i3d)
