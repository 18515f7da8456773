"""Files of the Hugging Face Hub, by addresses such as `hf://OWNER/REPO/FILE`.

    hf://OWNER/REPO/s3d_g.keras
    hf://OWNER/REPO@REVISION/exports/s3d_g     # a SavedModel's folder, of a branch, tag or commit

They are fetched once and kept where `huggingface_hub` keeps its files; whole files only, and where
the Hub cannot be reached those that are there already. It must be installed: the extra `hub`.
"""

import glob
import pathlib

from s3dg.errors import S3dgError, one_line

PREFIX = 'hf://'

_EXPECTED = 'expected hf://OWNER/REPO/FILE or hf://OWNER/REPO@REVISION/FILE'


class HubError(S3dgError, ValueError):
    """An address of the Hub at which nothing can be had; the message names it."""


def is_address(path) -> bool:
    """Whether a path, `str` or `pathlib.Path`, is an address of the Hub."""
    return str(path).startswith(PREFIX)


def fetch(address: str) -> pathlib.Path:
    """The file or folder of an address on this machine, downloaded where it is not there.

    A TensorFlow checkpoint is named by its prefix, and all of its files are fetched.

    Raises:
      HubError: where `huggingface_hub` is not installed, the address is none, there is nothing, it
        may not be read, or the Hub cannot be reached and the files are not there.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise HubError(f"{address}: needs huggingface_hub: pip install '.[hub]'") from error
    try:
        place = huggingface_hub.parse_hf_uri(address)
    except ValueError as error:
        raise HubError(f'{address}: not an address of a file, {_EXPECTED}.') from error
    if place.type == 'bucket' or not place.path_in_repo:
        raise HubError(f'{address}: not an address of a file, {_EXPECTED}.')
    name = glob.escape(place.path_in_repo)
    try:
        folder = huggingface_hub.snapshot_download(
            place.id,
            repo_type=place.type,
            revision=place.revision,
            allow_patterns=[name, f'{name}/*', f'{name}.index', f'{name}.data-*', f'{name}.meta'],
            library_name='s3dg',
        )
    except Exception as error:  # of the Hub, the network, the disk: each library has its own
        raise HubError(f'{address}: {one_line(error, 250)}') from error
    path = pathlib.Path(folder, place.path_in_repo)
    if not path.exists() and not path.with_name(f'{path.name}.index').exists():
        raise HubError(f'{address}: there is no {place.path_in_repo} in {place.id}.')
    return path
