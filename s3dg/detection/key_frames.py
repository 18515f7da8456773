"""The clips around the key frames of a video, as it is decoded."""

import collections
import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from s3dg.video import streams


class KeyFrame(NamedTuple):
    """A frame in which something is to be found, and what is around it."""

    number: int  # in the video, from 0
    key: np.ndarray  # uint8 (height, width, 3)
    clip: np.ndarray  # uint8 (frames, height, width, 3)
    flow: np.ndarray | None  # uint8 (frames, height, width, 2)


class _Around:
    """Items of a stream around one of them, beyond the ends the first and the last."""

    def __init__(self, items: Iterable, frames: int):
        self._items, self._frames = iter(items), frames
        self._held, self._first, self._is_over = collections.deque(), 0, False

    def at(self, number: int) -> list | None:
        """The `frames` items from `number - frames // 2` on; None if there are no items.

        Numbers may not fall.
        """
        first = number - self._frames // 2
        last = first + self._frames - 1
        while not self._is_over and self._first + len(self._held) <= last:
            item = next(self._items, None)
            if item is None:
                self._is_over = True
            else:
                self._held.append(item)
            while len(self._held) > 1 and self._first < first:
                self._held.popleft()
                self._first += 1
        if not self._held:
            return None
        places = np.clip(np.arange(first, last + 1) - self._first, 0, len(self._held) - 1)
        return [self._held[place] for place in places]

    @property
    def length(self) -> int | None:
        """How many items there are, once the end has been seen."""
        return self._first + len(self._held) if self._is_over else None


def key_frames(
    frames: Iterable[np.ndarray], clip_frames: int, stride: int = 1, with_flow: bool = False
) -> Iterator[KeyFrame]:
    """Yields every `stride`-th frame of a video, from the first on, with the clip around it.

    The frame stands at `clip_frames // 2` of its clip; beyond the ends of the video the first and
    last frames are repeated, as in training (`data.clips.annotated.context`). No more frames are
    held than a clip has and those between two key frames.

    Args:
      frames: uint8 (height, width, 3), RGB, of one size.
      clip_frames: of a clip.
      stride: frames from one key frame to the next.
      with_flow: whether to compute TV-L1 flow too; of a single frame there is none, and nothing is
        yielded.
    """
    fields = None
    if with_flow:
        frames, copies = itertools.tee(frames)
        fields = _Around(streams.flow_of(copies), clip_frames)
    around, number = _Around(frames, clip_frames), 0
    while True:
        clip = around.at(number)
        if clip is None or (around.length is not None and number >= around.length):
            return
        flow = None if fields is None else fields.at(number)
        if fields is not None and flow is None:
            return
        yield KeyFrame(
            number, clip[clip_frames // 2], np.stack(clip), None if flow is None else np.stack(flow)
        )
        number += stride
