"""What a network answers while a video plays: always of the newest window."""

import collections
import dataclasses
import threading
from collections.abc import Iterator

import numpy as np

from s3dg.analysis.classification import softmax, window_logits
from s3dg.errors import VideoError
from s3dg.video.windows import cut_windows

# Newest delays that a summary is of: a day of an answer a second.
_MOST_DELAYS = 100_000


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a network answers of a window.

    Attributes:
      time: seconds of the video at which the last frame of the window begins.
      shown: when that frame was shown, as of `time.monotonic`.
      left_out: windows between the one before and this one for which there was no time.
      probabilities: float32 (classes,).
    """

    time: float
    shown: float
    left_out: int
    probabilities: np.ndarray


def warm_up(model, window: int) -> None:
    """Has a network answer once, on black frames, so that the first answer takes no longer."""
    window_logits(model, np.zeros((window, *model.video_format.crop_size, 3), np.uint8))


def answers(model, frames, window: int, stride: int) -> Iterator[Answer]:
    """Yields what a model answers of the newest window whenever `stride` new frames are there.

    A thread takes the frames as they come, so their source never waits. A window is due every
    `stride` frames from the first whole one on; of those that became due during an answer the
    newest frames are answered instead, and all but one are left out. There is no answer before the
    first whole window, except that a video that ends before it is answered once, looped as in
    evaluation.

    Args:
      model: as of `classification`.
      frames: an iterator of uint8 (height, width, 3) with `time` and `shown`, as `video.live` has.
      window, stride: in frames; `window` frames are held.

    Raises:
      VideoError: as the frames do, after the answers of those before it; if there are none.
      NonFiniteAnswerError: as `classification.window_logits`.
    """
    newest = _Newest(frames, window)
    due = 0  # number of the next window
    while True:
        wanted = window + due * stride
        count, held = newest.wait(wanted)
        if count < wanted:
            break
        left_out = (count - wanted) // stride
        yield _answer(model, held, left_out)
        due += left_out + 1
    if newest.error is not None:
        raise newest.error
    if not count:
        raise VideoError('it has no frames')
    if not due:
        (looped,) = cut_windows([frame for frame, *_ in held], window)
        yield _answer(model, held, 0, looped)


def _answer(model, held, left_out, window=None):
    if window is None:
        window = np.stack([frame for frame, *_ in held])
    _, time, shown = held[-1]
    return Answer(time, shown, left_out, softmax(window_logits(model, window)))


class _Newest:
    """The newest frames of a source, which a thread takes as they come.

    Attributes:
      error: with which the source ended, if it did.
    """

    def __init__(self, frames, number):
        self._frames, self._held = frames, collections.deque(maxlen=number)
        self._count, self._is_over, self.error = 0, False, None
        self._changed = threading.Condition()
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        try:
            for frame in self._frames:
                with self._changed:
                    self._held.append((frame, self._frames.time, self._frames.shown))
                    self._count += 1
                    self._changed.notify()
        except Exception as error:  # noqa: BLE001  (the main thread raises it)
            self.error = error
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def wait(self, number):
        """The number of frames until now, at least `number` unless they end, and the newest."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._count >= number)
            return self._count, list(self._held)


class Delays:
    """How late answers were, and how many windows had none.

    Attributes:
      answers, left_out: their numbers.
    """

    def __init__(self):
        self.answers = self.left_out = 0
        self._delays = collections.deque(maxlen=_MOST_DELAYS)
        self._first = self._last = 0.0

    def add(self, answer: Answer, now: float) -> float:
        """Counts an answer that is told `now`; returns its delay in seconds."""
        if not self.answers:
            self._first = now
        self._last = now
        self.answers += 1
        self.left_out += answer.left_out
        self._delays.append(now - answer.shown)
        return self._delays[-1]

    def summary(self) -> str:
        """Numbers and delays in words; the delays are those of the newest 100,000 answers."""
        if not self.answers:
            return 'no answers'
        middle, late = np.quantile(self._delays, (0.5, 0.95))
        told = f'{self.answers} answer{"s" if self.answers > 1 else ""}'
        if self.answers > 1:
            told += f', one every {(self._last - self._first) / (self.answers - 1):.3f} s'
        told += f'; delay {middle:.3f} s in the median, {late:.3f} s at the 95th percentile'
        return f'{told}; {self.left_out} windows left out'
