"""Matching and sampling, against loops over boxes."""

import numpy as np
import pytest
import tensorflow as tf

from s3dg.detection import anchors, targets
from s3dg.detection.config import DetectorConfig
from s3dg.detection.targets import Matches
from tests.s3dg.detection import reference

CONFIG = DetectorConfig()
PADDED = 10  # true boxes of a frame, padding included


def matched(overlaps, is_true, usable, positive_from, negative_below, best_too):
    """Of one frame: [(index or None, kind)] of each box, by loops."""
    found = []
    for row, may in zip(overlaps, usable, strict=True):
        most, index = max(
            ((row[m], -m) for m in range(len(row)) if is_true[m]), default=(0.0, None)
        )
        index = None if index is None else -index
        kind = 'positive' if most >= positive_from else 'ignored'
        kind = 'negative' if most < negative_below else kind
        found.append((index, kind) if may else (None, 'ignored'))
    if best_too:
        for m in reversed(range(overlaps.shape[1])):  # the first one comes last, and has it
            column = np.where(usable, overlaps[:, m], 0)
            if is_true[m] and column.max() > 0:
                found[column.argmax()] = (m, 'positive')
    return found


def frames_of(rng, counts):
    """True boxes (B, PADDED, 4), padded with 0, and which are true."""
    boxes = np.zeros((len(counts), PADDED, 4), np.float32)
    for frame, count in enumerate(counts):
        boxes[frame, :count] = reference.random_boxes(rng, count)
    return boxes, np.arange(PADDED) < np.array(counts)[:, None]


@pytest.mark.parametrize('best_too', [False, True])
def test_matches(best_too):
    rng = np.random.default_rng(0)
    boxes, is_true = frames_of(rng, [0, 1, 8, 10])
    others = np.stack([reference.random_boxes(rng, 60) for _ in boxes])
    others[2, :8] = boxes[2, :8] + rng.uniform(-4, 4, (8, 4))  # some that overlap much
    overlaps = np.stack([reference.overlaps(*pair) for pair in zip(others, boxes, strict=True)])
    overlaps = np.round(overlaps, 3).astype(np.float32)  # so that no rounding decides
    usable = rng.random((4, 60)) < 0.8
    found = targets.match(overlaps, is_true, usable, 0.6, 0.2, best_too)
    kinds = set()
    for frame in range(4):
        expected = matched(overlaps[frame], is_true[frame], usable[frame], 0.6, 0.2, best_too)
        for n, (index, kind) in enumerate(expected):
            assert bool(found.positive[frame, n]) == (kind == 'positive')
            assert bool(found.negative[frame, n]) == (kind == 'negative')
            if kind == 'positive':
                assert found.index[frame, n] == index
            kinds.add(kind)
    assert kinds == {'positive', 'negative', 'ignored'}


def test_a_true_box_claims_the_box_that_overlaps_most():
    overlaps = np.array([[[0.1, 0.2], [0.3, 0.25], [0.0, 0.0]]], np.float32)
    all_true, usable = np.ones((1, 2), bool), np.ones((1, 3), bool)
    found = targets.match(overlaps, all_true, usable, 0.7, 0.3, best_too=True)
    # Both claim the second box, and the first true box has it.
    assert found.positive.numpy().tolist() == [[False, True, False]]
    assert found.index[0, 1] == 0
    assert found.negative.numpy().tolist() == [[True, False, True]]


def test_overlaps_at_the_borders_of_the_rules():
    overlaps = np.array([[0.3, 0.29, 0.7, 0.69, 0.5]], np.float32)[..., None]
    found = targets.match(
        overlaps, np.ones((1, 1), bool), np.ones((1, 5), bool), 0.7, 0.3, best_too=False
    )
    assert found.positive.numpy()[0].tolist() == [False, False, True, False, False]
    assert found.negative.numpy()[0].tolist() == [False, True, False, False, False]


def test_a_true_box_that_nothing_overlaps_with_claims_nothing():
    nothing = np.zeros((1, 3, 1), np.float32)
    found = targets.match(nothing, np.ones((1, 1), bool), np.ones((1, 3), bool), 0.7, 0.3, True)
    assert not found.positive.numpy().any()
    assert found.negative.numpy().all()


@pytest.mark.parametrize(
    ('positive', 'negative', 'expected'),
    [
        (400, 5000, (128, 128)),
        (3, 5000, (3, 253)),
        (0, 5000, (0, 256)),
        (400, 10, (128, 10)),
        (2, 1, (2, 1)),
        (0, 0, (0, 0)),
    ],
)
def test_as_many_are_drawn_as_may_be(positive, negative, expected):
    rng = np.random.default_rng(1)
    kinds = rng.permutation(6000)
    is_positive = kinds < positive
    is_negative = (kinds >= positive) & (kinds < positive + negative)
    matches = Matches(np.zeros((1, 6000), np.int32), is_positive[None], is_negative[None])
    random = rng.random((1, 6000)).astype(np.float32)
    drawn = targets.sample(matches, random, 256, 128).numpy()[0]
    counts = ((drawn & is_positive).sum(), (drawn & is_negative).sum())
    assert counts == expected
    assert drawn.sum() == sum(expected)  # none of those ignored
    # Of the positive ones, those with the least numbers.
    order = [n for n in np.argsort(random[0]) if is_positive[n]]
    assert set(np.flatnonzero(drawn & is_positive)) == set(order[: expected[0]])


def test_each_is_drawn_as_often_as_another():
    matches = Matches(np.zeros((2000, 8), np.int32), np.ones((2000, 8), bool), np.zeros(8, bool))
    matches = matches._replace(negative=np.zeros((2000, 8), bool))
    random = np.random.default_rng(2).random((2000, 8)).astype(np.float32)
    often = targets.sample(matches, random, 4, 2).numpy().mean(0)
    assert often == pytest.approx(np.full(8, 2 / 8), abs=0.04)  # four standard deviations


