"""Released weights of published networks, as networks of this project.

`load` reads a file, `inflate` starts one network from another. Each source says how its variables'
names and layouts are translated; `assign` does the rest, the same for all. A file is used whole or
refused: every variable has its place or is known to need none.
"""

import dataclasses
from importlib import resources

from s3dg.config import NetworkConfig, named_config
from s3dg.network import Network
from s3dg.weights import deepmind_i3d, files, howto100m, slim, torch_i3d, torch_s3d
from s3dg.weights.assign import WeightsError, assign
from s3dg.weights.inflation import inflate, inherited_fields

SOURCES = {
    'inception_v1': slim.INCEPTION_V1,
    'slim': slim.SOURCE,
    'deepmind_i3d': deepmind_i3d.SOURCE,
    'tfhub_i3d': deepmind_i3d.SOURCE,
    'torchvision': torch_s3d.TORCHVISION,
    'kylemin': torch_s3d.KYLEMIN,
    'howto100m': howto100m.SOURCE,
    'pytorch_i3d': torch_i3d.PYTORCH_I3D,
    'hassony2_i3d': torch_i3d.HASSONY2_I3D,
}

# Kinetics' labels by their number, in the order of the logits of published networks.
LABEL_SETS = {400: 'kinetics400', 600: 'kinetics600'}


def kinetics_labels(num_classes):
    """The labels of Kinetics-400 or -600 as a tuple; None for another number of classes."""
    if num_classes not in LABEL_SETS:
        return None
    file = resources.files('s3dg.weights') / 'labels' / f'{LABEL_SETS[num_classes]}.txt'
    return tuple(file.read_text(encoding='utf-8').splitlines())


@dataclasses.dataclass(frozen=True)
class Imported:
    """A network with released weights, and what became of the file's variables."""

    network: Network
    variables_used: int  # how many of them are in the network
    variables_left_out: list[str]  # names of those that have no place in it
    # Layers that the file has nothing for and that are as they were initialised.
    layers_kept: list[str]


def load(source, path, **options):
    """The `Imported` network of a released checkpoint; `from_arrays` says more.

    Args:
      source: one of `SOURCES`.
      path: the file. TensorFlow's checkpoints are given as to `tf.train.load_checkpoint`, or as one
        of their files; 'tfhub_i3d' is the folder of the module.

    Raises:
      WeightsError, ConfigError: as `from_arrays`, naming the file where it is at fault.
    """
    try:
        if not SOURCES[source].torch:
            return from_arrays(source, files.read_tensorflow(path), **options)
        file = files.read_torch(path)
        imported = from_arrays(source, file.arrays, **options)
    except WeightsError as error:
        raise WeightsError(f'{path}: {error}') from error
    left_out = [*imported.variables_left_out, *file.beside]
    return dataclasses.replace(imported, variables_left_out=left_out)


def from_arrays(source, arrays, network=None, class_names=None, **fields):
    """The `Imported` network of a released checkpoint's variables.

    Args:
      source: one of `SOURCES`.
      arrays: dict from the variables' names to NumPy arrays, in the file's own layout.
      network: for 'inception_v1', which of `s3dg.NETWORKS` is to be made from it; the other
        sources' files say which network they hold.
      class_names: one string per class; None: those of Kinetics where there are as many classes.
      **fields: fields of `NetworkConfig` that are to differ, e.g. `dropout_rate=0.5`, or for
        'inception_v1' `channels=2`, `num_classes=101`.

    Raises:
      WeightsError: where a variable is missing, unknown, or of another shape.
      ConfigError: where a field cannot be.
    """
    known = SOURCES[source]
    inflated = bool(known.kept)
    if inflated != (network is not None):
        needs = 'needs to be told which' if inflated else 'says itself which'
        raise WeightsError(f'source {source} {needs} network it becomes.')
    own = known.fields_of(arrays)
    if inflated:
        config = NetworkConfig.from_dict(own)
        wanted = named_config(network, **{**inherited_fields(config), **fields})
    else:
        config = wanted = NetworkConfig.from_dict({**own, **fields})
        if class_names is None and config.head == 'classifier':
            class_names = kinetics_labels(config.num_classes)
    if class_names is not None and len(class_names) != wanted.num_classes:
        raise WeightsError(
            f'class_names: found {len(class_names)} names, expected one for each of '
            f'{wanted.num_classes} classes.'
        )
    loaded = Network(config, None if inflated else class_names, known.video_format)
    used, left_out = assign(
        loaded, arrays, known.names_of, known.convert, known.left_out, known.kept
    )
    if not inflated:
        return Imported(loaded, used, left_out, [])
    target = Network(wanted, class_names, known.video_format)
    return Imported(target, used, left_out, inflate(loaded, target, known.kept))
