"""The metadata of an exported network, and whether its files are those that were written.

TensorFlow takes a damaged SavedModel for a whole one, or fails in a hundred ways, some of which end
the process. So an export records the digests of its files, and nothing that differs is loaded.
"""

import hashlib
import pathlib
from typing import NamedTuple

from s3dg.config import ConfigError, NetworkConfig, VideoFormat
from s3dg.errors import S3dgError, reading
from s3dg.files.readers import read_json

METADATA_FILE = 'assets.extra/network.json'

_REMEDY = 'export the network again'


class ExportError(S3dgError, ValueError):
    """A folder that is not a SavedModel of this project."""


class Metadata(NamedTuple):
    """What `METADATA_FILE` says of a network: attributes as of `export.ExportedNetwork`."""

    class_names: tuple[str, ...] | None
    config: NetworkConfig
    video_format: VideoFormat


def digests(folder):
    """SHA-256 of every file of a SavedModel but `METADATA_FILE`, by its path in the folder."""
    folder = pathlib.Path(folder)
    found = {}
    for path in sorted(folder.rglob('*')):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != METADATA_FILE:
            with path.open('rb') as file:
                found[name] = hashlib.file_digest(file, 'sha256').hexdigest()
    return found


def read_values(folder, kind='network'):
    """What `METADATA_FILE` holds, of a SavedModel whose files are as they were written.

    Raises:
      ExportError: where one is missing or another, or the SavedModel is of another kind.
    """
    path = pathlib.Path(folder, METADATA_FILE)
    if not path.is_file():
        raise ExportError(
            f'{folder} is not a SavedModel written by this project: it has no {METADATA_FILE}.'
        )
    values = read_json(path, ExportError, _REMEDY)
    found_kind = values.get('kind', 'network')
    if found_kind != kind:
        raise ExportError(f'{folder} is the SavedModel of a {found_kind}, expected a {kind}.')
    with reading(f'{path} is damaged; {_REMEDY}', ExportError):
        # Earlier versions wrote no digests: for their exports TensorFlow's own check must do.
        expected = dict(values['files']) if 'files' in values else None
    found = digests(folder)
    for name in ('saved_model.pb', 'variables/variables.index', *(expected or ())):
        if name not in found:
            raise ExportError(f'{folder}/{name} is not there; {_REMEDY}')
        if expected is not None and found[name] != expected.get(name):
            raise ExportError(f'{folder}/{name} is not as it was exported; {_REMEDY}')
    return values


def read_metadata(folder):
    """The `Metadata` of a network's SavedModel; ExportError for what is not as it was written."""
    values = read_values(folder)
    path = pathlib.Path(folder, METADATA_FILE)
    try:
        with reading(f'{path} is damaged; {_REMEDY}', ExportError):
            names = None if values['class_names'] is None else tuple(values['class_names'])
            config = NetworkConfig.from_dict(values['network'])
            video_format = VideoFormat.from_dict(values['video_format'])
    except ConfigError as error:
        raise ExportError(f'{path} is damaged: {error}; {_REMEDY}') from error
    if names is not None and (
        len(names) != config.num_classes or not all(isinstance(name, str) for name in names)
    ):
        raise ExportError(
            f'{path} is damaged: found {len(names)} class names, expected {config.num_classes}; '
            f'{_REMEDY}'
        )
    return Metadata(names, config, video_format)
