"""The classes of a video, as a whole and over time, by a network or its SavedModel.

Both are given as what `s3dg.program.loading.load_model` returns: `serve`, `video_format` and
`class_names`.
"""

import dataclasses

import numpy as np

from s3dg.analysis.segments import stretches
from s3dg.errors import VideoError
from s3dg.video import sampling
from s3dg.video.windows import Cut, cut_windows


def video_probabilities(model, frames):
    """Probabilities, float32 (classes,), that a model gives the frames of a video.

    Raises:
      VideoError: if it cannot be used.
      NonFiniteAnswerError: if the network answers with NaN or infinity.
    """
    video_format = model.video_format
    answers = [
        window_logits(model, window)
        for window in cut_windows(frames, video_format.evaluation_frames)
    ]
    return softmax(np.mean(answers, axis=0))


def window_logits(model, window):
    """Logits, float32 (classes,), of a window, uint8 (frames, height, width, channels).

    Raises:
      VideoError, NonFiniteAnswerError: as `video_probabilities`.
    """
    sampling.check_crop(window.shape[1:3], model.video_format.crop_size)
    return model.serve(window[None])['logits'].numpy()[0]


def softmax(logits):
    """Probabilities, float32, of logits (..., classes)."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


@dataclasses.dataclass(frozen=True)
class OverTime:
    """What a model answers along a video.

    Attributes:
      probabilities: float32 (windows, classes).
      spans: float64 (windows, 2), seconds from the start of the file: from when to when each
        window's answer stands, as of `segments.stretches`.
    """

    probabilities: np.ndarray
    spans: np.ndarray


def window_and_stride(video_format, window=None, stride=None):
    """Frames of a window and from one to the next; by default a clip, and a quarter of the window.

    Args:
      video_format: of the network.
      window, stride: as they were given, or None.
    """
    window = window or video_format.clip_frames
    return window, stride or max(window // 4, 1)


def over_time(model, frames, window, stride, note=None):
    """The `OverTime` of a video.

    Args:
      frames: its frames, an iterator with `time`, as `reading.Frames`.
      window, stride: in frames; the last window ends with the video.
      note: called with each frame and its time.

    Raises:
      VideoError, NonFiniteAnswerError: as `video_probabilities`.
    """
    times = []

    def timed():
        for frame in frames:
            times.append(frames.time)
            if note is not None:
                note(frame, frames.time)
            yield frame

    cut = Cut(window, stride)
    logits = np.array(
        [window_logits(model, np.stack(one)) for one in cut.windows(timed())], np.float32
    )
    if not len(logits):
        raise VideoError('it has no frames')
    spans = stretches(np.array(times), cut.starts(len(times)), window)
    return OverTime(softmax(logits), spans)


def class_names(model, number):
    """The names of the `number` classes of a model, also where they have none."""
    return model.class_names or tuple(f'class {i}' for i in range(number))


def most_probable(model, probabilities, number):
    """The `number` most probable classes as (name, probability), the most probable one first."""
    names = class_names(model, len(probabilities))
    order = np.argsort(-probabilities, kind='stable')[:number]
    return [(names[i], float(probabilities[i])) for i in order]
