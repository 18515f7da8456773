"""Reads a network from a `.keras` file, which may be damaged or made to fill the memory.

A `.keras` file is a zip archive of `config.json`, which says what is built, and `model.weights.h5`,
which holds the weights. Keras builds first and compares afterwards. So both are compared here
before anything is built: then a network takes no more memory than a few times the size of its file.
"""

import dataclasses
import json
import zipfile
from collections.abc import Callable

import h5py
import keras

from s3dg import files
from s3dg.answers import non_finite_weight
from s3dg.config import NetworkConfig, VideoFormat
from s3dg.errors import S3dgError, reading
from s3dg.network import INCEPTION_FILTERS, STEM_CONVOLUTIONS

# How much larger than the file the contents of its archive may be; Keras does not compress them.
MOST_INFLATION = 4

_CONFIG_FILE, _WEIGHTS_FILE = 'config.json', 'model.weights.h5'


class KerasFileError(S3dgError, ValueError):
    """A `.keras` file that holds no network of this project, or is damaged.

    The message lacks the file's name. A field of its configuration that is not valid raises a
    `ConfigError`.
    """


@dataclasses.dataclass(frozen=True)
class Kind:
    """A class of which a `.keras` file may hold one."""

    name: str
    # What its `get_config` returned -> the `NetworkConfig`s of its networks, and a lower bound of
    # the number of its other weights; any error is damage.
    read: Callable[[dict], tuple[list[NetworkConfig], int]]


def _read_network(values):
    names = values['class_names']
    VideoFormat.from_dict(values['video_format'])
    config = NetworkConfig.from_dict(values['config'])
    if names is not None and (
        len(names) != config.num_classes or not all(isinstance(name, str) for name in names)
    ):
        raise KerasFileError(
            f'it has {len(names)} class names, expected one for each of {config.num_classes} '
            f'classes'
        )
    return [config], 0


NETWORK = Kind('Network', _read_network)


def load(path, kinds=(NETWORK,)):
    """The `Network`, or what else `kinds` allow, that a `.keras` file holds.

    Raises:
      KerasFileError, ConfigError: if it holds none, or is damaged, or a weight is NaN or infinite.
      OSError: where it cannot be opened.
    """
    check(path, kinds)
    with reading('it cannot be read as a network', KerasFileError):
        network = keras.models.load_model(path, compile=False)
    broken = non_finite_weight(network)
    if broken is not None:
        raise KerasFileError(f'its {broken} is not finite, expected numbers')
    return network


def check(path, kinds=(NETWORK,)):
    """Compares what a file says of its network with what it holds; raises as `load`."""
    with open(path, 'rb') as file:
        with reading('it is no .keras file, or not a whole one', KerasFileError):
            archive = zipfile.ZipFile(file)
            size = file.seek(0, 2)
            stated = sum(member.file_size for member in archive.infolist())
            if stated > MOST_INFLATION * size:
                raise KerasFileError(
                    f'its {size:,} bytes unpack to {stated:,}, expected at most {MOST_INFLATION} '
                    f'times as many'
                )
            damaged = archive.testzip()
            names = {_CONFIG_FILE, _WEIGHTS_FILE} - {*archive.namelist()}
        if damaged is not None or names:
            what = f'{damaged} is damaged' if damaged else f'it has no {min(names)}'
            raise KerasFileError(f'it is no whole .keras file: {what}')
        configs, further = _read_config(archive, kinds)
        with reading('its weights cannot be read', KerasFileError):
            held = _count_weights(archive)
    with reading(f'its {_CONFIG_FILE} cannot be read', KerasFileError):
        needed = sum(map(least_weights, configs)) + further
    if needed > held:
        told = ', '.join(f'{one.num_classes} classes, width {one.width:g}' for one in configs)
        raise KerasFileError(
            f'its network needs {needed:,} weights or more ({told}), and it holds {held:,}'
        )


def _read_config(archive, kinds):
    with reading(f'its {_CONFIG_FILE} cannot be read', KerasFileError):
        values = json.loads(archive.read(_CONFIG_FILE))
        found, registered = values['class_name'], values.get('registered_name')
        kind = next((one for one in kinds if one.name == found), None)
        if kind is None or registered != f's3dg>{found}':
            names = ' or '.join(one.name.lower() for one in kinds)
            raise KerasFileError(f'it holds a {found}, expected a {names} of this project')
        return kind.read(values['config'])


def _count_weights(archive):
    """How many numbers the datasets hold, none of which may be compressed or left out."""
    count = 0

    def add(name, item):
        nonlocal count
        if isinstance(item, h5py.Dataset):
            if item.nbytes != item.id.get_storage_size():
                stored = item.id.get_storage_size()
                raise ValueError(f'{name} claims {item.nbytes:,} bytes and has {stored:,}')
            count += item.size

    with archive.open(_WEIGHTS_FILE) as member, h5py.File(member, 'r') as file:
        file.visititems(add)
    return count


def least_weights(config):
    """A lower bound of the number of weights of a `NetworkConfig`'s network, mostly a third of it.

    Temporal extents of at most three are left out, and so are gates, biases and batch norm.
    """
    (number, _), *others = STEM_CONVOLUTIONS.values()
    filters = config.filters(number)
    spatial = config.stem_spatial_size**2 * config.channels * filters
    temporal = config.resolved_stem_temporal_size
    both = config.stem_separable and temporal > 1
    total = spatial + temporal * filters**2 if both else spatial * temporal
    channels = filters
    for number, size in others:
        filters = config.filters(number)
        total += size**2 * channels * filters
        channels = filters
    for first, (reduce_1, out_1), (reduce_2, out_2), last in INCEPTION_FILTERS.values():
        wide = [config.filters(n) for n in (first, reduce_1, out_1, reduce_2, out_2, last)]
        first, reduce_1, out_1, reduce_2, out_2, last = wide
        total += channels * (first + reduce_1 + reduce_2 + last)
        total += 9 * (reduce_1 * out_1 + reduce_2 * out_2)
        channels = first + out_1 + out_2 + last
    return total + channels * config.num_classes


def save(network, path):
    """Writes `network` to `path`, which is whole at any time."""
    with files.unfinished(path) as temporary:
        network.save(temporary)
