"""What is known of a dataset's videos before they are on disk."""

from collections.abc import Mapping
from typing import NamedTuple


class Published(NamedTuple):
    """Facts of a dataset as published.

    Attributes:
      classes: number of them.
      videos: number of videos of every split, by split, or by split number and split; some videos
        are always gone or broken.
      seconds: mean length of a video.
      source: of `seconds`.
      source_height: of the videos, in pixels; 256 also stands for higher ones.
    """

    classes: int
    videos: Mapping
    seconds: float
    source: str
    source_height: int
