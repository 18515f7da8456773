"""Places of labels: near their points, and over nothing else where there is room."""

import numpy as np
import pytest

from s3dg.figures.label_places import place_labels

BOUNDS = (0, 0, 400, 300)


def _boxes(middles, sizes):
    half = np.asarray(sizes) / 2
    return np.concatenate([middles - half, middles + half], axis=1)


def _overlap(a, b):
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def test_a_label_alone_is_right_above_its_point():
    ((x, y),) = place_labels([(200, 100)], [(30, 10)], BOUNDS, [(200, 100)])
    assert x == pytest.approx(200)
    assert 105 < y < 120


def test_crowded_labels_cover_neither_each_other_nor_points():
    points = [(200 + 7 * (i % 4), 150 + 6 * (i // 4)) for i in range(12)]
    sizes = [(26, 11)] * 12
    boxes = _boxes(place_labels(points, sizes, BOUNDS, points), sizes)
    for i, box in enumerate(boxes):
        assert not any(_overlap(box, other) for other in boxes[:i])
        assert not any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in points)
        assert np.hypot(*((box[:2] + box[2:]) / 2 - points[i])) < 90


def test_labels_keep_off_lines_and_inside_the_picture():
    line = [
        (200, y) for y in range(0, 300, 3)
    ]  # upright, through the point: no place above or below
    ((x, y),) = place_labels([(200, 150)], [(30, 10)], BOUNDS, line)
    assert abs(x - 200) > 15
    corner = _boxes(place_labels([(398, 298)], [(30, 10)], BOUNDS), [(30, 10)])[0]
    assert corner[2] <= 400
    assert corner[3] <= 300


def test_no_labels_are_no_places():
    assert place_labels([], [], BOUNDS).shape == (0, 2)
