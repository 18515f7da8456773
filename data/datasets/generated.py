"""What the embedded datasets share: their videos are drawn, and written as files to be stored."""

import abc
import collections
import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from etils import epath

from data import workers
from data.datasets.builder import VideoBuilder, VideoConfig
from data.errors import DatasetError, Report
from data.listing import Video
from s3dg.files import locks
from s3dg.video import writing

FRAMES_PER_SECOND = 25


@dataclasses.dataclass
class GeneratedConfig(VideoConfig):
    """Also says which random numbers the videos are drawn with."""

    frames_per_second: float | None = float(FRAMES_PER_SECOND)
    seed: int = 0  # of all random numbers; another seed gives a dataset with other videos


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A video to be drawn."""

    split: str
    id: str  # also its path in the folder of the files, without the suffix
    label: str
    # From `arguments` to frames: uint8 (time, height, width, 3), RGB. A function of a module.
    draw: Callable[..., np.ndarray]
    arguments: tuple


@dataclasses.dataclass(frozen=True)
class Job:
    """A file to be written, and the `Drawing` it is of."""

    path: str
    drawing: Drawing


class GeneratedBuilder(VideoBuilder, skip_registration=True):
    """Base of the embedded datasets' builders: states which videos are drawn (`drawings`)."""

    CONFIG_CLASS = GeneratedConfig
    MAX_SKIPPED_FRACTION = 0.0  # they are our own

    @abc.abstractmethod
    def drawings(self) -> Iterator[Drawing]:
        """All videos of the configuration."""

    def prepare_videos(self, report: Report | None = None) -> None:
        """Writes the .avi files that are not there yet, on all cores; a hundred a second and more.

        Raises:
          DatasetError: where a process that wrote one has died.
        """

        def waiting():
            if report is not None:
                report(f'{self.name}: waiting for another process that is making the videos')

        # Configurations share their files, and another process may be converting another one.
        with locks.held(self._folder / '.lock', waiting):
            self._write_missing(report)

    def split_videos(self) -> dict[str, list[Video]]:
        splits = collections.defaultdict(list)
        for one in self.drawings():
            splits[one.split].append(Video(one.id, str(self._path(one)), one.label))
        return dict(splits)

    @property
    def _folder(self) -> epath.Path:
        """Of the .avi files, which depend on nothing else: all configurations share them."""
        seed = self.builder_config.seed
        folder = epath.Path(self.data_dir_root) / 'generated' / self.name
        return folder / f'{self.version}-seed{seed}'

    def _path(self, drawing: Drawing) -> epath.Path:
        return self._folder / f'{drawing.id}.avi'

    def _write_missing(self, report) -> None:
        jobs = [
            Job(str(path), one) for one in self.drawings() if not (path := self._path(one)).exists()
        ]
        start = last = time.monotonic()
        written = workers.in_order(write, jobs, os.cpu_count() or 1, lambda: False)
        with contextlib.closing(written):
            for done, (job, whole) in enumerate(written, start=1):
                if not whole:
                    raise DatasetError(f'{job.path}: the process that wrote it has died')
                now = time.monotonic()
                if report is not None and (now - last > 5 or done == len(jobs)):
                    last = now
                    report(
                        f'{self.name}: {done}/{len(jobs)} videos made, {done / (now - start):.0f}/s'
                    )


def write(job: Job) -> bool:
    """Draws a video and writes it; returns True."""
    write_video(job.path, job.drawing.draw(*job.drawing.arguments))
    return True


def write_video(path: str | os.PathLike, frames: Iterable[np.ndarray]) -> None:
    """Writes a video as those of the embedded datasets are stored: lossless.

    Codecs that predict a frame from the ones before it leave a trail behind whatever moves: with
    mp4v, a moving disc of 96x96 pixels differs by up to 31 levels between a video and its mirror
    image in time. A dataset whose classes differ by nothing but the direction of time may not carry
    such a mark in single frames.

    Args:
      path: .avi file to write; missing parent folders are made.
      frames: uint8 arrays (height, width, 3), RGB.
    """
    writing.write_video(path, frames, FRAMES_PER_SECOND, 'FFV1')
