"""Frame-AP by both rules: cases worked by hand, plain loops, and the rows of boxes on disk."""

import csv
import math

import numpy as np
import pytest

from s3dg.detection import frame_ap, rows
from s3dg.detection.frame_ap import ACT, PASCAL, RULES, FrameApError, FrameBoxes
from tests.s3dg.detection import reference
from tests.s3dg.detection.reference import boxes_of

BOTH = pytest.mark.parametrize('rule', [PASCAL, ACT], ids=lambda rule: rule.name)


def evaluate(detections, truth, rule, **settings):
    """`average_precisions` of three classes, from lists of rows as above."""
    return frame_ap.average_precisions(boxes_of(*detections), boxes_of(*truth), 3, rule, **settings)


A, B, FAR = (0, 0, 10, 10), (20, 20, 30, 30), (60, 60, 70, 70)


def test_rules():
    assert {'pascal': PASCAL, 'act': ACT} == RULES


# A hit, a miss, a hit of 3 true boxes: points (precision, recall) (1, 1/3), (1/2, 1/3), (2/3, 2/3).
MIXED = [(0, 0, A, 0.9), (0, 0, FAR, 0.8), (1, 0, B, 0.7)]
MIXED_TRUTH = [(0, 0, A), (1, 0, A), (1, 0, B)]


def test_pascal_by_hand():
    found = evaluate(MIXED, MIXED_TRUTH, PASCAL)
    # The envelope: 1 up to recall 1/3, 2/3 up to 2/3, then nothing.
    assert found.per_class[0] == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    precision, recall = found.curves[0]
    assert precision == pytest.approx([1, 1, 2 / 3])
    assert recall == pytest.approx([0, 1 / 3, 2 / 3])


def test_act_by_hand():
    found = evaluate(MIXED, MIXED_TRUTH, ACT)
    # Trapezoids: from (1, 0) to (1, 1/3); none down to (1/2, 1/3); from there to (2/3, 2/3).
    assert found.per_class[0] == pytest.approx(1 / 3 * 1 + 1 / 3 * (1 / 2 + 2 / 3) / 2)
    precision, recall = found.curves[0]
    assert precision == pytest.approx([1, 1, 1 / 2, 2 / 3])
    assert recall == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3])


def test_a_miss_before_all_hits():
    detections, truth = [(0, 0, FAR, 0.9), (0, 0, A, 0.8)], [(0, 0, A)]
    assert evaluate(detections, truth, PASCAL).per_class[0] == 1 / 2
    # From (1, 0) down to (0, 0), then up to (1/2, 1).
    assert evaluate(detections, truth, ACT).per_class[0] == 1 / 4


def test_the_envelope_fills_a_dip():
    # Miss, hit, hit of 2: (0, 0), (1/2, 1/2), (2/3, 1). Envelope 2/3 all along.
    detections = [(0, 0, FAR, 0.9), (0, 0, A, 0.8), (0, 0, B, 0.7)]
    truth = [(0, 0, A), (0, 0, B)]
    assert evaluate(detections, truth, PASCAL).per_class[0] == pytest.approx(2 / 3)
    # Trapezoids: 1/2 * (0 + 1/2) / 2 + 1/2 * (1/2 + 2/3) / 2.
    assert evaluate(detections, truth, ACT).per_class[0] == pytest.approx(1 / 8 + 7 / 24)


def test_a_second_detection_of_a_true_box_is_a_false_positive():
    detections = [(0, 0, A, 0.9), (0, 0, A, 0.8), (1, 0, A, 0.7)]
    truth = [(0, 0, A), (1, 0, A)]
    # Hit, miss, hit of 2: (1, 1/2), (1/2, 1/2), (2/3, 1).
    assert evaluate(detections, truth, PASCAL).per_class[0] == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    expected = 1 / 2 + 1 / 2 * (1 / 2 + 2 / 3) / 2
    assert evaluate(detections, truth, ACT).per_class[0] == pytest.approx(expected)


