"""From offsets and scores to boxes: the RPN's proposals, and the detector's answer.

Neither runs under XLA, for which TensorFlow has no combined non-maximum suppression.
"""

from typing import NamedTuple

import tensorflow as tf

from s3dg.detection import boxes as box_rules


class Boxes(NamedTuple):
    """Boxes of B frames, those with the highest scores first, the rest padding."""

    boxes: tf.Tensor  # float32 (B, N, 4): y_min, x_min, y_max, x_max in pixels
    scores: tf.Tensor  # float32 (B, N), 0 to 1
    labels: tf.Tensor  # int32 (B, N)
    is_box: tf.Tensor  # bool (B, N): not padding


def _suppress(boxes, scores, overlap, per_class, count):
    """`Boxes` of (B, N, classes or 1, 4) and (B, N, classes), whose scores above 0 count."""
    found = tf.image.combined_non_max_suppression(
        boxes, scores, per_class, count, overlap, score_threshold=0.0, clip_boxes=False
    )
    is_box = tf.range(count) < found.valid_detections[:, None]
    return Boxes(
        found.nmsed_boxes,
        found.nmsed_scores,
        tf.cast(found.nmsed_classes, tf.int32),
        tf.ensure_shape(is_box, [boxes.shape[0], count]),
    )


def propose(logits, offsets, anchors, usable, height, width, config):
    """The RPN's proposals; no gradient reaches what they come from.

    Args:
      logits: float32 (B, N, 2): background, box.
      offsets: float32 (B, N, 4), from the anchors.
      anchors: float32 (N, 4).
      usable: bool (N,): which of them may propose.
      height, width: of the frames, at whose border proposals are cut.
      config: a `DetectorConfig`.

    Returns:
      `Boxes` (B, config.proposals).
    """
    boxes = box_rules.clip(box_rules.decode(offsets, anchors), height, width)
    scores = tf.nn.softmax(logits)[..., 1]
    scores = tf.where(usable & box_rules.has_area(boxes), scores, 0.0)
    found = _suppress(
        boxes[:, :, None],
        scores[..., None],
        config.proposal_overlap,
        config.proposals,
        config.proposals,
    )
    return Boxes(*map(tf.stop_gradient, found))


def detect(logits, offsets, proposals, is_proposal, height, width, config):
    """The detector's answer.

    Args:
      logits: float32 (B, N, classes + 1), the background first.
      offsets: float32 (B, N, classes, 4), from the proposals.
      proposals: float32 (B, N, 4).
      is_proposal: bool (B, N): not padding.
      height, width: of the frames.
      config: a `DetectorConfig`.

    Returns:
      `Boxes` (B, config.detections).
    """
    boxes = box_rules.decode(offsets, proposals[:, :, None])
    boxes = box_rules.clip(boxes, height, width)
    counted = is_proposal[..., None] & box_rules.has_area(boxes)
    scores = tf.where(counted, tf.nn.softmax(logits)[..., 1:], 0.0)
    return _suppress(
        boxes, scores, config.detection_overlap, config.detections_per_class, config.detections
    )
