"""A training that counts how often it sees each annotated frame; as a script, one that is killed.

python -m tests.experiments.detection.counted_training DATASET EXAMPLES FOLDER STEP
"""

import os
import signal
import sys
import types

import keras
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments.detection.run import training_frames
from s3dg.training import loop
from s3dg.training.schedules import CosineSchedule
from s3dg.training.task import Task

EPOCHS = 3
TASK = Task(
    targets=(),
    losses={'any': lambda x, _: x},
    metrics={},
    evaluation='none',
    inputs=('id', 'frame'),
)
PLAN = types.SimpleNamespace(splits=('train', 'train'), most_boxes=3, seed=5, flip=True)


class Counter(keras.Model):
    """Counts how often it has seen each frame, in a weight, which checkpoints keep."""

    def __init__(self):
        super().__init__(autocast=False)
        self.kernel = self.add_weight(shape=[], initializer='ones', name='kernel')
        # By the first letter of the video's name, and the frame.
        self.counts = self.add_weight(
            shape=[26, 20], initializer='zeros', trainable=False, name='counts'
        )
        self.built = True

    def call(self, inputs, training=False):
        initials = tf.map_fn(
            lambda name: tf.cast(tf.io.decode_raw(name, tf.uint8)[0], tf.int32) - ord('a'),
            inputs['id'],
            fn_output_signature=tf.int32,
        )
        places = tf.stack([initials, inputs['frame']], 1)
        self.counts.assign_add(tf.scatter_nd(places, tf.ones(tf.shape(initials)), [26, 20]))
        return tf.square(self.kernel)


def train(builder, examples, folder, report):
    """Trains for `EPOCHS` of so many examples, one a step: (the counter, the last row)."""

    def create(first_example, context, batch_size):
        return training_frames([builder], PLAN, 4)(first_example, context, batch_size)

    config = loop.TrainingConfig(
        CosineSchedule(EPOCHS * examples, 0.01), batch_size=1, log_every=1, checkpoint_every=3
    )
    return loop.train(Counter, create, config, folder, task=TASK, report=report)


def main(dataset, examples, folder, step):
    def report(line):
        if line.startswith(f'step {step}/'):
            os.kill(os.getpid(), signal.SIGKILL)

    train(tfds.builder_from_directory(dataset), int(examples), folder, report)


if __name__ == '__main__':
    main(*sys.argv[1:])
