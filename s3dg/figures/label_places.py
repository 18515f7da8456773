"""Places for the labels of points in a picture: they cover neither each other nor the drawing."""

import math

import numpy as np

# Where a label may be, from its point: directions in degrees, the preferred first, and gaps between
# the point and the label, in pixels.
_DIRECTIONS = (90, 270, 0, 180, 45, 135, 315, 225, 67, 113, 293, 247, 22, 158, 338, 202)
_GAPS = (7, 12, 19, 28, 39, 53)

# What a place costs: for each pixel of another label or of outside it takes, for each drawn point
# it covers, for each pixel of distance, and for each later direction. Only their order of size
# matters.
_OVERLAP, _COVERED, _DISTANCE, _DIRECTION = 10.0, 30.0, 2.0, 0.3

_ROUNDS = 6  # of finding every label a better place among the others; settles after three or so

_PLAIN = 14  # pixels: a label that is nearer to its point needs no line to it


def label_points(axes, labels, lines):
    """Writes labels beside the points of a finished picture; far ones have a line to their point.

    Args:
      axes: matplotlib's, with everything else drawn: the layout is settled here.
      labels: list of (text, x, y, colour), in the units of the axes.
      lines: what labels are not to cover, (points, 2) each; a single point is a marker.
    """
    if not labels:
        return
    figure = axes.figure
    style = {'ha': 'center', 'va': 'center', 'fontsize': 8, 'zorder': 4}
    style.update(xytext=(0, 0), textcoords='offset points', in_layout=False)
    line = {'arrowstyle': '-', 'alpha': 0.5, 'linewidth': 0.6}
    texts = [
        axes.annotate(label, (x, y), color=colour, arrowprops={**line, 'color': colour}, **style)
        for label, x, y, colour in labels
    ]
    figure.draw_without_rendering()  # settles where the axes are, and so how many pixels a value is
    to_pixels = axes.transData.transform
    drawn = np.concatenate([_dense(to_pixels(line)) for line in lines]) if lines else ()
    air = 3  # between them
    sizes = np.array([text.get_window_extent().size for text in texts]) + air
    points = to_pixels([text.xy for text in texts])
    offsets = place_labels(points, sizes, axes.bbox.extents, drawn) - points
    distances = (np.abs(offsets) - sizes / 2).max(axis=1)
    for text, offset, distance in zip(texts, offsets, distances, strict=True):
        text.set_position(offset * 72 / figure.dpi)  # 72 points are an inch
        text.arrow_patch.set_visible(distance >= _PLAIN)


def _dense(line):
    """A line, (points, 2) in pixels, with more points in it: at most 3 pixels apart."""
    parts = [line]
    for start, end in zip(line[:-1], line[1:], strict=True):
        steps = math.ceil(math.dist(start, end) / 3)
        parts.append(start + np.linspace(0, 1, steps + 1)[:, None] * (end - start))
    return np.concatenate(parts)


def place_labels(points, sizes, bounds, drawn=()):
    """The middles of labels, float64 (labels, 2), each near its point; all in pixels.

    Args:
      points, sizes: (labels, 2) each.
      bounds: (left, bottom, right, top) of where labels may be.
      drawn: (any, 2), points not to be covered: markers, and lines as points a few pixels apart.
    """
    bounds = np.asarray(bounds, 'float64')
    drawn = np.reshape(np.asarray(drawn, 'float64'), (-1, 2))
    sizes = np.asarray(sizes, 'float64')
    choices = [_choices(*label, bounds, drawn) for label in zip(points, sizes, strict=True)]
    boxes = [boxes[costs.argmin()] for boxes, costs in choices]
    for _ in range(_ROUNDS):
        for i, (places, costs) in enumerate(choices):
            others = np.array(boxes[:i] + boxes[i + 1 :]).reshape(-1, 4)
            total = costs + _OVERLAP * _common_area(places[:, None], others[None]).sum(axis=1)
            boxes[i] = places[total.argmin()]
    return np.array([(box[:2] + box[2:]) / 2 for box in boxes]).reshape(-1, 2)


def _choices(point, size, bounds, drawn):
    """Boxes (choices, 4) as (left, bottom, right, top), and their costs but for other labels."""
    angles = np.radians(np.tile(_DIRECTIONS, len(_GAPS)))
    gaps = np.repeat(_GAPS, len(_DIRECTIONS))
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # The label is pushed along the direction until its box is `gap` from the point.
    reach = (size / 2 / np.maximum(np.abs(directions), 1e-6)).min(axis=1)
    middles = point + directions * (reach + gaps)[:, None]
    boxes = np.concatenate([middles - size / 2, middles + size / 2], axis=1)
    outside = size.prod() - _common_area(boxes, bounds)
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    covered = ((drawn > low) & (drawn < high)).all(axis=2).sum(axis=1)
    ranks = np.tile(range(len(_DIRECTIONS)), len(_GAPS))
    costs = _OVERLAP * outside + _COVERED * covered + _DISTANCE * gaps + _DIRECTION * ranks
    return boxes, costs


def _common_area(boxes, others):
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    return np.clip(high - low, 0, None).prod(axis=-1)
