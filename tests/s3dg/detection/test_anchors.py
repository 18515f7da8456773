"""Anchors: the figures of the paper's frames of 320x400, and some by hand."""

import numpy as np
import tensorflow as tf

from s3dg.detection import anchors

# Of each scale's ratios 0.5, 1 and 2: how many of 20x25 positions' anchors stay inside 320x400.
INSIDE = [330, 374, 340, 180, 234, 210, 0, 50, 18, 0, 0, 0]


def test_as_many_as_the_published_detector_has():
    found = anchors.grid(20, 25, 16, 256)
    assert found.shape == (6000, 4)
    within = anchors.inside(found, 320, 400).numpy().reshape(20 * 25, anchors.PER_POSITION)
    assert within.sum(0).tolist() == INSIDE
    assert within.sum() == 1736


def test_anchors_by_hand():
    assert np.allclose(anchors.sizes(256)[1], [64, 64])
    wide = anchors.sizes(256)[5]  # of scale 0.5 and ratio 2
    assert np.allclose(wide, [128 / np.sqrt(2), 128 * np.sqrt(2)])
    found = anchors.grid(3, 4, 16, 256).numpy().reshape(3, 4, 12, 4)
    # At row 2 and column 3, that is at pixel (32, 48), the square of 64.
    assert np.allclose(found[2, 3, 1], [0, 16, 64, 80])


def test_an_anchor_on_the_border_is_inside():
    boxes = tf.constant([[0.0, 0, 32, 40], [-1, 0, 32, 40], [0, 0, 33, 40], [0, 0, 32, 41]])
    assert anchors.inside(boxes, 32, 40).numpy().tolist() == [True, False, False, False]


def test_sizes_may_be_known_late():
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)] * 2)
    def grid(rows, columns):
        return anchors.grid(rows, columns, 16, 256)

    assert np.array_equal(grid(3, 4), anchors.grid(3, 4, 16, 256))
