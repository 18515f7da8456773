"""A video as the windows in which a network sees it, cut while its frames arrive."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from s3dg.video import sampling

# What becomes of frames at the end of a video that fill no window.
TAILS = ('drop', 'repeat', 'shift', 'zero')

# In place of the number of a frame, where a window has none.
OUTSIDE = -1


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where the windows of a video begin, and what they hold beyond its ends.

    Attributes:
      frames: of a window.
      stride: frames from the start of a window to the next; None: `frames`.
      tail: what becomes of the frames at the end that fill no window. 'shift': the last window ends
        with the video, and a video that is shorter than a window is looped, as in evaluation.
        'drop': they are left out; a shorter video has no window. 'repeat': the last frame is
        repeated. 'zero': there is nothing, which `cut` makes of a frame.
      centred: whether windows stand around every `stride`-th frame, frame `frames // 2` of each;
        both ends are then as `tail` says, 'repeat' or 'zero'.

    >>> Cut(4, 3).numbers(6), Cut(4, 3, 'drop').numbers(6)
    (array([[0, 1, 2, 3],
           [2, 3, 4, 5]]), array([[0, 1, 2, 3]]))
    >>> Cut(4, 3, 'repeat').numbers(6)[-1], Cut(3, 1, 'zero', centred=True).numbers(2)
    (array([3, 4, 5, 5]), array([[-1,  0,  1],
           [ 0,  1, -1]]))
    """

    frames: int
    stride: int | None = None
    tail: str = 'shift'
    centred: bool = False

    def __post_init__(self):
        known = ('repeat', 'zero') if self.centred else TAILS
        if self.tail not in known:
            raise ValueError(f'tail: found {self.tail!r}, expected {" or ".join(known)}')

    @property
    def step(self) -> int:
        return self.stride or self.frames

    def starts(self, length: int) -> np.ndarray:
        """First frames, int64 (windows,), of the windows of a video of `length` frames, at least 1.

        They lie before the video where windows are centred.
        """
        step, frames = self.step, self.frames
        if self.centred:
            return np.arange(0, length, step) - frames // 2
        if self.tail == 'shift':
            return sampling.window_starts(length, frames, step)
        if self.tail == 'drop':
            return np.arange(0, max(length - frames + 1, 0), step)
        # Up to the first that reaches the end; none begins behind it.
        last = min(-(-max(length - frames, 0) // step), (length - 1) // step)
        return np.arange(last + 1) * step

    def numbers(self, length: int, first: int = 0) -> np.ndarray:
        """Which frame each frame of the windows from the `first` on is, int64 (windows, frames)."""
        starts = self.starts(length)[first:]
        if self.tail == 'shift':
            return sampling.frame_numbers(length, starts, self.frames)
        numbers = starts[:, None] + np.arange(self.frames)
        if self.tail == 'repeat':
            return np.clip(numbers, 0, length - 1)
        return np.where((numbers >= 0) & (numbers < length), numbers, OUTSIDE)

    def windows(self, items: Iterable[Any], blank: Callable | None = None) -> Iterator[list]:
        """Yields the windows of a video, lists of its frames, each when its last frame is there.

        Args:
          items: the frames, or anything in their place; read once. Those of one window are held.
          blank: makes of a frame what stands where there is none; for the tail 'zero'.
        """
        held = collections.deque(maxlen=self.frames)
        count, made = 0, 0
        before = self.frames // 2 if self.centred else 0

        def window(numbers):
            first = count - len(held)
            places = [None if n == OUTSIDE else held[n - first] for n in numbers]
            there = next(item for item in places if item is not None)
            return [blank(there) if item is None else item for item in places]

        for item in items:
            held.append(item)
            count += 1
            start = made * self.step - before
            if start + self.frames == count:
                numbers = np.arange(start, count)
                if start < 0:
                    numbers = np.maximum(numbers, 0 if self.tail == 'repeat' else OUTSIDE)
                yield window(numbers)
                made += 1
        if count:
            for numbers in self.numbers(count, made):
                yield window(numbers)


def cut_windows(
    video: Iterable[np.ndarray], frames: int, stride: int | None = None
) -> Iterator[np.ndarray]:
    """Yields the windows of a video as in evaluation, each when it is there.

    Args:
      video: its frames, read once; those of one window are held.
      frames: frames of a window; a shorter video is looped.
      stride: as of `sampling.window_starts`.

    Yields:
      uint8 (frames, height, width, channels).
    """
    return map(np.stack, Cut(frames, stride).windows(video))
