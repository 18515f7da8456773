"""Which videos a dataset has, before any of them is opened."""

import dataclasses
from typing import NamedTuple

from data.errors import DatasetError


class Source(NamedTuple):
    """The files of a video: its own, or a folder of frames, and the one with its annotation."""

    path: str
    annotation: str | None = None


@dataclasses.dataclass(frozen=True)
class Video:
    """One item of a split: where a video lies, and what is known of it beforehand."""

    id: str  # stable, free of local folders, unique within the dataset
    # A video file, or a folder of numbered frame images. A missing one is skipped and listed.
    path: str
    label: str | None  # name of the class; None where it is not published
    # File that more is read from when the video is stored (masks, boxes), if any; a change of it,
    # like one of the video, makes another dataset.
    annotation: str | None = None

    @property
    def source(self) -> Source:
        """What a process needs to know that reads the video's files."""
        return Source(self.path, self.annotation)


def check_splits(name: str, splits: dict[str, list[Video]]) -> None:
    """Raises DatasetError if a split has no videos, or an id comes twice in the dataset `name`."""
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
