"""A video file as the windows in which a network sees it, in memory bounded by the window."""

import collections
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from data import video
from data.clips import window_starts


def count_frames(
    path,
    frames_per_second=None,
    *,
    progress: Callable[[int], None] | None = None,
    **options,
) -> int:
    """Number of frames of a video after resampling; decodes it.

    Args:
      path: a video file.
      frames_per_second: rate wanted; None keeps the source's frames.
      progress: called with the number of frames counted so far, after each.
      **options: `frame_size`, `short_side` as of `video.read_frames`: a video that changes its frame
        size can be used with a frame_size only.

    Raises:
      VideoError: if the video cannot be used.
    """
    count = 0
    for _ in video.read_frames(path, frames_per_second, **options):
        count += 1
        if progress is not None:
            progress(count)
    return count


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


def cut_windows(
    path,
    length: int,
    starts: Sequence[int],
    frames: int,
    *,
    crop_size: tuple[int, int] | None = None,
    **options,
) -> Iterator[np.ndarray]:
    """Yields the windows of a video that begin at the given frames.

    Args:
      path: a video file.
      length: its number of frames, as `count_frames` gives it with the same options.
      starts: first frames of the windows, rising; [0] for a video shorter than a window, which is
        looped.
      frames: frames of a window; so many are held.
      crop_size: (height, width) cut from the middle of every frame, as evaluation does; None: all
        of it.
      **options: `frames_per_second`, `frame_size`, `short_side` as of `video.read_frames`.

    Yields:
      uint8 (frames, height, width, 3), RGB.

    Raises:
      VideoError: if the video cannot be used, its frames are smaller than the crop, or it has
        another length.
    """
    held = collections.deque(maxlen=frames)
    last_frames = {start + frames - 1 for start in map(int, starts)}
    count = 0
    for frame in video.read_frames(path, **options):
        held.append(frame if crop_size is None else _crop_centre(frame, crop_size))
        if count in last_frames:
            yield np.stack(held)
        count += 1
    if count != length:
        raise video.VideoError(f'changed while it was read: found {length} frames, then {count}')
    if length < frames:
        yield np.stack([held[i % length] for i in range(frames)])


def read_windows(path, frames, **options) -> Iterator[np.ndarray]:
    """Yields the windows that cover a video, as evaluation cuts them.

    The places of the windows depend on the length, so a video is decoded twice: once to count its
    frames, once to cut it; at most two windows of frames are held.

    Args:
      path: a video file.
      frames: frames of a window; a shorter video is looped.
      **options: `frames_per_second`, `frame_size`, `short_side` as of `video.read_frames`.

    Yields:
      uint8 (frames, height, width, 3), RGB.

    Raises:
      VideoError: if the video cannot be used.
    """
    length = count_frames(path, **options)
    yield from cut_windows(path, length, window_starts(length, frames), frames, **options)


def check_crop(size: tuple[int, int], crop_size: tuple[int, int]) -> None:
    """Raises VideoError where frames of `size` (height, width) are smaller than the crop."""
    if any(length < crop for length, crop in zip(size, crop_size, strict=True)):
        raise video.VideoError(
            f'found frames of {size[0]}x{size[1]} (height x width),'
            f' expected at least the crop of {crop_size[0]}x{crop_size[1]}'
        )


def _crop_centre(frame, crop_size) -> np.ndarray:
    """The middle of a frame, as a copy, so that the rest of it is not held."""
    check_crop(frame.shape[:2], crop_size)
    height, width = crop_size
    top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
    return frame[top : top + height, left : left + width].copy()
