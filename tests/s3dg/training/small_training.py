"""A training of seconds: clips that depend on their number alone, and a network of our layers."""

import numpy as np
import tensorflow as tf

from s3dg.training.history import read_history
from s3dg.training.loop import TrainingConfig
from s3dg.training.schedules import StepSchedule
from tests.s3dg.small import small_network

FRAMES, SIDE, CLASSES = 4, 16, 3


def clips(change=lambda number, clip: clip):
    """The `clips` argument of `train`: example k is the same clip whatever came before."""

    def create(first_example, context, batch_size):
        del context

        def example(number):
            seed = tf.stack([number, 1])
            clip = tf.random.stateless_uniform((FRAMES, SIDE, SIDE, 3), seed, 0.0, 255.0)
            return {
                'clip': change(number, clip),
                'label': tf.cast(number % CLASSES, tf.int32),
            }

        numbers = tf.data.Dataset.counter(first_example)
        return numbers.map(example).batch(batch_size, drop_remainder=True)

    return create


def network(dropout_rate=0.2):
    return small_network(CLASSES, dropout_rate)


def config(steps=4, rate=0.01, **fields):
    fields = {'checkpoint_every': 2, 'log_every': 1, **fields}
    return TrainingConfig(StepSchedule(steps, ((0, rate),)), 4, **fields)


def values(network):
    return {v.path: v.numpy() for v in network.variables}


def assert_equal(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


FIGURES = ('step', 'loss', 'accuracy', 'learning_rate', 'top1')  # all but times


def figures(workdir):
    return [[row[name] for name in FIGURES] for row in read_history(workdir)]
