"""The datasets by name, and how to open one that is on disk."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shlex

import tensorflow_datasets as tfds

from data.conversion.convert import convert_dataset
from data.datasets import description
from data.datasets.builder import VideoBuilder, VideoConfig
from data.datasets.facts import Facts
from data.datasets.hmdb51 import hmdb51_dataset_builder
from data.datasets.jhmdb import jhmdb_dataset_builder
from data.datasets.kinetics400 import kinetics400_dataset_builder
from data.datasets.mini_kinetics200 import mini_kinetics200_dataset_builder
from data.datasets.moving_shapes import moving_shapes_dataset_builder
from data.datasets.moving_shapes_boxes import moving_shapes_boxes_dataset_builder
from data.datasets.something_something_v1 import something_something_v1_dataset_builder
from data.datasets.something_something_v2 import something_something_v2_dataset_builder
from data.datasets.ucf101 import ucf101_dataset_builder
from data.datasets.ucf101_24 import ucf101_24_dataset_builder
from data.datasets.video_folder import video_folder_dataset_builder
from data.errors import DatasetError, Report
from s3dg.errors import reading
from s3dg.files import folders

BUILDERS = {
    'moving_shapes': moving_shapes_dataset_builder.Builder,
    'moving_shapes_boxes': moving_shapes_boxes_dataset_builder.Builder,
    'video_folder': video_folder_dataset_builder.Builder,
    'kinetics400': kinetics400_dataset_builder.Builder,
    'mini_kinetics200': mini_kinetics200_dataset_builder.Builder,
    'something_something_v1': something_something_v1_dataset_builder.Builder,
    'something_something_v2': something_something_v2_dataset_builder.Builder,
    'hmdb51': hmdb51_dataset_builder.Builder,
    'ucf101': ucf101_dataset_builder.Builder,
    'jhmdb': jhmdb_dataset_builder.Builder,
    'ucf101_24': ucf101_24_dataset_builder.Builder,
}
# These are made by whatever needs them first.
EMBEDDED = ('moving_shapes', 'moving_shapes_boxes')

_LISTED = 8  # configurations that a message names


def builder_class(name: str) -> type[VideoBuilder]:
    """The builder of a dataset. Raises DatasetError if there is none of this name."""
    if name not in BUILDERS:
        raise DatasetError(f'dataset: found {name!r}, expected one of {", ".join(BUILDERS)}')
    return BUILDERS[name]


def make_builder(
    name: str,
    config: str | None = None,
    data_dir: str | os.PathLike | None = None,
    manual_dir: str | os.PathLike | None = None,
    **config_fields,
) -> VideoBuilder:
    """Makes a builder for converting a dataset.

    Args:
      name: a key of BUILDERS.
      config: name of the configuration, by default the builder's first. Where the builder has
        configurations, it is one of theirs or begins with one and "_" ("rgb_short_side"), whose
        fields it takes; where it has none, it is a word of the user's choice.
      data_dir: TFDS folder, by default ~/tensorflow_datasets.
      manual_dir: the user's folder of videos, for the builders that need one.
      **config_fields: fields of the configuration that differ from its own.

    Raises:
      DatasetError: for an unknown dataset, configuration or field, or if the folder of videos does
        not serve.
    """
    cls, config, path = _locate(name, config, data_dir)
    if manual_dir is not None:
        config_fields['manual_dir'] = os.path.abspath(os.path.expanduser(manual_dir))
    fields = [field.name for field in dataclasses.fields(cls.CONFIG_CLASS)]
    for field in config_fields:
        if field not in fields:
            raise DatasetError(
                f'{name}: found field {field!r}, expected one of {", ".join(fields)}'
            )
    config_fields['name'] = config
    if cls.BUILDER_CONFIGS:
        configuration = dataclasses.replace(_beginning(name, config), **config_fields)
    else:
        configuration = cls.CONFIG_CLASS(**config_fields)
    with _reading(path):
        return cls(config=configuration, data_dir=str(path.parents[2]))


def open_dataset(
    name: str,
    config: str | None = None,
    data_dir: str | os.PathLike | None = None,
    report: Report | None = None,
) -> tfds.core.DatasetBuilder:
    """Opens a converted dataset for reading; an embedded one is made first if it is not there.

    Args:
      name, config, data_dir: as of `make_builder`.
      report: called with a line every few seconds while an embedded dataset is made.

    Returns:
      A builder whose `info` (splits, features, metadata) is what is on disk.

    Raises:
      DatasetError: if the dataset is unknown, has not been converted, or is damaged.
    """
    cls, config, path = _locate(name, config, data_dir)
    if not _is_there(path):
        root = path.parents[2]
        if name not in EMBEDDED:
            raise DatasetError(
                f'{name}/{config}: not found in {root}, {_describe_configs(cls, root / name)};'
                ' convert it first: python -m experiments.convert'
                f' --dataset={name} --config={config} --data_dir={shlex.quote(str(root))}'
                ' --manual_dir=FOLDER_OF_VIDEOS'
            )
        _known_config(name, config)
        convert_dataset(make_builder(name, config, root), report=report)
    with _reading(path):
        opened = tfds.builder_from_directory(str(path))
    description.check(opened)
    return opened


def is_stored(name: str, config: str, data_dir: str | os.PathLike | None = None) -> bool:
    """Whether a dataset is there, converted. Raises DatasetError if there is none of this name."""
    return _is_there(_locate(name, config, data_dir)[-1])


def stored_in(name: str, config: str) -> str:
    """The configuration whose conversion stores the videos of one: itself, or its pool.

    Raises:
      DatasetError: for an unknown dataset or configuration.
    """
    cls = builder_class(name)
    pool = cls.pool_config(_known_config(name, config)) if cls.BUILDER_CONFIGS else None
    return config if pool is None else pool.name


def published_facts(name: str, config: str | None = None) -> Facts:
    """What is known of a configuration, by default the first, that need not be on disk.

    Raises:
      DatasetError: for an unknown dataset or configuration, or one of which nothing is published.
    """
    cls = builder_class(name)
    if not cls.BUILDER_CONFIGS:
        raise DatasetError(f'{name}: nothing is known of these videos before they are converted')
    stored = _known_config(name, config or cls.DEFAULT_CONFIG)
    return Facts(
        **vars(cls.published(stored)),
        frames_per_second=stored.frames_per_second or cls.FOLDER_FRAMES_PER_SECOND,
        frame_size=stored.frame_size,
        modality=stored.modality,
    )


def _locate(name, config, data_dir) -> tuple[type[VideoBuilder], str, pathlib.Path]:
    """Builder, configuration and folder (DATA_DIR/NAME/CONFIG/VERSION) of a dataset."""
    cls = builder_class(name)
    config = config or cls.DEFAULT_CONFIG
    # It becomes a folder: nothing that could lead out of the data folder.
    if not re.fullmatch(r'[^\W_][\w.+-]*', config):
        raise DatasetError(
            f"config: found {config!r}, expected letters, digits, '_', '-', '+' and '.',"
            ' a letter or digit first'
        )
    if data_dir is None:
        data_dir = os.path.join('~', 'tensorflow_datasets')  # TFDS's own default
    if not os.fspath(data_dir):  # an empty variable of a shell, say
        raise DatasetError('data_dir: found an empty name, expected a folder')
    root = pathlib.Path(os.path.abspath(os.path.expanduser(data_dir)))
    return cls, config, root / name / config / str(cls.VERSION)


def _is_there(path: pathlib.Path) -> bool:
    """Whether a dataset's folder is there, once a replacing of it that was cut off is completed."""
    if not path.exists():
        folders.finish_swap(path)
    return path.exists()


