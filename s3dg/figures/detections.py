"""Pictures of detections: boxes on frames, and precision against recall.

Frames are uint8 (height, width, 3), RGB. Boxes are float (n, 4), y_min, x_min, y_max, x_max in
pixels, where pixel k is from k to k + 1. `path` is the PNG file to write.
"""

import functools
import math
from typing import NamedTuple

import cv2
import numpy as np

from s3dg import files
from s3dg.detection import boxes as box_rules
from s3dg.detection.frame_ap import PASCAL
from s3dg.figures.plots import drawing

LEAST_OVERLAP = 0.5  # of a found box with a true one, to be drawn as right

_FONT = cv2.FONT_HERSHEY_DUPLEX
_SHEET_HEIGHT, _STRIP_HEIGHT = 360, 216  # pixels of a frame in a sheet, and in a filmstrip
_MOST_COLUMNS, _STRIP_FRAMES, _PANEL_COLUMNS = 4, 8, 6
_GAP = 6  # pixels of white between two frames
_WHITE, _BLACK, _GREY = (255, 255, 255), (0, 0, 0), (110, 110, 110)

# Okabe and Ito's without black, and Tol's wine: the colour-blind can tell them apart. Ordered so
# that neighbours differ in lightness too.
_FIRST_COLOURS = (
    (230, 159, 0),
    (0, 114, 178),
    (240, 228, 66),
    (213, 94, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (136, 34, 85),
)


def colour_of(label):
    """The colour of a class: (red, green, blue), from 0 to 255.

    The first eight are told apart by the colour-blind too. Each further one is as far from all
    before it as possible. They repeat after some hundreds.
    """
    palette = _palette()
    return palette[int(label) % len(palette)]


def colours(labels):
    """The colours of classes, as of `colour_of`: a list."""
    return [colour_of(label) for label in labels]


@functools.cache
def _palette():
    levels = np.arange(40, 256, 24)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing='ij'), -1).reshape(-1, 3)
    grid = grid[np.ptp(grid, axis=1) > 60]  # no greys: true boxes are white
    chosen = list(_FIRST_COLOURS)
    places, taken = _perceived(grid), _perceived(chosen)
    distance = np.linalg.norm(places[:, None] - taken, axis=-1).min(axis=1)
    # A grid's colour that is left at 0 has been chosen already.
    while distance.max() > 0:
        farthest = distance.argmax()
        chosen.append(tuple(grid[farthest].tolist()))
        step = np.linalg.norm(places - places[farthest], axis=-1)
        distance = np.minimum(distance, step)
    return chosen


def _perceived(rgb):
    """Places of colours (n, 3) where distances are as people see them: CIELAB, float32 (n, 3)."""
    return cv2.cvtColor(np.float32(rgb)[None] / 255, cv2.COLOR_RGB2LAB)[0]


class _Mark(NamedTuple):
    """A rectangle on a frame, and what is written at it."""

    box: np.ndarray  # (4,)
    text: str  # '' for no label
    colour: tuple[int, int, int]
    thickness: int  # pixels, drawn inwards from the box
    dashed: bool = False
    below: bool = False  # its label, where there is room


def draw_boxes(frame, boxes, texts, colours, thickness=None):
    """Draws rectangles, and a text in a filled label at each.

    The lines lie within the boxes. What of a box is beyond the frame is cut off, and its side drawn
    at the frame's border. Boxes that are all beyond it are not drawn. A label is above its box,
    else below or inside, and where it covers no other label if there is such a place. The first
    boxes are uppermost.

    Args:
      frame: is not changed.
      boxes: may be none.
      texts: one for each box; no label where it is empty.
      colours: (red, green, blue) for each box.
      thickness: of the lines in pixels; by default as the frame's height asks for. That is what the
        size of the text follows in any case.

    Returns:
      A new frame of the same size.
    """
    thickness = _line_thickness(frame) if thickness is None else thickness
    boxes = np.reshape(boxes, (-1, 4))
    return _draw(
        frame,
        [
            _Mark(box, text, colour, thickness)
            for box, text, colour in zip(boxes, texts, colours, strict=True)
        ],
    )


def _line_thickness(frame):
    return max(1, round(len(frame) / 240))


