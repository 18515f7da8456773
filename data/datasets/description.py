"""Checks what a dataset on disk says of itself: features, metadata, splits and class names."""

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
    """Checks the description of an opened dataset.

    Raises:
      DatasetError: naming the folder, or the file of it, with what is wrong.
    """
    folder, info = opened.data_dir, opened.info
    names = {VIDEO, ID, LABEL}
    is_ours = isinstance(info.features, tfds.features.FeaturesDict) and names <= {*info.features}
    if not is_ours or not isinstance(info.features[LABEL], tfds.features.ClassLabel):
        raise DatasetError(
            f'{folder}/features.json: found no features of a dataset of videos,'
            f' expected {", ".join(sorted(names))}; {REMEDY}'
        )
    with reading(f'{folder}/metadata.json is damaged; {REMEDY}', DatasetError):
        metadata = dict(info.metadata or {})
    missing = [name for name in (*_FIELDS, 'flip_left_right') if name not in metadata]
    if missing:
        raise DatasetError(f'{folder}/metadata.json: found no {missing[0]!r}; {REMEDY}')
    try:
        with reading('a value is of another type', DatasetError):
            VideoConfig(name='stored', **{name: metadata[name] for name in _FIELDS})
    except DatasetError as error:
        raise DatasetError(f'{folder}/metadata.json is damaged: {error}; {REMEDY}') from error
    if not isinstance(metadata['flip_left_right'], bool):
        raise DatasetError(
            f'{folder}/metadata.json: found flip_left_right={metadata["flip_left_right"]!r},'
            f' expected true or false; {REMEDY}'
        )
    for split, one in info.splits.items():
        # A damaged pattern of names may be none, or lead elsewhere.
        with reading(f'{folder}/dataset_info.json is damaged; {REMEDY}', DatasetError):
            strange = [
                path for path in one.filepaths if pathlib.Path(path).parent != pathlib.Path(folder)
            ]
        if strange:
            raise DatasetError(
                f'{folder}/dataset_info.json: found the shard {strange[0]}, expected it beside this'
                f' file; {REMEDY}'
            )
        if any(count < 0 for count in one.shard_lengths):
            raise DatasetError(
                f'{folder}/dataset_info.json: found a shard of {min(one.shard_lengths)} records in'
                f' split {split!r}; {REMEDY}'
            )
    _check_names(folder, info.features, metadata)


def _check_names(folder, features, metadata) -> None:
    """Holds the class names against what was written with them."""
    names = features[LABEL].names
    found = label_digests(features)
    expected = metadata.get(LABEL_DIGESTS, found)  # earlier datasets have none
    if expected != found:
        is_known = isinstance(expected, dict)
        differ = [name for name in found if is_known and expected.get(name) != found[name]]
        name = (differ or [LABEL])[0]
        raise DatasetError(
            f'{folder}/{name.replace("/", "-")}.labels.txt: found {len(names)} class names that are'
            f' not those that the dataset was converted with; {REMEDY}'
        )
    with reading(f'{folder}/features.json is damaged; {REMEDY}', DatasetError):
        described = json.loads(pathlib.Path(folder, 'features.json').read_bytes())
        label = described['featuresDict']['features'][LABEL]
        count = int(label['classLabel']['numClasses'])
    if count != len(names) or len(set(names)) != count:
        raise DatasetError(
            f'{folder}/label.labels.txt: found {len(names)} class names, {len(set(names))} of them'
            f' different, expected {count}; {REMEDY}'
        )
