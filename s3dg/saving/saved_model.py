"""The metadata of an exported network, and whether its files are those that were written.

TensorFlow takes a damaged SavedModel for a whole one, or fails in a hundred ways, some of which end
the process. So an export records the digests of its files, and nothing that differs is loaded.
"""

import contextlib
import dataclasses
import hashlib
import pathlib

from s3dg.config import ConfigError, NetworkConfig, VideoFormat
from s3dg.errors import S3dgError, reading
from s3dg.files.readers import read_json

METADATA_FILE = 'assets.extra/network.json'

_REMEDY = 'export the network again'


class ExportError(S3dgError, ValueError):
    """A folder that is not a SavedModel of this project."""


@dataclasses.dataclass(frozen=True)
class Metadata:
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


@contextlib.contextmanager
def _of_export(path):
    """Turns `ConfigError`s into errors that name the file at fault."""
    try:
        yield
    except ConfigError as error:
        raise ExportError(f'{path} is damaged: {error}; {_REMEDY}') from error


def read_metadata(folder):
    """The `Metadata` of a SavedModel, whose files are compared with what was written.

    Raises:
      ExportError: naming the file that is missing, damaged or another one.
    """
    path = pathlib.Path(folder, METADATA_FILE)
    if not path.is_file():
        raise ExportError(
            f'{folder} is not a SavedModel written by this project: it has no {METADATA_FILE}.'
        )
    values = read_json(path, ExportError, _REMEDY)
    with _of_export(path), reading(f'{path} is damaged; {_REMEDY}', ExportError):
        # Earlier versions wrote no digests: for their exports TensorFlow's own check must do.
        expected = dict(values['files']) if 'files' in values else None
        names = values['class_names']
        metadata = Metadata(
            None if names is None else tuple(names),
            NetworkConfig.from_dict(values['network']),
            VideoFormat.from_dict(values['video_format']),
        )
    names = metadata.class_names
    if names is not None and (
        len(names) != metadata.config.num_classes or not all(isinstance(n, str) for n in names)
    ):
        raise ExportError(
            f'{path} is damaged: found {len(names)} class names, expected '
            f'{metadata.config.num_classes}; {_REMEDY}'
        )
    found = digests(folder)
    for name in ('saved_model.pb', 'variables/variables.index', *(expected or ())):
        if name not in found:
            raise ExportError(f'{folder}/{name} is not there; {_REMEDY}')
        if expected is not None and found[name] != expected.get(name):
            raise ExportError(f'{folder}/{name} is not as it was exported; {_REMEDY}')
    return metadata
