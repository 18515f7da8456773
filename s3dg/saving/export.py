"""SavedModel for serving: video in, probabilities out, with everything in between inside.

Endpoints, all with any number of frames of any size at the network's frame rate:
  serve (the default): uint8 `video` (batch, time, height, width, channels) -> float32 `probabilities` and
    `logits` (batch, classes); for a network whose head is an embedding, `embedding` alone.
  features: the same input -> float32 `features` (batch, channels), what the classifier sees.
  jpeg (RGB networks): string `frames` (time,), encoded frames of one video -> as serve, without batch.
Inside, a video is treated as in evaluation: frames resized, centre crop, looped where it is shorter than
`evaluation_frames`, cut into windows of so many where it is longer, logits averaged over the windows.
Memory is bounded by the window. `assets.extra/network.json` holds class names and formats.
"""

import functools
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from s3dg import files
from s3dg.answers import non_finite_weight, require_finite
from s3dg.errors import reading
from s3dg.files import folders
from s3dg.files.disk import writing
from s3dg.head import Classifier
from s3dg.layers import SelfGating, SpatioTemporalConv
from s3dg.network import POOLED_FEATURES, Network
from s3dg.saving.saved_model import METADATA_FILE, ExportError, digests, read_metadata
from s3dg.video import sampling

# All that such a folder holds; one with other files is not replaced.
SAVED_MODEL_FILES = (
    'saved_model.pb',
    'fingerprint.pb',
    'variables/variables.*',
    'assets/*',
    METADATA_FILE,
)


def fold_batch_norm(network):
    """The same network without batch norm: its scale and shift are in the convolutions' weights.

    Args:
      network: a `Network`, which stays as it is.

    Returns:
      A `Network` with `batch_norm=False` whose logits agree with the original's in inference up to
      rounding.
    """
    folded = Network(
        network.config.replace(batch_norm=False), network.class_names, network.video_format
    )
    for source, target in zip(_with_weights(network), _with_weights(folded), strict=True):
        if not isinstance(source, SpatioTemporalConv):
            target.set_weights(source.get_weights())
            continue
        kernel = source.kernel.numpy()
        if source.batch_norm is None:
            bias = source.bias.numpy()
        else:
            norm = source.batch_norm
            scale = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
            if norm.gamma is not None:
                scale = scale * norm.gamma.numpy()
            kernel = kernel * scale
            bias = norm.beta.numpy() - norm.moving_mean.numpy() * scale
        target.kernel.assign(kernel)
        target.bias.assign(bias)
    return folded


def _with_weights(network):
    kinds = (SpatioTemporalConv, SelfGating, Classifier)
    return [layer for layer in network._flatten_layers() if isinstance(layer, kinds)]


def window_indices(length, frames):
    """Frame numbers of the windows that cover a video, as int32 (windows, frames).

    Args:
      length: frames of the video, an integer tensor.
      frames: frames of a window.

    Raises:
      InvalidArgumentError: for a video without frames.
    """
    length = tf.cast(length, tf.int64)
    check = tf.debugging.assert_positive(length, 'The video has no frames.')
    with tf.control_dependencies([check]):
        length = tf.identity(length)
    arange = functools.partial(tf.range, dtype=tf.int64)
    starts = sampling.window_starts(length, frames, arange)
    return tf.cast(sampling.frame_numbers(length, starts, frames, arange), tf.int32)


