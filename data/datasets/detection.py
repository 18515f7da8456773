"""What the detection sets share: configurations, names of videos, and boxes, a tube per actor.

Coordinates are continuous: a picture of `width` pixels reaches from x = 0 to x = `width`, and pixel
k of a row, from 0, from x = k to x = k + 1. What reaches beyond the picture is cut off, and a box
of which nothing is left is left out; `remarks` counts those.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from data.boxes import BOX, BOXES, FRAME, LABEL, TUBE
from data.datasets import lists
from data.datasets.builder import modality_configs
from data.datasets.divided import SplitConfig
from data.errors import DatasetError
from s3dg.errors import VideoError

# Frames by which decoders differ at the end of the same .avi file of UCF-101 (reported by many who
# counted them, e.g. for C3D).
DECODER_FRAMES = 2

# A video may lack this share of the frames that were annotated.
_MISSING_FRAMES = 0.10

LAST_FRAME = 2**31 - 1  # frame numbers are stored in 32 bits


@dataclasses.dataclass
class DetectionConfig(SplitConfig):
    """Defaults are the paper's for action detection (section 5.3): 320x400."""

    ANNOTATIONS: ClassVar[tuple[str, ...]] = ()  # of the dataset; the first one is the default
    frames_per_second: float | None = None  # None, for boxes belong to the video's own frames
    frame_size: tuple[int, int] | None = (320, 400)
    annotations: str = ''  # whose boxes, one of ANNOTATIONS

    def __post_init__(self):
        super().__post_init__()
        self.annotations = self.annotations or self.ANNOTATIONS[0]
        if self.annotations not in self.ANNOTATIONS:
            raise DatasetError(
                f'config {self.name!r}: found annotations={self.annotations!r},'
                f' expected one of {", ".join(self.ANNOTATIONS)}'
            )
        if self.frames_per_second is not None:
            raise DatasetError(
                f'config {self.name!r}: found frames_per_second={self.frames_per_second},'
                " expected None, for boxes belong to the video's own frames"
            )

    def storage(self) -> dict:
        return super().storage() | {'annotations': self.annotations}


def detection_configs(
    numbers: Sequence[int], config_class: type[DetectionConfig]
) -> list[DetectionConfig]:
    """The configurations `split1_rgb`, `split1_flow`, ...

    Those with other annotations than the default are named after them: `split1_act_rgb`, ...
    """
    configs = []
    for kind in config_class.ANNOTATIONS:
        word = '' if kind == config_class.ANNOTATIONS[0] else f'{kind}_'
        for number in numbers:
            configs += modality_configs(
                config_class, f'split{number}_{word}', split_number=number, annotations=kind
            )
    return configs


def check_video_name(name: object, label_names: Sequence[str], path: str | os.PathLike) -> str:
    """The class of a video that an annotation names "CLASS/VIDEO".

    Raises:
      DatasetError: naming the file and the name, if it is not of this form.
    """
    if not isinstance(name, str) or not name.isprintable():
        shown = ascii(name)[:100] if isinstance(name, str) else type(name).__name__
        raise DatasetError(f'{path}: found {shown} for the name of a video, expected CLASS/VIDEO')
    lists.check_name(name, path)
    label, separator, rest = name.partition('/')
    if not separator or '/' in rest:
        raise DatasetError(f'{path}: found the video {name!r}, expected CLASS/VIDEO')
    if label not in label_names:
        raise DatasetError(
            f'{path}: found the video {name!r}, expected one of a class of the set,'
            f' {", ".join(label_names)}'
        )
    return label


@dataclasses.dataclass(frozen=True)
class Tube:
    """The boxes of one actor."""

    label: str  # its class
    frames: np.ndarray  # int64 [n], numbers of frames, from 0
    corners: np.ndarray  # float64 [n, 4], finite: (ymin, xmin, ymax, xmax) in pixels, continuous


@dataclasses.dataclass(frozen=True)
class Annotation:
    """The boxes of a video.

    Attributes:
      tubes: of its actors.
      height, width: of the pictures that the boxes were drawn on, in pixels.
      frames: how many pictures there were.
    """

    tubes: list[Tube]
    height: int
    width: int
    frames: int


@dataclasses.dataclass(frozen=True)
class GroundTruth:
    """What one file says of all videos: their names by split, and their boxes by name."""

    splits: dict[str, list[str]]
    annotations: dict[str, Annotation]


def example(annotation: Annotation, frames: int, lost_frames: int = 0) -> dict:
    """What a builder returns from `annotate` for a video of `frames` frames.

    Boxes are in the order of their frames, and within a frame in that of their tubes. A video may
    have frames after those that were annotated; they have no boxes.

    At its end, `lost_frames` may be missing although they have boxes, which are then left out:
    DECODER_FRAMES where the video was decoded here and not by those who drew the boxes.

    Raises:
      VideoError: if there are boxes on frames that the video does not have, or it has clearly fewer
        frames than were annotated: then it is not the video that the boxes were drawn on.
    """
    tubes = annotation.tubes
    frame = np.concatenate([np.empty(0, np.int64), *(one.frames for one in tubes)])
    number = np.concatenate(
        [np.empty(0, np.int64), *(np.full(len(one.frames), k) for k, one in enumerate(tubes))]
    )
    box = _shares(annotation)
    inside = _has_area(box)
    needed = int(frame[inside].max(initial=-1)) + 1
    if frames < needed - lost_frames:
        raise VideoError(f'{frames} frames, but its boxes go on to the {needed}th')
    annotated = annotation.frames
    if frames < min(annotated * (1 - _MISSING_FRAMES), annotated - lost_frames):
        raise VideoError(f'{frames} frames of the {annotated} that were annotated')
    order = np.lexsort((number, frame))
    order = order[inside[order] & (frame[order] < frames)]
    return {
        BOXES: {
            FRAME: frame[order].astype(np.int32),
            BOX: box[order],
            LABEL: [tubes[k].label for k in number[order]],
            TUBE: number[order].astype(np.int32),
        }
    }


def remarks(annotations: dict[str, Annotation]) -> Iterator[str]:
    """Lines on what is odd about the boxes of a set, by video "CLASS/VIDEO".

    They tell of boxes that `example` leaves out, and of tubes of another class than their video.
    """
    counts = {name: int((~_has_area(_shares(one))).sum()) for name, one in annotations.items()}
    empty = [name for name, count in counts.items() if count]
    if empty:
        yield (
            f'left out {sum(counts.values())} boxes without area in the picture,'
            f' of {len(empty)} videos, for example {empty[0]}'
        )
    other = [
        name
        for name, one in annotations.items()
        if any(tube.label != name.partition('/')[0] for tube in one.tubes)
    ]
    if other:
        yield (
            f'{len(other)} videos have boxes of another class than their own,'
            f' for example {other[0]}'
        )


def _shares(annotation: Annotation) -> np.ndarray:
    """The boxes of all tubes as shares of the picture, cut off at its border: float32 [n, 4]."""
    corners = np.concatenate([np.empty((0, 4)), *(one.corners for one in annotation.tubes)])
    height, width = annotation.height, annotation.width
    return np.clip(corners / [height, width, height, width], 0, 1).astype(np.float32)


def _has_area(shares: np.ndarray) -> np.ndarray:
    return (shares[:, :2] < shares[:, 2:]).all(axis=1)
