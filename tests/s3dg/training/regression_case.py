"""Run as a program: trains a regression with two losses on two logical CPUs, stopped and resumed.

Logical devices are fixed before TensorFlow starts, so test_task.py runs this in a process of its
own.
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from s3dg.training import devices, loop
from s3dg.training.schedules import StepSchedule
from s3dg.training.task import Task

BATCH, STEPS, RATE, MOMENTUM, DECAY, CHANNELS = 8, 4, 0.05, 0.9, 0.01, 3


def numbers_of(examples):
    """Each example's colour (examples, channels), gain (examples, 1) and the targets' means."""
    examples = np.asarray(examples)[:, None]
    colour = (examples * 7 + np.arange(CHANNELS) * 3) % 11 / 10
    gain = 1 + examples % 2 / 2
    return colour.astype('float32'), gain.astype('float32'), colour.mean(1).astype('float32')


def clips(first_example, context, batch_size):
    del context

    def example(number):
        colour, gain, mean = tf.numpy_function(
            lambda n: tuple(part[0] for part in numbers_of([n])), [number], ['float32'] * 3
        )
        return {
            'clip': tf.broadcast_to(tf.reshape(colour, [1, 1, 1, CHANNELS]), [2, 4, 4, CHANNELS]),
            'gain': tf.reshape(gain, [1]),
            'mean': tf.reshape(mean, []),
            'colour': tf.reshape(colour, [CHANNELS]),
            'id': tf.strings.as_string(number),  # which nothing asks for
        }

    numbers = tf.data.Dataset.counter(first_example)
    return numbers.map(example).batch(batch_size, drop_remainder=True)


def create_network():
    clip = keras.Input((None, None, None, CHANNELS), name='clip')
    gain = keras.Input((1,), name='gain')
    pooled = keras.layers.GlobalAveragePooling3D()(clip) * gain
    zeros = {'kernel_initializer': 'zeros'}
    outputs = {
        'mean': keras.layers.Dense(1, name='mean', **zeros)(pooled),
        'colour': keras.layers.Dense(CHANNELS, name='colour', **zeros)(pooled),
    }
    return keras.Model({'clip': clip, 'gain': gain}, outputs)


def _mean_loss(outputs, targets):
    return tf.reduce_mean(tf.square(outputs['mean'][:, 0] - targets['mean']))


def _colour_loss(outputs, targets):
    difference = tf.square(outputs['colour'] - targets['colour'])
    return 2.0 * tf.reduce_mean(tf.reduce_sum(difference, axis=1))


def _distance(outputs, targets):
    return tf.reduce_mean(tf.abs(outputs['mean'][:, 0] - targets['mean']))


TASK = Task(
    inputs=('clip', 'gain'),
    targets=('mean', 'colour'),
    losses={'mean_loss': _mean_loss, 'colour_loss': _colour_loss},
    metrics={'distance': _distance},
    evaluation='bias',
)


class _Killed(Exception):
    pass


def main(workdir):
    cpu = tf.config.list_physical_devices('CPU')[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = devices.create_strategy('mirrored')
    assert strategy.num_replicas_in_sync == 2
    config = loop.TrainingConfig(
        StepSchedule(STEPS, ((0, RATE),)),
        BATCH,
        accumulation=2,
        momentum=MOMENTUM,
        weight_decay=DECAY,
        checkpoint_every=2,
        log_every=1,
        evaluate_every=4,
    )
    lines = []

    def kill(line):
        lines.append(line)
        if line.startswith('step 3/'):
            raise _Killed

    options = {
        'task': TASK,
        'strategy': strategy,
        'evaluate': lambda network: float(network.get_layer('mean').bias.numpy()[0]),
    }
    try:
        loop.train(create_network, clips, config, workdir, report=kill, **options)
    except _Killed:
        lines.append('killed')
    network, _ = loop.train(create_network, clips, config, workdir, report=lines.append, **options)
    weights = {'/'.join(v.path.split('/')[-2:]): v.numpy() for v in network.variables}
    np.savez(workdir / 'found.npz', lines=lines, **weights)


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
