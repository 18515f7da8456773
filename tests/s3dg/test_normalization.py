"""Batch norm against plain NumPy; what replicas do is in training/test_distribution.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from s3dg.normalization import BatchNormalization
from tests.s3dg import reference

AXES = (0, 1, 2, 3)


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(3.0, 2.0, (2, 3, 4, 5, 6)).astype('float32')


@pytest.fixture
def layer(x):
    layer = BatchNormalization(momentum=0.9, epsilon=1e-3, scale=True)
    layer.build(x.shape)
    layer.gamma.assign(np.linspace(0.5, 1.5, 6))
    layer.beta.assign(np.linspace(-1, 1, 6))
    layer.moving_mean.assign(np.linspace(0, 1, 6))
    layer.moving_variance.assign(np.linspace(1, 2, 6))
    return layer


def test_training_uses_the_batch_and_moves_the_statistics(layer, x):
    y = layer(x, training=True)
    mean, variance = x.mean(AXES), x.var(AXES)
    expected = reference.batch_norm(
        x, mean, variance, np.linspace(0.5, 1.5, 6), np.linspace(-1, 1, 6), 1e-3
    )
    np.testing.assert_allclose(y, expected, atol=1e-4)
    np.testing.assert_allclose(
        layer.moving_mean.numpy(), 0.9 * np.linspace(0, 1, 6) + 0.1 * mean, rtol=1e-5
    )
    unbiased = x.astype('float64').var(AXES, ddof=1)
    np.testing.assert_allclose(
        layer.moving_variance.numpy(), 0.9 * np.linspace(1, 2, 6) + 0.1 * unbiased, rtol=1e-5
    )


def test_inference_uses_the_moving_statistics(layer, x):
    expected = reference.batch_norm(
        x,
        np.linspace(0, 1, 6),
        np.linspace(1, 2, 6),
        np.linspace(0.5, 1.5, 6),
        np.linspace(-1, 1, 6),
        1e-3,
    )
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-5)


def test_float64_is_exact_to_its_own_digits(x):
    layer = BatchNormalization(momentum=0.9, epsilon=1e-3, scale=True, dtype='float64')
    x = x.astype('float64')
    layer.build(x.shape)
    gamma, beta = np.linspace(0.5, 1.5, 6), np.linspace(-1, 1, 6)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    mean, variance = x.mean(AXES), x.var(AXES)
    y = layer(x, training=True)
    expected = reference.batch_norm(x, mean, variance, gamma, beta, 1e-3)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * mean, rtol=1e-12)
    moving = 0.9 + 0.1 * x.var(AXES, ddof=1)
    np.testing.assert_allclose(layer.moving_variance.numpy(), moving, rtol=1e-12)
    expected = reference.batch_norm(x, 0.1 * mean, moving, gamma, beta, 1e-3)
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-12)


def test_frozen_is_inference_and_keeps_its_statistics(layer, x):
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))
    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.linspace(0, 1, 6, dtype='float32'))
    assert layer.trainable_variables == []


def test_gradient_flows_through_the_batch_statistics(layer, x):
    """A sum of normalised values is constant: no gradient. A fixed mean would leave one."""
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(layer(inputs, training=True))
    np.testing.assert_allclose(tape.gradient(total, inputs), np.zeros(x.shape), atol=1e-4)


def test_names_and_count_of_variables_are_keras_s(x):
    ours, keras_s = BatchNormalization(), keras.layers.BatchNormalization(scale=False)
    ours.build(x.shape)
    keras_s.build(x.shape)
    assert [v.name for v in ours.variables] == [v.name for v in keras_s.variables]
    assert [v.name for v in ours.trainable_variables] == ['beta']


def test_bfloat16_activations_keep_float32_statistics(x):
    layer = BatchNormalization(dtype='mixed_bfloat16', momentum=0.0)
    y = layer(x, training=True)
    assert y.dtype == tf.bfloat16
    assert layer.moving_mean.dtype == 'float32'
    np.testing.assert_allclose(layer.moving_mean.numpy(), x.mean(AXES), rtol=1e-2)


def test_inputs_of_other_ranks_are_normalised_over_all_but_the_last():
    x = np.random.default_rng(1).normal(size=(50, 3)).astype('float32')
    layer = BatchNormalization(epsilon=0.0)
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y, (x - x.mean(0)) / x.std(0), atol=1e-4)
