"""The networks that flags name; what cannot be loaded is a fault of the flag."""

from s3dg import weights
from s3dg.errors import S3dgError
from s3dg.program.entry import MissingFileError, UsageError
from s3dg.program.workdir import home_path
from s3dg.saving import keras_file, loaded
from s3dg.weights import WeightsError, files


def load_model(path):
    """The `LoadedNetwork` of a `.keras` file, or the `ExportedNetwork` of a SavedModel's folder.

    Raises:
      UsageError, ExportError: where there is neither.
    """
    return loaded.load(path, load_network)


def load_network(path, flag='--model', kinds=(keras_file.NETWORK,)):
    """The `Network` saved at `path`, which flag `flag` gave; UsageError where there is none.

    Args:
      kinds: as of `keras_file.load`.
    """
    path = home_path(path)
    if not path.exists():
        raise MissingFileError(f'{flag}: expected a .keras file, found {path}, which is not there.')
    if not path.is_file() or path.suffix != '.keras':
        what = ', which is a folder' if path.is_dir() else ''
        raise UsageError(f'{flag}: expected a .keras file, found {path}{what}.')
    try:
        return keras_file.load(path, kinds)
    except S3dgError as error:
        raise UsageError(f'{flag}: {path}: {error}.') from error


def load_image_network(path, flag='--imagenet'):
    """A `Network` for images, which no convolution extends over time in: for ImageNet's weights.

    Args:
      path: of a `.keras` file with an I2D, or of TF-slim's checkpoint of Inception-v1, as
        `weights.load` takes it.
      flag: that gave it.

    Raises:
      MissingFileError, UsageError: where there is none.
    """
    path = home_path(path)
    if path.suffix == '.keras':
        network = load_network(path, flag)
    else:
        image_files(path, flag)
        try:
            network = weights.load('inception_v1', path, network='i2d').network
        except S3dgError as error:
            raise UsageError(f'{flag}: {error}') from error
    if network.config.temporal_from is not None:
        raise UsageError(
            f'{flag}: {path} is a network with temporal convolutions, expected a 2D one, e.g. of '
            's3dg import-weights --source=inception_v1 --network=i2d.'
        )
    return network


def image_files(path, flag='--imagenet'):
    """The files, as `pathlib.Path`s, that hold what `load_image_network` loads."""
    path = home_path(path)
    if path.suffix == '.keras' and path.exists():
        return [path]
    try:
        return files.tensorflow_files(path)
    except WeightsError as error:
        kind = MissingFileError if not path.exists() else UsageError
        raise kind(
            f"{flag}: expected a .keras file or TF-slim's inception_v1.ckpt, found {path}: {error}"
        ) from error


def require_classes(model, path):
    """Raises UsageError for a network, or SavedModel, at `path` whose outputs are no classes."""
    if model.config.head == 'embedding':
        raise UsageError(
            f'--model: {path} returns an embedding of {model.config.num_classes} dimensions, '
            f'expected classes; train on a dataset with --init first.'
        )


def require_rgb(model, path):
    """Raises UsageError for a network, or SavedModel, at `path` that does not take video files."""
    channels = model.config.channels
    if channels != 3:
        raise UsageError(f'--model: {path} takes {channels} channels, video files have 3.')
