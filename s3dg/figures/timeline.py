"""The classes of a video over time, under frames of it."""

import numpy as np

from s3dg.figures.plots import drawing
from s3dg.video import sampling

_FRAMES = 10  # of the strip
_CLASSES = 6  # whose probabilities are drawn
_LEAST = 0.05  # probability of a class without a segment, somewhere
_HEIGHT = 96  # pixels of a frame in the strip


class Thumbnails:
    """Frames at even times of a video whose length is not known before its end.

    It holds at most twice as many as are wanted: when that many are there, every other one goes,
    and from then on only every second frame of before is taken.
    """

    def __init__(self, wanted: int = _FRAMES):
        self._wanted, self._step, self._count = wanted, 1, 0
        self._held: list[tuple[float, np.ndarray]] = []

    def note(self, frame: np.ndarray, time: float) -> None:
        """Takes the next frame, uint8 (height, width, 3), and its time in seconds."""
        if self._count % self._step == 0:
            side = min(_HEIGHT, *frame.shape[:2])
            self._held.append((time, sampling.resize(frame, None, side).copy()))
        self._count += 1
        if len(self._held) >= 2 * self._wanted:
            self._held = self._held[::2]
            self._step *= 2

    def frames(self) -> list[tuple[float, np.ndarray]]:
        """(seconds, frame) of as many as are wanted, or fewer of a short video."""
        places = np.linspace(0, len(self._held) - 1, min(self._wanted, len(self._held)))
        return [self._held[round(place)] for place in places]


def draw_timeline(path, title, names, answers, segments, thumbnails):
    """Draws frames, the probabilities of the classes over time, and the segments.

    Args:
      path: of the PNG file.
      title: of the picture.
      names: of the classes.
      answers: a `classification.OverTime`.
      segments: of the video, as of `segments.find_segments`.
      thumbnails: as of `Thumbnails.frames`.
    """
    probabilities, spans = answers.probabilities, answers.spans
    first, last = spans[0, 0], spans[-1, 1]
    shown = _shown_classes(probabilities, segments)
    colours = {label: f'C{number % 10}' for number, label in enumerate(shown)}
    edges = np.append(spans[:, 0], last)
    with drawing(path, (11, 5.2)) as figure:
        strip, curves, bars = figure.subplots(
            3, 1, height_ratios=(1.3, 2, 0.25 + 0.22 * max(len(shown), 1))
        )
        width = (last - first) / max(len(thumbnails), 1)
        for number, (seconds, frame) in enumerate(thumbnails):
            height = frame.shape[0] / frame.shape[1]
            left = first + number * width
            strip.imshow(frame, extent=(left, left + 0.97 * width, 0, height), aspect='auto')
            strip.text(left, -0.02, f'{seconds:.1f} s', va='top', fontsize=8)
        strip.set(xlim=(first, last), ylim=(-0.05, None))
        strip.set_title(title, parse_math=False)  # files may have any name
        strip.axis('off')
        for label in shown:
            curves.stairs(
                probabilities[:, label],
                edges,
                baseline=None,
                color=colours[label],
                label=names[label],
                linewidth=1.6,
            )
        curves.set(xlim=(first, last), ylim=(0, 1.02), ylabel='probability')
        curves.grid(alpha=0.3)
        if shown:
            curves.legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), fontsize=8)
        rows = {label: row for row, label in enumerate(reversed(shown))}
        for segment in segments:
            bars.barh(
                rows[segment.label],
                segment.seconds,
                left=segment.start,
                color=colours[segment.label],
                height=0.8,
            )
        bars.set(xlim=(first, last), ylim=(-0.5, max(len(shown), 1) - 0.5), xlabel='seconds')
        bars.set_yticks(range(len(shown)), [names[label] for label in reversed(shown)], fontsize=8)


def _shown_classes(probabilities, segments):
    """Those of the segments, as they come, and up to a number others that are ever probable."""
    shown = list(dict.fromkeys(segment.label for segment in segments))
    highest = probabilities.max(axis=0)
    others = [int(label) for label in np.argsort(-highest, kind='stable')]
    others = [one for one in others if one not in shown and highest[one] >= _LEAST]
    return shown + others[: max(_CLASSES - len(shown), 0)]