def test_a_detection_whose_best_box_is_taken():
    # Two true boxes of 10 x 10, a row of pixels apart. The second detection lies nearer to the
    # first of them (10 x 9.6 shared), which is taken, but enough over the other (10 x 9.4) too.
    truth = [(0, 0, (0, 0, 10, 10)), (0, 0, (1, 0, 11, 10))]
    second = (0.4, 0, 10.4, 10)
    detections = [(0, 0, (0, 0, 10, 10), 0.9), (0, 0, second, 0.8)]
    assert reference.overlap(second, truth[0][2]) == pytest.approx(96 / 104)
    assert reference.overlap(second, truth[1][2]) == pytest.approx(94 / 106)
    assert evaluate(detections, truth, PASCAL).per_class[0] == pytest.approx(1 / 2)
    assert evaluate(detections, truth, ACT).per_class[0] == pytest.approx(1)


def test_a_taken_box_does_not_come_free_for_a_later_detection():
    # First, second and third detection all overlap enough with both true boxes: the third is left
    # without one by either rule. Another frame's detection comes last.
    truth = [(0, 0, (0, 0, 10, 10)), (0, 0, (1, 0, 11, 10)), (1, 0, A)]
    detections = [(0, 0, (0, 0, 10, 10), score) for score in (0.9, 0.8)]
    detections += [(0, 0, (1, 0, 11, 10), 0.7), (1, 0, A, 0.6)]
    # ACT: hit, hit, miss, hit. Pascal: hit, miss, hit, hit.
    expected = 2 / 3 + 1 / 3 * (2 / 3 + 3 / 4) / 2
    assert evaluate(detections, truth, ACT).per_class[0] == pytest.approx(expected)
    assert evaluate(detections, truth, PASCAL).per_class[0] == pytest.approx(1 / 3 + 2 / 3 * 3 / 4)


@BOTH
def test_half_an_overlap_is_enough(rule):
    truth = [(0, 0, (0, 0, 10, 10))]
    half = [(0, 0, (0, 0, 10, 5), 0.9)]
    less = [(0, 0, (0, 0, 10, np.nextafter(np.float32(5), 0)), 0.9)]
    assert evaluate(half, truth, rule).per_class[0] == 1
    assert evaluate(less, truth, rule).per_class[0] == 0
    assert evaluate(less, truth, rule, threshold=0.49).per_class[0] == 1
    assert evaluate(half, truth, rule, threshold=0.51).per_class[0] == 0


@BOTH
def test_boxes_without_an_area_are_false_positives(rule):
    truth = [(0, 0, A), (0, 0, (5, 5, 5, 5))]
    # An upside-down box has a product of sides above 0, too.
    detections = [(0, 0, (5, 5, 5, 5), 0.9), (0, 0, (10, 10, 0, 0), 0.8)]
    with np.errstate(all='raise'):
        assert evaluate(detections, truth, rule).per_class[0] == 0


@BOTH
def test_classes_without_true_boxes_or_detections(rule):
    found = evaluate([(0, 0, A, 0.9), (0, 2, A, 0.8)], [(0, 0, A), (0, 1, A)], rule)
    assert found.per_class[:2].tolist() == [1, 0]
    assert math.isnan(found.per_class[2])
    assert found.mean == 1 / 2
    assert [len(precision) for precision, _ in found.curves[1:]] == [1, 0]
    assert [len(recall) for _, recall in found.curves[1:]] == [1, 0]
    assert found.curves[1][1] == 0
    assert evaluate([], [(0, 0, A)], rule).mean == 0


@BOTH
def test_frames_and_labels_are_kept_apart(rule):
    truth = [(0, 0, A), (1, 1, A)]
    assert evaluate([(1, 0, A, 0.9), (0, 1, A, 0.9)], truth, rule).mean == 0
    assert evaluate([(0, 0, A, 0.9), (1, 1, A, 0.9)], truth, rule).mean == 1


@BOTH
def test_equal_scores_count_in_the_order_of_rows(rule):
    hit, miss = (0, 0, A, 0.5), (0, 0, FAR, 0.5)
    few = evaluate([hit] + 40 * [miss], [(0, 0, A)], rule)
    assert few.per_class[0] == 1
    late = evaluate(40 * [miss] + [hit], [(0, 0, A)], rule)
    assert late.per_class[0] == pytest.approx({PASCAL: 1 / 41, ACT: 1 / 82}[rule])


