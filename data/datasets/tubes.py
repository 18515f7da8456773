"""Box annotations of the detection sets in one form, a tube per actor, and how they are stored.

Coordinates are continuous: a picture of `width` pixels reaches from x = 0 to x = `width`, and pixel
k of a row, from 0, from x = k to x = k + 1. What reaches beyond the picture is cut off, and a box
of which nothing is left is left out; `describe_outside` counts those.
"""

import dataclasses

import numpy as np

from data.boxes import BOX, BOXES, FRAME, LABEL, TUBE
from s3dg.errors import VideoError

# Frames by which decoders differ at the end of the same .avi file of UCF-101 (reported by many who
# counted them, e.g. for C3D).
DECODER_FRAMES = 2

# A video may lack this share of the frames that were annotated.
_MISSING_FRAMES = 0.10

LAST_FRAME = 2**31 - 1  # frame numbers are stored in 32 bits


@dataclasses.dataclass(frozen=True)
class Tube:
    """The boxes of one actor.

    Attributes:
      label: name of the class.
      frames: int64 [n], numbers of frames, from 0.
      corners: float64 [n, 4], finite: (ymin, xmin, ymax, xmax) in pixels, continuous.
    """

    label: str
    frames: np.ndarray
    corners: np.ndarray


@dataclasses.dataclass(frozen=True)
class Annotation:
    """The boxes of a video.

    Attributes:
      tubes: of its actors.
      height: of the pictures that the boxes were drawn on, in pixels.
      width: likewise.
      frames: how many pictures there were.
    """

    tubes: list[Tube]
    height: int
    width: int
    frames: int


@dataclasses.dataclass(frozen=True)
class GroundTruth:
    """What one file says of all videos.

    Attributes:
      splits: names of the videos of 'train' and 'test'.
      annotations: boxes, by the name of the video.
    """

    splits: dict[str, list[str]]
    annotations: dict[str, Annotation]


def example(annotation: Annotation, frames: int, lost_frames: int = 0) -> dict:
    """What a builder returns from `annotate` for a video of `frames` frames.

    Boxes are in the order of their frames, and within a frame in that of their tubes. A video may
    have frames after those that were annotated; they have no boxes.

    Args:
      annotation: the boxes.
      frames: that the video has.
      lost_frames: how many frames at its end may be missing although they have boxes, which are
        then left out: DECODER_FRAMES where the video was decoded here and not by those who drew the
        boxes.

    Raises:
      VideoError: if there are boxes on frames that the video does not have, or it has clearly fewer
        frames than were annotated: then it is not the video that the boxes were drawn on.
    """
    frame, box, tube, label = [], [], [], []
    for number, one in enumerate(annotation.tubes):
        normalized = _normalized(one, annotation)
        inside = _inside(normalized)
        frame.append(one.frames[inside])
        box.append(normalized[inside])
        tube.append(np.full(inside.sum(), number))
        label += [one.label] * int(inside.sum())
    frame = np.concatenate([np.empty(0, np.int64), *frame])
    _check_frames(frames, int(frame.max(initial=-1)) + 1, annotation.frames, lost_frames)
    box = np.concatenate([np.empty((0, 4), np.float32), *box])
    tube = np.concatenate([np.empty(0, np.int64), *tube])
    order = np.lexsort((tube, frame))
    order = order[frame[order] < frames]
    return {
        BOXES: {
            FRAME: frame[order].astype(np.int32),
            BOX: box[order],
            LABEL: [label[k] for k in order],
            TUBE: tube[order].astype(np.int32),
        }
    }


def remarks(annotations_by_name: dict[str, Annotation]) -> list[str]:
    """Lines on what is odd about the boxes of a set, for a builder's `prepare_videos` to report."""
    lines = (
        describe(annotations_by_name) for describe in (describe_outside, describe_other_classes)
    )
    return [line for line in lines if line is not None]


def describe_other_classes(annotations_by_name: dict[str, Annotation]) -> str | None:
    """A line on the tubes whose class is not that of their video, "CLASS/VIDEO"."""
    other = [
        name
        for name, one in annotations_by_name.items()
        if any(tube.label != name.partition('/')[0] for tube in one.tubes)
    ]
    if not other:
        return None
    return f'{len(other)} videos have boxes of another class than their own, for example {other[0]}'


def describe_outside(annotations_by_name: dict[str, Annotation]) -> str | None:
    """A line on the boxes that `example` leaves out, as they have no area in the picture."""
    counts = {
        name: sum(int((~_inside(_normalized(tube, one))).sum()) for tube in one.tubes)
        for name, one in annotations_by_name.items()
    }
    outside = [name for name, count in counts.items() if count]
    if not outside:
        return None
    return (
        f'left out {sum(counts.values())} boxes without area in the picture,'
        f' of {len(outside)} videos, for example {outside[0]}'
    )


def _check_frames(frames: int, needed: int, annotated: int, lost_frames: int) -> None:
    if frames < needed - lost_frames:
        raise VideoError(f'{frames} frames, but its boxes go on to the {needed}th')
    if frames < min(annotated * (1 - _MISSING_FRAMES), annotated - lost_frames):
        raise VideoError(f'{frames} frames of the {annotated} that were annotated')


def _normalized(tube: Tube, annotation: Annotation) -> np.ndarray:
    height, width = annotation.height, annotation.width
    return np.clip(tube.corners / [height, width, height, width], 0, 1).astype(np.float32)


def _inside(normalized: np.ndarray) -> np.ndarray:
    return (normalized[:, :2] < normalized[:, 2:]).all(axis=1)
