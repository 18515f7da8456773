"""What is known of a dataset before it is on disk, as the plan of a training needs it."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """Facts of a dataset as published."""

    classes: int  # number of them
    # Number of videos of every split, by split, or by split number and split; some videos are
    # always gone or broken.
    videos: Mapping
    seconds: float  # mean length of a video
    source: str  # of `seconds`
    source_height: int  # of the videos, in pixels; 256 also stands for higher ones
    # Videos of all divisions together, each once; None: every division is of the same ones.
    pool: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts(Published):
    """A configuration of a dataset as it will be when it is converted; `videos` are by split."""

    frames_per_second: float  # stored, which is the videos' own where they are not resampled
    frame_size: tuple[int, int]  # stored (height, width); of flow, that of the frames it is of
    modality: str  # "rgb" or "flow"

    @property
    def frames(self) -> float:
        """Mean number of stored pictures of a video: of flow, one less than frames."""
        return self.seconds * self.frames_per_second - (self.modality == 'flow')

    @property
    def count(self) -> int:
        """Number of videos that are stored for it: of all splits, or of the pool."""
        return self.pool or sum(self.videos.values())
