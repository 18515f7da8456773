"""Plain NumPy, box by box, for what the detector computes with tensors."""

import numpy as np

from s3dg.detection.frame_ap import FrameBoxes


def overlap(one, other):
    """Intersection over union of two boxes; 0 where one has no area."""
    heights = [max(box[2] - box[0], 0) for box in (one, other)]
    widths = [max(box[3] - box[1], 0) for box in (one, other)]
    areas = [height * width for height, width in zip(heights, widths, strict=True)]
    height = max(min(one[2], other[2]) - max(one[0], other[0]), 0)
    width = max(min(one[3], other[3]) - max(one[1], other[1]), 0)
    union = sum(areas) - height * width
    return height * width / union if min(areas) > 0 else 0.0


def overlaps(boxes, others):
    return np.array([[overlap(one, other) for other in others] for one in boxes]).reshape(
        len(boxes), len(others)
    )


def offsets(box, reference):
    """From a reference box to a box, by the formula of the Faster R-CNN paper, times 10 and 5."""

    def centre_and_size(box):
        height, width = box[2] - box[0], box[3] - box[1]
        return box[0] + height / 2, box[1] + width / 2, height, width

    y, x, height, width = centre_and_size(box)
    y_from, x_from, height_from, width_from = centre_and_size(reference)
    return np.array(
        [
            10 * (y - y_from) / height_from,
            10 * (x - x_from) / width_from,
            5 * np.log(height / height_from),
            5 * np.log(width / width_from),
        ]
    )


def suppress(boxes, scores, most, count):
    """Indices that greedy non-maximum suppression keeps, of boxes with scores above 0."""
    kept = []
    for index in np.argsort(-scores, kind='stable'):
        if scores[index] > 0 and all(overlap(boxes[index], boxes[k]) <= most for k in kept):
            kept.append(index)
    return kept[:count]


def softmax(logits):
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def random_boxes(rng, count, height=320, width=400):
    """Boxes within a frame, of sides from 10 pixels up: float32 (count, 4)."""
    corners = [np.sort(rng.uniform(0, size - 10, (count, 2))) for size in (height, width)]
    (top, bottom), (left, right) = (pair.T for pair in corners)
    return np.stack([top, left, bottom + 10, right + 10], -1).astype(np.float32)


def boxes_of(*rows):
    """`FrameBoxes` of rows (frame, label, (y_min, x_min, y_max, x_max)) or with a score at last."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return FrameBoxes(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int32),
        np.array(columns[2], np.float32).reshape(-1, 4),
        np.array(columns[3], np.float32) if len(columns) > 3 else None,
    )
