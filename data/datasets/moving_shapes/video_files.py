"""Writes the videos of moving_shapes as files."""

import dataclasses
import os
from collections.abc import Iterable

import numpy as np

from data.datasets.moving_shapes import shapes
from s3dg.video import writing


@dataclasses.dataclass(frozen=True)
class Job:
    """A file to be written; all but `path` as in `shapes.video`."""

    path: str
    split: str
    class_name: str
    index: int
    seed: int


def write(job: Job) -> bool:
    """Draws a video and writes it; returns True."""
    frames = shapes.video(job.split, job.class_name, job.index, job.seed)
    write_video(job.path, frames)
    return True


def write_video(path: str | os.PathLike, frames: Iterable[np.ndarray]) -> None:
    """Writes a video as those of the dataset are stored: lossless.

    Codecs that predict a frame from the ones before it leave a trail behind whatever moves: with
    mp4v, a moving disc of 96x96 pixels differs by up to 31 levels between a video and its mirror
    image in time. A dataset whose classes differ by nothing but the direction of time may not carry
    such a mark in single frames.

    Args:
      path: .avi file to write; missing parent folders are made.
      frames: uint8 arrays (height, width, 3), RGB.
    """
    writing.write_video(path, frames, shapes.FRAMES_PER_SECOND, 'FFV1')
