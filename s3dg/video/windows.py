"""A video file as the windows in which a network sees it, in memory bounded by the window."""

import collections
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from s3dg.errors import VideoError
from s3dg.video import reading, sampling


def frame_times(
    path,
    frames_per_second=None,
    frame_size=None,
    short_side=None,
    *,
    progress: Callable[[int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> np.ndarray:
    """When the frames of a video begin, after resampling; decodes it, but converts no frame.

    Args:
      path: a video file.
      frames_per_second: rate wanted; None keeps the source's frames, and their own times.
      frame_size, short_side: as of `reading.read_frames`: a video that changes its frame size can
        be used only with a frame_size.
      progress: called with the number of frames counted so far, after each.
      warn: called with the faults of the file, if any, that did not stop it from being used.

    Returns:
      float64 array (frames,), seconds from the file's start, rising.

    Raises:
      VideoError: if the video cannot be used.
    """
    sampling.check_arguments(frames_per_second, frame_size, short_side)
    video = reading.VideoFile(path)
    times = []
    for _, time in sampling.choose(video.pictures(), frames_per_second, frame_size is not None):
        times.append(video.start + time)
        if progress is not None:
            progress(len(times))
    if video.faults and warn is not None:
        warn(video.faults)
    return np.array(times)


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
      length: its number of frames, that of `frame_times` with the same options.
      starts: first frames of the windows, rising; [0] for a video shorter than a window, which is
        looped.
      frames: frames of a window; as many are held.
      crop_size: (height, width) cut from the middle of every frame; None: all of it.
      **options: `frames_per_second`, `frame_size`, `short_side` as of `reading.read_frames`.

    Yields:
      uint8 (frames, height, width, 3), RGB.

    Raises:
      VideoError: if the video cannot be used, its frames are smaller than the crop, or it has
        another length.
    """
    held = collections.deque(maxlen=frames)
    last_frames = {start + frames - 1 for start in map(int, starts)}
    count = 0
    for frame in reading.read_frames(path, **options):
        # A copy, so that the rest of the frame is not held.
        held.append(frame if crop_size is None else sampling.crop_centre(frame, crop_size).copy())
        if count in last_frames:
            yield np.stack(held)
        count += 1
    if count != length:
        raise VideoError(f'changed while it was read: found {length} frames, then {count}')
    if length < frames:
        yield from np.stack(held)[sampling.frame_numbers(length, np.asarray(starts), frames)]


def read_windows(
    path, frames, *, warn: Callable[[str], None] | None = None, **options
) -> Iterator[np.ndarray]:
    """Yields the windows that cover a video, as evaluation cuts them.

    The places of the windows depend on the length, so a video is decoded twice: once to count its
    frames, once to cut it; at most two windows of frames are held.

    Args:
      path: a video file.
      frames: frames of a window; a shorter video is looped.
      warn, **options: as of `frame_times`.

    Yields:
      uint8 (frames, height, width, 3), RGB.

    Raises:
      VideoError: if the video cannot be used.
    """
    length = len(frame_times(path, warn=warn, **options))
    yield from cut_windows(path, length, sampling.window_starts(length, frames), frames, **options)
