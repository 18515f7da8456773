"""The layers after the last endpoint."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from s3dg import head


def _random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype('float32')


@pytest.mark.parametrize('time', [1, 2, 7, 8])
def test_head_equals_the_published_pool_and_mean(time):
    """slim: a 2x7x7 average pool of stride 1, a 1x1x1 convolution, the mean of logits over time."""
    x = _random(2, time, 7, 7, 5)
    classifier = head.Classifier(4)
    logits = classifier(head.WindowedAveragePool()(x))
    pooled = tf.nn.avg_pool3d(x, [1, min(2, time), 7, 7, 1], 1, 'VALID')
    expected = tf.reduce_mean(
        tf.nn.conv3d(pooled, classifier.kernel[None, None, None], [1] * 5, 'SAME'), [1, 2, 3]
    )
    np.testing.assert_allclose(logits, expected, atol=1e-6)


@pytest.mark.parametrize('size', [(7, 7), (8, 8), (9, 16), (5, 20), (4, 4)])
def test_head_with_a_window_equals_torchvisions_pool_and_mean(size):
    """torchvision: a 2x7x7 average pool of stride 1, the classifier, the mean over the rest."""
    x = _random(2, 4, *size, 5)
    pool = head.WindowedAveragePool(spatial_window=7)
    window = [min(7, side) for side in size]
    expected = tf.reduce_mean(tf.nn.avg_pool3d(x, [1, 2, *window, 1], 1, 'VALID'), [2, 3])
    assert tuple(pool.compute_output_shape(x.shape)) == pool(x).shape
    np.testing.assert_allclose(pool(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    ('policy', 'dtype'),
    [('float32', 'float32'), ('mixed_bfloat16', 'float32'), ('float64', 'float64')],
)
def test_head_is_float32_or_wider(policy, dtype):
    assert head.head_dtype(policy) == dtype
    pool = head.WindowedAveragePool(spatial_window=7, dtype=policy)
    logits = head.Classifier(3, dtype=policy)(pool(_random(1, 2, 8, 8, 4)))
    assert logits.dtype == dtype


def test_head_without_a_temporal_window_keeps_every_frame():
    x = _random(2, 4, 3, 5, 6)
    pool = head.WindowedAveragePool(temporal_window=1)
    np.testing.assert_allclose(pool(x), x.mean(axis=(2, 3)), atol=1e-6)
    assert pool.compute_output_shape(x.shape) == (2, 4, 6)


def test_dropout_drops_its_share_and_keeps_the_mean():
    keras.utils.set_random_seed(3)
    layer = head.Dropout(0.25)
    x = tf.ones((100, 1000))
    y = layer(x, training=True).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.01  # six deviations
    assert not np.array_equal(y, layer(x, training=True))
    np.testing.assert_array_equal(layer(x, training=False), x)


def test_dropout_goes_on_from_a_checkpoint(tmp_path):
    x = tf.ones((4, 50))
    layer = head.Dropout(0.5)
    layer(x, training=True)
    path = tf.train.Checkpoint(layer=layer).save(str(tmp_path / 'ckpt'))
    expected = [layer(x, training=True).numpy() for _ in range(2)]
    fresh = head.Dropout(0.5)
    fresh.build(x.shape)
    tf.train.Checkpoint(layer=fresh).restore(path).assert_consumed()
    for masks in expected:
        np.testing.assert_array_equal(fresh(x, training=True), masks)
