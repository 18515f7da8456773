"""Many videos through the networks of one or two streams, their windows in common batches.

    extraction = Extraction({'rgb': Extractor(network, 'Mixed_5c')}, Cut(64, 16))
    extract(extraction, [(sink, frames), ...])

Each video is read once. Its frames, and the flow between them, are cut into windows, and windows
into crops; a batch holds those of several videos where they are short. What comes out goes to the
video's `Sink`.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from s3dg.answers import NonFiniteAnswerError, require_finite
from s3dg.errors import VideoError
from s3dg.video import crops, sampling, streams
from s3dg.video.windows import OUTSIDE, Cut


@dataclasses.dataclass
class Times:
    """When the windows of a video, and what they are features of, were seen.

    Attributes:
      frames_per_second: of the frames that the networks see.
      frame_times: float64 (windows, frames), seconds from the start of the file at which each frame
        appears; NaN where a window has none.
      feature_times: float64 (windows,) or (windows, time): the mean time of the frames that a
        feature stands for.
    """

    frames_per_second: float
    frame_times: np.ndarray
    feature_times: np.ndarray


class Sink(Protocol):
    """Where the features of a video go."""

    def append(self, rows: dict[str, np.ndarray]) -> None:
        """Takes the features of its next windows: of each stream float32 (windows, crops, ...)."""

    def finish(self, times: Times, faults: str) -> None:
        """Is told that there are no more; `faults` are as of `reading.Frames`."""

    def fail(self, error: Exception | None) -> None:
        """Is told that the video cannot be used, or with None that the program ends."""


class Extraction:
    """What becomes of each video.

    Attributes:
      reading: the arguments of `sources.read_frames` that make frames of a video.
      batch_size: windows at a time.

    Args:
      extractors: the `features.Extractor` of each stream, by its name in `streams`; all of one
        window and crop.
      cut: the `Cut` of a video into windows.
      names, mirrored: of the crops, as of `crops.crop_each`.
      leaves_last: whether the last frame, from which no flow leads on, is left out.
      reading: in place of those of the extractors.
    """

    def __init__(
        self,
        extractors,
        cut: Cut,
        names=(crops.CENTRE,),
        mirrored=False,
        leaves_last=False,
        reading=None,
    ):
        self.extractors, self.cut = extractors, cut
        self._names, self._mirrored, self._leaves_last = names, mirrored, leaves_last
        first = next(iter(extractors.values()))
        self._crop_size = first.reading['crop_size']
        self.reading = dict(reading or first.reading)
        # Flow at the edge of a crop is that of the whole frame, and so are the other crops.
        sees_frames_alone = tuple(extractors) == (streams.RGB,)
        self._is_cropped = sees_frames_alone and names == (crops.CENTRE,) and not mirrored
        if not self._is_cropped:
            self.reading.pop('crop_size', None)
        self.crops = len(names) * (2 if mirrored else 1)
        self.batch_size = max(first.batch_size // self.crops, 1)

    def windows(self, frames: Iterable[np.ndarray], times: list[float]) -> Iterator[dict]:
        """Yields the windows of a video: of each stream uint8 (crops, frames, *crop_size, C).

        Args:
          frames: as `sources.read_frames` gives them.
          times: gets the time of each frame when it is read.
        """

        def timed():
            for frame in frames:
                times.append(frames.time)
                yield frame

        names = tuple(self.extractors)
        items = streams.of_video(timed(), names, self._leaves_last)

        def blank(item):
            return {name: streams.blank(one, name) for name, one in item.items()}

        for window in self.cut.windows(items, blank):
            yield {name: self._crops(np.stack([one[name] for one in window])) for name in names}

    def _crops(self, window):
        if self._is_cropped:
            return window[None]
        return crops.crop_each(window, self._names, self._crop_size, self._mirrored)

    def rows(self, windows: list[dict]) -> dict[str, np.ndarray]:
        """Features of windows, float32 (windows, crops, ...) of each stream; they may be NaN."""
        found = {}
        for name, extractor in self.extractors.items():
            clips = np.concatenate([window[name] for window in windows])
            rows = extractor.compute(clips)
            found[name] = rows.reshape(len(windows), self.crops, *rows.shape[1:])
        return found

    def times(self, times: list[float]) -> Times:
        """The `Times` of a video whose frames appear at `times`, seconds."""
        length = len(times) - self._leaves_last
        seen = np.array(times)
        rate = self.reading['frames_per_second'] or sampling.mean_frames_per_second(seen)
        numbers = self.cut.numbers(length)
        frame_times = np.where(numbers == OUTSIDE, np.nan, seen[:length][numbers])
        weights = next(iter(self.extractors.values())).time_weights
        inside = np.isfinite(frame_times)
        # The mean over the frames that there are; of a step of none there is no time.
        shares = inside @ weights.T
        with np.errstate(invalid='ignore'):
            feature_times = np.where(inside, frame_times, 0.0) @ weights.T / shares
        return Times(float(rate), frame_times, feature_times)


class _Job:
    """A video at work."""

    def __init__(self, sink):
        self.sink, self.times, self.faults = sink, [], ''
        self.cut = self.done = 0
        self.is_over = self.is_closed = False

    def fail(self, error):
        if not self.is_closed:
            self.is_closed = True
            self.sink.fail(error)


def extract(extraction: Extraction, videos: Iterable[tuple[Sink, Iterable[np.ndarray]]]) -> None:
    """Extracts the features of videos.

    Args:
      videos: pairs of a sink and the frames of a video, an iterator with `time` and `faults` as
        `reading.Frames`; one at a time, and each is read before the next is asked for.

    Raises:
      Whatever a sink raises; all others that are open are told.
    """
    waiting, jobs = [], []
    try:
        for sink, frames in videos:
            jobs[:] = [job for job in jobs if not job.is_closed]
            jobs.append(job := _Job(sink))
            try:
                for window in extraction.windows(frames, job.times):
                    waiting.append((job, window))
                    job.cut += 1
                    if len(waiting) >= extraction.batch_size:
                        _run(extraction, waiting)
                    if job.is_closed:
                        break
                if not job.cut:
                    found = len(job.times)
                    raise VideoError(
                        f'{found} frames, expected at least a window of {extraction.cut.frames}'
                    )
            except VideoError as error:
                waiting[:] = [(one, window) for one, window in waiting if one is not job]
                job.fail(error)
                continue
            job.is_over, job.faults = True, frames.faults
            _finish(extraction, job)
        if waiting:
            _run(extraction, waiting)
    finally:
        for job in jobs:
            job.fail(None)


def _run(extraction, waiting):
    """Gives the windows that wait to the networks, and what comes out to the sinks."""
    rows = extraction.rows([window for _, window in waiting])
    jobs = [job for job, _ in waiting]
    waiting.clear()
    for job in dict.fromkeys(jobs):
        mine = np.array([one is job for one in jobs])
        try:
            own = {name: require_finite(found[mine], 'features') for name, found in rows.items()}
        except NonFiniteAnswerError as error:
            job.fail(error)
            continue
        job.sink.append(own)
        job.done += int(mine.sum())
        _finish(extraction, job)


def _finish(extraction, job):
    if job.is_over and job.done == job.cut and not job.is_closed:
        job.is_closed = True
        job.sink.finish(extraction.times(job.times), job.faults)
