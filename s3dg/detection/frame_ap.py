"""Average precision of boxes in single frames (frame-AP), by two rules.

Both rules go through the detections of a class in all frames by falling score. A detection is a hit
where its box overlaps enough with a true box of its class and frame that no earlier one has taken;
all others are false positives, second detections of one true box too. They differ in which true box
a detection is compared with, and in what the area under the curve is: see `PASCAL` and `ACT`.

One intersection over union serves both. That of the ACT detector (Kalogeiton et al. 2017) is of
corners that are numbers of pixels, the last ones included: areas of (x2 - x1 + 1) (y2 - y1 + 1),
and 1 added to x2 and y2 in an intersection. Boxes here are continuous, from x_min = x1 to
x_max = x2 + 1: `data.datasets.act_tubes` reads true boxes so, and `rows.write_rows` writes
x2 = x_max - 1 for detections. The added ones then give back x_max and y_max in every area and
intersection, so what ACT's code computes from such numbers is the overlap of the continuous boxes.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from s3dg.errors import S3dgError

_CHUNK = 1 << 16  # detections whose overlaps are computed at a time


class FrameApError(S3dgError, ValueError):
    """Boxes that cannot be evaluated, or a damaged file of them."""


@dataclasses.dataclass(frozen=True)
class FrameBoxes:
    """Boxes of many frames, in any order.

    Raises:
      FrameApError: where the shapes do not fit, frames or labels are no integers, or a score or a
        corner is not finite.
    """

    frame: np.ndarray  # int64 (n,), a number for one frame of one video, which the caller makes
    label: np.ndarray  # int32 (n,), from 0
    box: np.ndarray  # float32 (n, 4): y_min, x_min, y_max, x_max in pixels; pixel k is k to k + 1
    score: np.ndarray | None = None  # float32 (n,); None for true boxes

    def __post_init__(self):
        count = len(self.frame)
        shapes = {'frame': (count,), 'label': (count,), 'box': (count, 4), 'score': (count,)}
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values is None and name == 'score':
                continue
            if values.shape != shape:
                raise FrameApError(
                    f'The {name} of {count} boxes has shape {values.shape}, expected {shape}.'
                )
            if name in ('frame', 'label'):
                if values.dtype.kind not in 'iu':
                    raise FrameApError(f'A {name} is of {values.dtype}, expected an integer.')
                continue
            finite = np.isfinite(values)
            if not finite.all():
                row = np.argwhere(~finite)[0, 0]
                raise FrameApError(f'The {name} in row {row} is not finite: {values[row]}.')

    def __len__(self):
        return len(self.frame)

    def where(self, kept):
        """The boxes at indices, or where a bool is True."""
        columns = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return FrameBoxes(**{name: None if v is None else v[kept] for name, v in columns})


def without_labels(boxes: FrameBoxes) -> FrameBoxes:
    """The same boxes, all of label 0: whether anyone is found, whatever the action.

    All detections stay, so those of one true box under several labels are false positives but one.
    """
    return dataclasses.replace(boxes, label=np.zeros_like(boxes.label))


@dataclasses.dataclass(frozen=True)
class _Pairs:
    """Detections and true boxes of one class that share a frame and overlap enough.

    They are ordered by detection, then by true box. Detections count from 0 by falling score.
    """

    detection: np.ndarray  # int64 (pairs,)
    truth: np.ndarray  # int64 (pairs,), which true box
    frame: np.ndarray  # int64 (pairs,)
    overlap: np.ndarray  # float64 (pairs,)

    def where(self, kept):
        """The pairs at indices, or where a bool is True."""
        fields = dataclasses.fields(self)
        return _Pairs(*(getattr(self, field.name)[kept] for field in fields))

    def best(self):
        """Of each detection the pair of the largest overlap, the first of several."""
        order = np.lexsort((-self.overlap, self.detection))
        return self.where(order[_firsts(self.detection[order])])


def _firsts(values):
    """Where each value of int64 (n,) stands first."""
    return np.unique(values, return_index=True)[1]


def _best_of_all(pairs):
    """Hits where a detection takes its best true box, or none when that is taken: int64 (hits,)."""
    best = pairs.best()
    return np.sort(best.detection[_firsts(best.truth)])


def _best_of_unmatched(pairs):
    """Hits where a detection takes the best true box that is not taken yet: int64 (hits,)."""
    hits = [np.zeros(0, np.int64)]
    # In each round the first detection of every frame takes a box: as many rounds as boxes a frame.
    while len(pairs.detection):
        first = pairs.detection[_firsts(pairs.frame)]
        taken = pairs.where(np.isin(pairs.detection, first)).best()
        hits.append(taken.detection)
        done = np.isin(pairs.detection, first) | np.isin(pairs.truth, taken.truth)
        pairs = pairs.where(~done)
    return np.sort(np.concatenate(hits))


def _rates(hits, rows, positives):
    """Precision and recall, float64 (rows,), after the detections numbered `rows`."""
    found = np.searchsorted(hits, rows, side='right')
    return found / (rows + 1), found / positives


def _envelope(hits, count, positives):
    """The largest precision at each recall or a higher one; none lies between two hits."""
    precision, recall = _rates(hits, hits, positives)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    start = highest[:1] if len(highest) else [0.0]
    return np.concatenate([start, highest]), np.concatenate([[0.0], recall])


def _points(hits, count, positives):
    """All points, from precision 1 at recall 0 on.

    Left out are those between others on one upright line, for there may be millions of them.
    """
    rows = np.unique(np.concatenate([hits - 1, hits, [count - 1]]))
    precision, recall = _rates(hits, rows[rows >= 0], positives)
    return np.concatenate([[1.0], precision]), np.concatenate([[0.0], recall])


def _area_of_steps(precision, recall):
    return float(np.sum(np.diff(recall) * precision[1:]))


def _area_of_trapezoids(precision, recall):
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1])) * 0.5)


@dataclasses.dataclass(frozen=True)
class Rule:
    """How detections become an average precision."""

    name: str
    # (pairs of one class) -> numbers of the detections that are hits, rising, int64 (hits,)
    hits: Callable
    # (hits, number of detections, number of true boxes) -> precision, recall: float64 (points,)
    curve: Callable
    # (precision, recall) -> the area under that curve
    area: Callable


# The Object Detection API's, and of the VOC devkit from 2010 on. A detection is compared with the
# true box of the largest overlap, and is a false positive where that is taken. The area is that
# under the envelope. Unlike there, boxes without an area are false positives, not left out.
PASCAL = Rule('pascal', _best_of_all, _envelope, _area_of_steps)
# `frameAP` and `pr_to_ap` of the ACT detector's code. A detection is compared with those true boxes
# that are not taken yet. The area is that of trapezoids between the points, from precision 1 at
# recall 0 on. There points are float32, here float64.
ACT = Rule('act', _best_of_unmatched, _points, _area_of_trapezoids)
RULES = {rule.name: rule for rule in (PASCAL, ACT)}


@dataclasses.dataclass(frozen=True)
class AveragePrecisions:
    """Average precisions of all classes, from 0 to 1."""

    per_class: np.ndarray  # float64 (classes,), NaN for a class without true boxes
    mean: float  # over the classes with true boxes
    # Of each class precision and recall, float64 (points,), the rule's start point first; recall
    # rises. Empty for a class without true boxes. By `PASCAL` steps: each precision holds down to
    # the recall of the point before. By `ACT` lines from point to point.
    curves: tuple[tuple[np.ndarray, np.ndarray], ...]


def average_precisions(
    detections: FrameBoxes,
    truth: FrameBoxes,
    num_classes: int,
    rule: Rule,
    threshold: float = 0.5,
    counted: np.ndarray | None = None,
) -> AveragePrecisions:
    """Average precision of each class.

    Detections of equal scores count in the order of their rows, true boxes of equal overlaps too.
    (ACT's own code leaves the order of equal scores to NumPy's unstable sorting.)

    Args:
      detections: with scores; of one frame in any places.
      truth: the true boxes, whose scores are not used.
      num_classes: labels are 0 to this - 1.
      rule: `PASCAL` or `ACT`.
      threshold: the least intersection over union of a hit, itself enough.
      counted: int64 (frames,), those in which detections and true boxes count; default all.

    Raises:
      FrameApError: where detections have no scores, a label is out of range, or there are no true
        boxes in the frames counted.
    """
    if counted is not None:
        detections, truth = (
            boxes.where(np.isin(boxes.frame, counted)) for boxes in (detections, truth)
        )
    hit = match(detections, truth, num_classes, rule, threshold)
    positives = np.bincount(truth.label, minlength=num_classes)
    return precisions(detections.label, detections.score, hit, positives, rule)


def match(
    detections: FrameBoxes,
    truth: FrameBoxes,
    num_classes: int,
    rule: Rule,
    threshold: float = 0.5,
) -> np.ndarray:
    """Which detections are hits: bool (n,). Frames do not see each other, so any part will do.

    Arguments and errors are as of `average_precisions`.
    """
    if detections.score is None:
        raise FrameApError('The detections have no scores.')
    for kind, boxes in (('detection', detections), ('true box', truth)):
        strange = np.flatnonzero((boxes.label < 0) | (boxes.label >= num_classes))
        if len(strange):
            raise FrameApError(
                f'The {kind} in row {strange[0]} has label {boxes.label[strange[0]]}, '
                f'expected 0 to {num_classes - 1}.'
            )
    hit = np.zeros(len(detections), bool)
    for label in np.unique(truth.label):
        found, true = (np.flatnonzero(boxes.label == label) for boxes in (detections, truth))
        found = _by_score(found, detections.score)
        hit[found[rule.hits(_pairs(detections, found, truth, true, threshold))]] = True
    return hit


def precisions(
    label: np.ndarray, score: np.ndarray, hit: np.ndarray, positives: np.ndarray, rule: Rule
) -> AveragePrecisions:
    """Average precisions of detections of which is known whether they are hits.

    Args:
      label, score, hit: of each detection; integers, float32 and bool (n,). Those of equal scores
        count in their order.
      positives: int64 (classes,), how many true boxes there are.
      rule: that `match` was given.

    Raises:
      FrameApError: where there are no true boxes.
    """
    per_class, curves = np.full(len(positives), np.nan), []
    for number, count in enumerate(positives):
        if not count:
            curves.append((np.zeros(0), np.zeros(0)))
            continue
        found = _by_score(np.flatnonzero(label == number), score)
        curves.append(rule.curve(np.flatnonzero(hit[found]), len(found), count))
        per_class[number] = rule.area(*curves[-1])
    if np.isnan(per_class).all():
        raise FrameApError('There are no true boxes in the frames that count.')
    return AveragePrecisions(per_class, float(np.nanmean(per_class)), tuple(curves))


def _by_score(rows, score):
    """Rows by falling score."""
    return rows[np.argsort(-score[rows], kind='stable')]


def _pairs(detections, found, truth, true, threshold):
    """The `_Pairs` of detections in rows `found`, by falling score, and true boxes in rows `true`.

    Overlaps are computed a few detections at a time: most of the pairs do not stay.
    """
    true = true[np.argsort(truth.frame[true], kind='stable')]
    true_frames, true_boxes = truth.frame[true], truth.box[true]
    parts = []
    for start in range(0, max(len(found), 1), _CHUNK):  # one at least, if empty
        rows = found[start : start + _CHUNK]
        frames = detections.frame[rows]
        first = np.searchsorted(true_frames, frames, side='left')
        counts = np.searchsorted(true_frames, frames, side='right') - first
        # Of each detection in turn: its first true box and the ones after it.
        own = np.repeat(np.arange(len(rows)), counts)
        others = np.arange(len(own)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        overlap = _overlaps(detections.box[rows[own]], true_boxes[others])
        pairs = _Pairs(own + start, others, frames[own], overlap)
        parts.append(pairs.where(overlap >= threshold))
    fields = [field.name for field in dataclasses.fields(_Pairs)]
    return _Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def _overlaps(ones, others):
    """Intersection over union of boxes and those beside them, float32 (n, 4) both: float64 (n,).

    Boxes of no area overlap with nothing.
    """
    ones, others = ones.astype(np.float64), others.astype(np.float64)
    sides = np.minimum(ones[:, 2:], others[:, 2:]) - np.maximum(ones[:, :2], others[:, :2])
    shared = np.maximum(sides, 0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (ones, others)]
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
