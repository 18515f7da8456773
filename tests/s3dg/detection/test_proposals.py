"""Proposals and answers, against greedy suppression in NumPy."""

import numpy as np
import pytest

from s3dg.detection import anchors, boxes, proposals
from s3dg.detection.config import DetectorConfig
from tests.s3dg.detection import reference

CONFIG = DetectorConfig(proposals=40, detections_per_class=7, detections=15)


def test_proposals_are_the_best_that_do_not_overlap_much():
    rng = np.random.default_rng(0)
    grid = anchors.grid(4, 5, 16, 256)
    count = len(grid)
    usable = rng.random(count) < 0.9
    logits = rng.normal(0, 2, (2, count, 2)).astype(np.float32)
    offsets = rng.normal(0, 1, (2, count, 4)).astype(np.float32)
    found = proposals.propose(logits, offsets, grid, usable, 64, 80, CONFIG)
    decoded = boxes.decode(offsets, np.stack([grid] * 2)).numpy()
    decoded = decoded.clip(0, [64, 80, 64, 80])
    for frame in range(2):
        scores = reference.softmax(logits[frame])[:, 1] * usable
        has_area = (decoded[frame, :, 2:] > decoded[frame, :, :2]).all(1)
        kept = reference.suppress(decoded[frame], scores * has_area, 0.7, 40)
        assert found.is_box[frame].numpy().sum() == len(kept)
        assert found.scores[frame].numpy()[: len(kept)] == pytest.approx(scores[kept], abs=1e-6)
        assert found.boxes[frame].numpy()[: len(kept)] == pytest.approx(
            decoded[frame, kept], abs=1e-4
        )


def test_a_frame_for_which_nothing_may_propose():
    grid = anchors.grid(2, 2, 16, 256)
    nothing = np.zeros((1, len(grid), 2), np.float32), np.zeros((1, len(grid), 4), np.float32)
    found = proposals.propose(*nothing, grid, np.zeros(len(grid), bool), 32, 32, CONFIG)
    assert found.boxes.shape == (1, 40, 4)
    assert not found.is_box.numpy().any()
    assert not found.boxes.numpy().any()


def test_answers_are_the_best_of_each_class_and_then_of_all():
    rng = np.random.default_rng(1)
    given = np.stack([reference.random_boxes(rng, 30) for _ in range(2)])
    is_proposal = rng.random((2, 30)) < 0.8
    logits = rng.normal(0, 2, (2, 30, 4)).astype(np.float32)
    offsets = rng.normal(0, 0.5, (2, 30, 3, 4)).astype(np.float32)
    found = proposals.detect(logits, offsets, given, is_proposal, 320, 400, CONFIG)
    decoded = np.stack(
        [boxes.decode(offsets[:, :, label], given).numpy() for label in range(3)], 2
    ).clip(0, [320, 400, 320, 400])
    for frame in range(2):
        shares = reference.softmax(logits[frame])[:, 1:] * is_proposal[frame][:, None]
        answers = []
        for label in range(3):
            kept = reference.suppress(decoded[frame, :, label], shares[:, label], 0.6, 7)
            answers += [(shares[n, label], label, decoded[frame, n, label]) for n in kept]
        answers = sorted(answers, key=lambda answer: -answer[0])[:15]
        assert len(answers) == 15  # the limit of all is met, and that of a class
        assert found.is_box[frame].numpy().all()
        assert found.labels[frame].numpy().tolist() == [label for _, label, _ in answers]
        assert found.scores[frame].numpy() == pytest.approx([s for s, *_ in answers], abs=1e-6)
        assert found.boxes[frame].numpy() == pytest.approx(
            np.array([box for *_, box in answers]), abs=1e-2
        )


def test_padding_is_never_answered():
    given = np.tile(np.array([10, 10, 50, 50], np.float32), (1, 4, 1))
    logits, offsets = np.zeros((1, 4, 3), np.float32), np.zeros((1, 4, 2, 4), np.float32)
    is_proposal = np.array([[False, True, False, False]])
    found = proposals.detect(logits, offsets, given, is_proposal, 64, 64, CONFIG)
    assert found.is_box.numpy().sum() == 2  # of each class one
    assert (
        not proposals.detect(logits, offsets, given, is_proposal & False, 64, 64, CONFIG)
        .is_box.numpy()
        .any()
    )
