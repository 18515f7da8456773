"""A video file as the windows in which a network sees it, in memory bounded by the window."""

from collections.abc import Iterator

import numpy as np

from data import video
from data.clips import window_starts


def count_frames(path, frames_per_second=None) -> int:
    """Number of frames of a video after resampling; decodes it. Raises VideoError as
    `read_frames`."""
    return sum(1 for _ in video.read_frames(path, frames_per_second))


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
    length = count_frames(path, options.get('frames_per_second'))
    starts = window_starts(length, frames).tolist()
    held, first_held = [], 0
    for number, frame in enumerate(video.read_frames(path, **options)):
        held.append(frame)
        if starts and number == starts[0] + frames - 1:
            yield np.stack(held[starts[0] - first_held :])
            starts.pop(0)
            keep = starts[0] - first_held if starts else len(held)
            held, first_held = held[keep:], first_held + keep
    if starts:  # shorter than a window
        yield np.stack([held[i % length] for i in range(frames)])
