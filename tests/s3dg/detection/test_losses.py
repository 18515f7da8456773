"""The losses, box by box in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from s3dg.detection import losses
from s3dg.detection.targets import Targets
from tests.s3dg.detection import reference


def targets_of(rng, batch, count, num_classes, sampled_share=0.5, positive_share=0.5):
    sampled = rng.random((batch, count)) < sampled_share
    positive = sampled & (rng.random((batch, count)) < positive_share)
    classes = np.where(positive, rng.integers(1, num_classes + 1, (batch, count)), 0)
    offsets = np.where(positive[..., None], rng.normal(0, 2, (batch, count, 4)), 0)
    return Targets(sampled, positive, classes.astype(np.int32), offsets.astype(np.float32))


@pytest.mark.parametrize('num_classes', [1, 5])  # of the RPN, and of the second stage
@pytest.mark.parametrize('positive_share', [0.0, 0.05, 0.5])
def test_class_loss(num_classes, positive_share):
    rng = np.random.default_rng(0)
    targets = targets_of(rng, 3, 20, num_classes, positive_share=positive_share)
    logits = rng.normal(0, 3, (3, 20, num_classes + 1)).astype(np.float32)
    found = losses.class_loss(logits, targets, 64)
    shares = reference.softmax(logits)
    frames = [
        sum(-np.log(shares[b, n, targets.classes[b, n]]) for n in range(20) if sampled[n]) / 64
        for b, sampled in enumerate(targets.sampled)
    ]
    assert float(found) == pytest.approx(np.mean(frames), rel=1e-5)


@pytest.mark.parametrize('positive_share', [0.0, 0.05, 0.5])
def test_box_loss(positive_share):
    rng = np.random.default_rng(1)
    targets = targets_of(rng, 3, 20, 5, positive_share=positive_share)
    offsets = rng.normal(0, 2, (3, 20, 4)).astype(np.float32)
    found = losses.box_loss(offsets, targets, losses.sampled_count(targets))
    frames = []
    for b in range(3):
        total = 0.0
        for n in range(20):
            if targets.positive[b, n]:
                for distance in np.abs(offsets[b, n] - targets.offsets[b, n]):
                    total += distance**2 / 2 if distance <= 1 else distance - 0.5
        frames.append(total / targets.sampled[b].sum())
    assert float(found) == pytest.approx(np.mean(frames), rel=1e-5, abs=1e-9)


def test_offsets_are_those_of_the_own_class():
    rng = np.random.default_rng(2)
    targets = targets_of(rng, 2, 6, 3, 1.0, 0.7)
    offsets = rng.normal(size=(2, 6, 3, 4)).astype(np.float32)
    found = losses.of_own_class(offsets, targets).numpy()
    for b, n in np.argwhere(targets.positive):
        assert np.array_equal(found[b, n], offsets[b, n, targets.classes[b, n] - 1])


def test_what_is_not_sampled_does_not_matter_even_where_it_is_no_number():
    rng = np.random.default_rng(3)
    targets = targets_of(rng, 1, 10, 2, 0.5, 0.5)
    logits = tf.Variable(rng.normal(size=(1, 10, 3)).astype(np.float32))
    offsets = tf.Variable(rng.normal(size=(1, 10, 4)).astype(np.float32))

    def loss():
        return losses.class_loss(logits, targets, 64) + losses.box_loss(offsets, targets, 64)

    expected = float(loss())
    logits.assign(tf.where(targets.sampled[..., None], logits, 1e30))
    offsets.assign(tf.where(targets.positive[..., None], offsets, 1e30))
    with tf.GradientTape() as tape:
        found = loss()
    of_logits, of_offsets = tape.gradient(found, [logits, offsets])
    assert float(found) == pytest.approx(expected, rel=1e-6)
    for gradient, counted in ((of_logits, targets.sampled), (of_offsets, targets.positive)):
        gradient = gradient.numpy()
        assert np.isfinite(gradient).all()
        assert (gradient[~counted] == 0).all()
        assert (np.abs(gradient[counted]).sum(-1) > 0).all()


def test_a_frame_of_which_nothing_is_sampled_counts_as_nothing():
    targets = targets_of(np.random.default_rng(4), 1, 5, 2, sampled_share=0.0)
    assert losses.sampled_count(targets).numpy().tolist() == [1.0]
    assert losses.class_loss(tf.ones([1, 5, 3]), targets, losses.sampled_count(targets)) == 0
