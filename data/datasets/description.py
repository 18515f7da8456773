"""Checks what a dataset on disk says of itself: features, metadata, splits and class names."""

import contextlib
import json
import pathlib

import tensorflow_datasets as tfds

from data.datasets.builder import LABEL_DIGESTS, VideoConfig, label_digests
from data.errors import DatasetError
from data.example import ID, LABEL, VIDEO
from s3dg.errors import reading

REMEDY = 'remove this folder and convert again'

# Of a dataset's metadata: the fields of a configuration that reading it depends on.
_FIELDS = ('frames_per_second', 'frame_size', 'short_side', 'modality')


def check(opened: tfds.core.DatasetBuilder) -> None:
    """Raises DatasetError, naming the file, if the description of an opened dataset is damaged."""
    folder, info = opened.data_dir, opened.info
    names, features = {VIDEO, ID, LABEL}, info.features
    is_ours = isinstance(features, tfds.features.FeaturesDict) and names <= {*features}
    if not is_ours or not isinstance(features[LABEL], tfds.features.ClassLabel):
        expected = f'a dataset of videos, expected {", ".join(sorted(names))}'
        raise _fault(folder, f'features.json: found no features of {expected}')
    with _parsing(folder, 'metadata.json'):
        metadata = dict(info.metadata or {})
    missing = [name for name in (*_FIELDS, 'flip_left_right') if name not in metadata]
    if missing:
        raise _fault(folder, f'metadata.json: found no {missing[0]!r}')
    try:
        with reading('a value is of another type', DatasetError):
            VideoConfig(name='stored', **{name: metadata[name] for name in _FIELDS})
    except DatasetError as error:
        raise _fault(folder, f'metadata.json is damaged: {error}') from error
    flips = metadata['flip_left_right']
    if not isinstance(flips, bool):
        found = f'flip_left_right={flips!r}, expected true or false'
        raise _fault(folder, f'metadata.json: found {found}')
    for split, one in info.splits.items():
        # A damaged pattern of names may be none, or lead elsewhere.
        with _parsing(folder, 'dataset_info.json'):
            paths = map(pathlib.Path, one.filepaths)
            strange = [path for path in paths if path.parent != pathlib.Path(folder)]
        if strange:
            found = f'the shard {strange[0]}, expected it beside this file'
            raise _fault(folder, f'dataset_info.json: found {found}')
        least = min(one.shard_lengths, default=0)
        if least < 0:
            found = f'a shard of {least} records in split {split!r}'
            raise _fault(folder, f'dataset_info.json: found {found}')
    _check_names(folder, features, metadata)


def _check_names(folder, features, metadata) -> None:
    """Holds the class names against what was written with them."""
    names = features[LABEL].names
    found = label_digests(features)
    expected = metadata.get(LABEL_DIGESTS, found)  # earlier datasets have none
    if expected != found:
        is_known = isinstance(expected, dict)
        differ = [name for name in found if is_known and expected.get(name) != found[name]]
        file = f'{(differ or [LABEL])[0].replace("/", "-")}.labels.txt'
        others = 'are not those that the dataset was converted with'
        raise _fault(folder, f'{file}: found {len(names)} class names that {others}')
    with _parsing(folder, 'features.json'):
        described = json.loads(pathlib.Path(folder, 'features.json').read_bytes())
        label = described['featuresDict']['features'][LABEL]
        count = int(label['classLabel']['numClasses'])
    if count != len(names) or len(set(names)) != count:
        found = f'{len(names)} class names, {len(set(names))} of them different'
        raise _fault(folder, f'label.labels.txt: found {found}, expected {count}')


def _fault(folder, what) -> DatasetError:
    return DatasetError(f'{folder}/{what}; {REMEDY}')


def _parsing(folder, file) -> contextlib.AbstractContextManager:
    """Makes a line of whatever a damaged file leads to in what reads it."""
    return reading(f'{folder}/{file} is damaged; {REMEDY}', DatasetError)
