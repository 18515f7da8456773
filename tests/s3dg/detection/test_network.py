"""The detector: its shapes, what is trained in it, and what its answers depend on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import s3dg
from s3dg.detection import network as detection
from s3dg.detection.config import DetectorConfig

CONFIG = DetectorConfig(
    rpn_samples=16, rpn_most_positive=8, proposals=20, samples=8, most_positive=2, detections=12
)
SIZE = (96, 128)


@pytest.fixture(scope='module')
def detector():
    keras.utils.set_random_seed(0)
    fields = {'width': 0.125, 'kernel_initializer': 'he_normal', 'num_classes': 4}
    return detection.Detector(
        s3dg.build('s3d_g', **fields),
        num_classes=3,
        flow_network=s3dg.build('s3d_g', channels=2, **fields),
        config=CONFIG,
    )


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)

    def values(*shape):
        return rng.integers(0, 256, shape, np.uint8)

    inputs = {
        'clip': values(2, 8, *SIZE, 3),
        'flow': values(2, 8, *SIZE, 2),
        'key': values(2, *SIZE, 3),
    }
    true_boxes = np.array([[[8, 8, 56, 60], [0, 0, 0, 0]], [[0, 0, 0, 0]] * 2], np.float32)
    return inputs, true_boxes, np.array([[True, False], [False, False]]), np.zeros((2, 2), np.int32)


def test_key_frames_are_prepared_as_keras_does():
    key = np.random.default_rng(1).integers(0, 256, (2, 5, 7, 3), np.uint8)
    expected = keras.applications.resnet50.preprocess_input(key.astype(np.float32))
    assert np.array_equal(detection.preprocess(key), expected)


def test_shapes_of_the_paper():
    """Of frames of 320x400 and clips of 20, in networks of full width, which are not run."""
    network = s3dg.build('s3d_g')
    detector = detection.Detector(network, num_classes=24)
    clip = tf.TensorSpec([1, 20, 320, 400, 3], tf.uint8)
    key = tf.TensorSpec([1, 320, 400, 3], tf.uint8)
    shapes = {}

    @tf.function
    def run(clip, key):
        inputs = {'clip': clip, 'key': key}
        maps = detector.map_of(inputs)
        logits, offsets, grid, _, proposed = detector.propose(inputs, training=True)
        pooled = x = detection.pool(maps, proposed.boxes, 320, 400)
        for layer in detector.tail:
            x = layer(x)
        shapes.update(
            maps=maps.shape,
            rpn=logits.shape,
            offsets=offsets.shape,
            grid=grid.shape,
            proposed=proposed.boxes.shape,
            pooled=pooled.shape[1:],
            tail=x.shape[1:],
        )

    run.get_concrete_function(clip, key)
    assert shapes == {
        'maps': (1, 5, 20, 25, 528),
        'rpn': (1, 6000, 2),
        'offsets': (1, 6000, 4),
        'grid': (6000, 4),
        'proposed': (1, 300, 4),
        'pooled': (5, 7, 7, 528),
        'tail': (3, 4, 4, 1024),
    }


def test_a_step_trains_everything_but_the_statistics_of_batch_norm(detector, batch):
    statistics = [v for v in detector.variables if v.name.startswith('moving')]
    trained = detector.trainable_variables
    before = [[v.numpy() for v in variables] for variables in (statistics, trained)]
    assert len(statistics) > 240  # of ResNet and of both bodies
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(detector.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            found = detector.losses_of(*batch, seed=[1, 2])
            total = tf.add_n([*found.values()])
        gradients = tape.gradient(total, detector.trainable_variables)
        optimizer.apply(gradients, detector.trainable_variables)
        return found

    first = step()
    assert set(first) == {'rpn_class', 'rpn_boxes', 'class', 'boxes'}
    assert all(np.isfinite(value) for value in first.values())
    assert first['rpn_boxes'] > 0
    for variable, value in zip(statistics, before[0], strict=True):
        assert np.array_equal(variable, value), variable.path
    for variable, value in zip(trained, before[1], strict=True):
        assert not np.array_equal(variable, value), variable.path
        variable.assign(value)
    names = [variable.name for variable in trained]
    assert names.count('gamma') > 40  # ResNet's
    assert names.count('beta') > 120


def test_answers_do_not_depend_on_the_chunk(detector, batch):
    inputs, *_ = batch
    whole = detector(inputs, chunk=1000)
    assert whole.boxes.shape == (2, CONFIG.detections, 4)
    assert whole.is_box.numpy().any()
    for chunk in (1, 7, 20):
        found = detector(inputs, chunk=chunk)
        for one, other in zip(found, whole, strict=True):
            assert one.numpy() == pytest.approx(other.numpy(), abs=1e-3)


def test_flow_counts_as_much_as_colour(detector, batch):
    inputs, *_ = batch
    maps = detector.map_of(inputs).numpy()
    bodies = detector.body(inputs['clip']), detector.flow_body(inputs['flow'])
    assert maps == pytest.approx(sum(body.numpy() for body in bodies) / 2, rel=1e-5, abs=1e-6)
    other = detector.map_of(inputs | {'flow': 255 - inputs['flow']}).numpy()
    assert np.abs(other - maps).max() > 1e-3


def test_the_same_seed_draws_the_same_boxes(detector, batch):
    one, same, other = (
        {name: float(x) for name, x in detector.losses_of(*batch, seed=seed).items()}
        for seed in ([1, 2], [1, 2], [1, 5])
    )
    assert one == pytest.approx(same, rel=1e-5)
    assert one['rpn_class'] != pytest.approx(other['rpn_class'], rel=1e-5)
