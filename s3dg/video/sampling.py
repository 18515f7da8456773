"""Every rule by which the frames of a video are chosen, resized, cropped and put into windows.

Times are in seconds after the first frame, and what a viewer would see on the screen at a given
moment decides which frame is taken.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np

from s3dg.errors import VideoError

# Matroska and WebM store whole milliseconds, so a stamp may lie this far from the true time, in
# seconds.
STAMP_TOLERANCE = 1e-3

# Pixels of a frame, as it is and as it becomes: 8K, 8192x4320 in either direction.
MOST_PIXELS = 8192 * 4320


def check_arguments(frames_per_second, frame_size, short_side) -> None:
    """Raises ValueError for what cannot be asked of `read_frames`."""
    if frame_size is not None and short_side is not None:
        raise ValueError(
            f'found frame_size={frame_size} and short_side={short_side}, expected at most one'
        )
    if frames_per_second is not None and not 0 < frames_per_second < math.inf:
        raise ValueError(
            f'frames_per_second: found {frames_per_second}, expected a positive number'
        )
    if frame_size is not None and (len(frame_size) != 2 or min(frame_size) < 1):
        raise ValueError(f'frame_size: found {frame_size}, expected (height, width) in pixels')
    if short_side is not None and short_side < 1:
        raise ValueError(f'short_side: found {short_side}, expected a number of pixels')


class Picture(Protocol):
    """A frame of a video whose pixels are made when they are asked for.

    Attributes:
      shape: (height, width, 3).
    """

    shape: tuple[int, int, int]

    def pixels(self) -> np.ndarray:
        """uint8 (height, width, 3)."""


# Pictures in order, each with its start and its end in seconds after the first one's start.
Timed = Iterable[tuple[Picture, float, float]]


def sample(
    source: Timed,
    frames_per_second: float | None,
    frame_size: tuple[int, int] | None,
    short_side: int | None,
) -> Iterator[tuple[np.ndarray, float]]:
    """What `reading.read_frames` does after decoding.

    Args:
      source: pictures; one is asked for its pixels only where it is chosen, and once.
      frames_per_second: as in `read_frames`, like the others.

    Yields:
      (uint8 array (height, width, 3), seconds after the first picture at which it begins).

    Raises:
      VideoError: as `read_frames`.
    """
    resized_from, resized = None, None
    for picture, time in choose(source, frames_per_second, frame_size is not None):
        if picture is not resized_from:  # a frame shown twice is resized once
            resized_from = picture
            resized = resize(picture.pixels(), frame_size, short_side)
        yield resized, time


def choose(
    source: Timed, frames_per_second: float | None, any_size: bool
) -> Iterator[tuple[Picture, float]]:
    """The pictures that are a video's frames at the rate wanted.

    Args:
      source: pictures.
      frames_per_second: rate wanted; None takes them as they are.
      any_size: whether their sizes may differ.

    Yields:
      (picture, seconds after the first picture at which the frame begins).

    Raises:
      VideoError: if the video is shorter than a frame, or its frame size changes.
    """
    shape = None
    timed = source if frames_per_second is None else _resample(source, frames_per_second)
    for number, (picture, start, _) in enumerate(timed):
        if not any_size:
            if shape not in (None, picture.shape):
                raise VideoError(
                    f'frame size changes from {shape[1]}x{shape[0]}'
                    f' to {picture.shape[1]}x{picture.shape[0]}'
                )
            shape = picture.shape
        yield picture, start if frames_per_second is None else number / frames_per_second


def _resample(source, frames_per_second) -> Iterator[tuple[np.ndarray, float, float]]:
    count, end = 0, 0.0
    for frame, start, end in source:
        # A moment on the border of two frames belongs to the later one; at the end of the video
        # there is none.
        while (count + 0.5) / frames_per_second < end - STAMP_TOLERANCE:
            yield frame, start, end
            count += 1
    if (count + 0.5) / frames_per_second <= end + STAMP_TOLERANCE:
        yield frame, start, end
        count += 1
    if not count:
        raise VideoError(
            f'lasts {end:.3f} seconds, less than one frame at {frames_per_second:g} a second'
        )


def resize(
    frame: np.ndarray, frame_size: tuple[int, int] | None, short_side: int | None
) -> np.ndarray:
    """A frame at the size wanted: bilinear, without antialiasing.

    Raises:
      VideoError: if the shorter side wanted makes it one of more than MOST_PIXELS.
    """
    height, width = frame.shape[:2]
    if short_side is not None:
        frame_size = short_side_size(height, width, short_side)
        if math.prod(frame_size) > MOST_PIXELS:  # a strip, that is
            raise VideoError(
                f'frames of {height}x{width} (height x width) would become'
                f' {frame_size[0]}x{frame_size[1]}, expected at most {MOST_PIXELS:,} pixels'
            )
    if frame_size is None or tuple(frame_size) == (height, width):
        return frame
    return cv2.resize(frame, (frame_size[1], frame_size[0]), interpolation=cv2.INTER_LINEAR)


def short_side_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) of a picture whose shorter side is given another length.

    In whole numbers, halves up, so that no floating point decides; the exported network computes
    the same (`s3dg.saving.export`).
    """
    short = min(height, width)
    return tuple((2 * side * short_side + short) // (2 * short) for side in (height, width))


def mean_frames_per_second(times: np.ndarray) -> float:
    """Mean rate of frames that begin at `times` (seconds, rising); not a number for a single one."""
    return (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else math.nan


def window_starts(length: int, frames: int) -> np.ndarray:
    """First frames of the windows in which evaluation sees a video.

    As few windows of `frames` frames as cover every frame, evenly spaced from the first frame to
    the last; a single one for a video that is shorter, which is looped.

    Args:
      length: frames of the video, at least 1.
      frames: frames of a window.

    Returns:
      int64 array (windows,).
    """
    windows = -(-length // frames)
    return np.arange(windows) * max(length - frames, 0) // max(windows - 1, 1)


def strided_starts(length: int, frames: int, stride: int) -> np.ndarray:
    """First frames of windows that begin every `stride` frames, the last one ending with the video.

    The last window is moved back to end at the last frame, and then overlaps the one before by more
    than the others do. There is a single window for a video that is no longer than one.

    Args:
      length: frames of the video, at least 1.
      frames: frames of a window.
      stride: frames from one start to the next; more than `frames` leaves frames out.

    Returns:
      int64 array (windows,), rising.
    """
    last = max(length - frames, 0)
    return np.append(np.arange(0, last, stride), last)


def frame_numbers(length: int, starts: Sequence[int], frames: int) -> np.ndarray:
    """Which frame of the video every frame of its windows is, looped: int64 (windows, frames)."""
    return (np.asarray(starts)[:, None] + np.arange(frames)) % length


def check_crop(size: tuple[int, int], crop_size: tuple[int, int]) -> None:
    """Raises VideoError where frames of `size` (height, width) are smaller than the crop."""
    if any(length < crop for length, crop in zip(size, crop_size, strict=True)):
        raise VideoError(
            f'found frames of {size[0]}x{size[1]} (height x width),'
            f' expected at least the crop of {crop_size[0]}x{crop_size[1]}'
        )


def crop_centre(frame, crop_size) -> np.ndarray:
    """The middle of a frame, as a copy, so that the rest of it is not held."""
    check_crop(frame.shape[:2], crop_size)
    height, width = crop_size
    top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
    return frame[top : top + height, left : left + width].copy()
