"""What every dataset builder of videos shares: configuration, features, the way into a record."""

import abc
import dataclasses
import os
from collections.abc import Callable, Iterator

import tensorflow_datasets as tfds
from absl import logging

from data import outcomes, video

# Keys of a stored example.
VIDEO = 'video'  # JPEG frames, in order
LABEL = 'label'
ID = 'id'  # stable, and free of local folders; unique within the dataset

MODALITIES = ('rgb',)
# A record is one protocol buffer, which cannot pass 2 GiB; some is left for what is not frames.
MOST_BYTES = 2**31 - 2**24

Report = Callable[[str], None]


class DatasetError(ValueError):
    """A dataset cannot be made or opened; the message is one line saying why and what to do."""


@dataclasses.dataclass(frozen=True)
class Video:
    """One item of a split: where a video lies, and what is known of it beforehand."""

    id: str
    path: str
    label: str


@dataclasses.dataclass
class VideoConfig(tfds.core.BuilderConfig):
    """How the videos of a dataset are stored.

    The defaults are the paper's (section 4.1): 25 frames a second, 256x256.

    Attributes:
      manual_dir: folder of the user's videos and lists; needed for converting only, and not stored.
      frames_per_second: rate to resample to; None keeps each video's own.
      frame_size: stored (height, width), whatever the video's shape; None for short_side or the
        video's own size.
      short_side: stored length of the shorter side, keeping the shape; at most one of the two.
      jpeg_quality: 1 to 100 (ours; 95 leaves errors far below those of the videos themselves).
      modality: what the frames show: "rgb".
    """

    manual_dir: str | None = None
    frames_per_second: float | None = 25.0
    frame_size: tuple[int, int] | None = (256, 256)
    short_side: int | None = None
    jpeg_quality: int = 95
    modality: str = 'rgb'

    def __post_init__(self):
        if self.frame_size is not None:
            self.frame_size = tuple(self.frame_size)
            if self.short_side is not None:
                raise DatasetError(
                    f'config {self.name!r}: found frame_size={self.frame_size} and'
                    f' short_side={self.short_side}, expected one of them to be None'
                )
        allowed = (
            ('frames_per_second', (self.frames_per_second or 1) > 0, 'above 0, or None'),
            ('frame_size', min(self.frame_size or (1,)) > 0, '(height, width) in pixels'),
            ('short_side', self.short_side is None or self.short_side > 0, 'pixels'),
            ('jpeg_quality', 1 <= self.jpeg_quality <= 100, '1 to 100'),
            ('modality', self.modality in MODALITIES, f'one of {", ".join(MODALITIES)}'),
        )
        for field, fits, expected in allowed:
            if not fits:
                raise DatasetError(
                    f'config {self.name!r}: found {field}={getattr(self, field)!r},'
                    f' expected {expected}'
                )

    def storage(self) -> dict:
        """The fields that decide what is stored, for the dataset's metadata; JSON types only."""
        return {
            'frames_per_second': self.frames_per_second,
            'frame_size': None if self.frame_size is None else list(self.frame_size),
            'short_side': self.short_side,
            'jpeg_quality': self.jpeg_quality,
            'modality': self.modality,
        }


class VideoBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of the dataset builders.

    A concrete builder, in a folder of its own by the TFDS convention, states its labels
    (`label_names`), its videos (`split_videos`) and, in README.md and CITATIONS.bib, its
    description. It is converted by `data.conversion.convert`, which resumes after a kill;
    `download_and_prepare` works too, on Beam for instance, and does not resume.
    """

    VERSION = tfds.core.Version('1.0.0')
    CONFIG_CLASS = VideoConfig
    DEFAULT_CONFIG = 'rgb'

    # False where labels name directions ("from left to right"): a mirrored clip would then have a
    # wrong label.
    FLIP_LEFT_RIGHT = True
    # More unusable videos than this share fail the conversion.
    MAX_SKIPPED_FRACTION = 0.1

    @property
    def manual_dir(self) -> str | None:
        return self.builder_config.manual_dir

    @abc.abstractmethod
    def label_names(self) -> list[str]:
        """Names of the classes in the order of their indices."""

    def prepare_videos(self, report: Report | None = None) -> None:
        """Makes the videos themselves, where they are not the user's. Safe to call again."""

    @abc.abstractmethod
    def split_videos(self, manual_dir: str | None) -> dict[str, list[Video]]:
        """Lists the videos of every split, without opening them.

        Raises:
          DatasetError: if files are missing or do not fit together.
        """

    def encode_video(self, item: Video) -> dict:
        """Decodes one video into an example of the features; safe to call from several threads.

        Raises:
          VideoError: if the video is unusable.
        """
        config = self.builder_config
        frames = video.read_frames(
            item.path, config.frames_per_second, config.frame_size, config.short_side
        )
        encoded, size = [], 0
        for frame in frames:
            encoded.append(video.encode_jpeg(frame, config.jpeg_quality))
            size += len(encoded[-1])
            if size > MOST_BYTES:
                raise video.VideoError(
                    f'too long: its first {len(encoded)} frames fill a record; cut it into pieces'
                )
        return {
            VIDEO: encoded,
            LABEL: item.label,
            ID: item.id,
        }

    def _create_builder_config(self, builder_config, version):
        # TFDS warns of configurations it does not know by name, and refuses known names with other
        # fields; here both are ordinary.
        if isinstance(builder_config, VideoConfig):
            return builder_config
        return super()._create_builder_config(builder_config, version)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            VIDEO: tfds.features.Video(shape=(None, None, None, 3), encoding_format='jpeg'),
            LABEL: tfds.features.ClassLabel(names=self.label_names()),
            ID: tfds.features.Text(),
        }
        metadata = self.builder_config.storage() | {'flip_left_right': self.FLIP_LEFT_RIGHT}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=(VIDEO, LABEL),
            metadata=tfds.core.MetadataDict(metadata),
        )

    def new_info(self) -> tfds.core.DatasetInfo:
        """The dataset's description from the code alone; `info` is what is on disk, if it is."""
        info = self._info()
        info.set_file_format(tfds.core.FileFormat.TFRECORD)
        return info

    # The plain TFDS way.

    def _split_generators(self, dl_manager):
        self.prepare_videos()
        manual_dir = self.manual_dir
        if manual_dir is None and self.MANUAL_DOWNLOAD_INSTRUCTIONS:
            manual_dir = dl_manager.manual_dir
        splits = self.split_videos(manual_dir)
        check_splits(self.name, splits)
        return {name: self._generate_examples(videos) for name, videos in splits.items()}

    def _generate_examples(self, videos: list[Video]) -> Iterator[tuple[str, dict]]:
        skipped = []
        for item in videos:
            try:
                yield item.id, self.encode_video(item)
            except video.VideoError as error:
                logging.warning('%s: %s', outcomes.readable(item.path), error)
                skipped.append((item.id, outcomes.readable(item.path), str(error)))
        log = os.path.join(self.data_path, outcomes.SKIPPED_FILE)
        outcomes.append_rows(log, outcomes.SKIPPED_COLUMNS, skipped)
        if len(skipped) > self.MAX_SKIPPED_FRACTION * len(videos):
            raise DatasetError(
                f'{self.name}: {len(skipped)} of {len(videos)} videos could not be used,'
                f' more than the share of {self.MAX_SKIPPED_FRACTION:g} allowed'
            )


def check_splits(name: str, splits: dict[str, list[Video]]) -> None:
    """Checks that there are videos in every split and that their ids are unique.

    Raises:
      DatasetError: naming the dataset and the split or id at fault.
    """
    if not splits:
        raise DatasetError(f'{name}: found no splits, expected at least one')
    seen = {}
    for split, videos in splits.items():
        if not videos:
            raise DatasetError(f'{name}: split {split!r} has no videos, expected at least one')
        for item in videos:
            if item.id in seen:
                raise DatasetError(
                    f'{name}: id {item.id!r} is in split {seen[item.id]!r} and again in {split!r},'
                    ' expected unique ids'
                )
            seen[item.id] = split
