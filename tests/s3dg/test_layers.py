"""Layers against plain NumPy, values that can be checked by hand, and TensorFlow's own pools."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from s3dg import head, layers
from tests.s3dg import reference


def _random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype('float32')


def test_convolution_batch_norm_relu():
    x = _random(2, 4, 5, 6, 3)
    layer = layers.SpatioTemporalConv(8, (3, 3, 3), normalization={'epsilon': 0.01})
    layer.build(x.shape)
    mean, variance = _random(8, seed=1), np.linspace(0.5, 2, 8)
    layer.batch_norm.moving_mean.assign(mean)
    layer.batch_norm.moving_variance.assign(variance)
    convolved = reference.convolution(x, layer.kernel.numpy(), (1, 1, 1))
    expected = reference.relu(reference.batch_norm(convolved, mean, variance, 1.0, 0.0, 0.01))
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-4)


def test_training_reaches_the_batch_norm_inside():
    x = _random(2, 4, 5, 6, 3)
    conv = layers.SpatioTemporalConv(4, (1, 3, 3), normalization={'momentum': 0.5})
    block = layers.InceptionBlock([layers.Branch([conv])])
    before = block(x, training=False)
    block(x, training=True)
    assert not np.allclose(conv.batch_norm.moving_mean.numpy(), 0.0)
    assert not np.allclose(before, block(x, training=False))


def test_convolution_without_batch_norm_has_a_bias():
    x = _random(1, 2, 3, 4, 3)
    layer = layers.SpatioTemporalConv(5, (1, 1, 1), batch_norm=False)
    layer.build(x.shape)
    layer.bias.assign(np.arange(5.0))
    expected = reference.relu(
        reference.convolution(x, layer.kernel.numpy(), (1, 1, 1)) + np.arange(5.0)
    )
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_separable_convolution_is_spatial_then_temporal():
    x = _random(1, 5, 6, 7, 3)
    layer = layers.SeparableConv3D(4, (3, 3, 3), (2, 2, 2))
    layer.build(x.shape)
    temporal = _random(3, 1, 1, 4, 4, seed=2)
    layer.temporal.kernel.assign(temporal)
    layer.temporal.bias.assign(np.full(4, 0.1))
    spatial = reference.convolution(x, layer.spatial.kernel.numpy(), (1, 2, 2))
    spatial = reference.relu(spatial / np.sqrt(1 + 1e-3))  # fresh statistics: mean 0, variance 1
    expected = reference.relu(reference.convolution(spatial, temporal, (2, 1, 1)) + 0.1)
    assert layer.compute_output_shape(x.shape) == expected.shape
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-4)


def test_fresh_separable_convolution_is_its_spatial_part():
    x = _random(1, 5, 6, 7, 3)
    layer = layers.SeparableConv3D(4, (3, 3, 3))
    np.testing.assert_allclose(layer(x), layer.spatial(x), atol=1e-6)


def test_center_identity():
    kernel = layers.CenterIdentity()((3, 1, 1, 2, 2)).numpy()
    np.testing.assert_array_equal(kernel[:, 0, 0], [np.zeros((2, 2)), np.eye(2), np.zeros((2, 2))])
    with pytest.raises(ValueError, match='CenterIdentity needs'):
        layers.CenterIdentity()((3, 1, 1, 2, 4))


@pytest.mark.parametrize(
    ('pooling', 'axes'), [('space_time', (1, 2, 3)), ('space', (2, 3)), ('time', 1)]
)
@pytest.mark.parametrize('use_bias', [True, False])
def test_gate_equals_numpy(pooling, axes, use_bias):
    x = _random(2, 3, 4, 5, 6)
    layer = layers.SelfGating(use_bias, pooling)
    layer.build(x.shape)
    kernel, bias = _random(6, 6, seed=3), 0.0
    layer.kernel.assign(kernel)
    if use_bias:
        bias = _random(6, seed=4)
        layer.bias.assign(bias)
    np.testing.assert_allclose(layer(x), reference.gate(x, kernel, bias, axes), atol=1e-5)
    assert len(layer.variables) == 1 + use_bias


def test_gate_with_zero_weights_halves():
    layer = layers.SelfGating()
    layer.build((None, None, None, None, 2))
    layer.kernel.assign(np.zeros((2, 2)))
    np.testing.assert_array_equal(layer(tf.ones((1, 2, 2, 2, 2))), np.full((1, 2, 2, 2, 2), 0.5))


def test_gate_refuses_an_unknown_pooling():
    with pytest.raises(ValueError, match="pooling must be one of .* got 'spce'"):
        layers.SelfGating(pooling='spce')


def test_rescaling_keeps_fractions_and_is_float32_inside():
    x = np.array([0.0, 127.5, 200.25, 255.0], 'float32').reshape(1, 1, 1, 4, 1)
    np.testing.assert_allclose(
        layers.Rescaling()(x).numpy().ravel(), [-1.0, 0.0, 200.25 / 127.5 - 1, 1.0], atol=1e-6
    )
    half = layers.Rescaling(dtype='mixed_bfloat16')(np.uint8([[[[[255], [254]]]]]))
    assert half.dtype == tf.bfloat16
    np.testing.assert_allclose(
        tf.cast(half, 'float32').numpy().ravel(), [1.0, 254 / 127.5 - 1], atol=4e-3
    )


def test_layers_compose_into_a_users_own_model(tmp_path):
    clip = keras.Input((None, None, None, 3))
    x = layers.SeparableConv3D(8, (3, 3, 3), (1, 2, 2), temporal_batch_norm=True)(clip)
    x = layers.SelfGating(pooling='time')(x)
    x = layers.MaxPool((1, 3, 3), (1, 2, 2))(x)
    x = layers.InceptionBlock(
        [
            layers.Branch([layers.SpatioTemporalConv(4, (1, 1, 1))]),
            layers.Branch(
                [layers.MaxPool((3, 3, 3), (1, 1, 1)), layers.SpatioTemporalConv(4, (3, 1, 1))]
            ),
        ],
        gate=layers.SelfGating(False),
    )(x)
    x = head.Dropout(0.5)(head.WindowedAveragePool()(x))
    model = keras.Model(clip, head.Classifier(3)(x))
    values = _random(2, 5, 12, 10, 3)
    model.save(tmp_path / 'own.keras')
    loaded = tf.keras.models.load_model(tmp_path / 'own.keras')
    np.testing.assert_array_equal(model(values), loaded(values))
