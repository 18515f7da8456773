"""What every dataset builder of videos shares: configuration, features, the way into a record."""

import abc
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds
from absl import logging

from data import encoding
from data.datasets.facts import Published
from data.errors import DatasetError, Report
from data.example import CHANNELS, ID, LABEL, STORED_CHANNELS, UNKNOWN_LABEL, VIDEO
from data.listing import Video, check_splits
from data.records import outcomes
from s3dg.errors import VideoError

# Ours. For frames, errors stay far below those of the videos themselves. Flow has sharp borders
# where the picture has none: on two ten-second videos from cameras, 1 % of the components were off
# by more than 0.20 and 0.22 pixels at 95, by 0.17 and 0.19 at 98, and not by less at 99 or 100.
JPEG_QUALITY = {'rgb': 95, 'flow': 98}

# Key of a dataset's metadata for what `label_digests` returns: TFDS keeps the names in files of
# their own.
LABEL_DIGESTS = 'label_digests'


@dataclasses.dataclass
class VideoConfig(tfds.core.BuilderConfig):
    """How the videos of a dataset are stored.

    The defaults are frames of 256x256, the paper's (section 3.2), 25 a second, as those of I3D.

    Attributes:
      manual_dir: folder of the user's videos and lists; needed for converting only, and not stored.
      frames_per_second: rate to resample to; None keeps each video's own.
      frame_size: stored (height, width), whatever the video's shape; None for short_side or the
        video's own size.
      short_side: stored length of the shorter side, keeping the shape; at most one of the two.
      jpeg_quality: 1 to 100; None for JPEG_QUALITY's.
      modality: what the frames show: "rgb", or "flow": optical flow between neighbouring frames, of
        which there is one less.
      flow_algorithm: "tvl1" (the paper's) or "dis" (a small fraction of the time, ours); without
        meaning where the modality is not flow.
    """

    manual_dir: str | None = None
    frames_per_second: float | None = 25.0
    frame_size: tuple[int, int] | None = (256, 256)
    short_side: int | None = None
    jpeg_quality: int | None = None
    modality: str = 'rgb'
    flow_algorithm: str = 'tvl1'

    def __post_init__(self):
        if self.jpeg_quality is None:
            self.jpeg_quality = JPEG_QUALITY.get(self.modality)
        if isinstance(self.frame_size, Sequence):
            self.frame_size = tuple(self.frame_size)
        try:
            self.encoding()
        except DatasetError as error:
            raise DatasetError(f'config {self.name!r}: {error}') from None

    def encoding(self, **fields) -> encoding.Storage:
        """How a video becomes encoded frames; `fields` are those that the configuration lacks."""
        return encoding.Storage(
            frames_per_second=self.frames_per_second,
            frame_size=self.frame_size,
            short_side=self.short_side,
            jpeg_quality=self.jpeg_quality,
            modality=self.modality,
            flow_algorithm=self.flow_algorithm,
            **fields,
        )

    def storage(self) -> dict:
        """The fields that decide what is stored, for the dataset's metadata; JSON types only."""
        return {
            'frames_per_second': self.frames_per_second,
            'frame_size': None if self.frame_size is None else list(self.frame_size),
            'short_side': self.short_side,
            'jpeg_quality': self.jpeg_quality,
            'modality': self.modality,
            'flow_algorithm': self.flow_algorithm if self.modality == 'flow' else None,
        }


def modality_configs(
    config_class: type[VideoConfig] = VideoConfig, prefix: str = '', **fields
) -> list[VideoConfig]:
    """The configurations `rgb` and `flow` of a dataset with one division into splits."""
    return [config_class(name=prefix + name, modality=name, **fields) for name in CHANNELS]


class VideoBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of the dataset builders.

    A concrete builder, in a folder of its own by the TFDS convention, states its labels
    (`label_names`), its videos (`split_videos`), what it knows of a video besides its class
    (`extra_features`, `annotate`) and, in README.md and CITATIONS.bib, its description.
    `data.conversion.convert.convert_dataset` converts it, and resumes after a kill;
    `download_and_prepare` works too, and does not resume.
    """

    VERSION = tfds.core.Version('1.0.0')
    CONFIG_CLASS = VideoConfig
    DEFAULT_CONFIG = 'rgb'

    # False where labels name directions ("from left to right"): a mirrored clip would then have a
    # wrong label.
    FLIP_LEFT_RIGHT = True
    # More unusable videos than this share fail the conversion.
    MAX_SKIPPED_FRACTION = 0.1
    # Frames a second of videos that come as folders of images.
    FOLDER_FRAMES_PER_SECOND: float | None = None
    # (height, width) of the pictures that boxes were drawn on, in pixels; None: there are none.
    BOX_PICTURE: tuple[int, int] | None = None
    # None: nothing is known before the videos are there.
    PUBLISHED: Published | None = None

    @classmethod
    def published(cls, config: VideoConfig) -> Published:
        """`PUBLISHED`, with the numbers of videos in the splits of a configuration."""
        del config
        return cls.PUBLISHED

    # Whether its splits are those of several divisions at once: see `divided`.
    is_pool = False

    @classmethod
    def pool_config(cls, config: VideoConfig) -> VideoConfig | None:
        """The configuration that stores the videos of one beside those of others; None: itself."""
        del config

    def pool(self) -> 'VideoBuilder | None':
        """The builder of `pool_config`; None where there is none."""
        config = self.pool_config(self.builder_config)
        return None if config is None else type(self)(config=config, data_dir=self.data_dir_root)

    def published_videos(self) -> Mapping[str, int]:
        """The published numbers of videos of its splits, where there are any."""
        return {} if self.PUBLISHED is None else self.PUBLISHED.videos

    @property
    def manual_dir(self) -> str:
        """The user's folder of videos and lists. Raises DatasetError if it is not there."""
        folder = self.builder_config.manual_dir
        if folder is None:
            raise DatasetError(
                f'{self.name}: no folder of videos given, expected --manual_dir=FOLDER'
            )
        if not os.path.isdir(folder):
            found = 'a file' if os.path.exists(folder) else 'nothing'
            raise DatasetError(f'{folder}: found {found}, expected a folder of videos')
        return folder

    @abc.abstractmethod
    def label_names(self) -> list[str]:
        """Names of the classes in the order of their indices."""

    def prepare_videos(self, report: Report | None = None) -> None:
        """Makes the videos themselves, where they are not the user's. Safe to call again."""

    @abc.abstractmethod
    def split_videos(self) -> dict[str, list[Video]]:
        """Lists the videos of every split, without opening them.

        Raises DatasetError if the files that list them are missing or do not fit together.
        """

    def extra_features(self) -> dict[str, tfds.features.FeatureConnector]:
        """Features that an example has besides video, label and id."""
        return {}

    def annotation_reader(self) -> Callable[[str], Any] | None:
        """What reads a video's annotation, in another process; None where nothing need be read."""

    def annotate(self, item: Video, frames: int, annotation: Any) -> dict:
        """The values of `extra_features` for a video.

        Args:
          item: the video.
          frames: how many it has. Of a flow dataset, one less is stored: the last one has no flow.
          annotation: as `annotation_reader` read it, for nobody vouches for binary files.

        Raises:
          VideoError: if the annotation is unusable, or is not one of this video.
        """
        del item, frames, annotation
        return {}

    def storage(self) -> encoding.Storage:
        """How a video becomes encoded frames; all that a process needs which does that."""
        return self.builder_config.encoding(
            folder_frames_per_second=self.FOLDER_FRAMES_PER_SECOND,
            read_annotation=self.annotation_reader(),
        )

    def fault(self, item: Video) -> str | None:
        """What makes a video unusable, as far as it is known before it is decoded."""
        if item.label is None or item.label in self._known_labels:
            return None
        return f'its label {item.label!r} is none of the {len(self._known_labels)} classes'

    @functools.cached_property
    def _known_labels(self) -> frozenset[str]:
        return frozenset(self.label_names())

    def examples(
        self, videos: Sequence[Video], processes: int
    ) -> Iterator[tuple[Video, encoding.Encoded | VideoError, dict | None]]:
        """Encodes videos and makes examples of them, in order: what every conversion stores.

        Those that have a `fault` are not decoded; `processes` is as of `encoding.in_order`. Whoever
        may leave before the end must close the generator.

        Yields:
          (video, what came of it, its example); no example of a video that cannot be used.
        """
        refused = {}
        for item in videos:
            fault = self.fault(item)
            if fault is not None and os.path.exists(item.path):  # else that is the reason to give
                refused[item.id] = VideoError(fault)
        sources = (item.source for item in videos if item.id not in refused)
        encoded = encoding.in_order(sources, self.storage(), processes)
        with contextlib.closing(encoded):
            for item in videos:
                outcome = refused[item.id] if item.id in refused else next(encoded)[1]
                example = None
                if isinstance(outcome, encoding.Encoded):
                    try:
                        example = self._example(item, outcome)
                    except VideoError as error:
                        outcome = error
                yield item, outcome, example

    def _example(self, item: Video, encoded: encoding.Encoded) -> dict:
        """An example of the features. Raises VideoError as `annotate`."""
        frames = len(encoded.frames) + (self.builder_config.modality == 'flow')
        return {
            VIDEO: encoded.frames,
            LABEL: UNKNOWN_LABEL if item.label is None else item.label,
            ID: item.id,
            **self.annotate(item, frames, encoded.annotation),
        }

    def _create_builder_config(self, builder_config, version):
        # TFDS warns of configurations it does not know by name, and refuses known names with other
        # fields; here both are ordinary.
        if isinstance(builder_config, VideoConfig):
            return builder_config
        return super()._create_builder_config(builder_config, version)

    def _info(self) -> tfds.core.DatasetInfo:
        names = self.label_names()
        for name in names:  # TFDS stores a line for each, and strips them when it reads them
            if not name or name != name.strip() or len(name.splitlines()) != 1:
                raise DatasetError(
                    f'{self.name}: found the class {name!r}, expected a name of one line without'
                    ' blanks around it'
                )
        features = {
            VIDEO: tfds.features.Video(
                shape=(None, None, None, STORED_CHANNELS[self.builder_config.modality]),
                encoding_format='jpeg',
            ),
            LABEL: tfds.features.ClassLabel(names=names),
            ID: tfds.features.Text(),
            **self.extra_features(),
        }
        metadata = self.builder_config.storage() | {
            'flip_left_right': self.FLIP_LEFT_RIGHT,
            LABEL_DIGESTS: label_digests(features),
        }
        info = self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=(VIDEO, LABEL),
            metadata=tfds.core.MetadataDict(metadata),
        )
        # TFDS would ask its own server about every dataset that is not on disk yet, and leave an
        # empty folder in the system's temporary one each time.
        info.initialize_from_bucket = lambda: None
        return info

    def new_info(self) -> tfds.core.DatasetInfo:
        """The dataset's description from the code alone; `info` is what is on disk, if it is."""
        info = self._info()
        info.set_file_format(tfds.core.FileFormat.TFRECORD)
        return info

    # The plain TFDS way.

    def _split_generators(self, dl_manager):
        del dl_manager
        self.prepare_videos()
        splits = self.split_videos()
        check_splits(self.name, splits)
        return {name: self._generate_examples(videos) for name, videos in splits.items()}

    def _generate_examples(self, videos: list[Video]) -> Iterator[tuple[str, dict]]:
        skipped = []
        with contextlib.closing(self.examples(videos, os.cpu_count() or 1)) as made:
            for item, outcome, example in made:
                if example is None:
                    skipped.append(outcomes.Skipped.of(item, outcome))
                    logging.warning('%s: %s', skipped[-1].path, outcome)
                else:
                    yield item.id, example
        log = os.path.join(self.data_path, outcomes.SKIPPED_FILE)
        outcomes.append_rows(log, outcomes.SKIPPED_COLUMNS, map(dataclasses.astuple, skipped))
        if len(skipped) > self.MAX_SKIPPED_FRACTION * len(videos):
            raise DatasetError(
                f'{self.name}: {len(skipped)} of {len(videos)} videos could not be used,'
                f' more than the share of {self.MAX_SKIPPED_FRACTION:g} allowed'
            )


def published_differences(builder: VideoBuilder, splits: dict[str, list[Video]]) -> list[str]:
    """A line for every split that does not list as many videos as the published one."""
    return [
        f'{builder.info.full_name}: split {split!r} lists {len(splits[split]):,} videos,'
        f' the published one {count:,}'
        for split, count in builder.published_videos().items()
        if split in splits and len(splits[split]) != count
    ]


def label_digests(features: Mapping[str, object], prefix: str = '') -> dict[str, str]:
    """SHA-256 of the names of every feature that is a class, by the feature's path."""
    digests = {}
    for name, feature in features.items():
        inner = getattr(feature, 'feature', feature)  # a sequence's
        if isinstance(inner, tfds.features.ClassLabel):
            names = json.dumps(inner.names).encode()
            digests[prefix + name] = hashlib.sha256(names).hexdigest()
        elif isinstance(inner, tfds.features.FeaturesDict):
            digests |= label_digests(inner, f'{prefix}{name}/')
    return digests
