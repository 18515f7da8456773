"""From the answers of windows along a video to segments: which class is seen from when to when."""

import dataclasses

import numpy as np

from s3dg.errors import S3dgError
from s3dg.video.sampling import mean_frames_per_second


class SegmentError(S3dgError, ValueError):
    """Values by which no segments can be found."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """What makes a segment; ours.

    Attributes:
      threshold: the least probability at which a window's most probable class counts; windows
        below it belong to no segment.
      gap: seconds; two segments of a class with no other between them, and no longer time, are one.
      shortest: seconds; a shorter segment is left out, and those on its two sides may then be one.
    """

    threshold: float = 0.3
    gap: float = 0.0
    shortest: float = 0.0

    def __post_init__(self):
        for name, most in (('threshold', 1.0), ('gap', np.inf), ('shortest', np.inf)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise SegmentError(f'{name}: found {value}, expected a number from 0 to {most:g}')


@dataclasses.dataclass(frozen=True)
class Segment:
    """A class that is seen from `start` to `end`, seconds from the start of the file.

    Attributes:
      label: number of the class.
      score: mean of its probability over the windows.
    """

    start: float
    end: float
    label: int
    score: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


def stretches(times: np.ndarray, starts: np.ndarray, window: int) -> np.ndarray:
    """From when to when the answer of each window stands: half-way to those beside it.

    So a border between two classes is placed where a window shows as much of the one as of the
    other. The first window's answer stands from the first frame on, the last one's to the end of
    the last frame.

    >>> stretches(np.arange(8) / 10, np.array([0, 4]), 4).round(3)
    array([[0. , 0.4],
           [0.4, 0.8]])

    Args:
      times: float64 (frames,), seconds at which the frames of the video begin, rising.
      starts: int64 (windows,), first frames of the windows.
      window: frames of a window; a shorter video is one window.

    Returns:
      float64 (windows, 2), seconds.
    """
    rate = mean_frames_per_second(times)
    end = times[-1] + (1 / rate if rate > 0 else 0.0)
    ends = np.append(times, end)
    middles = (ends[starts] + ends[np.minimum(starts + window, len(times))]) / 2
    borders = np.concatenate([times[:1], (middles[:-1] + middles[1:]) / 2, [end]])
    return np.stack([borders[:-1], borders[1:]], axis=1)


def find_segments(probabilities: np.ndarray, spans: np.ndarray, rules: Rules) -> list[Segment]:
    """The segments of a video, in order.

    Args:
      probabilities: (windows, classes).
      spans: as of `stretches`.
      rules: what makes a segment.
    """
    best = probabilities.argmax(axis=1)
    scores = probabilities[np.arange(len(best)), best]
    found = [
        _Run(float(start), float(end), int(label), [float(score)])
        for (start, end), label, score in zip(spans, best, scores, strict=True)
        if score >= rules.threshold
    ]
    found = _joined(found, rules.gap)
    found = _joined([run for run in found if run.end - run.start >= rules.shortest], rules.gap)
    return [Segment(run.start, run.end, run.label, float(np.mean(run.scores))) for run in found]


@dataclasses.dataclass
class _Run:
    """Windows of one class that follow each other."""

    start: float
    end: float
    label: int
    scores: list[float]


def _joined(runs, gap):
    """The runs, those of a class that nothing but a short time separates made one."""
    found = []
    for run in runs:
        before = found[-1] if found else None
        # Borders are computed, so that neighbours' may differ in the last bit.
        if before and before.label == run.label and run.start - before.end <= gap + 1e-9:
            found[-1] = _Run(before.start, run.end, run.label, before.scores + run.scores)
        else:
            found.append(run)
    return found


def label_studio(video: str, segments: list[Segment], names, rate: float) -> dict:
    """A task of Label Studio with the segments as predictions, for its tag TimelineLabels.

    Its frames are counted from 1, and both ends of a range belong to it. A task without segments
    has no prediction: some releases refuse one with an empty result.

    Args:
      video: path or address, for `$video` of the labelling interface.
      names: of the classes; the interface has a `Label` for each one that is seen.
      rate: frames a second of the video, for `frameRate="$frames_per_second"` of the interface.
    """
    results = [
        {
            'id': f'segment{number}',
            'from_name': 'label',
            'to_name': 'video',
            'type': 'timelinelabels',
            'value': {
                'ranges': [
                    {
                        'start': (start := round(segment.start * rate) + 1),
                        'end': max(round(segment.end * rate), start),
                    }
                ],
                'timelinelabels': [names[segment.label]],
            },
            'score': segment.score,
        }
        for number, segment in enumerate(segments, 1)
    ]
    task = {'data': {'video': video, 'frames_per_second': rate}, 'predictions': []}
    if segments:
        score = float(np.mean([segment.score for segment in segments]))
        prediction = {'model_version': 's3dg', 'score': score, 'result': results}
        task['predictions'].append(prediction)
    return task
