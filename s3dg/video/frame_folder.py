"""Reads a video that comes as a folder of numbered frame images."""

import itertools
import os
import pathlib
import re
from collections.abc import Iterator

import cv2
import numpy as np

from s3dg.errors import VideoError
from s3dg.video import reading, sampling

SUFFIXES = frozenset(('.jpg', '.jpeg', '.png', '.bmp'))


def read_frames(
    path: str | os.PathLike,
    source_frames_per_second: float,
    frames_per_second: float | None = None,
    frame_size: tuple[int, int] | None = None,
    short_side: int | None = None,
    crop_size: tuple[int, int] | None = None,
    *,
    bgr: bool = False,
) -> reading.Frames:
    """The frames of a folder in the order of their numbers, like `reading.read_frames` of a file.

    Args:
      path: folder of images whose names end with their numbers (`00001.jpg`, `img_12.png`), from 0
        or 1, each one more than the last; hidden files and other suffixes are ignored.
      source_frames_per_second: rate at which the images were taken from their video.
      frames_per_second: as in `reading.read_frames`, like the others.

    Raises:
      VideoError: while it is iterated, if the folder is missing, has no frame or only one, lacks
        the first frame or one between two others, has one twice, or holds an image that cannot be
        decoded.
      ValueError: as `reading.read_frames`.
    """
    sampling.check_arguments(frames_per_second, frame_size, short_side)
    timed = pictures(path, source_frames_per_second, bgr)
    return reading.Frames(
        sampling.sample(timed, frames_per_second, frame_size, short_side, crop_size)
    )


class _Image:
    """A decoded image, as a `sampling.Picture`."""

    def __init__(self, image: np.ndarray, bgr: bool):
        self._image, self._bgr = image, bgr
        self.shape = image.shape

    def pixels(self) -> np.ndarray:
        return self._image if self._bgr else cv2.cvtColor(self._image, cv2.COLOR_BGR2RGB)


def pictures(
    folder: str | os.PathLike, rate: float, bgr: bool = False
) -> Iterator[tuple[sampling.Picture, float, float]]:
    """Yields (picture, start, end) in seconds, of images taken at `rate`; VideoError as above."""
    for k, file in enumerate(_numbered(pathlib.Path(folder))):
        # All are decoded, even those that resampling leaves out: a broken image must be found.
        yield _Image(_decode(file), bgr), k / rate, (k + 1) / rate


def holds_frames(folder: str | os.PathLike) -> bool:
    """Whether a folder holds images whose names end with numbers, and may be read here."""
    try:
        return any(_number(file) is not None for file in pathlib.Path(folder).iterdir())
    except OSError:
        return False


def _number(file: pathlib.Path) -> int | None:
    """The number at the end of an image's name; None for another file, or a hidden one."""
    match = re.search(r'[0-9]+\Z', file.stem)
    if match is None or file.name.startswith('.') or file.suffix.lower() not in SUFFIXES:
        return None
    return int(match[0])


def _numbered(folder: pathlib.Path) -> list[pathlib.Path]:
    numbers = {}
    try:
        entries = sorted(folder.iterdir())
    except NotADirectoryError:
        raise VideoError('a file, not a folder of frames') from None
    except OSError as error:
        raise reading.unreadable(error) from None
    for entry in entries:
        number = _number(entry)
        if number is None:
            continue
        if number in numbers:
            raise VideoError(f'frame {number} twice: {numbers[number].name} and {entry.name}')
        numbers[number] = entry
    if not numbers:
        raise VideoError('no frames in this folder')
    if len(numbers) == 1:
        raise VideoError('only one frame')
    ordered = sorted(numbers)
    # Numbers begin at 0 or 1.
    for before, after in itertools.pairwise([min(ordered[0], 1) - 1, *ordered]):
        if after != before + 1:
            raise VideoError(
                f'frame {before + 1} is missing: {len(ordered)} frames are numbered'
                f' {ordered[0]} to {ordered[-1]}'
            )
    return [numbers[number] for number in ordered]


def _decode(file: pathlib.Path) -> np.ndarray:
    if file.exists() and not (file.is_file() or file.is_dir()):  # a pipe would be waited for
        raise VideoError(f'frame {file.name} is not a regular file')
    try:
        content = np.frombuffer(file.read_bytes(), np.uint8)
    except OSError as error:
        raise VideoError(f'frame {file.name} cannot be read: {error.strerror}') from None
    try:
        frame = cv2.imdecode(content, cv2.IMREAD_COLOR_BGR) if content.size else None
    except cv2.error:  # a header that states more pixels than there is memory for
        frame = None
    if frame is None:
        found = 'cannot be decoded' if content.size else 'is empty (0 bytes)'
        raise VideoError(f'frame {file.name} {found}')
    return frame
