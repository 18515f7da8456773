"""Features per video, how well they group, and maps of them: by hand and by brute force."""

import numpy as np
import pytest
import tensorflow as tf

import s3dg
from s3dg.config import ConfigError
from s3dg.figures.feature_embedding import (
    chance_agreement,
    neighbour_agreement,
    pooled_features,
    project,
)
from s3dg.training.evaluation import EvaluationError

ENDPOINTS = ('MaxPool_3a_3x3', 'Mixed_5c', 'AvgPool_0a_7x7')
LOW_ENDPOINTS = ('Conv2d_1a_7x7', 'MaxPool_2a_3x3')  # traced in no time


@pytest.fixture(scope='module')
def network():
    tf.keras.utils.set_random_seed(0)
    return s3dg.build('i2d', 5, width=0.1, kernel_initializer='he_normal')


def _clips(number):
    return np.random.default_rng(1).integers(0, 256, (number, 16, 32, 40, 3)).astype('uint8')


def test_features_are_the_means_of_the_activations(network):
    clips = _clips(3)
    done = []
    batches = [clips[:2], tf.constant(clips[2:])]
    found = pooled_features(network, batches, ENDPOINTS, 2, done.append)
    assert list(found) == list(ENDPOINTS)
    assert done == [2, 3]
    for name, features in found.items():
        activations = np.asarray(network.endpoint(name)(clips, training=False), 'float64')
        means = [x.reshape(-1, x.shape[-1]).mean(axis=0) for x in activations]
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, means, rtol=1e-4, atol=1e-5)
    assert not np.allclose(found['Mixed_5c'][0], found['Mixed_5c'][2], rtol=1e-3)


def test_all_endpoints_come_from_one_pass_of_each_batch(network, monkeypatch):
    passes, traced = [], []
    stem = network.get_layer('Conv2d_1a_7x7')
    original = stem.call

    def call(x):
        traced.append(1)
        tf.py_function(lambda: passes.append(1), [], [])
        return original(x)

    monkeypatch.setattr(stem, 'call', call)
    pooled_features(network, [_clips(1), _clips(2), _clips(1)], LOW_ENDPOINTS, 2)
    assert len(passes) == 3
    assert len(traced) == 1  # in one graph, whatever their sizes


def test_what_has_no_features_is_refused(network):
    with pytest.raises(EvaluationError, match='no clips'):
        pooled_features(network, [], LOW_ENDPOINTS, 1)
    with pytest.raises(ConfigError, match="no endpoint 'Mixed_9x'"):
        pooled_features(network, [_clips(1)], ['Mixed_9x'], 1)
    clips = _clips(3).astype('float32')
    clips[1] = 3e38  # whose sums are infinite; of NaN a ReLU makes zeros
    expected = 'at Conv2d_1a_7x7 are not finite for 1 of 3 .* number 1'
    with pytest.raises(EvaluationError, match=expected):
        pooled_features(network, [clips[:2], clips[2:]], ['Conv2d_1a_7x7'], 2)


def test_chance_by_hand():
    # Of the other three, two share the label of each of three videos, and none that of the fourth.
    assert chance_agreement([5, 5, 7, 5]) == pytest.approx((2 / 3 + 2 / 3 + 0 + 2 / 3) / 4)
    assert chance_agreement(np.zeros(4, int)) == 1
    assert chance_agreement(range(4)) == 0


def test_agreement_by_hand():
    # Two groups far apart on a line, the last of each with the other's label. Standardising keeps
    # the order of distances. Among its two nearest, each video of the first group (the second is
    # alike) sees:
    # 0 -> 1, 2: two of its label; 1 -> 0, 2: two; 2.1 -> 1, 3.3: one; 3.3 -> 2.1, 1: none.
    places = np.array([0, 1, 2.1, 3.3, 10, 11, 12.1, 13.3])
    features = np.stack([places, np.zeros(8)], axis=1)
    labels = [7, 7, 7, 4, 4, 4, 4, 7]
    assert neighbour_agreement(features, labels, 2) == 10 / 16
    # Of the nearest one: 0 -> 1, 1 -> 0, 2.1 -> 1, and 3.3 -> 2.1, which differs.
    assert neighbour_agreement(features, labels, 1) == 6 / 8
    # All seven others are neighbours: every video has 3 of its label.
    assert neighbour_agreement(features, labels, 7) == pytest.approx(3 / 7)


