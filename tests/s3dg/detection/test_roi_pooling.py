"""3D RoI pooling: a loop over time steps, values by hand, and gradients."""

import numpy as np
import pytest
import tensorflow as tf

from s3dg.detection import roi_pooling
from tests.s3dg.detection import reference


def test_it_equals_a_loop_over_time_steps():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 5, 20, 25, 6)).astype(np.float32)
    boxes = np.stack([reference.random_boxes(rng, 3) for _ in range(2)])
    found = roi_pooling.pool(tf.constant(maps), boxes, 320, 400).numpy()
    assert found.shape == (6, 5, 7, 7, 6)
    shares = boxes.reshape(6, 4) / [320, 400, 320, 400]
    for step in range(5):
        cut = tf.image.crop_and_resize(maps[:, step], shares, [0, 0, 0, 1, 1, 1], [14, 14])
        larger = cut.numpy().reshape(6, 7, 2, 7, 2, 6).max((2, 4))
        assert np.array_equal(found[:, step], larger)


def test_a_ramp_is_read_where_the_box_is():
    """Of a map whose values are its rows, in a box from the first row to the last."""
    maps = np.tile(np.arange(21, dtype=np.float32)[None, None, :, None, None], [1, 2, 1, 21, 1])
    box = np.array([[[0, 0, 336, 336]]], np.float32)
    found = roi_pooling.pool(tf.constant(maps), box, 336, 336).numpy()[0, 1, :, 3, 0]
    read = np.linspace(0, 20, 14)  # 14 rows, both ends included
    assert found == pytest.approx(read[1::2])


def test_gradients_reach_the_maps_and_not_the_boxes():
    rng = np.random.default_rng(1)
    maps = tf.constant(rng.normal(size=(1, 2, 8, 8, 3)).astype(np.float32))
    boxes = tf.constant([[[16.0, 16, 64, 80]]])
    with tf.GradientTape() as tape:
        tape.watch([maps, boxes])
        pooled = tf.reduce_sum(roi_pooling.pool(maps, boxes, 128, 128))
    of_maps, of_boxes = tape.gradient(pooled, [maps, boxes])
    assert of_boxes is None
    assert (np.abs(of_maps.numpy()).sum((0, 2, 3)) > 0).all()
    assert float(tf.reduce_sum(of_maps)) == pytest.approx(
        2 * 7 * 7 * 3, rel=1e-5
    )  # each value once
    assert (of_maps.numpy()[:, :, 6:] == 0).all()  # rows that the box does not reach


def test_shapes_known_and_unknown():
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, None, 528]),
            tf.TensorSpec([None, None, 4]),
        ]
    )
    def pool(maps, boxes):
        return roi_pooling.pool(maps, boxes, 320, 400)

    boxes = np.array([[[0, 0, 320, 400], [10, 20, 60, 80]]], np.float32)
    assert pool(tf.zeros([1, 5, 20, 25, 528]), boxes).shape == (2, 5, 7, 7, 528)
