"""A network that answers about videos, in three lines of Python.

    import s3dg

    model = s3dg.load('s3d_g.keras')        # or the folder of a SavedModel, or hf://OWNER/REPO/FILE
    model.classify('holiday.mp4')           # [{'label': 'surfing water', 'score': 0.93}, ...]
    model.features('holiday.mp4').values    # float32 (windows, 1024)
    model.segments('holiday.mp4')           # [{'start': 0.0, 'end': 4.2, 'label': ..., ...}, ...]
    model.network                           # the Keras network

The programs `s3dg classify` and `s3dg features` answer alike, of many videos at a time.
"""

import contextlib
import os
from typing import NamedTuple

import numpy as np

from s3dg.analysis.classification import (
    class_names,
    most_probable,
    over_time,
    video_probabilities,
    window_and_stride,
)
from s3dg.analysis.segments import Rules, find_segments
from s3dg.config import ENDPOINTS, ConfigError
from s3dg.errors import S3dgError, VideoError
from s3dg.features import Extractor
from s3dg.files import hub, readable
from s3dg.saving import loaded
from s3dg.saving.keras_file import KerasFileError
from s3dg.video import sources


class ModelError(S3dgError, ValueError):
    """A network that cannot answer what is asked."""


class Features(NamedTuple):
    """What an endpoint makes of the windows of a video.

    Attributes:
      values: float32 (windows, ...): (windows, channels) where all is averaged over.
      times: float64 (windows,), or (windows, time) where `values` have that axis: seconds from the
        start of the file, the mean time of the frames that a feature stands for.
    """

    values: np.ndarray
    times: np.ndarray


def load(path):
    """The `VideoModel` of a file.

    Args:
      path: of a `.keras` file or of a SavedModel's folder; or one of the Hugging Face Hub,
        hf://OWNER/REPO/FILE or hf://OWNER/REPO@REVISION/FILE, which is downloaded once.

    Raises:
      KerasFileError, ConfigError, ExportError: where there is no network of this project, or a
        damaged one.
      HubError: as `hub.fetch`.
      FileNotFoundError: where there is nothing.
    """
    if hub.is_address(path):
        path = hub.fetch(path)
    try:
        return VideoModel(loaded.load(path), path)
    except (KerasFileError, ConfigError) as error:
        raise type(error)(f'{path}: {error}') from error


@contextlib.contextmanager
def _naming(video):
    """Has a `VideoError` begin with the path of its video, where it has one."""
    try:
        yield
    except VideoError as error:
        name = f'{readable(video)}: ' if isinstance(video, (str, os.PathLike)) else ''
        raise VideoError(f'{name}{error}') from error


class VideoModel:
    """A network that answers about videos.

    A video is the path of a file or of a folder of numbered images; or its frames, uint8 (frames,
    height, width, 3) in RGB. `fps` is the rate of such images or frames, a second; by itself that
    is the network's own rate for frames, and 25 for images. Every video is resampled to the
    network's rate, resized and cropped as in evaluation.

    All methods raise a `VideoError` for a video that cannot be used, and a `NonFiniteAnswerError`
    where the network answers with NaN or infinity.

    Attributes:
      path: where it was loaded from.
      network: the Keras `Network`. Of a SavedModel it has biases where the network had batch norm.
      class_names: one string per class, or None.
      video_format: the `VideoFormat` that it expects.
    """

    def __init__(self, model, path):
        self._model, self.path = model, path
        self.class_names, self.video_format = model.class_names, model.video_format
        self._extractors = {}
        if model.config.channels != 3:
            raise ModelError(
                f'{path} takes {model.config.channels} channels, expected 3, which videos have: '
                f'keras.models.load_model loads it, and s3dg features takes it as --flow_model.'
            )

    @property
    def network(self):
        return self._model.network

    def classify(self, video, top=5, fps=None):
        """The `top` most probable classes of a video, the most probable one first.

        Returns:
          A list of dicts: 'label', the name of the class, and 'score', its probability.
        """
        self._check_classes()
        with _naming(video):
            probabilities = video_probabilities(self._model, self._frames(video, fps))
        found = most_probable(self._model, probabilities, top)
        return [{'label': name, 'score': score} for name, score in found]

    def segments(self, video, window=None, stride=None, fps=None, **rules):
        """What is seen when.

        Args:
          window: frames of a window; default the network's clip.
          stride: frames from the start of a window to the next; default a quarter of the window.
          **rules: fields of `segments.Rules`: `threshold`, `gap`, `shortest`.

        Returns:
          A list of dicts, in order: 'start' and 'end' in seconds from the start of the file,
          'label', and 'score', the mean of its probability.
        """
        self._check_classes()
        rules = Rules(**rules)
        window, stride = window_and_stride(self.video_format, window, stride)
        with _naming(video):
            frames = self._frames(video, fps)
            answers = over_time(self._model, frames, window, stride)
        names = class_names(self._model, answers.probabilities.shape[1])
        return [
            {'start': one.start, 'end': one.end, 'label': names[one.label], 'score': one.score}
            for one in find_segments(answers.probabilities, answers.spans, rules)
        ]

    def features(
        self, video, endpoint=ENDPOINTS[-1], window=None, stride=None, pool='all', fps=None
    ):
        """The `Features` of a video.

        Args:
          endpoint: one of `s3dg.ENDPOINTS`, 'AvgPool_0a_7x7', which the classifier sees, or
            'logits'.
          window: frames of a window; default the network's clip.
          stride: frames from the start of a window to the next; default the window. The last window
            ends with the video.
          pool: 'all' averages over time and space, 'space' over space, 'none' not at all.

        Raises:
          ConfigError: where a window is too short for the endpoint.
        """
        key = endpoint, pool, window
        if key not in self._extractors:
            self._extractors[key] = Extractor(self.network, endpoint, pool, window)
        extractor = self._extractors[key]
        with _naming(video):
            frames = self._frames(video, fps, crop_size=self.video_format.crop_size)
            found = extractor.of_video(None, stride, frames=frames)
            return Features(found.read(), found.feature_times)

    def _check_classes(self):
        config = self._model.config
        if config.head == 'embedding':
            raise ModelError(
                f'{self.path} returns an embedding of {config.num_classes} dimensions, expected '
                f"classes: its embeddings are features(video, endpoint='logits')."
            )

    def _frames(self, video, fps, **options):
        options |= self.video_format.reading
        if isinstance(video, (str, os.PathLike)):
            return sources.read_frames(video, fps or sources.FOLDER_RATE, **options)
        rate = fps or self.video_format.frames_per_second or sources.FOLDER_RATE
        return sources.array_frames(video, rate, **options)
