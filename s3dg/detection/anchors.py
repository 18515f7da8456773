"""Anchors: boxes of a few sizes and shapes around every position of a map, in pixels.

Object Detection API: the grid anchor generator of its Faster R-CNN ResNet-50 configurations.
"""

import numpy as np
import tensorflow as tf

SCALES = (0.25, 0.5, 1.0, 2.0)
RATIOS = (0.5, 1.0, 2.0)  # width to height
PER_POSITION = len(SCALES) * len(RATIOS)


def sizes(base):
    """Heights and widths of the anchors of a position: float32 (12, 2), scale by scale."""
    return np.array(
        [
            (base * scale / ratio**0.5, base * scale * ratio**0.5)
            for scale in SCALES
            for ratio in RATIOS
        ],
        np.float32,
    )


def grid(rows, columns, stride, base):
    """The anchors of a map.

    Args:
      rows, columns: of the map, ints or scalar tensors.
      stride: pixels from one position to the next; the first is at pixel 0.
      base: pixels, the side of the square at scale 1.

    Returns:
      float32 (rows * columns * 12, 4): y_min, x_min, y_max, x_max in pixels, some outside the
      frame; row by row, and at a position in the order of `sizes`.
    """
    places = tf.meshgrid(tf.range(rows), tf.range(columns), indexing='ij')
    centres = tf.cast(stride * tf.reshape(tf.stack(places, -1), [-1, 1, 2]), tf.float32)
    halves = sizes(base) / 2
    return tf.reshape(tf.concat([centres - halves, centres + halves], -1), [-1, 4])


def inside(anchors, height, width):
    """Which anchors do not cross the border of a frame: bool (anchors,)."""
    low, high = anchors[:, :2], anchors[:, 2:]
    size = tf.cast(tf.stack([height, width]), tf.float32)
    return tf.reduce_all((low >= 0) & (high <= size), -1)