def test_of_equal_overlaps_the_first_true_box_is_taken():
    # The first detection overlaps alike with both true boxes, the second only with the first one.
    left, right, middle = (0, 0, 10, 10), (0, 2, 10, 12), (0, 1, 10, 11)
    outer = (0, 0, 10, 6)
    detections = [(0, 0, middle, 0.9), (0, 0, outer, 0.8)]
    for truth, expected in (([left, right], 1 / 2), ([right, left], 1)):
        for rule in (PASCAL, ACT):
            found = evaluate(detections, [(0, 0, box) for box in truth], rule)
            assert found.per_class[0] == expected


@BOTH
def test_only_counted_frames_count(rule):
    detections = [(0, 0, A, 0.9), (5, 0, A, 0.8), (7, 0, B, 0.7), (5, 1, A, 0.6)]
    truth = [(0, 0, A), (7, 0, B), (5, 1, B)]
    counted = evaluate(detections, truth, rule, counted=np.array([7, 0, 3]))
    assert counted.per_class[0] == 1
    assert math.isnan(counted.per_class[1])
    assert evaluate(detections, truth, rule).per_class[0] < 1
    with pytest.raises(FrameApError, match='no true boxes'):
        evaluate(detections, truth, rule, counted=np.array([3]))
    with pytest.raises(FrameApError, match='no true boxes'):
        evaluate(detections, truth, rule, counted=np.array([], np.int64))


def test_without_labels():
    detections = boxes_of((0, 2, A, 0.9), (0, 1, A, 0.8), (1, 1, B, 0.7))
    truth = boxes_of((0, 0, A), (1, 2, B))
    blind = [frame_ap.without_labels(boxes) for boxes in (detections, truth)]
    # Hit, miss (the same box by another label), hit of 2.
    found = frame_ap.average_precisions(*blind, 1, PASCAL)
    assert found.per_class == pytest.approx([1 / 2 + 1 / 2 * 2 / 3])
    assert blind[0].label.dtype == np.int32
    assert detections.label.tolist() == [2, 1, 1]
    assert blind[0].score is detections.score


def random_case(seed, frames=12, classes=3):
    """True boxes, several of a class in a frame, and detections around them of few scores."""
    rng = np.random.default_rng(seed)
    truth, detections = [], []
    for frame in range(100, 100 + frames):
        label = int(rng.integers(classes))
        corner = rng.uniform(0, 60, 2)
        for _ in range(rng.integers(0, 5)):
            top, left = corner + rng.uniform(0, 12, 2)
            box = (top, left, top + rng.uniform(20, 40), left + rng.uniform(20, 40))
            label = label if rng.random() < 0.8 else int(rng.integers(classes))
            truth.append((frame, label, box))
        for _ in range(rng.integers(0, 15)):
            label = label if rng.random() < 0.6 else int(rng.integers(classes))
            near = truth[-1][2] if truth else A
            box = np.array(near) + rng.uniform(-8, 8, 4)
            detections.append((frame, label, tuple(box), rng.integers(1, 20) / 20))
    rng.shuffle(detections)
    rng.shuffle(truth)
    detections = [(int(f), int(c), b, s) for f, c, b, s in detections]
    truth = [(int(f), int(c), b) for f, c, b in truth]
    return boxes_of(*detections), boxes_of(*truth)


def pascal_by_loops(detections, truth, label, threshold):
    """One class, a detection at a time, with the area added recall by recall."""
    positives, taken = {}, set()
    for row in range(len(truth)):
        if truth.label[row] == label:
            positives.setdefault(int(truth.frame[row]), []).append(row)
    total = sum(map(len, positives.values()))
    rows = [row for row in range(len(detections)) if detections.label[row] == label]
    rows.sort(key=lambda row: -detections.score[row])  # Python's sort is stable
    points, hits = [], 0
    for seen, row in enumerate(rows, 1):
        best, most = None, -1.0
        for other in positives.get(int(detections.frame[row]), []):
            ones, others = detections.box[row].tolist(), truth.box[other].tolist()
            overlap = reference.overlap(ones, others)
            if overlap > most:
                best, most = other, overlap
        if most >= threshold and best not in taken:
            taken.add(best)
            hits += 1
        points.append((hits / seen, hits / total))
    area = 0.0
    for count in range(1, hits + 1):
        reached = [precision for precision, recall in points if recall >= count / total - 1e-12]
        area += max(reached) / total
    return area


