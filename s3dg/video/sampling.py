"""Every rule by which frames are chosen, resized, cropped and put into windows.

From a video to what a network sees: the frames at the rate wanted (`choose`), at the size wanted
(`resize`), their middle (`crop_centre`), and windows: one every few frames, the last one ending
with the video (`window_starts`). A video that is shorter than a window is looped (`frame_numbers`).

Times are in seconds after the first frame, and what a viewer would see on the screen at a given
moment decides which frame is taken.

Rules that TensorFlow graphs need too are integer arithmetic, and take integer tensors as well:
`scaled_side`, `centre`, and with another `arange` `window_starts` and `frame_numbers`.
"""

import math
from collections.abc import Iterable, Iterator
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
    crop_size: tuple[int, int] | None = None,
) -> Iterator[tuple[np.ndarray, float]]:
    """What `reading.read_frames` does after decoding; makes the pixels of chosen pictures only.

    Yields:
      (frame, seconds after the first picture at which it begins).
    """
    resized_from, resized = None, None
    for picture, time in choose(source, frames_per_second, frame_size is not None):
        if picture is not resized_from:  # a frame shown twice is resized once
            resized_from = picture
            resized = resize(picture.pixels(), frame_size, short_side)
            if crop_size is not None:  # a copy, so that the rest of the frame is not held
                resized = crop_centre(resized, crop_size).copy()
        yield resized, time


def choose(
    source: Timed, frames_per_second: float | None, any_size: bool
) -> Iterator[tuple[Picture, float]]:
    """The pictures that are a video's frames at the rate wanted, which may be of `any_size` or not.

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


def _resample(source, frames_per_second) -> Iterator[tuple[Picture, float, float]]:
    """The pictures on the screen in the middle of each frame of the rate wanted.

    >>> source = [(name, k / 30, (k + 1) / 30) for k, name in enumerate('abcdef')]
    >>> [name for name, *_ in _resample(source, 25)], [name for name, *_ in _resample(source, 60)]
    (['a', 'b', 'd', 'e', 'f'], ['a', 'a', 'b', 'b', 'c', 'c', 'd', 'd', 'e', 'e', 'f', 'f'])
    """
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
    """A uint8 frame (height, width, channels) at the size wanted: bilinear, no antialiasing.

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

    >>> short_side_size(240, 320, 256), short_side_size(1920, 1080, 256)
    ((256, 341), (455, 256))
    """
    short = min(height, width)
    return scaled_side(height, short, short_side), scaled_side(width, short, short_side)


def scaled_side(side, short, short_side):
    """Length of a side of a picture whose shorter side becomes `short_side`, halves rounded up.

    Whole numbers throughout, so that no floating point decides.

    >>> scaled_side(3, 2, 1), scaled_side(5, 4, 2)  # 1.5 and 2.5
    (2, 3)

    Args:
      side, short: the side and the picture's shorter side, integers or integer tensors.
      short_side: length wanted.
    """
    return (2 * side * short_side + short) // (2 * short)


def mean_frames_per_second(times: np.ndarray) -> float:
    """Mean rate of frames that begin at `times` (seconds, rising); NaN for a single frame.

    >>> mean_frames_per_second(np.array([1.0, 1.25, 1.5]))
    4.0
    """
    return (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else math.nan


def window_starts(length, frames: int, stride: int | None = None, arange=np.arange):
    """First frames of windows that begin every `stride` frames, the last one ending with the video.

    So the last one may overlap the one before by more than the others do. There is a single window
    for a video that is no longer than one; a shorter one is looped.

    >>> window_starts(20, 8), window_starts(23, 8, 6), window_starts(3, 8)
    (array([ 0,  8, 12]), array([ 0,  6, 12, 15]), array([0]))

    Args:
      length: frames of the video, at least 1; an integer or an integer tensor.
      frames: frames of a window.
      stride: frames from one start to the next, more than `frames` leaves frames out; default
        `frames`, as in evaluation, which makes as few windows as cover every frame.
      arange: the numbers below its argument, as an array or a tensor.

    Returns:
      Integers (windows,), rising, of the kind that `arange` makes.
    """
    stride = stride or frames
    last = _positive_part(length - frames)
    starts = arange(-(-last // stride) + 1) * stride
    return last - _positive_part(last - starts)


def _positive_part(number):
    """What tensors and numbers know no common function for."""
    return (number + abs(number)) // 2


def frame_numbers(length, starts, frames: int, arange=np.arange):
    """Which frame of the video each frame of its windows is; a short video is looped.

    >>> frame_numbers(5, np.array([0]), 8)
    array([[0, 1, 2, 3, 4, 0, 1, 2]])

    Args:
      length: frames of the video, as of `window_starts`.
      starts: first frames of the windows, an array or an integer tensor.
      frames: frames of a window.
      arange: as of `window_starts`.

    Returns:
      Integers (windows, frames), of the kind of `starts`.
    """
    return (starts[:, None] + arange(frames)) % length


def centre(size, crop_size: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns of the crop in the middle of a frame.

    Where the margins cannot be equal, the upper and the left one are a pixel narrower.

    >>> centre((256, 341), (224, 224))
    (slice(16, 240, None), slice(58, 282, None))

    Args:
      size: (height, width) of the frame, at least the crop's; integers or integer tensors.
      crop_size: (height, width) of the crop.
    """
    (height, width), (rows, columns) = size, crop_size
    top, left = (height - rows) // 2, (width - columns) // 2
    return slice(top, top + rows), slice(left, left + columns)


def check_crop(size: tuple[int, int], crop_size: tuple[int, int]) -> None:
    """Raises VideoError where frames of `size` (height, width) are smaller than the crop."""
    if any(length < crop for length, crop in zip(size, crop_size, strict=True)):
        raise VideoError(
            f'found frames of {size[0]}x{size[1]} (height x width),'
            f' expected at least the crop of {crop_size[0]}x{crop_size[1]}'
        )


def crop_centre(frames: np.ndarray, crop_size: tuple[int, int]) -> np.ndarray:
    """The middle of frames (..., height, width, channels), as a view of them.

    Raises:
      VideoError: if they are smaller than the crop.
    """
    size = frames.shape[-3:-1]
    check_crop(size, crop_size)
    return frames[..., *centre(size, crop_size), :]
