"""Writes a network as a SavedModel for serving, and answers with one.

Its endpoints are those of `endpoints`, its batch norm is folded into the weights of convolutions.
`assets.extra/network.json` holds class names and formats.
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
from s3dg.network import Network
from s3dg.saving.endpoints import create_endpoints
from s3dg.saving.saved_model import METADATA_FILE, ExportError, digests, read_metadata

# All files of an export; a folder with other files is not replaced.
SAVED_MODEL_FILES = (
    'saved_model.pb',
    'fingerprint.pb',
    'variables/variables.*',
    'assets/*',
    METADATA_FILE,
)


def check_output(output):
    """Raises ExportError for a folder that holds anything but a SavedModel of ours, to be lost."""
    try:
        folders.finish_swap(output)
        folders.check_place(output)
        path = pathlib.Path(os.path.expanduser(output))
        empty = not path.exists() or (path.is_dir() and not any(path.iterdir()))
        if not empty and not (path / METADATA_FILE).is_file():
            raise ExportError(
                f'{path} is there already and is not a SavedModel of this project: give another '
                f'folder.'
            )
        folders.check_replaceable(output, SAVED_MODEL_FILES)
    except folders.FolderError as error:
        raise ExportError(str(error)) from error


def export(network, output, check=None):
    """Writes `network` as a SavedModel, and returns the names of its endpoints.

    Args:
      network: a `Network`.
      output: folder to write, which is replaced whole.
      check: called with the new folder before it takes the place of `output`, which stays as it was
        where `check` raises.

    Raises:
      ExportError: as `check_output`; and where a weight is not finite.
    """
    return replace_with(_write, network, output, check)


def replace_with(write, model, output, check=None):
    """Has a SavedModel of a model written, and returns the names of its endpoints.

    Args:
      write: takes the model, an empty folder to write and, for what it says of faults, `output`;
        returns the names.
      model: a `Network` or a `Detector`.
      output, check: as of `export`, with its errors.
    """
    check_output(output)
    broken = non_finite_weight(model)
    if broken is not None:
        kind = type(model).__name__.lower()
        raise ExportError(
            f'{broken} of the {kind} is not finite, expected numbers: nothing is exported.'
        )
    with folders.unfinished_folder(output, SAVED_MODEL_FILES) as folder:
        endpoints = write(model, folder, output)
        if check is not None:
            check(folder)
    return endpoints


def write_files(model, endpoints, metadata, folder, output):
    """Writes a Keras model as a SavedModel into an empty folder; the names of its endpoints.

    Args:
      model: has all the weights.
      endpoints: dict from a name to (function, input signature); the first is the default one.
      metadata: what `METADATA_FILE` says beside the digests of the files; JSON-serialisable.
      output: what the folder is for.
    """
    archive = keras.export.ExportArchive()
    # Not `track`, which traces all endpoints once more to look for tables that there are none of.
    for name in ('variables', 'trainable_variables', 'non_trainable_variables'):
        archive.add_variable_collection(name, getattr(model, name))
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, signature)
    with writing(output, 'what was there before is kept; make room and export again'):
        archive.write_out(str(folder), verbose=False)
    (folder / METADATA_FILE).parent.mkdir()
    files.write_json(folder / METADATA_FILE, {**metadata, 'files': digests(folder)})
    return list(endpoints)


def fold_batch_norm(network):
    """The same network with biases for batch norm, whose logits agree with it up to rounding."""
    folded = Network(
        network.config.replace(batch_norm=False), network.class_names, network.video_format
    )
    kinds = (SpatioTemporalConv, SelfGating, Classifier)
    layers = (
        [layer for layer in one._flatten_layers() if isinstance(layer, kinds)]
        for one in (network, folded)
    )
    for source, target in zip(*layers, strict=True):
        norm = getattr(source, 'batch_norm', None)
        if norm is None:
            target.set_weights(source.get_weights())
            continue
        scale = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        if norm.gamma is not None:
            scale = scale * norm.gamma.numpy()
        target.kernel.assign(source.kernel.numpy() * scale)
        target.bias.assign(norm.beta.numpy() - norm.moving_mean.numpy() * scale)
    return folded


def _write(network, folder, output):
    folded = fold_batch_norm(network)
    endpoints = create_endpoints(folded)
    metadata = {
        'class_names': network.class_names,
        'network': network.config.to_dict(),
        'video_format': network.video_format.to_dict(),
        'endpoints': list(endpoints),
    }
    return write_files(folded, endpoints, metadata, folder, output)


class ExportedNetwork:
    """A SavedModel written by `export`, for use from Python.

    Attributes:
      class_names, config: as of the `Network`.
      video_format: the `VideoFormat`: resample videos to its `frames_per_second` before calling.

    Raises:
      ExportError: where there is no SavedModel of ours, or a file of it is damaged or missing.
      NonFiniteAnswerError: when it answers with NaN or infinity.
    """

    def __init__(self, path):
        path = os.path.expanduser(path)
        if not os.path.exists(path):
            folders.finish_swap(path)  # where an export was cut off
        self.class_names, self.config, self.video_format = read_metadata(path)
        self._path = path
        with reading(f'{path} cannot be read as a SavedModel', ExportError):
            self._model = tf.saved_model.load(str(path))

    @functools.cached_property
    def network(self):
        """The `Network` of the export, with biases for batch norm, as `fold_batch_norm` made it.

        Raises:
          ExportError: where the SavedModel has other variables.
        """
        config = self.config.replace(batch_norm=False)
        network = Network(config, self.class_names, self.video_format)
        held = {one.name.removesuffix(':0'): one for one in self._model.variables}
        for variable in network.variables:
            one = held.get(variable.path)
            if one is None or one.shape != variable.shape:
                found = 'no such variable' if one is None else f'one of {tuple(one.shape)}'
                raise ExportError(
                    f'{self._path}: {variable.path}: found {found}, expected {variable.shape}; '
                    f'export the network again'
                )
            variable.assign(one.numpy())
        return network

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
