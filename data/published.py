"""What is known of the datasets before they are on disk: what a plan of a training needs.

Numbers of videos are the builders' own; mean lengths are from the papers that published the datasets,
where those give them.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from data import catalog
from data.datasets.builder import SplitConfig
from data.datasets.moving_shapes import shapes
from data.errors import DatasetError


@dataclasses.dataclass(frozen=True)
class Facts:
    """A dataset as it will be when it is converted.

    Attributes:
      dataset, config: names, as of `catalog.make_builder`.
      classes: number of them.
      videos: number of them in every split, as published; some are always gone or broken.
      seconds: mean length of a video.
      source: of `seconds`.
      source_height: of the published videos, in pixels; 256 also stands for higher ones.
      frames_per_second: stored, which is the videos' own where they are not resampled.
      frame_size: stored (height, width); of flow, that of the frames it is of.
      modality: "rgb" or "flow".
    """

    dataset: str
    config: str
    classes: int
    videos: Mapping[str, int]
    seconds: float
    source: str
    source_height: int
    frames_per_second: float
    frame_size: tuple[int, int]
    modality: str

    @property
    def frames(self) -> float:
        """Mean number of stored pictures of a video: of flow, one less than frames."""
        return self.seconds * self.frames_per_second - (self.modality == 'flow')

    @property
    def count(self) -> int:
        """Number of videos of all splits."""
        return sum(self.videos.values())


class _Published(NamedTuple):
    """Fields of `Facts` that no builder knows."""

    classes: int
    seconds: float
    source_height: int
    source: str


_KINETICS_SECONDS = 'an upper bound: the lists cut ten seconds from every video'

_PUBLISHED = {
    'kinetics400': _Published(400, 10.0, 256, _KINETICS_SECONDS),
    'mini_kinetics200': _Published(200, 10.0, 256, _KINETICS_SECONDS),
    'something_something_v1': _Published(174, 4.03, 100, 'Goyal et al. 2017'),
    'something_something_v2': _Published(174, 4.03, 240, 'taken over from release 1'),
    'ucf101': _Published(101, 7.21, 240, 'Soomro et al. 2012'),
    'hmdb51': _Published(51, 3.1, 240, 'an estimate, of some 95 frames at 30 a second'),
    'jhmdb': _Published(21, 31_838 / 928 / 25, 240, 'Jhuang et al. 2013: 31,838 frames'),
    'ucf101_24': _Published(
        24, 159_289 / 910 / 25, 240, 'the corrected annotations: 159,289 frames of 910 test videos'
    ),
}


def published_facts(dataset: str, config: str | None = None) -> Facts:
    """What is known of a dataset that need not be on disk; reads no files.

    JHMDB's divisions 2 and 3, of which no numbers are published here, are given those of its
    first: they divide the same videos.

    Args:
      dataset: a key of `catalog.BUILDERS`, but not the user's own videos.
      config: a configuration of its builder ("rgb", "split1_flow"), by default the first.

    Raises:
      DatasetError: for an unknown dataset or configuration, or one of which nothing is published.
    """
    cls = catalog.builder_class(dataset)
    if not cls.BUILDER_CONFIGS:
        raise DatasetError(f'{dataset}: nothing is known of these videos before they are converted')
    known = {known.name: known for known in cls.BUILDER_CONFIGS}
    config = config or cls.DEFAULT_CONFIG
    if config not in known:
        raise DatasetError(
            f'{dataset}: found config {config!r}, expected one of {", ".join(known)}'
        )
    stored = known[config]
    if dataset in catalog.EMBEDDED:
        published, videos = _generated(stored)
    else:
        published, videos = _PUBLISHED[dataset], _published_videos(cls, stored)
    return Facts(
        dataset=dataset,
        config=config,
        classes=published.classes,
        videos=videos,
        seconds=published.seconds,
        source=published.source,
        source_height=published.source_height,
        frames_per_second=stored.frames_per_second or cls.FOLDER_FRAMES_PER_SECOND,
        frame_size=stored.frame_size,
        modality=stored.modality,
    )


def _published_videos(cls, config) -> dict[str, int]:
    if not isinstance(config, SplitConfig):
        return dict(cls.PUBLISHED_VIDEOS)
    first = cls.PUBLISHED_VIDEOS[min(cls.PUBLISHED_VIDEOS)]
    return dict(cls.PUBLISHED_VIDEOS.get(config.split_number, first))


def _generated(config) -> tuple[_Published, dict[str, int]]:
    """The same of a configuration of moving_shapes, whose lengths are drawn evenly."""
    classes = len(config.classes)
    seconds = sum(shapes.LENGTHS) / len(shapes.LENGTHS) / shapes.FRAMES_PER_SECOND
    videos = {
        'train': config.train_per_class * classes,
        'validation': config.validation_per_class * classes,
    }
    return _Published(classes, seconds, shapes.FRAME_SIZE, 'as generated'), videos
