"""Imported networks against the published ones in plain torch: stems, endpoints and sizes."""

import numpy as np
import pytest

from s3dg import weights
from s3dg.config import ENDPOINTS
from tests.s3dg.weights import golden
from tests.s3dg.weights.pseudo_weights import clip, pseudo_weight

torch_reference = pytest.importorskip('tests.s3dg.weights.torch_reference')

TOLERANCE = 1e-4


def _arrays(shapes):
    return {name: pseudo_weight(name, shape, salt='other ') for name, shape in shapes.items()}


def _check(network, x, expected, output='logits'):
    """The activations and the output of `network` on uint8 `x` are those of the reference."""
    _same(network(x).numpy(), expected[output], output)
    for endpoint, activations in network.endpoints(ENDPOINTS)(x).items():
        _same(activations.numpy(), expected[endpoint], endpoint)


def _same(found, expected, what):
    assert found.shape == expected.shape, what
    assert np.abs(found - expected).max() < TOLERANCE * np.abs(expected).max(), what


def _scaled(x):
    return (x / np.float32(127.5) - 1).astype('float32')


def _endpoint(name):
    return name.split('/')[1]


def _slim_shapes(dense, gated, stem, temporal_from, gating_from='Conv2d_2c_3x3', classes=400):
    """Names and shapes as the released code makes them, from those of its default networks."""
    base = 'slim_i3d' if dense else ('slim_s3dg' if gated else 'slim_s3d')
    shapes = {}
    for name, shape in golden.shapes(base).items():
        number = ENDPOINTS.index(_endpoint(name)) if _endpoint(name) in ENDPOINTS else 99
        temporal = temporal_from is not None and number >= ENDPOINTS.index(temporal_from)
        if _endpoint(name) == 'Conv2d_1a_7x7' and len(shape) == 5:
            shape = [stem, *shape[1:]]
        elif '/temporal/' in name and not temporal:
            continue
        elif dense and not temporal and len(shape) == 5:
            shape = [1, *shape[1:]]
        elif 'self_gating' in name and number < ENDPOINTS.index(gating_from):
            continue
        elif 'Logits' in name:
            shape = [*shape[:-1], classes]
        shapes[name] = shape
    return shapes


@pytest.mark.parametrize(
    ('options', 'size'),
    [
        ((False, False, 1, 'Conv2d_2c_3x3'), (16, 64, 64)),
        ((False, False, 5, 'Mixed_3b'), (17, 50, 70)),
        ((False, True, 7, 'Mixed_4b'), (9, 64, 96)),
        ((False, True, 3, 'Mixed_5c', 'Mixed_4d'), (16, 64, 64)),
        ((False, True, 1, None, 'Mixed_3c'), (8, 64, 64)),
        ((True, False, 3, 'Mixed_4e'), (16, 65, 47)),
        ((True, False, 1, None), (11, 64, 64)),
        ((False, True, 3, 'Conv2d_2c_3x3', 'Conv2d_2c_3x3', 600), (24, 96, 64)),
    ],
)
def test_slim(options, size):
    arrays = _arrays(_slim_shapes(*options))
    imported = weights.from_arrays('slim', arrays)
    assert imported.variables_used == len(arrays)
    x = clip((*size, 3))[None]
    _check(imported.network, x, torch_reference.slim(arrays, _scaled(x)))


@pytest.mark.parametrize(
    ('prefix', 'channels', 'classes', 'whole'),
    [('Flow/inception_i3d/', 2, 400, True), ('', 3, 600, False)],
)
def test_deepmind(prefix, channels, classes, whole):
    shapes = {}
    for name, shape in golden.shapes('deepmind_rgb_imagenet').items():
        name = name.removeprefix('RGB/inception_i3d/')
        if name == 'Conv3d_1a_7x7/conv_3d/w':
            shape = [7, 7, 7, channels, 64]
        elif 'Logits' in name:
            shape = [*shape[:-1], classes]
        elif 'batch_norm' in name and not whole:
            shape = [1, 1, 1, 1, *shape]
        shapes[prefix + name] = shape
    arrays = _arrays(shapes)
    imported = weights.from_arrays('deepmind_i3d', arrays)
    assert imported.network.config.num_classes == classes
    x = clip((20, 72, 90, channels))[None]
    _check(imported.network, x, torch_reference.deepmind_i3d(arrays, _scaled(x), prefix))


# 224: as published; others: odd on the way, and frames larger than the head's 7x7 windows.
@pytest.mark.parametrize('size', [(17, 250, 236), (24, 150, 70)])
@pytest.mark.parametrize('source', ['torchvision', 'kylemin'])
def test_torch_s3d(source, size):
    state = _arrays(golden.shapes('torchvision_s3d'))
    x = clip((*size, 3))[None]
    scaled = _scaled(x)
    if source == 'torchvision':
        mean = np.float32([0.43216, 0.394666, 0.37645])
        scaled = (x / np.float32(255) - mean) / np.float32([0.22803, 0.22145, 0.216989])
    renamed = state if source == 'torchvision' else golden.kylemin_names(state)
    network = weights.from_arrays(source, renamed).network
    expected = torch_reference.torchvision_s3d(state, scaled, source == 'kylemin')
    _check(network, x, expected)


# 32x128x128 is even throughout; the others reach MaxPool_4a_3x3 with odd sizes, where its padding
# is not SAME.
@pytest.mark.parametrize('size', [(32, 128, 128), (20, 200, 232), (10, 104, 90)])
def test_howto100m(size):
    shapes = torch_reference.howto100m_shapes()
    shapes['text_module.word_embd.weight'] = (10, 300)  # left out: no need for 80 MB of it
    state = _arrays(shapes)
    imported = weights.from_arrays('howto100m', state)
    assert len(imported.variables_left_out) == 76 + 5  # counters, and the text tower
    assert imported.variables_used == len(state) - 81
    network = imported.network
    assert network.class_names is None
    x = clip((*size, 3))[None]
    expected = torch_reference.howto100m(state, (x / np.float32(255)).astype('float32'))
    _check(network, x, expected, 'embedding')
    pooled = network.endpoint('AvgPool_0a_7x7')(x).numpy().mean(axis=1)
    _same(pooled, expected['Mixed_5c_pooled'], 'Mixed_5c, pooled')