def prepare_frames(frames, video_format):
    """Resizes and centre-crops frames as evaluation does.

    Args:
      frames: uint8 (..., height, width, channels), any size.
      video_format: a `VideoFormat`.

    Returns:
      float32 (..., crop height, crop width, channels), whole numbers from 0 to 255.
    """
    shape = tf.shape(frames)
    channels = frames.shape[-1]
    flat = tf.reshape(frames, [-1, shape[-3], shape[-2], channels])
    size = shape[-3], shape[-2]
    if video_format.frame_size is not None:
        size = video_format.frame_size
    elif video_format.short_side is not None:
        height, width = (tf.cast(side, tf.int64) for side in size)
        short, wanted = tf.minimum(height, width), video_format.short_side
        size = (sampling.scaled_side(side, short, wanted) for side in (height, width))
    size = [tf.cast(side, tf.int32) for side in size]
    flat = tf.round(tf.image.resize(flat, size, 'bilinear', antialias=False))
    crop_height, crop_width = video_format.crop_size
    message = f'The video is too small for a crop of {crop_height}x{crop_width}.'
    checks = [
        tf.debugging.assert_greater_equal(side, crop, message)
        for side, crop in zip(size, video_format.crop_size, strict=True)
    ]
    with tf.control_dependencies(checks):
        flat = flat[..., *sampling.centre(size, video_format.crop_size), :]
    lead = shape[:-3]
    return tf.reshape(flat, tf.concat([lead, [crop_height, crop_width, channels]], 0))


def _mean_over_windows(function, length, video_format, totals):
    """Mean over a video's windows of `function(frame numbers (frames,)) -> dict of float32 tensors`.

    `totals` is the same dict of zeros: the loop starts from it, so that `function` is traced once.
    """
    windows = window_indices(length, video_format.evaluation_frames)
    count = tf.shape(windows)[0]

    def add(i, totals):
        values = function(windows[i])
        return i + 1, {name: totals[name] + values[name] for name in totals}

    _, totals = tf.while_loop(
        lambda i, _: i < count, add, (tf.constant(0), totals), parallel_iterations=1
    )
    return {name: total / tf.cast(count, 'float32') for name, total in totals.items()}


def create_endpoints(network):
    """The endpoints as functions: name -> (function, input signature). `network` is used as it is."""
    config, video_format = network.config, network.video_format
    body = network.endpoints([POOLED_FEATURES])
    classifier = network.get_layer('logits')
    video_spec = tf.TensorSpec([None] * 4 + [config.channels], tf.uint8, name='video')

    # One function for all endpoints: the network is traced, and stored, once.
    @tf.function(
        input_signature=[
            tf.TensorSpec(
                [None, video_format.evaluation_frames, *video_format.crop_size, config.channels]
            )
        ]
    )
    def outputs(clips):
        windows = body(clips, training=False)[POOLED_FEATURES]
        return {'logits': classifier(windows), 'features': tf.reduce_mean(windows, 1)}

    def zeros(batch):
        sizes = {'logits': config.num_classes, 'features': body.output[POOLED_FEATURES].shape[-1]}
        return {name: tf.zeros([batch, size]) for name, size in sizes.items()}

    def of_video(video):
        def of_window(numbers):
            return outputs(prepare_frames(tf.gather(video, numbers, axis=1), video_format))

        batch, length = tf.shape(video)[0], tf.shape(video)[1]
        return _mean_over_windows(of_window, length, video_format, zeros(batch))

    def answers(outputs):
        if config.head == 'embedding':
            return {'embedding': outputs}
        return {'probabilities': tf.nn.softmax(outputs), 'logits': outputs}

    def serve(video):
        return answers(of_video(video)['logits'])

    def features(video):
        return {'features': of_video(video)['features']}

    def jpeg(frames):
        def decode(encoded):
            image = tf.image.decode_jpeg(encoded, 3, dct_method='INTEGER_ACCURATE')
            return prepare_frames(image, video_format)

        def of_window(numbers):
            spec = tf.TensorSpec((*video_format.crop_size, 3), tf.float32)
            clip = tf.map_fn(decode, tf.gather(frames, numbers), fn_output_signature=spec)
            return outputs(clip[None])

        length = tf.shape(frames)[0]
        logits = _mean_over_windows(of_window, length, video_format, zeros(1))['logits']
        return answers(logits[0])

    endpoints = {'serve': (serve, [video_spec]), 'features': (features, [video_spec])}
    if config.channels == 3:
        endpoints['jpeg'] = (jpeg, [tf.TensorSpec([None], tf.string, name='frames')])
    return endpoints


