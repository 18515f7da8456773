"""Which anchors and proposals are trained on, and towards what: matching and sampling.

All shapes are static: what is not there is masked, not left out.
"""

from typing import NamedTuple

import tensorflow as tf

from s3dg.detection import boxes as box_rules


class Matches(NamedTuple):
    """Of each box of (B, N): the true box it belongs to, and whether it is one or surely none."""

    index: tf.Tensor  # int32, of the true box it overlaps most with
    positive: tf.Tensor  # bool
    negative: tf.Tensor  # bool; what is neither is ignored


def match(overlaps, is_true, usable, positive_from, negative_below, best_too):
    """Matches boxes with true boxes by their overlap.

    Object Detection API: its argmax matcher. Ours: a true box that no box overlaps with claims
    none, where the API would give it an arbitrary one.

    Args:
      overlaps: float32 (B, N, M), of N boxes with M true boxes, some of which are padding.
      is_true: bool (B, M), which of these are not padding.
      usable: bool (B, N); a box that is not is neither positive nor negative.
      positive_from: a box that overlaps as much or more is positive.
      negative_below: a box that overlaps less is negative, also where there is no true box.
      best_too: whether the box that overlaps most with a true box is positive, however little, and
        belongs to it. Of several true boxes that claim it, the first one has it.
    """
    overlaps = tf.where(usable[:, :, None] & is_true[:, None], overlaps, 0.0)
    index = tf.argmax(overlaps, -1, tf.int32)
    most = tf.reduce_max(overlaps, -1)
    positive = usable & (most >= positive_from)
    negative = usable & (most < negative_below)
    if best_too:
        best = tf.one_hot(tf.argmax(overlaps, 1), tf.shape(overlaps)[1], axis=1) > 0
        claims = best & (overlaps > 0)
        claimed = tf.reduce_any(claims, -1)
        index = tf.where(claimed, tf.argmax(tf.cast(claims, tf.int32), -1, tf.int32), index)
        positive, negative = positive | claimed, negative & ~claimed
    return Matches(index, positive, negative)


def sample(matches, random, count, most_positive):
    """Draws boxes to be trained on: bool (B, N), at most `count` of each frame.

    At most `most_positive` are positive; negative ones fill up what is left.

    Args:
      matches: of (B, N) boxes.
      random: float32 (B, N), uniform; those with the least numbers are drawn.
      count, most_positive: numbers of boxes.
    """
    order = tf.argsort(random)
    back = tf.argsort(order)

    def first(which, most):
        which = tf.gather(which, order, batch_dims=1)
        which &= tf.cumsum(tf.cast(which, tf.int32), -1) <= most
        return tf.gather(which, back, batch_dims=1)

    positive = first(matches.positive, most_positive)
    left = count - tf.reduce_sum(tf.cast(positive, tf.int32), -1, keepdims=True)
    return positive | first(matches.negative, left)


class Targets(NamedTuple):
    """What boxes are trained towards."""

    sampled: tf.Tensor  # bool (B, N)
    positive: tf.Tensor  # bool (B, N), some of `sampled`
    classes: tf.Tensor  # int32 (B, N): 0 for background, else the label of the true box + 1
    offsets: tf.Tensor  # float32 (B, N, 4), to the true box; 0 where not positive


def _towards(matches, sampled, boxes, true_boxes, labels):
    positive = matches.positive & sampled
    theirs = tf.gather(true_boxes, matches.index, batch_dims=1)
    # Elsewhere the true box may be padding of no area.
    theirs = tf.where(positive[..., None], theirs, boxes)
    offsets = tf.where(positive[..., None], box_rules.encode(theirs, boxes), 0.0)
    classes = tf.gather(labels, matches.index, batch_dims=1) + 1
    return Targets(sampled, positive, tf.where(positive, classes, 0), offsets)


def of_anchors(anchors, usable, true_boxes, is_true, random, config):
    """What the RPN is trained towards: boxes of any action (class 1) against background.

    Args:
      anchors: float32 (N, 4).
      usable: bool (N,): which of them are trained on.
      true_boxes: float32 (B, M, 4).
      is_true: bool (B, M), which of these are not padding. Nothing belongs to a box of no area.
      random: float32 (B, N), uniform.
      config: a `DetectorConfig`.

    Returns:
      `Targets` of (B, N).
    """
    anchors = tf.tile(anchors[None], [tf.shape(true_boxes)[0], 1, 1])
    matches = match(
        box_rules.overlaps(anchors, true_boxes),
        is_true,
        tf.broadcast_to(usable, tf.shape(anchors)[:2]),
        config.rpn_positive_from,
        config.rpn_negative_below,
        best_too=True,
    )
    sampled = sample(matches, random, config.rpn_samples, config.rpn_most_positive)
    any_action = tf.zeros(tf.shape(is_true), tf.int32)
    return _towards(matches, sampled, anchors, true_boxes, any_action)


def of_proposals(proposals, usable, true_boxes, is_true, labels, random, config):
    """The proposals that the second stage is trained on, and towards what.

    True boxes are not added to the proposals.

    Args:
      proposals: float32 (B, N, 4).
      usable: bool (B, N): which of them are not padding.
      true_boxes, is_true, random, config: as of `of_anchors`.
      labels: int32 (B, M), of the true boxes.

    Returns:
      (proposals (B, samples, 4), their `Targets` (B, samples)): those sampled first; where there
      are fewer, the rest are not `sampled`.
    """
    usable &= box_rules.has_area(proposals)
    matches = match(
        box_rules.overlaps(proposals, true_boxes),
        is_true,
        usable,
        config.positive_from,
        config.positive_from,
        best_too=False,
    )
    sampled = sample(matches, random, config.samples, config.most_positive)
    count = min(config.samples, proposals.shape[1])
    _, chosen = tf.math.top_k(tf.cast(sampled, tf.int32), count)
    targets = _towards(matches, sampled, proposals, true_boxes, labels)
    proposals, *targets = (tf.gather(x, chosen, batch_dims=1) for x in (proposals, *targets))
    return proposals, Targets(*targets)