def _draw(frame, marks):
    """A copy of a frame with `_Mark`s. The first are uppermost, and their labels placed first."""
    frame = np.array(frame, np.uint8, order='C')
    rectangles = [_pixels(mark.box, frame) for mark in marks]
    drawn = [pair for pair in zip(marks, rectangles, strict=True) if pair[1] is not None]
    for mark, rectangle in reversed(drawn):
        _draw_rectangle(frame, mark, rectangle)
    labels, taken, scale = [], [], max(0.33, len(frame) / 900)
    for mark, rectangle in drawn:
        if mark.text:
            size, _ = _label_size(mark.text, scale)
            taken.append(_place(size, rectangle, mark.below, taken, frame))
            labels.append(mark)
    for mark, (top, left, bottom, right) in reversed(list(zip(labels, taken, strict=True))):
        frame[top:bottom, left:right] = mark.colour
        bright = np.dot(mark.colour, (0.299, 0.587, 0.114)) > 125
        _write(frame, mark.text, (top, left), scale, _BLACK if bright else _WHITE)
    return frame


def _pixels(box, frame):
    """Top, left, bottom and right of the pixels of a box, the last two not included, or None."""
    sides = np.concatenate([np.floor(box[:2]), np.ceil(box[2:])])
    top, left, bottom, right = np.clip(sides, 0, frame.shape[:2] * 2).astype(int).tolist()
    return (top, left, bottom, right) if top < bottom and left < right else None


