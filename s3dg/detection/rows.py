"""Detections as rows of a CSV file, which scripts for the ACT detector's can read."""

import array
import csv
import os
from collections.abc import Callable, Iterable

import numpy as np

from s3dg import files
from s3dg.detection.frame_ap import FrameApError, FrameBoxes

HEADER = ('video', 'frame', 'label', 'score', 'x1', 'y1', 'x2', 'y2')

_CHUNK = 1 << 16  # rows that are written at a time
_LARGEST = float(np.finfo(np.float32).max)


def write_rows(
    path: str | os.PathLike,
    detections: FrameBoxes | Iterable[FrameBoxes],
    names: Callable[[int], tuple[str, int]],
) -> None:
    """Writes detections as CSV, whole at any time; a line each, below that of `HEADER`.

    Frames count from 1, labels from 0, and corners are as the ACT code reads them: x1 = x_min and
    x2 = x_max - 1 in pixels, no whole numbers. `read_rows` gives back the very same scores and
    corners, but for an x_max or y_max nearer to 0 than 1e-9, which moves by less than 1e-16.

    Args:
      path: the file.
      detections: with scores; or parts of them, one after the other.
      names: from a frame's number to the name of its video and its index there, from 0. Called
        several times for a frame.

    Raises:
      FrameApError: where detections have no scores.
      OSError: where the file cannot be written.
    """
    parts = [detections] if isinstance(detections, FrameBoxes) else detections
    with (
        files.unfinished(path) as temporary,
        open(temporary, 'w', encoding='utf-8', newline='') as file,
    ):
        file.write(','.join(HEADER) + '\n')
        for part in parts:
            if part.score is None:
                raise FrameApError('The detections have no scores.')
            for start in range(0, len(part), _CHUNK):
                file.writelines(_lines(part.where(slice(start, start + _CHUNK)), names))


def _lines(detections, names):
    frames, places = np.unique(detections.frame, return_inverse=True)
    starts = [row_start(*names(frame)) for frame in frames.tolist()]
    columns = places, detections.label, detections.score, detections.box.astype(np.float64)
    for place, *values in zip(*(column.tolist() for column in columns), strict=True):
        yield row(starts[place], *values)


def row_start(video: str, index: int) -> str:
    """How rows of a frame begin: the name of its video, and its index there, from 0."""
    return f'{_cell(video)},{index + 1}'


def row(start: str, label: int, score: float, box: list[float]) -> str:
    """A line of such a file.

    Args:
      start: as `row_start` returns.
      box: y_min, x_min, y_max, x_max in pixels; numbers of float32 as Python has them.
    """
    y_min, x_min, y_max, x_max = box
    # Nine digits are enough for float32. That of a difference from 1 may need more.
    return f'{start},{label},{score:.9g},{x_min:.9g},{y_min:.9g},{x_max - 1!r},{y_max - 1!r}\n'


def _cell(text):
    """Text as a cell of CSV, which `csv` leaves unquoted where it has only a carriage return."""
    if not any(character in text for character in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


def read_rows(path: str | os.PathLike) -> tuple[FrameBoxes, list[tuple[str, int]]]:
    """Reads what `write_rows` wrote.

    Returns:
      The boxes in the order of the file, whose frames are numbered from 0 as they first come, and
      by these numbers the names of the videos and the indices of the frames there, from 0: its
      `__getitem__` is what `write_rows` takes for `names`.

    Raises:
      FrameApError: where a line is another than `write_rows` writes, which it names. That whole
        lines are missing at the end cannot be seen.
      OSError: where the file cannot be read.
    """
    line = 1
    names = {}
    frames, labels, numbers = array.array('q'), array.array('i'), array.array('f')
    with open(path, 'rb') as file:

        def texts():
            nonlocal line
            for line, content in enumerate(file, 1):  # noqa: B007
                if not content.endswith(b'\n'):
                    raise ValueError('it has no end')
                yield content.decode()

        rows = csv.reader(texts(), strict=True)
        try:
            header = next(rows, [])
            if header != list(HEADER):
                raise ValueError(
                    f'found the header {",".join(header)!r}, expected {",".join(HEADER)!r}'
                )
            for row in rows:
                name, label, values = _parse(row)
                frames.append(names.setdefault(name, len(names)))
                labels.append(label)
                numbers.extend(values)
        except (ValueError, csv.Error) as fault:
            raise FrameApError(f'{path} is damaged in line {line}: {fault}') from fault
    values = np.array(numbers, np.float32).reshape(-1, 5)
    boxes = FrameBoxes(
        np.array(frames, np.int64),
        np.array(labels, np.int32),
        values[:, [2, 1, 4, 3]],
        values[:, 0].copy(),
    )
    return boxes, list(names)


def _parse(row):
    """A row's video with its frame from 0, its label, and score, x_min, y_min, x_max, y_max.

    Raises ValueError, saying what was found.
    """
    if len(row) != len(HEADER):
        raise ValueError(f'found {len(row)} cells, expected {len(HEADER)}')
    video, frame, label, *numbers = row
    frame, label = int(frame), int(label)
    if frame < 1 or not 0 <= label < 2**31:
        raise ValueError(f'found frame {frame} and label {label}, expected them from 1 and from 0')
    score, x1, y1, x2, y2 = map(float, numbers)
    values = score, x1, y1, x2 + 1, y2 + 1
    if not all(abs(value) <= _LARGEST for value in values):
        raise ValueError(f'found {",".join(numbers)!r}, expected finite numbers')
    return (video, frame - 1), label, values
