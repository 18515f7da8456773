"""A picture of some stored videos: a row of evenly spaced frames each, with their boxes."""

import contextlib
import dataclasses
import os
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from data import boxes, workers
from data.errors import DatasetError
from data.inspection import flow_colours
from data.records import pictures
from data.records.heads import ADVICE, Head, read_frames
from s3dg import files
from s3dg.video import optical_flow

FRAMES = 8  # of a row

_DPI = 100
# Pixels.
_MARGIN, _TITLE, _CAPTION, _GAP, _ROW_GAP = 14, 38, 22, 3, 10
_TILE_WIDTH, _MOST_TILE_HEIGHT = 140, 150
_LEAST_WIDTH = 820
_LEGEND = 96
_LONGEST_TEXT = 250  # characters, before it is measured
_GRAY = '#707070'
# Of tubes, in the order of their numbers: bright, and far from each other.
_TUBE_COLOURS = [
    '#ffd400',
    '#00e5ff',
    '#ff4fd8',
    '#7cff4f',
    '#ff8a3c',
    '#b48cff',
    '#ff5252',
    '#ffffff',
]


@dataclasses.dataclass(frozen=True)
class Row:
    """A video of a sheet."""

    id: str  # of the video
    label: str | None  # of its class; None where it is not known
    length: str  # how long it is, in words
    numbers: list[int]  # of the frames shown
    # Those, uint8 (height, width, 3) each, or of flow float32 (height, width, 2) in pixels.
    frames: list[np.ndarray]
    # Of every frame shown, a list of (corners, name of the class, number of the tube).
    boxes: list[list[tuple[np.ndarray, str, int]]]


def choose_frames(length: int, annotated: Sequence[int] = (), count: int = FRAMES) -> list[int]:
    """Numbers of evenly spaced frames, from the first to the last one; all, where there are few.

    Where none of them has boxes, the one that is nearest to a frame with boxes makes way for it.
    """
    numbers = np.linspace(0, length - 1, min(count, length)).round().astype(int)
    annotated = np.unique(np.asarray(annotated, int))
    annotated = annotated[annotated < length]  # the last frame of a video has no flow
    if len(annotated) and not np.isin(numbers, annotated).any():
        distances = np.abs(numbers[:, None] - annotated)
        place, nearest = np.unravel_index(distances.argmin(), distances.shape)
        numbers[place] = annotated[nearest]
    return numbers.tolist()


def read_rows(
    videos: Sequence[tuple[Head, str | None, str]], flow: bool, box_labels: Sequence[str] = ()
) -> list[Row]:
    """Reads stored videos, and has the frames to be shown decoded in another process.

    Args:
      videos: for each, which one it is, the name of its class (None where it is not known) and, in
        words, its length.
      flow: whether they are of optical flow.
      box_labels: names of the classes of boxes.

    Raises:
      DatasetError: if a record or a frame of it is damaged.
    """

    def jobs():
        for head, _, _ in videos:
            encoded = read_frames(head)
            numbers = choose_frames(len(encoded), head.boxes[boxes.FRAME])
            yield numbers, [encoded[number] for number in numbers], flow

    decoded = workers.in_order(pictures.decode, jobs(), 1, lambda: [None])
    with contextlib.closing(decoded):
        return [
            _row(video, numbers, frames, flow, box_labels)
            for video, ((numbers, _, _), frames) in zip(videos, decoded, strict=True)
        ]


def _row(video, numbers, frames, flow, box_labels) -> Row:
    head, label, length = video
    for number, frame in zip(numbers, frames, strict=False):  # one, where they killed the process
        if frame is None:
            raise DatasetError(
                f'{head.path}: frame {number} of {head.id!r} cannot be decoded; {ADVICE}'
            )
    if flow:
        frames = [optical_flow.from_image(frame) for frame in frames]
    columns = head.boxes
    corners = columns[boxes.BOX].reshape(-1, 4)
    drawn = [
        (corners[k], box_labels[label], int(columns[boxes.TUBE][k]))
        for k, label in enumerate(columns[boxes.LABEL])
    ]
    shown = [
        [drawn[k] for k in np.flatnonzero(columns[boxes.FRAME] == number)] for number in numbers
    ]
    return Row(head.id, label, length, numbers, frames, shown)


def draw(rows: list[Row], title: str, path: str | os.PathLike) -> None:
    """Draws a sheet of at least one video, of optical flow either all or none, as a PNG file."""
    flow = rows[0].frames[0].shape[-1] == 2
    sizes = [_tile_size(row.frames[0]) for row in rows]
    strips = [len(row.frames) * (size[1] + _GAP) for row, size in zip(rows, sizes, strict=True)]
    width = max(*strips, _LEAST_WIDTH) + 2 * _MARGIN - _GAP
    heights = [_CAPTION + size[0] + _ROW_GAP for size in sizes]
    sheet = _Sheet(width, _TITLE + sum(heights) + (_LEGEND if flow else 0))
    sheet.write(_MARGIN, _TITLE / 2 + 2, title, size=12, weight='bold')
    top = _TITLE
    for row, size, height in zip(rows, sizes, heights, strict=True):
        _draw_row(sheet, row, top, size, flow)
        top += height
    if flow:
        _draw_legend(sheet, top)
    sheet.save(path)