def _draw_rectangle(frame, mark, rectangle):
    top, left, bottom, right = rectangle
    inside = frame[top:bottom, left:right]
    wide = mark.thickness
    dash = 3 * wide if mark.dashed else max(inside.shape)
    for side in (inside[:wide], inside[-wide:]):
        side[:, np.arange(side.shape[1]) // dash % 2 == 0] = mark.colour
    for side in (inside[:, :wide], inside[:, -wide:]):
        side[np.arange(side.shape[0]) // dash % 2 == 0] = mark.colour


def _label_size(text, scale):
    """(height, width) of a label in pixels, and row and column in it where its text begins."""
    margin = max(1, round(4 * scale))
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, 1)
    (_, above), below = cv2.getTextSize('Agjl', _FONT, scale, 1)
    return (above + below + 2 * margin, width + 2 * margin + 1), (margin + above, margin)


def _write(frame, text, corner, scale, colour):
    """Writes a text, at the top and left corner of its label."""
    _, (row, column) = _label_size(text, scale)
    place = (corner[1] + column, corner[0] + row)
    cv2.putText(frame, text, place, _FONT, scale, colour, max(1, round(scale)), cv2.LINE_AA)


def _place(size, rectangle, below, taken, frame):
    """Top, left, bottom and right of a label, the last two not included, all of it in the frame."""
    height, width = min(size[0], frame.shape[0]), min(size[1], frame.shape[1])
    top, left, bottom, right = rectangle
    rows = [top - height, bottom, top, bottom - height]
    if below:
        rows = [bottom, top - height, bottom - height, top]
    most = frame.shape[1] - width
    columns = [min(left, most), min(max(right - width, 0), most)]
    places = [
        (row, column, row + height, column + width)
        for row in rows
        for column in columns
        if 0 <= row <= frame.shape[0] - height
    ]
    places = places or [(0, columns[0], height, columns[0] + width)]
    return next((place for place in places if not any(_meet(place, t) for t in taken)), places[0])


def _meet(one, other):
    return all(one[i] < other[i + 2] and other[i] < one[i + 2] for i in (0, 1))


def precision_recall(found, names, rule, path):
    """Draws precision against recall, a panel for each class.

    Args:
      found: the `AveragePrecisions` of all classes.
      names: of the classes.
      rule: the `Rule` they are of; curves are steps by `PASCAL`, else lines.
    """
    columns = min(len(names), _PANEL_COLUMNS, math.ceil(math.sqrt(1.5 * len(names))))
    rows = math.ceil(len(names) / columns)
    counted = np.isfinite(found.per_class)
    with drawing(path, (2.1 * columns + 0.5, 2.15 * rows + 0.7)) as figure:
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for number, axes in enumerate(panels.ravel()):
            if number >= len(names):
                axes.axis('off')
                continue
            _draw_curve(axes, found, number, names[number], rule)
            axes.tick_params(labelbottom=number + columns >= len(names))
        figure.supxlabel('recall (%)', fontsize=10)
        figure.supylabel('precision (%)', fontsize=10)
        figure.suptitle(
            f'frame-AP ({rule.name}): mean {100 * found.mean:.1f}% '
            f'of {counted.sum()} {"class" if counted.sum() == 1 else "classes"}',
            fontsize=11,
        )


def _draw_curve(axes, found, label, name, rule):
    axes.set(xlim=(0, 102), ylim=(0, 105), xticks=(0, 50, 100), yticks=(0, 50, 100))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    precision, recall = (100 * np.asarray(values) for values in found.curves[label])
    if not len(precision):
        axes.set_title(f'{name}\nno AP', fontsize=9)
        place = {'ha': 'center', 'va': 'center', 'transform': axes.transAxes}
        axes.text(0.5, 0.5, 'no true boxes', color='0.4', fontsize=9, **place)
        return
    axes.set_title(f'{name}\nAP {100 * found.per_class[label]:.1f}%', fontsize=9)
    # As `AveragePrecisions` has them: a precision holds down to the recall of the point before.
    steps = rule.name == PASCAL.name
    colour = tuple(value / 255 for value in colour_of(label))
    axes.fill_between(
        recall, precision, step='pre' if steps else None, color=colour, alpha=0.45, linewidth=0
    )
    style = 'steps-pre' if steps else 'default'
    axes.plot(recall, precision, color='0.2', linewidth=1.2, drawstyle=style, clip_on=False)


def found_and_true(frames, found, true, names, path):
    """Draws frames with found boxes and true boxes, enlarged or reduced to one height.

    A found box has the colour of its class, and is dashed where no true box of its class overlaps
    with it by at least `LEAST_OVERLAP`. Unlike in a frame-AP, several may be right about one true
    box.

    Args:
      frames: of one size or of several.
      found: boxes, labels (n,) and scores (n,), from 0 to 1, of each frame.
      true: boxes and labels (m,) of each frame.
      names: of the classes.
    """
    cells = []
    for frame, found_here, true_here in zip(frames, found, true, strict=True):
        boxes, labels, scores = _by_score(*found_here)
        true_boxes, true_labels = np.reshape(true_here[0], (-1, 4)), np.asarray(true_here[1])
        right = _is_right(boxes, labels, true_boxes, true_labels)
        frame, sizes = _resized(frame, _SHEET_HEIGHT)
        marks = _found_marks(frame, boxes * sizes, labels, scores, names, ~right)
        for box, label in zip(true_boxes * sizes, true_labels, strict=True):
            marks += _true_marks(box, names[label])
        cells.append(_draw(frame, marks))
    columns = min(_MOST_COLUMNS, math.ceil(math.sqrt(len(cells))))
    rows = [_joined(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    sheet = _joined(rows, 0)
    _write_picture(path, [sheet, _legend(sheet.shape[1])])


def filmstrip(frames, found, names, path, titles, least_score=0.5, numbers=None):
    """Draws videos with found boxes, each as a row of evenly spaced frames.

    Args:
      frames: of each video, uint8 (time, height, width, 3).
      found: of each video a list of boxes, labels (n,) and scores (n,), from 0 to 1, of each frame.
      names: of the classes.
      titles: of the videos, written above them.
      least_score: of the boxes that are drawn.
      numbers: of each video the numbers of its frames, where these are not all from 0 on.
    """
    parts = []
    numbers = [range(len(video)) for video in frames] if numbers is None else numbers
    for video, found_there, title, own in zip(frames, found, titles, numbers, strict=True):
        if len(video) != len(found_there):
            raise ValueError(f'{title}: {len(video)} frames, but boxes of {len(found_there)}.')
        count = min(_STRIP_FRAMES, len(video))
        cells = []
        for index in np.linspace(0, len(video) - 1, count).round().astype(int).tolist():
            boxes, labels, scores = _by_score(*found_there[index])
            kept = scores >= least_score
            frame, sizes = _resized(video[index], _STRIP_HEIGHT)
            marks = _found_marks(frame, boxes[kept] * sizes, labels[kept], scores[kept], names)
            caption = _caption(f'frame {own[index]}', 0.4)
            cells.append(_joined([caption, _draw(frame, marks)], 0, gap=0))
        parts += [_caption(title, 0.6, _BLACK), _joined(cells, 1)]
    parts.append(_caption(f'boxes with a score of at least {100 * least_score:.3g}%', 0.45))
    _write_picture(path, parts)


def _by_score(boxes, labels, scores):
    """Boxes, labels and scores as arrays, by falling score."""
    scores = np.asarray(scores)
    order = np.argsort(-scores, kind='stable')
    return np.reshape(boxes, (-1, 4))[order], np.asarray(labels)[order], scores[order]


def _is_right(boxes, labels, true_boxes, true_labels):
    """Which found boxes overlap enough with a true box of their class: bool (n,)."""
    if not len(boxes) or not len(true_boxes):
        return np.zeros(len(boxes), bool)
    overlaps = box_rules.overlaps(np.float32(boxes)[None], np.float32(true_boxes)[None])
    enough = np.asarray(overlaps)[0] >= LEAST_OVERLAP
    return (enough & (labels[:, None] == true_labels)).any(axis=1)


def _resized(frame, height):
    """A frame of another height, and the four factors from old corners of boxes to new ones."""
    old = frame.shape[:2]
    new = height, max(1, round(old[1] * height / old[0]))
    method = cv2.INTER_AREA if height < old[0] else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(frame), new[::-1], interpolation=method)
    return resized, np.tile(np.divide(new, old), 2)


def _found_marks(frame, boxes, labels, scores, names, dashed=None):
    thickness = _line_thickness(frame) + 1
    dashed = np.zeros(len(boxes), bool) if dashed is None else dashed
    return [
        _Mark(box, f'{names[label]} {100 * score:.0f}%', colour_of(label), thickness, wrong)
        for box, label, score, wrong in zip(boxes, labels, scores, dashed, strict=True)
    ]


def _true_marks(box, name):
    """A white line with black beside it, around a box: a found box in the same place hides none."""
    away = np.array([-1, -1, 1, 1])
    return [
        _Mark(box + away, name, _WHITE, 1, below=True),
        _Mark(box + 2 * away, '', _BLACK, 3),
    ]


def _legend(width):
    """What the lines of `found_and_true` mean, in as many lines as the width asks for."""
    percent = f'{100 * LEAST_OVERLAP:.0f}%'
    box, colour = np.array([5, 5, 19, 47]), colour_of(0)
    ground = np.full((24, 52, 3), 110, np.uint8)
    samples = [
        (
            [_Mark(box, '', colour, 3)],
            f'found, overlaps {percent} or more with a true box of its class',
        ),
        ([_Mark(box, '', colour, 3, dashed=True)], 'found, but with no such true box'),
        (_true_marks(box, ''), 'true box'),
    ]
    lines, line = [], []
    for marks, text in samples:
        entry = _joined([_draw(ground, marks), _caption(text, 0.45, _BLACK)], 1)
        if line and _joined([*line, entry], 1).shape[1] > width:
            lines.append(_joined(line, 1))
            line = []
        line.append(entry)
    return _joined([*lines, _joined(line, 1)], 0)


def _caption(text, scale, colour=_GREY):
    """A text on white."""
    size, _ = _label_size(text, scale)
    picture = np.full((*size, 3), 255, np.uint8)
    _write(picture, text, (0, 0), scale, colour)
    return picture


def _joined(pictures, axis, gap=_GAP):
    """Pictures below each other (axis 0) or side by side (axis 1), on white, a gap between them."""
    largest = max(picture.shape[1 - axis] for picture in pictures)
    padded = []
    for number, picture in enumerate(pictures):
        margins = [(0, 0)] * 3
        margins[axis] = (gap if number else 0, 0)
        margins[1 - axis] = (0, largest - picture.shape[1 - axis])
        padded.append(np.pad(picture, margins, constant_values=255))
    return np.concatenate(padded, axis)


def _write_picture(path, parts):
    """Writes pictures below each other as a PNG file, a gap around all."""
    picture = np.pad(_joined(parts, 0), ((_GAP, _GAP),) * 2 + ((0, 0),), constant_values=255)
    content = cv2.imencode('.png', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    files.write_bytes(path, content.tobytes())
