"""The detector: its shapes, what is trained in it, and what its answers depend on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import s3dg
from s3dg.detection import network as detection
from s3dg.detection import rpn
from s3dg.detection.config import DetectorConfig

CONFIG = DetectorConfig(
    rpn_samples=16, rpn_most_positive=8, proposals=20, samples=8, most_positive=2, detections=12
)
SIZE = (96, 128)
CLASSES = ('jump', 'run', 'sit')


@pytest.fixture(scope='module')
def detector():
    keras.utils.set_random_seed(0)
    fields = {'width': 0.125, 'kernel_initializer': 'he_normal', 'num_classes': 4}
    return detection.Detector(
        {'rgb': s3dg.build('s3d_g', **fields), 'flow': s3dg.build('s3d_g', channels=2, **fields)},
        CLASSES,
        proposal_network=rpn.ProposalNetwork(CONFIG),
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
    return inputs | {
        'true_boxes': np.float32([[[8, 8, 56, 60], [0, 0, 0, 0]], [[0, 0, 0, 0]] * 2]),
        'is_true': np.array([[True, False], [False, False]]),
        'labels': np.zeros((2, 2), np.int32),
        'seed': np.int32([[1, 2], [3, 4]]),
    }


def test_key_frames_are_prepared_as_keras_does():
    key = np.random.default_rng(1).integers(0, 256, (2, 5, 7, 3), np.uint8)
    expected = keras.applications.resnet50.preprocess_input(key.astype(np.float32))
    assert np.array_equal(rpn.preprocess(key), expected)


def test_shapes_of_the_paper():
    """Of frames of 320x400 and clips of 20, in networks of full width, which are not run."""
    network = s3dg.build('s3d_g')
    detector = detection.Detector({'rgb': network}, 24 * ['some'])
    clip = tf.TensorSpec([1, 20, 320, 400, 3], tf.uint8)
    key = tf.TensorSpec([1, 320, 400, 3], tf.uint8)
    shapes = {}

    @tf.function
    def run(clip, key):
        inputs = {'clip': clip, 'key': key}
        maps = detector.map_of(inputs)
        logits, offsets, grid, _, proposed = detector.rpn.answer(key, training=True)
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
            found = detector(batch, training=True)
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
    whole = detector(batch, chunk=1000)
    assert whole.boxes.shape == (2, CONFIG.detections, 4)
    assert whole.is_box.numpy().any()
    for chunk in (1, 7, 20):
        found = detector(batch, chunk=chunk)
        for one, other in zip(found, whole, strict=True):
            assert one.numpy() == pytest.approx(other.numpy(), abs=1e-3)


def test_flow_counts_as_much_as_colour(detector, batch):
    maps = detector.map_of(batch).numpy()
    bodies = [detector.bodies[key](batch[key]) for key in ('clip', 'flow')]
    assert maps == pytest.approx(sum(body.numpy() for body in bodies) / 2, rel=1e-5, abs=1e-6)
    other = detector.map_of(batch | {'flow': 255 - batch['flow']}).numpy()
    assert np.abs(other - maps).max() > 1e-3


def losses(detector, batch, **changed):
    found = detector({name: tf.constant(x) for name, x in (batch | changed).items()}, training=True)
    return {name: float(value) for name, value in found.items()}


def test_the_same_seed_draws_the_same_boxes(detector, batch):
    one, same, other = (
        losses(detector, batch, seed=np.int32(seeds))
        for seeds in ([[1, 2], [3, 4]], [[1, 2], [3, 4]], [[1, 5], [3, 4]])
    )
    assert one == pytest.approx(same, rel=1e-5)
    assert one['rpn_class'] != pytest.approx(other['rpn_class'], rel=1e-5)


def test_losses_of_a_batch_are_the_means_of_its_frames(detector, batch):
    """So what is drawn of a frame does not depend on those beside it."""
    together = losses(detector, batch)
    alone = [
        losses(detector, {name: values[k : k + 1] for name, values in batch.items()})
        for k in range(2)
    ]
    for name in together:
        assert together[name] == pytest.approx(np.mean([one[name] for one in alone]), rel=1e-4)


def test_boxes_stay_exact_in_half_precision(detector, batch):
    """2047 and 2049 are one number in bfloat16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy('mixed_bfloat16')
    try:
        half = detection.Detector({'rgb': s3dg.build('s3d_g', width=0.125, num_classes=4)}, CLASSES)
        seen = {}
        half.training_losses = lambda inputs: seen.update(inputs)
        half(batch | {'true_boxes': np.full((2, 2, 4), 2049, np.float32)}, training=True)
        assert float(seen['true_boxes'][0, 0, 0]) == 2049
    finally:
        keras.config.set_dtype_policy(before)


def test_a_saved_detector_answers_as_before(detector, batch, tmp_path):
    detector.save(tmp_path / 'detector.keras')
    loaded = keras.models.load_model(tmp_path / 'detector.keras')
    assert loaded.class_names == CLASSES
    assert loaded.config == CONFIG
    for one, other in zip(loaded(batch), detector(batch), strict=True):
        assert np.array_equal(one, other)


def test_fields_of_the_tail_and_of_anchors(batch):
    fields = {'width': 0.125, 'num_classes': 4}
    networks = {'rgb': s3dg.build('s3d_g', **fields)}
    networks['flow'] = s3dg.build('s3d_g', channels=2, **fields)
    config = CONFIG.replace(tail_from='flow', tail_stride=1, clip_anchors=True)
    changed = detection.Detector(
        networks, CLASSES, proposal_network=rpn.ProposalNetwork(config, resnet_width=0.0625)
    )
    assert changed.tail[0] is networks['flow'].get_layer('Mixed_4f')
    x = tf.zeros([2, 2, 7, 7, changed.bodies['clip'].output.shape[-1]])
    for layer, size in zip(changed.tail, [7, 7, 7, 7], strict=True):
        x = layer(x)
        assert x.shape[2:4] == (size, size)
    assert x.shape[1] == 1  # time is halved as before
    grid, usable = changed.rpn.answer(batch['key'], training=True)[2:4]
    assert usable.numpy().all()  # also those that cross the border, which are cut there
    assert grid.numpy().min() == 0
    assert grid.numpy()[:, 2].max() == SIZE[0]
