"""Features of videos: what an endpoint of a network makes of their windows, and when that was seen.

    from s3dg.features import Extractor

    extractor = Extractor(network, 'Mixed_5c')       # one vector per window
    found = extractor.of_video('holiday.mp4')
    found.read()                                     # float32 (windows, channels)
    found.feature_times                              # then: seconds, (windows,)

A video is brought to the network as in evaluation: resampled, resized, centre-cropped, looped where
it is shorter than a window.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from s3dg.answers import require_finite
from s3dg.config import ENDPOINTS, ConfigError
from s3dg.inference import InBatches
from s3dg.network import POOLED_FEATURES
from s3dg.video import reading, sampling, windows

# The network's own output: logits, or an embedding where its head says so.
LOGITS = 'logits'

# Axes of (batch, time, height, width, channels) that are averaged over.
POOLED_AXES = {'all': (1, 2, 3), 'space': (2, 3), 'none': ()}

# Pixels that a device sees at once, at most: the first layer alone makes 32 bytes of each.
MOST_PIXELS = 100_000_000


def step_weights(frames, steps, positions):
    """Share that each frame has in each temporal step of an endpoint.

    Args:
      frames: of a window.
      steps: temporal length of the endpoint.
      positions: temporal length of the activations of which the steps average neighbours. The head
        averages two, so its steps are one fewer; elsewhere it equals `steps`.

    Returns:
      float64 (steps, frames), rows of sum 1. Frames are shared out evenly among the positions:
      which of them a kernel sees is wider, and depends on paddings by half a frame or so.
    """
    each = frames / positions
    first = np.arange(steps)[:, None] * each
    last = first + each * (positions - steps + 1)
    frame = np.arange(frames)
    share = np.clip(np.minimum(last, frame + 1) - np.maximum(first, frame), 0, None)
    return share / share.sum(axis=1, keepdims=True)


class VideoFeatures:
    """Features of one video, which are computed while they are read, once.

    Attributes, known when all features have been read:
      shape: of all features, (windows, ...).
      frames_per_second: of the frames that the network sees.
      frame_times: float64 (windows, frames), seconds from the start of the file at which each frame
        appears; where a video is looped they repeat.
      feature_times: float64 (windows,), or (windows, time) where the features have a temporal axis:
        the mean time of the frames that a feature stands for.
    """

    def __init__(self, extractor, frames, stride, warn):
        self._extractor, self._frames, self._warn = extractor, frames, warn
        self._stride = stride or extractor.window

    def read(self) -> np.ndarray:
        """All features, float32 of `shape`.

        Raises:
          VideoError: where the video cannot be used to its end.
          NonFiniteAnswerError: where the network answers with NaN or infinity.
        """
        return np.concatenate(list(self.blocks()))

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields the features, some windows at a time, in place of `read`; errors as of it."""
        extractor, times = self._extractor, []

        def timed():
            for frame in self._frames:
                times.append(self._frames.time)
                yield frame

        clips = windows.cut_windows(timed(), extractor.window, self._stride)
        while batch := list(itertools.islice(clips, extractor.batch_size)):
            yield extractor(batch)
        if self._frames.faults and self._warn is not None:
            self._warn(self._frames.faults)
        times = np.array(times)
        starts = sampling.window_starts(len(times), extractor.window, self._stride)
        self.shape = (len(starts), *extractor.shape)
        rate = extractor.reading['frames_per_second']
        self.frames_per_second = float(rate or sampling.mean_frames_per_second(times))
        self.frame_times = times[sampling.frame_numbers(len(times), starts, extractor.window)]
        self.feature_times = self.frame_times @ extractor.time_weights.T


class Extractor:
    """Features of clips and videos at one endpoint of a network.

    Attributes:
      shape: of the features of a clip.
      batch_size: clips at a time, of all devices.
      reading: the arguments of `reading.read_frames` that make frames of a clip of a video.
      time_weights: float64 (steps, frames) as of `step_weights`, or (frames,) where the features
        have no temporal axis: a feature's time is the mean of the frames' times with these weights.

    Args:
      network: a `Network`, made or loaded under `strategy`.
      endpoint: a name known to `Network.endpoint`, or `LOGITS`.
      pool: a key of `POOLED_AXES`.
      window: frames of a clip, an attribute too; default those of the network's training clips.
      batch_size: clips at a time and device.
      strategy: devices; default a single one.

    Raises:
      ConfigError: if a window is too short for the endpoint, or a batch too large for the memory.
    """

    def __init__(self, network, endpoint, pool='all', window=None, batch_size=1, strategy=None):
        strategy = strategy or tf.distribute.get_strategy()
        video_format = network.video_format
        self.reading = {**video_format.reading, 'crop_size': video_format.crop_size}
        self.window = window or video_format.clip_frames
        height, width = video_format.crop_size
        pixels = batch_size * self.window * height * width
        if pixels > MOST_PIXELS:
            raise ConfigError(
                f'batch_size: {batch_size} windows of {self.window} frames of {height}x{width} are '
                f'{pixels:,} pixels at once, expected at most {MOST_PIXELS:,}.'
            )
        model = network if endpoint == LOGITS else network.endpoint(endpoint)
        clips = (batch_size, self.window, height, width, network.config.channels)
        output = source = model.compute_output_shape(clips)
        if endpoint in (POOLED_FEATURES, LOGITS):  # what the head averages
            source = network.endpoint(ENDPOINTS[-1]).compute_output_shape(clips)
        if 0 in source:
            raise ConfigError(
                f'window: {self.window} frames of {height}x{width} leave nothing at {endpoint}, '
                f'expected a longer window.'
            )
        # The head's outputs have fewer axes: those that it has averaged over are not there.
        axes = [axis for axis in POOLED_AXES[pool] if axis < len(output) - 1]
        self.shape = tuple(n for axis, n in enumerate(output) if axis not in (0, *axes))
        steps = output[1] if len(output) > 2 else 1
        self.time_weights = step_weights(self.window, steps, source[1])
        if len(output) == 2 or 1 in axes:
            self.time_weights = self.time_weights.mean(axis=0)

        def features(clips):
            activations = tf.cast(model(clips, training=False), 'float32')
            return tf.reduce_mean(activations, axes) if axes else activations

        self.batch_size = batch_size * strategy.num_replicas_in_sync
        self._in_batches = InBatches(features, self.batch_size, strategy)

    def __call__(self, clips):
        """Features, float32 (clips, *shape), of uint8 (clips, T, H, W, C); errors as of `read`."""
        return require_finite(self.compute(clips), 'features')

    def compute(self, clips):
        """As a call, but what is NaN or infinite stays so."""
        return self._in_batches(clips)

    def of_video(self, path, stride=None, *, frames=None, warn=None):
        """The `VideoFeatures` of a file; memory is bounded by a batch, however long it is.

        Args:
          path: a video file. It is decoded once, by this process, when the network wants its
            frames.
          stride: frames from the start of a window to the next, the last one ending with the
            video; default the window.
          frames: in place of the file, what `ahead.Reader.videos` yields of it with the options
            `self.reading`: another process decodes it while the network computes.
          warn: called with the faults of the file, if any, that did not stop it from being used.
        """
        if frames is None:
            frames = reading.read_frames(path, **self.reading)
        return VideoFeatures(self, frames, stride, warn)
