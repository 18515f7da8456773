"""What is done with boxes everywhere in the detector; y_min, x_min, y_max, x_max in pixels."""

import math

import keras
import tensorflow as tf

_utilities = keras.utils.bounding_boxes

# Of offsets (y, x, height, width): the Object Detection API's scale factors 10, 10, 5, 5.
VARIANCES = (0.1, 0.1, 0.2, 0.2)
# The largest offset of a height or width, before its exponential: 1000 / 16 times as large (ours).
_LARGEST = math.log(1000 / 16)


def overlaps(boxes, others):
    """Intersection over union of all pairs: (B, N, 4) and (B, M, 4) to float32 (B, N, M).

    Boxes of no area overlap with nothing.
    """
    found = _utilities.compute_iou(boxes, others, 'yxyx')
    # Two boxes of no area at one place would be 0 / 0.
    return tf.where(has_area(boxes)[:, :, None] & has_area(others)[:, None], found, 0.0)


def has_area(boxes):
    """Which boxes have an area: (..., 4) to bool (...)."""
    return tf.reduce_all(boxes[..., 2:] > boxes[..., :2], -1)


def encode(boxes, references):
    """Offsets from reference boxes to boxes, both (..., 4): float32 (..., 4), as `VARIANCES`.

    Both need an area.
    """
    return _utilities.encode_box_to_deltas(references, boxes, 'yxyx', 'yxyx', variance=VARIANCES)


def decode(offsets, references):
    """Boxes at offsets (..., 4) from reference boxes (..., 4), which `encode` undoes.

    Sizes are held to 62.5 times those of the reference.
    """
    limits = [math.inf, math.inf, _LARGEST / VARIANCES[2], _LARGEST / VARIANCES[3]]
    offsets = tf.minimum(offsets, tf.constant(limits))
    return _utilities.decode_deltas_to_boxes(
        references, offsets, 'yxyx', 'yxyx', variance=VARIANCES
    )


def clip(boxes, height, width):
    """Boxes (..., 4), cut at the border of a frame."""
    size = tf.cast(tf.stack([height, width, height, width]), tf.float32)
    return tf.clip_by_value(boxes, 0.0, size)
