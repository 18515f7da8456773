"""The four losses of a Faster R-CNN, each the mean over frames (Object Detection API)."""

import keras
import tensorflow as tf


def class_loss(logits, targets, count):
    """Cross entropy of the sampled boxes' classes, class 0 being the background.

    Args:
      logits: float32 (B, N, classes + 1); of the RPN there are two.
      targets: `Targets` of (B, N).
      count: what the sum over a frame is divided by, an int or float32 (B,).
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets.classes, logits)
    return _mean(losses, targets.sampled, count)


def box_loss(offsets, targets, count):
    """Smooth L1 of the offsets of the sampled positive boxes, summed over y, x, height and width.

    Args:
      offsets: float32 (B, N, 4), those of each box's own class.
      targets, count: as of `class_loss`.
    """
    losses = 4.0 * keras.losses.huber(targets.offsets, offsets, delta=1.0)
    return _mean(losses, targets.positive, count)


def of_own_class(offsets, targets):
    """Of offsets (B, N, classes, 4), those of each box's class: (B, N, 4)."""
    return tf.gather(offsets, tf.maximum(targets.classes - 1, 0), batch_dims=2)


def sampled_count(targets):
    """How many boxes of each frame are sampled, at least 1: float32 (B,)."""
    return tf.maximum(tf.reduce_sum(tf.cast(targets.sampled, tf.float32), -1), 1.0)


def _mean(losses, counted, count):
    """Of losses (B, N), where they count; what does not may be no number."""
    losses = tf.reduce_sum(tf.where(counted, losses, 0.0), -1)
    return tf.reduce_mean(losses / tf.cast(count, losses.dtype))
