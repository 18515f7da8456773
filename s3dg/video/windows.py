"""A video as the windows in which a network sees it, cut while its frames arrive."""

import collections
from collections.abc import Iterable, Iterator

import numpy as np

from s3dg.video import sampling


def cut_windows(
    video: Iterable[np.ndarray], frames: int, stride: int | None = None
) -> Iterator[np.ndarray]:
    """Yields the windows of a video that begin at `sampling.window_starts`, each when it is there.

    Args:
      video: its frames, read once; those of one window are held.
      frames: frames of a window; a shorter video is looped.
      stride: as of `window_starts`.

    Yields:
      uint8 (frames, height, width, channels).
    """
    held = collections.deque(maxlen=frames)
    count, missing = 0, frames  # frames that the next window lacks
    for frame in video:
        held.append(frame)
        count, missing = count + 1, missing - 1
        if not missing:
            yield np.stack(held)
            missing = stride or frames
    if count < frames:
        yield np.stack(held)[sampling.frame_numbers(count, np.zeros(1, int), frames)[0]]
    elif missing != (stride or frames):
        yield np.stack(held)
