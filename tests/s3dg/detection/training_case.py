"""Run as a program: trains a small detector on given frames, on one or several logical CPUs.

Logical devices are fixed before TensorFlow starts, so each case is a process of its own.
"""

import argparse
import pathlib

import numpy as np
import tensorflow as tf

from s3dg.detection.task import detection_task
from s3dg.training import devices, loop
from s3dg.training.history import read_history
from s3dg.training.schedules import CosineSchedule
from tests.s3dg.detection import detectors
from tests.s3dg.detection.detectors import FRAMES, SIZE

MOST_BOXES = 3
BATCH = 4
# Boxes of frame k, k + 4, k + 8 and so on: none, one of no area alone, one, and as many as fit.
TRUE_BOXES = [
    [],
    [[20, 20, 20, 50]],
    [[8, 8, 40, 48]],
    [[4, 4, 30, 30], [30, 40, 60, 78], [10, 36, 10, 36]],
]


def frames(first_example, context, batch_size):
    """An endless row of frames that depend on their number alone."""

    def example(number):
        seed = tf.stack([number, 0])
        coarse = tf.random.stateless_uniform((FRAMES, 5, 5, 3), seed, 0.0, 255.0)
        clip = tf.image.resize(coarse, SIZE, 'bicubic')
        boxes = [one + [[0, 0, 0, 0]] * (MOST_BOXES - len(one)) for one in TRUE_BOXES]
        are_true = [[k < len(one) for k in range(MOST_BOXES)] for one in TRUE_BOXES]
        return {
            'clip': clip,
            'key': clip[FRAMES // 2],
            'true_boxes': tf.constant(boxes, tf.float32)[number % 4],
            'is_true': tf.constant(are_true)[number % 4],
            'labels': tf.fill([MOST_BOXES], tf.cast(number // 4 % 3, tf.int32)),
            'seed': tf.cast(tf.stack([number, 7]), tf.int32),
        }

    del context
    numbers = tf.data.Dataset.counter(first_example)
    return numbers.map(example).batch(batch_size, drop_remainder=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--replicas', type=int, required=True)
    parser.add_argument('--steps', type=int, default=3)
    parser.add_argument('--output', type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    cpu = tf.config.list_physical_devices('CPU')[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * arguments.replicas
    tf.config.set_logical_device_configuration(cpu, parts)
    strategy = devices.create_strategy('auto')
    assert strategy.num_replicas_in_sync == arguments.replicas
    config = loop.TrainingConfig(
        CosineSchedule(arguments.steps, 0.01),
        BATCH,
        weight_decay=0.0,
        clip_norm=10.0,
        log_every=1,
        checkpoint_every=2,
    )
    workdir, task = arguments.output.with_suffix('.run'), detection_task(('clip', 'key'))
    statistics = []

    def create():
        detector = detectors.create()
        statistics[:] = [v.numpy() for v in detector.non_trainable_variables]
        return detector

    detector, _ = loop.train(create, frames, config, workdir, task=task, strategy=strategy)
    for variable, before in zip(detector.non_trainable_variables, statistics, strict=True):
        assert np.array_equal(variable, before), variable.path
    rows = read_history(workdir, task)
    np.savez(arguments.output, **{name: [row[name] for row in rows] for name in task.figures})


if __name__ == '__main__':
    main()
