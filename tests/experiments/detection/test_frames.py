"""Training sees every annotated frame once an epoch, also where it was cut off in between."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments.detection.run import training_frames
from s3dg.training import loop
from s3dg.training.schedules import CosineSchedule
from s3dg.training.task import Task
from tests.data import annotated_ramps
from tests.data.annotated_ramps import ANNOTATED

FRAMES = {(name, frame) for name, frames in ANNOTATED.items() for frame in frames}
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


class Killed(Exception):
    pass


@pytest.mark.parametrize('cut_off_at', [None, 5, 11, 17])
def test_every_annotated_frame_once_an_epoch(
    cut_off_at, tmp_path_factory, tmp_path, write_video_file
):
    rgb = annotated_ramps.convert(tmp_path_factory.mktemp('ramps'), write_video_file)[0]

    def create(first_example, context, batch_size):
        return training_frames([rgb], PLAN, 4)(first_example, context, batch_size)

    def report(line):
        if cut_off_at is not None and line.startswith(f'step {cut_off_at}/'):
            raise Killed

    config = loop.TrainingConfig(
        CosineSchedule(EPOCHS * len(FRAMES), 0.01),
        batch_size=1,
        log_every=1,
        checkpoint_every=3,
    )
    if cut_off_at is not None:
        with pytest.raises(Killed):
            loop.train(Counter, create, config, tmp_path, task=TASK, report=report)
    counter, row = loop.train(
        Counter, create, config, tmp_path, task=TASK, report=lambda line: None
    )
    assert row['step'] == EPOCHS * len(FRAMES)
    counts = counter.counts.numpy()
    seen = {(name, frame): counts[ord(name[0]) - ord('a'), frame] for name, frame in FRAMES}
    assert seen == dict.fromkeys(FRAMES, EPOCHS)
    assert counts.sum() == EPOCHS * len(FRAMES)
    assert np.count_nonzero(counts) == len(FRAMES)
