"""Clips in batches of one size, against the function on each clip."""

import types

import numpy as np
import pytest
import tensorflow as tf

from s3dg.config import ConfigError
from s3dg.inference import InBatches


def test_any_number_of_clips_in_one_graph():
    traced = []

    def sums(clips):
        traced.append(clips.shape)
        values = tf.cast(clips, 'float32')
        return {'sum': tf.reduce_sum(values, (1, 2)), 'least': tf.reduce_min(clips, 1)}

    in_batches = InBatches(sums, 3)
    clips = np.random.default_rng(0).integers(1, 256, (7, 4, 5)).astype('uint8')
    for number in range(1, 8):
        for given in (clips[:number], list(clips[:number]), tf.constant(clips[:number])):
            found = in_batches(given)
            expected = clips[:number].astype('float32').sum((1, 2))
            np.testing.assert_array_equal(found['sum'], expected)
            np.testing.assert_array_equal(found['least'], clips[:number].min(1))
            assert (found['sum'].dtype, found['least'].dtype) == (np.float32, np.uint8)
    assert traced == [(3, 4, 5)]


def test_clips_of_any_length_in_two_graphs():
    traced = []

    def sums(clips):
        traced.append(tuple(clips.shape))
        return tf.reduce_sum(tf.cast(clips, 'float32'), (1, 2))

    in_batches = InBatches(sums, 2, any_length=True)
    for length in (4, 4, 6, 9, 5, 4):
        clips = np.random.default_rng(length).integers(0, 256, (3, length, 5)).astype('uint8')
        np.testing.assert_array_equal(in_batches(clips), clips.astype('float32').sum((1, 2)))
    assert traced == [(2, 4, 5), (2, None, 5)]


def test_devices_have_equal_shares():
    three = types.SimpleNamespace(num_replicas_in_sync=3)
    with pytest.raises(ConfigError, match='batch_size: found 4, expected a multiple of the 3 dev'):
        InBatches(tf.identity, 4, three)