def act_from_rows(path, truth, names, label, threshold):
    """ACT's `frameAP` for one class: inclusive corners, and lists from which boxes are deleted."""
    known = {}
    for frame, own, (top, left, bottom, right) in zip(
        truth.frame.tolist(), truth.label.tolist(), truth.box.tolist(), strict=True
    ):
        if own == label:
            video, index = names(frame)
            known.setdefault((video, index + 1), []).append([left, top, right - 1, bottom - 1])

    def area(box):
        return (box[2] - box[0] + 1) * (box[3] - box[1] + 1)

    def overlap(one, other):
        width = min(one[2] + 1, other[2] + 1) - max(one[0], other[0])
        height = min(one[3] + 1, other[3] + 1) - max(one[1], other[1])
        shared = max(0, width) * max(0, height)
        return shared / (area(one) + area(other) - shared)

    with open(path, encoding='utf-8', newline='') as file:
        rows = [row for row in csv.DictReader(file) if int(row['label']) == label]
    true, false, missed = 0, 0, sum(map(len, known.values()))
    points = [(1.0, 0.0)]
    for row in sorted(rows, key=lambda row: float(row['score']), reverse=True):  # stable as well
        box = [float(row[corner]) for corner in ('x1', 'y1', 'x2', 'y2')]
        left = known.get((row['video'], int(row['frame'])), [])
        overlaps = [overlap(box, other) for other in left]
        if overlaps and max(overlaps) >= threshold:
            del left[overlaps.index(max(overlaps))]
            true, missed = true + 1, missed - 1
        else:
            false += 1
        points.append((true / (true + false), true / (true + missed)))
    return sum(
        (recall - before) * (precision + former) * 0.5
        for (former, before), (precision, recall) in zip(points, points[1:], strict=False)
    )


def name_of(frame):
    return f'video {frame % 3}', frame


@pytest.mark.parametrize('seed', range(12))
def test_against_plain_loops(seed, tmp_path, monkeypatch):
    detections, truth = random_case(seed)
    rows.write_rows(tmp_path / 'rows.csv', detections, name_of)
    if seed % 2:
        monkeypatch.setattr(frame_ap, '_CHUNK', 7)
    for threshold in (0.5, 0.7):
        settings = (detections, truth, 3)
        pascal, act = (
            frame_ap.average_precisions(*settings, rule, threshold) for rule in (PASCAL, ACT)
        )
        for label in set(truth.label.tolist()):
            expected = pascal_by_loops(detections, truth, label, threshold)
            assert pascal.per_class[label] == pytest.approx(expected, abs=1e-12)
            expected = act_from_rows(tmp_path / 'rows.csv', truth, name_of, label, threshold)
            assert act.per_class[label] == pytest.approx(expected, abs=1e-12)
        assert pascal.mean == pytest.approx(np.nanmean(pascal.per_class))


@pytest.mark.parametrize('seed', range(6))
@BOTH
def test_parts_of_the_frames_matched_alone_come_to_the_same(rule, seed):
    """Also with equal scores in several parts, where the order of the detections decides."""
    detections, truth = random_case(seed)
    coarse = np.round(detections.score, 1)
    detections = FrameBoxes(detections.frame, detections.label, detections.box, coarse)
    order = np.argsort(detections.frame % 3, kind='stable')
    whole = frame_ap.average_precisions(detections.where(order), truth, 3, rule)
    hits = [
        frame_ap.match(
            detections.where(detections.frame % 3 == part),
            truth.where(truth.frame % 3 == part),
            3,
            rule,
        )
        for part in range(3)
    ]
    label, score = detections.label[order], detections.score[order]
    positives = np.bincount(truth.label, minlength=3)
    found = frame_ap.precisions(label, score, np.concatenate(hits), positives, rule)
    np.testing.assert_array_equal(found.per_class, whole.per_class)
    assert found.mean == whole.mean


def test_the_rules_differ_on_the_random_cases():
    """Else the loops above would not tell them apart: by how they take boxes, and by the area."""
    crossed = frame_ap.Rule('crossed', PASCAL.hits, ACT.curve, ACT.area)
    differ = [0, 0]
    for seed in range(12):
        settings = (*random_case(seed), 3)
        pascal, act, mixed = (
            frame_ap.average_precisions(*settings, rule).per_class
            for rule in (PASCAL, ACT, crossed)
        )
        differ[0] += int((np.abs(mixed - act) > 1e-3).any())
        differ[1] += int((np.abs(mixed - pascal) > 1e-3).any())
        # Of the same hits, the area below the envelope is never the smaller one.
        assert (pascal >= mixed - 1e-12)[~np.isnan(pascal)].all()
    assert min(differ) >= 6