def check_output(output):
    """Refuses a folder that holds something else than a SavedModel of ours, which would be lost.

    Raises:
      ExportError: naming it.
    """
    try:
        folders.finish_swap(output)
        folders.check_place(output)
        path = pathlib.Path(os.path.expanduser(output))
        empty = not path.exists() or (path.is_dir() and not any(path.iterdir()))
        if not empty and not (path / METADATA_FILE).is_file():
            raise ExportError(
                f'{path} is there already and is not a SavedModel of this project: give another folder.'
            )
        folders.check_replaceable(output, SAVED_MODEL_FILES)
    except folders.FolderError as error:
        raise ExportError(str(error)) from error


def export(network, output, check=None):
    """Writes `network` as a SavedModel with its batch norm folded in.

    Args:
      network: a `Network`.
      output: folder to write; replaced whole where it exists, when everything is written and checked.
      check: a function of the folder that was written, which takes the place of `output` if it returns; or
        None.

    Returns:
      Names of the endpoints.

    Raises:
      ExportError: as `check_output`; and where a weight is not finite.
      whatever `check` raises; `output` is then as it was.
    """
    check_output(output)
    broken = non_finite_weight(network)
    if broken is not None:
        raise ExportError(
            f'{broken} of the network is not finite, expected numbers: nothing is exported.'
        )
    with folders.unfinished_folder(output, SAVED_MODEL_FILES) as folder:
        endpoints = _write(network, folder, output)
        if check is not None:
            check(folder)
    return endpoints


def _write(network, folder, output):
    """Writes the SavedModel for `output` into an empty folder; the names of its endpoints."""
    folded = fold_batch_norm(network)
    archive = keras.export.ExportArchive()
    archive.track(folded)
    endpoints = create_endpoints(folded)
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, signature)
    with writing(output, 'what was there before is kept; make room and export again'):
        archive.write_out(str(folder), verbose=False)
    metadata = folder / METADATA_FILE
    metadata.parent.mkdir()
    values = {
        'class_names': network.class_names,
        'network': network.config.to_dict(),
        'video_format': network.video_format.to_dict(),
        'endpoints': list(endpoints),
        'files': digests(folder),
    }
    files.write_json(metadata, values)
    return list(endpoints)


class ExportedNetwork:
    """A SavedModel written by `export`, for use from Python.

    Attributes:
      class_names: tuple of str, or None.
      config: the `NetworkConfig`.
      video_format: the `VideoFormat`: resample videos to its `frames_per_second` before calling.

    Args:
      path: the SavedModel's folder.

    Raises:
      ExportError: where there is no SavedModel of ours, or a file of it is damaged or missing.
      NonFiniteAnswerError: when it answers with NaN or infinity.
    """

    def __init__(self, path):
        path = os.path.expanduser(path)
        if not os.path.exists(path):
            folders.finish_swap(path)  # where an export was cut off
        metadata = read_metadata(path)
        self.class_names = metadata.class_names
        self.config = metadata.config
        self.video_format = metadata.video_format
        self._path = path
        with reading(f'{path} cannot be read as a SavedModel', ExportError):
            self._model = tf.saved_model.load(str(path))

    def serve(self, video):
        """Probabilities and logits, float32 (batch, classes), of uint8 videos (batch, T, H, W, C).

        Of a network whose head is an embedding: `embedding`, float32 (batch, dimensions).
        """
        return self._checked(self._model.serve(video))

    def features(self, video):
        """Features, float32 (batch, channels), of uint8 videos (batch, T, H, W, C)."""
        return self._checked(self._model.features(video))

    def jpeg(self, frames):
        """As `serve`, without the batch, of one video's JPEG frames, string (T,)."""
        return self._checked(self._model.jpeg(frames))

    def _checked(self, answers):
        for name, values in answers.items():
            require_finite(values, f'{self._path}: {name}')
        return answers