def _draw_row(sheet, row, top, size, flow):
    middle = top + _CAPTION / 2 + 1
    room = sheet.width - 2 * _MARGIN
    label = 'no label' if row.label is None else row.label
    style = {'color': _GRAY, 'style': 'italic'} if row.label is None else {'weight': 'bold'}
    end = sheet.write(_MARGIN, middle, label, room=room * 0.45, size=10, **style)
    frames, length = row.frames, row.length
    if flow:
        fastest = flow_colours.fastest_of(frames)
        frames = [flow_colours.to_colours(field, fastest) for field in frames]
        length = f'{length}, full colour at {fastest:.1f} px'
    start = sheet.write(sheet.width - _MARGIN, middle, length, ha='right', size=9, color=_GRAY)
    sheet.write(end + 12, middle, row.id, room=start - end - 24, size=9, color=_GRAY)
    named = set()
    tiles = zip(row.numbers, frames, row.boxes, strict=True)
    for k, (number, frame, found) in enumerate(tiles):
        left, upper = _MARGIN + k * (size[1] + _GAP), top + _CAPTION
        sheet.paste(left, upper, frame, size)
        for corners, _, tube in found:
            place = corners * [*size, *size] + [upper, left, upper, left]
            sheet.box(place, _TUBE_COLOURS[tube % len(_TUBE_COLOURS)])
        # The pictures are small: a tube is named once in a row, and a class once in a picture.
        new = {
            name: (*corners[:2], tube) for corners, name, tube in found[::-1] if tube not in named
        }
        named.update(tube for _, _, tube in found)
        for name, (ymin, xmin, tube) in new.items():
            style = {'size': 6.5, 'background': _TUBE_COLOURS[tube % len(_TUBE_COLOURS)]}
            x, y = left + xmin * size[1] + 3, upper + ymin * size[0] + 8
            sheet.write(x, y, name, room=size[1] - 6, end=left + size[1] - 3, **style)
        sheet.write(left + 4, upper + size[0] - 9, str(number), size=7.5, color='white', halo=True)


def _draw_legend(sheet, top):
    diameter = _LEGEND - 26
    sheet.paste(_MARGIN, top, flow_colours.wheel(diameter), (diameter, diameter), border=False)
    left = _MARGIN + diameter + 14
    lines = (
        'Optical flow: a place on the wheel has the colour of a motion from its centre to there.',
        'Colours are full at the length of a motion between two frames that the row states.',
    )
    for k, line in enumerate(lines):
        sheet.write(left, top + diameter / 2 + (k - 0.5) * 18, line, size=9, color=_GRAY)


def _tile_size(frame) -> tuple[int, int]:
    height, width = frame.shape[:2]
    scale = min(_TILE_WIDTH / width, _MOST_TILE_HEIGHT / height)
    return max(round(height * scale), 1), max(round(width * scale), 1)


class _Sheet:
    """A white picture to draw on; places are pixels from the left and from the top."""

    def __init__(self, width: int, height: int):
        self.width = width
        # No pyplot: no global state, and no window system is ever looked for.
        self._figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        self._renderer = FigureCanvasAgg(self._figure).get_renderer()
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, width), ylim=(height, 0))
        self._axes.axis('off')
        self._picture = np.full((height, width, 3), 255, np.uint8)

    def paste(self, left, top, picture, size, border=True):
        """Puts a picture there, resized to (height, width)."""
        smaller = size[0] < picture.shape[0]
        method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        resized = cv2.resize(picture, (size[1], size[0]), interpolation=method)
        self._picture[top : top + size[0], left : left + size[1]] = resized
        if border:
            self._frame(left, top, size[1], size[0], '#c8c8c8', 0.8)

    def box(self, corners, colour):
        """Draws a box (ymin, xmin, ymax, xmax)."""
        ymin, xmin, ymax, xmax = corners
        self._frame(xmin, ymin, xmax - xmin, ymax - ymin, 'black', 3.0, alpha=0.6)
        self._frame(xmin, ymin, xmax - xmin, ymax - ymin, colour, 1.4)

    def write(self, x, y, text, room=None, end=None, halo=False, background=None, **style) -> float:
        """Writes text whose middle is at height y, shortened to `room` pixels and not beyond `end`.

        Returns:
          Where it ends; if it is right-aligned, where it begins.
        """
        text = ''.join(c if c.isprintable() else '?' for c in text)
        if len(text) > _LONGEST_TEXT:
            text = f'{text[: _LONGEST_TEXT // 2]}…{text[-_LONGEST_TEXT // 2 :]}'
        written = self._axes.text(x, y, text, va='center', parse_math=False, **style)
        while room is not None and len(text) > 1 and self._extent(written).width > room:
            text = _shorter(text)
            written.set_text(text)
        if end is not None:
            written.set_x(min(x, end - self._extent(written).width))
        if halo:
            written.set_path_effects([withStroke(linewidth=1.8, foreground='black')])
        if background is not None:
            written.set_bbox({'facecolor': background, 'edgecolor': 'none', 'pad': 1.2})
        extent = self._extent(written)
        return extent.x0 if style.get('ha') == 'right' else extent.x1

    def save(self, path):
        height, width = self._picture.shape[:2]
        self._axes.imshow(self._picture, extent=(0, width, height, 0), interpolation='nearest')
        with files.unfinished(path) as temporary:
            self._figure.savefig(temporary, dpi=_DPI)

    def _frame(self, left, top, width, height, colour, line, alpha=1.0):
        style = {'fill': False, 'edgecolor': colour, 'linewidth': line, 'alpha': alpha}
        self._axes.add_patch(Rectangle((left, top), width, height, **style))

    def _extent(self, written):
        return written.get_window_extent(self._renderer)


def _shorter(text: str) -> str:
    """Leaves out a character more in the middle, for names often differ at their ends."""
    ends = text.split('…') if '…' in text else [text[: len(text) // 2], text[len(text) // 2 :]]
    longer = len(ends[0]) >= len(ends[-1])
    first, last = (ends[0][:-1], ends[-1]) if longer else (ends[0], ends[-1][1:])
    return f'{first}…{last}'
