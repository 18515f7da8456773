"""Every rule by which the frames of a video are chosen, resized, cropped and put into windows.

Times are in seconds after the first frame, and what a viewer would see on the screen at a given
moment decides which frame is taken.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from s3dg.errors import VideoError

# Matroska and WebM store whole milliseconds, so a stamp may lie this far from the true time, in
# seconds.
STAMP_TOLERANCE = 1e-3


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


def resample_and_resize(
    source: Iterable[tuple[np.ndarray, float, float]],
    frames_per_second: float | None,
    frame_size: tuple[int, int] | None,
    short_side: int | None,
    bgr: bool = False,
) -> Iterator[np.ndarray]:
    """What `read_frames` does after decoding.

    Args:
      source: (BGR frame, start, end), times in seconds after the first frame.
      frames_per_second: as in `read_frames`, like the others.

    Yields:
      uint8 arrays (height, width, 3), RGB or BGR.

    Raises:
      VideoError: as `read_frames`.
    """
    if frames_per_second is not None:
        source = _resample(source, frames_per_second)
    shape = None
    resized_from, resized = None, None
    for frame, _, _ in source:
        if frame is not resized_from:  # a frame shown twice is resized once
            if frame_size is None and shape not in (None, frame.shape):
                raise VideoError(
                    f'frame size changes from {shape[1]}x{shape[0]}'
                    f' to {frame.shape[1]}x{frame.shape[0]}'
                )
            shape = frame.shape
            resized_from, resized = frame, _resize(frame, frame_size, short_side)
        yield resized if bgr else cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)


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


def _resize(frame, frame_size, short_side) -> np.ndarray:
    height, width = frame.shape[:2]
    if short_side is not None:
        scale = short_side / min(height, width)
        frame_size = (round(height * scale), round(width * scale))
    if frame_size is None or tuple(frame_size) == (height, width):
        return frame
    return cv2.resize(frame, (frame_size[1], frame_size[0]), interpolation=cv2.INTER_LINEAR)


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