def _reading(path: pathlib.Path) -> contextlib.AbstractContextManager:
    """Makes a line of what TFDS says of a damaged description of the dataset at `path`."""
    return reading(f'{path}: cannot be read as a dataset; {description.REMEDY}', DatasetError)


def _known_config(name: str, config: str) -> VideoConfig:
    """A configuration of a builder, by its very name."""
    known = builder_class(name).builder_configs
    if config not in known:
        raise DatasetError(f'{name}: found config {config!r}, expected one of {", ".join(known)}')
    return known[config]


def _beginning(name: str, config: str) -> VideoConfig:
    """The configuration of a builder that `config` is, or whose name it goes on from."""
    known = builder_class(name).builder_configs
    fits = [word for word in known if config == word or config.startswith(f'{word}_')]
    if not fits:
        raise DatasetError(
            f'{name}: found config {config!r}, expected one of {", ".join(known)}, or one of them'
            " followed by '_' and a word of your choice"
        )
    return known[max(fits, key=len)]


def _describe_configs(cls, folder) -> str:
    """Which configurations of a dataset are in its folder, and which it has by itself."""
    stored = sorted(path.parent.name for path in folder.glob(f'*/{cls.VERSION}'))
    known = list(cls.builder_configs)
    words = f'which has {_some(stored)}' if stored else 'which has none of this dataset'
    return f'{words} (its configurations are {_some(known)})' if known else words


def _some(names) -> str:
    shown = ', '.join(names[:_LISTED])
    return f'{shown} and {len(names) - _LISTED} more' if len(names) > _LISTED else shown