@BOTH
def test_true_boxes_as_detections_are_perfect(rule):
    rng = np.random.default_rng(0)
    count = 300
    truth = FrameBoxes(
        rng.integers(0, 90, count),
        rng.integers(0, 5, count).astype(np.int32),
        reference.random_boxes(rng, count),
    )
    scores = rng.random(count).astype(np.float32)
    detections = FrameBoxes(truth.frame, truth.label, truth.box, scores)
    found = frame_ap.average_precisions(detections, truth, 5, rule, threshold=0.99)
    assert found.per_class == pytest.approx(np.ones(5), abs=1e-12)
    for precision, recall in found.curves:
        assert (precision == 1).all()
        assert recall[-1] == 1


@BOTH
def test_the_order_of_rows_does_not_matter_but_for_equal_scores(rule):
    rng = np.random.default_rng(1)
    detections, truth = random_case(1)
    scores = rng.permutation(len(detections)).astype(np.float32)
    order = rng.permutation(len(detections))
    detections = FrameBoxes(detections.frame, detections.label, detections.box, scores)
    columns = (detections.frame, detections.label, detections.box, detections.score)
    shuffled = FrameBoxes(*(column[order] for column in columns))
    one, other = (
        frame_ap.average_precisions(boxes, truth, 3, rule).per_class
        for boxes in (detections, shuffled)
    )
    np.testing.assert_array_equal(one, other)


def test_curves_have_few_points():
    """Millions of false positives are not worth a point each."""
    misses = 1000 * [(0, 0, FAR, 0.5)]
    for rule in (PASCAL, ACT):
        found = evaluate([(0, 0, A, 0.9), *misses, (0, 0, B, 0.4)], [(0, 0, A), (0, 0, B)], rule)
        precision, recall = found.curves[0]
        assert len(precision) == len(recall) <= 5
        assert (np.diff(recall) >= 0).all()
        assert precision[-1] == pytest.approx(2 / 1002)
    # Those after the last hit lead down to the last one.
    precision, recall = evaluate([(0, 0, A, 0.9), *misses], [(0, 0, A)], ACT).curves[0]
    assert precision == pytest.approx([1, 1, 1 / 1001])
    assert recall == pytest.approx([0, 1, 1])


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'score': np.array([0.5, np.nan], np.float32)}, 'score in row 1 is not finite: nan'),
        ({'box': np.array([A, (0, np.inf, 0, 0)], np.float32)}, 'box in row 1 is not finite'),
        ({'box': np.zeros((2, 5), np.float32)}, r'box of 2 boxes has shape \(2, 5\)'),
        ({'score': np.zeros(3, np.float32)}, r'score of 2 boxes has shape \(3,\)'),
        ({'label': np.zeros((2, 1), np.int32)}, r'label of 2 boxes has shape \(2, 1\)'),
        ({'label': np.zeros(2, np.float32)}, 'label is of float32'),
        ({'frame': np.zeros(2, np.float64)}, 'frame is of float64'),
    ],
)
def test_boxes_that_are_refused(fields, message):
    good = {
        'frame': np.arange(2),
        'label': np.zeros(2, np.int32),
        'box': np.array([A, B], np.float32),
        'score': np.ones(2, np.float32),
    }
    assert len(FrameBoxes(**good)) == 2
    with pytest.raises(FrameApError, match=message):
        FrameBoxes(**{**good, **fields})


@BOTH
def test_what_is_not_evaluated(rule):
    with pytest.raises(FrameApError, match='detection in row 1 has label 3, expected 0 to 2'):
        evaluate([(0, 0, A, 0.9), (0, 3, A, 0.9)], [(0, 0, A)], rule)
    with pytest.raises(FrameApError, match='true box in row 0 has label -1'):
        evaluate([(0, 0, A, 0.9)], [(0, -1, A)], rule)
    with pytest.raises(FrameApError, match='no scores'):
        evaluate([(0, 0, A)], [(0, 0, A)], rule)
    with pytest.raises(FrameApError, match='no true boxes'):
        evaluate([(0, 0, A, 0.9)], [], rule)
