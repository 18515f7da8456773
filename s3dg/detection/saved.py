"""Detectors on disk: `.keras` files and SavedModels, called in the same way."""

import os

import tensorflow as tf

from s3dg.answers import NonFiniteAnswerError
from s3dg.config import NetworkConfig, VideoFormat
from s3dg.detection.config import DetectorConfig
from s3dg.detection.network import NOT_FINITE
from s3dg.errors import reading
from s3dg.files import folders
from s3dg.network import INCEPTION_FILTERS
from s3dg.saving import keras_file
from s3dg.saving.export import replace_with, write_files
from s3dg.saving.saved_model import ExportError, read_values

KIND = 'detector'  # in the metadata of a SavedModel


def _read(values):
    """As `keras_file.Kind.read`; ResNet's weights are left out of the bound."""
    DetectorConfig.from_dict(values['config'])
    if values['video_format'] is not None:
        VideoFormat.from_dict(values['video_format'])
    if not all(isinstance(name, str) for name in values['class_names']):
        raise keras_file.KerasFileError('the names of its classes are no texts')
    width = values['resnet_width']
    if not isinstance(width, (int, float)) or not 0 < width <= 1:
        raise keras_file.KerasFileError(f'its resnet_width is {width!r}, expected above 0, to 1')
    configs = [NetworkConfig.from_dict(one) for one in values['networks'].values()]
    # A score and four offsets of each class, from the tail's channels.
    _, *branches = INCEPTION_FILTERS['Mixed_5c']
    channels = configs[0].filters(branches[-1])
    return configs, 5 * len(values['class_names']) * channels


DETECTOR = keras_file.Kind('Detector', _read)


def load(path):
    """The `Detector` in a `.keras` file; errors as of `keras_file.load`."""
    return keras_file.load(path, (DETECTOR,))


class SavedDetector:
    """A detector from a `.keras` file or a SavedModel's folder, with the same answers.

    Attributes:
      class_names: of the actions, in the order of their labels.
      video_format: the `VideoFormat`.
      inputs: names of the entries that `detect` takes: 'clip', 'flow', 'key'.

    Raises:
      KerasFileError, ConfigError, ExportError: where the file or folder is none, or is damaged.
      OSError: where it cannot be opened.
    """

    def __init__(self, path, chunk=64):
        path = os.path.expanduser(path)
        if not os.path.exists(path):
            folders.finish_swap(path)  # where an export was cut off
        if os.path.isdir(path):
            values = read_values(path, KIND)
            with reading(f'{path} cannot be read as a SavedModel', ExportError):
                self._model = tf.saved_model.load(path)
                self.class_names = tuple(values['class_names'])
                self.video_format = VideoFormat.from_dict(values['video_format'])
                self.inputs = tuple(values['inputs'])
                self._detect = self._model.detect
        else:
            detector = load(path)
            if detector.video_format is None:
                raise keras_file.KerasFileError('it does not say which clips it takes')
            self.class_names, self.video_format = detector.class_names, detector.video_format
            self.inputs = input_names(detector)
            self._detect = tf.function(function(detector, chunk))

    def detect(self, inputs):
        """What is found in key frames.

        Args:
          inputs: dict from `self.inputs` to uint8 arrays: 'clip' (B, T, H, W, 3), 'flow' (B, T, H,
            W, 2), 'key' (B, H, W, 3), T, H and W as of the video format.

        Returns:
          dict of arrays: 'boxes' float32 (B, N, 4), y_min, x_min, y_max, x_max in pixels, 'scores'
          float32 (B, N), falling, 'labels' int32 (B, N), 'is_box' bool (B, N): what is no padding.

        Raises:
          NonFiniteAnswerError: where the network computes what is no number.
        """
        try:
            found = self._detect(*(tf.constant(inputs[name]) for name in self.inputs))
        except tf.errors.InvalidArgumentError as error:
            if NOT_FINITE not in error.message:
                raise
            raise NonFiniteAnswerError('The scores of its boxes are not finite.') from error
        return {name: values.numpy() for name, values in found.items()}


def input_names(detector):
    """The names of what `function` takes: the key frame alone only where no clip has it."""
    return (*detector.bodies, *([] if 'clip' in detector.bodies else ['key']))


def function(detector, chunk=64):
    """A function from uint8 tensors, as named by `input_names`, to what is found, as a dict."""
    names, frames = input_names(detector), detector.video_format.clip_frames

    def detect(*arguments):
        inputs = dict(zip(names, arguments, strict=True))
        # The annotated frame of a clip, as `data.clips.annotated.context` places it.
        if 'clip' in inputs:
            inputs['key'] = inputs['clip'][:, frames // 2]
        return detector(inputs, chunk=chunk)._asdict()

    return detect


def input_shapes(detector):
    """Shapes of what `function` takes, without the batch, by name."""
    frames, size = detector.video_format.clip_frames, detector.video_format.frame_size
    shapes = {'clip': (frames, *size, 3), 'flow': (frames, *size, 2), 'key': (*size, 3)}
    return {name: shapes[name] for name in input_names(detector)}


def export(detector, output, check=None):
    """Writes a detector as a SavedModel; the name of its endpoint, `detect`, is returned.

    Args:
      detector: a `Detector` with a video format.
      output: folder to write, which is replaced whole.
      check: as of `saving.export.export`.

    Raises:
      ExportError: as of `saving.export.export`.
    """
    return replace_with(_write, detector, output, check)


def _write(detector, folder, output):
    shapes = input_shapes(detector)
    signature = [tf.TensorSpec([None, *shape], tf.uint8, name) for name, shape in shapes.items()]
    metadata = {
        'kind': KIND,
        'class_names': list(detector.class_names),
        'video_format': detector.video_format.to_dict(),
        'inputs': list(shapes),
    }
    endpoints = {'detect': (function(detector), signature)}
    return write_files(detector, endpoints, metadata, folder, output)