def test_agreement_by_brute_force():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 60)
    features = generator.normal(size=(60, 6)) + labels[:, None] * [0.9, 0, 0, 0.5, 0, 0]
    features = (features * [1, 1e3, 1e-3, 1, 1, 50] + [0, 5, 9, -4, 0, 1]).astype('float32')
    scaled = features.astype('float64') - features.mean(axis=0)
    scaled /= features.std(axis=0)
    shares = []
    for i in range(60):
        order = sorted(set(range(60)) - {i}, key=lambda j: ((scaled[i] - scaled[j]) ** 2).sum())
        shares.append(np.mean([labels[j] == labels[i] for j in order[:10]]))
    assert 0.3 < np.mean(shares) < 0.8
    assert neighbour_agreement(features, labels) == pytest.approx(np.mean(shares), abs=1e-9)
    unscaled = features.astype('float64')
    nearest = ((unscaled[:, None] - unscaled[None]) ** 2).sum(axis=2).argsort(axis=1)[:, 1:11]
    assert np.mean(labels[nearest] == labels[:, None]) < np.mean(shares) - 0.05


def test_separate_groups_agree_wholly_and_twins_do_not_count_themselves():
    features = np.repeat([[0.0, 0], [0, 9], [9, 0]], 5, axis=0)  # all of a group in one place
    labels = np.repeat([0, 1, 2], 5)
    assert neighbour_agreement(features, labels, 4) == 1.0
    assert neighbour_agreement(features, np.arange(15), 4) == 0.0


@pytest.mark.parametrize(
    ('features', 'labels', 'neighbours', 'expected'),
    [
        (np.eye(10), range(10), 10, '10 neighbours .* at least 11 videos, found 10'),
        (np.eye(3), range(3), 0, 'at least 1, found 0'),
        (np.eye(5), range(4), 2, r'shape \[5, 5\] .* shape \[4\]'),
        (np.ones((5, 3)), range(5), 2, 'the same'),
        (np.full((5, 5), np.inf), range(5), 2, 'not finite'),
    ],
)
def test_what_has_no_agreement_is_refused(features, labels, neighbours, expected):
    with pytest.raises(EvaluationError, match=expected):
        neighbour_agreement(features, list(labels), neighbours)


def test_maps_keep_groups_together_and_repeat():
    generator = np.random.default_rng(3)
    groups = np.repeat([0, 1, 2], 20)
    # Large channels that say nothing, small ones that tell the groups apart.
    noise = 100 * generator.normal(size=(60, 2))
    telling = 1e-3 * (np.eye(3)[groups] + 0.02 * generator.normal(size=(60, 3)))
    features = np.concatenate([noise, telling], axis=1).astype('float32')
    found = project(features, seed=5)
    assert found.shape == (60, 2)
    assert found.dtype == np.float32
    nearest = ((found[:, None] - found[None]) ** 2).sum(axis=2).argsort(axis=1)[:, 1:6]
    assert (groups[nearest] == groups[:, None]).mean() > 0.95
    np.testing.assert_array_equal(found, project(features, seed=5))


def test_maps_of_few_videos_are_finite():
    features = np.random.default_rng(0).normal(size=(4, 100))
    assert np.isfinite(project(features, seed=0)).all()


@pytest.mark.parametrize('shape', [(3, 8), (8, 1), (8,)])
def test_too_little_for_a_map_is_refused(shape):
    with pytest.raises(EvaluationError, match='at least 4 videos and 2 channels'):
        project(np.random.default_rng(0).normal(size=shape), seed=0)
    with pytest.raises(EvaluationError, match='the same'):
        project(np.ones((8, 3)), seed=0)
