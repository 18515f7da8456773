"""What is known of the datasets before they are on disk, as the plan of a training needs it."""

import dataclasses
from collections.abc import Mapping

from data import catalog
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


def published_facts(dataset: str, config: str | None = None) -> Facts:
    """What is known of a dataset that need not be on disk; reads no files.

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
    return Facts(
        dataset=dataset,
        config=config,
        **cls.published(stored)._asdict(),
        frames_per_second=stored.frames_per_second or cls.FOLDER_FRAMES_PER_SECOND,
        frame_size=stored.frame_size,
        modality=stored.modality,
    )