@pytest.mark.parametrize('counts', [[0, 1], [1, 10], [10, 0]])
def test_anchors_are_trained_towards_boxes_of_any_action(counts):
    rng = np.random.default_rng(3)
    boxes, is_true = frames_of(rng, counts)
    grid = anchors.grid(20, 25, 16, 256)
    usable = anchors.inside(grid, 320, 400).numpy()
    random = rng.random((2, 6000)).astype(np.float32)
    found = targets.of_anchors(grid, usable, boxes, is_true, random, CONFIG)
    assert not np.isnan(found.offsets.numpy()).any()
    assert not (found.sampled.numpy() & ~usable).any()
    for frame, count in enumerate(counts):
        overlaps = reference.overlaps(grid.numpy()[usable], boxes[frame])
        places = np.flatnonzero(usable)
        expected = matched(overlaps, is_true[frame], usable[usable], 0.7, 0.3, True)
        own = dict(zip(places, expected, strict=True))
        drawn = np.flatnonzero(found.sampled[frame])
        assert len(drawn) == 256
        assert (count > 0) == found.positive.numpy()[frame].any()
        for n in drawn:
            index, kind = own[n]
            assert kind == ('positive' if found.positive[frame, n] else 'negative')
            assert found.classes[frame, n] == int(kind == 'positive')
            if kind == 'positive':
                offsets = reference.offsets(boxes[frame, index], grid[n].numpy())
                assert found.offsets[frame, n].numpy() == pytest.approx(offsets, rel=1e-3, abs=1e-3)
            else:
                assert not found.offsets[frame, n].numpy().any()


def test_proposals_are_trained_towards_their_action():
    rng = np.random.default_rng(4)
    boxes, is_true = frames_of(rng, [0, 2, 9])
    labels = rng.integers(0, 24, (3, PADDED)).astype(np.int32)
    proposals = np.stack([reference.random_boxes(rng, 300) for _ in boxes])
    for frame, count in ((1, 2), (2, 9)):  # thirty each that overlap with a true box, or nearly
        near = rng.integers(0, count, 30)
        proposals[frame, :30] = boxes[frame, near] + rng.uniform(-6, 6, (30, 4))
    is_proposal = rng.random((3, 300)) < 0.9
    random = rng.random((3, 300)).astype(np.float32)
    chosen, found = targets.of_proposals(
        proposals, is_proposal, boxes, is_true, labels, random, CONFIG
    )
    assert chosen.shape == (3, 64, 4)
    assert found.positive.numpy().sum(1).tolist()[0] == 0
    for frame in range(3):
        overlaps = reference.overlaps(proposals[frame], boxes[frame])
        best = matched(overlaps, is_true[frame], is_proposal[frame], 0.5, 0.5, False)
        own = {proposals[frame, n].tobytes(): pair for n, pair in enumerate(best)}
        available = sum(kind == 'positive' for _, kind in best)
        assert found.positive[frame].numpy().sum() == min(available, 16)
        assert found.sampled[frame].numpy().all()
        for n in range(64):
            index, kind = own[chosen[frame, n].numpy().tobytes()]
            assert kind == ('positive' if found.positive[frame, n] else 'negative')
            if kind == 'positive':
                assert found.classes[frame, n] == labels[frame, index] + 1
                offsets = reference.offsets(boxes[frame, index], chosen[frame, n].numpy())
                assert found.offsets[frame, n].numpy() == pytest.approx(offsets, rel=1e-3, abs=1e-3)
            else:
                assert found.classes[frame, n] == 0


def test_fewer_proposals_than_are_sampled():
    rng = np.random.default_rng(5)
    boxes, is_true = frames_of(rng, [1])
    proposals = reference.random_boxes(rng, 80)[None]
    is_proposal = np.arange(80)[None] < 5
    labels, random = np.zeros((1, PADDED), np.int32), rng.random((1, 80)).astype(np.float32)
    chosen, found = targets.of_proposals(
        proposals, is_proposal, boxes, is_true, labels, random, CONFIG
    )
    assert found.sampled.numpy()[0].tolist() == [True] * 5 + [False] * 59
    assert np.array_equal(chosen[0, :5], proposals[0, :5])


def test_true_boxes_without_area_are_none():
    boxes = np.zeros((1, PADDED, 4), np.float32)
    boxes[0, 0] = [50, 50, 50, 90]
    grid = anchors.grid(20, 25, 16, 256)
    random = np.random.default_rng(6).random((1, 6000)).astype(np.float32)
    usable = np.ones(6000, bool)
    is_true = np.arange(PADDED)[None] < 1
    found = targets.of_anchors(grid, usable, boxes, is_true, random, CONFIG)
    assert not found.positive.numpy().any()
    assert np.isfinite(found.offsets.numpy()).all()


def test_it_runs_compiled_with_sizes_known_late():
    @tf.function(input_signature=[tf.TensorSpec([None, PADDED, 4]), tf.TensorSpec([None, 6000])])
    def of_anchors(boxes, random):
        grid = anchors.grid(20, 25, 16, 256)
        usable = anchors.inside(grid, 320, 400)
        is_true = tf.reduce_any(boxes > 0, -1)
        return targets.of_anchors(grid, usable, boxes, is_true, random, CONFIG)

    rng = np.random.default_rng(7)
    boxes, _ = frames_of(rng, [3, 1])
    found = of_anchors(boxes, rng.random((2, 6000)).astype(np.float32))
    assert found.sampled.numpy().sum(1).tolist() == [256, 256]
