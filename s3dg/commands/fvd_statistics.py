"""Statistics of a set of videos: how they are made, what they are of, and where they are kept."""

import dataclasses
import hashlib
import itertools
import json
import math
import pathlib

import numpy as np
import tensorflow as tf

from s3dg.analysis import frechet
from s3dg.answers import require_finite
from s3dg.commands import fvd_clips
from s3dg.errors import VideoError
from s3dg.features import LOGITS
from s3dg.files import readable
from s3dg.inference import InBatches
from s3dg.program import entry
from s3dg.program.workdir import file_identity
from s3dg.progress import ProgressLine
from s3dg.video import ahead

# What statistics are of; must be alike where they are compared.
_OF = {
    'model': ('U', 0),  # as of `network_digest`
    'endpoint': ('U', 0),
    'dtype': ('U', 0),  # policy of the network
    'protocol': ('U', 0),
    'frames': ('iu', 0),  # of a clip; 0: all of a video
    'stride': ('iu', 0),
    'clips': ('U', 0),  # 'first' or 'random'
}
# What is known of the videos when they have been read.
_SEEN = {
    'videos': ('U', 0),  # as of `videos_digest`
    'shortest': ('iu', 0),
    'longest': ('iu', 0),
    'left_out': ('U', 2),  # rows of a video and the reason
}
_FRAMES_AHEAD = 64  # that wait for the network, in their own size
_REMEDY = 'delete it, and make it anew of its videos'


@dataclasses.dataclass(frozen=True)
class Side:
    """One of the two sets of videos.

    Attributes:
      file: of its statistics.
      statistics: of its features.
      shortest, longest: frames of its clips.
      left_out: reasons, by the videos that have no clip.
    """

    file: pathlib.Path
    statistics: frechet.Statistics
    shortest: int
    longest: int
    left_out: dict[str, str]


def network_digest(network):
    """By what a network is told from another, wherever it is saved: SHA-256, 64 characters."""
    digest = hashlib.sha256(json.dumps(network.config.to_dict(), sort_keys=True).encode())
    for variable in sorted(network.weights, key=lambda variable: variable.path):
        values = np.ascontiguousarray(variable.numpy())
        digest.update(f'{variable.path} {values.dtype} {values.shape}'.encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def videos_digest(paths):
    """By what videos, files or folders of frames, are told from others and from what they were."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            digest.update(json.dumps(file_identity(file.absolute())).encode())
    return digest.hexdigest()


def create_embedding(network, endpoint, batch_size, strategy):
    """An `InBatches` of clips to features, and their dimensions.

    The features are float32 (clips, dimensions): means over time and space.

    Args:
      network: a `Network`, made or loaded under `strategy`.
      endpoint: a name known to `Network.endpoint`, or `LOGITS`.
      batch_size: clips at a time and device.
      strategy: devices.
    """
    model = network if endpoint == LOGITS else network.endpoint(endpoint)
    axes = list(range(1, len(model.output.shape) - 1))  # none of logits, which are means already

    def features(clips):
        activations = tf.cast(model(clips, training=False), 'float32')
        return tf.reduce_mean(activations, axes) if axes else activations

    at_once = batch_size * strategy.num_replicas_in_sync
    return InBatches(features, at_once, strategy, any_length=True), model.output.shape[-1]


class Clips:
    """The clips of a set of videos, read once; what is wrong with a video is reported.

    Attributes:
      shortest, longest: frames of the clips up to now.
      left_out: reasons, by the videos that have no clip.

    Args:
      label: of the set; an attribute too.
      paths: of video files, or folders of frames; an attribute too.
      protocol: a `fvd_clips.Protocol`.
      limit: of the number of clips; None: all.
      most_frames: of a clip.
      seed: of the starts of clips; None: each begins with its video.
    """

    def __init__(self, label, paths, protocol, limit, most_frames, seed=None):
        self.shortest, self.longest, self.left_out = math.inf, 0, {}
        self.label, self._limit = label, limit or len(paths)
        self.paths, self._protocol = paths, protocol
        self._most_frames, self._seed = most_frames, seed

    def read(self, reader):
        """Yields (name of the video, clip as of `fvd_clips.cut_clip`), which `reader` decodes."""
        taken = 0
        videos = reader.videos(self.paths, _FRAMES_AHEAD)
        for number, (path, frames) in enumerate(zip(self.paths, videos, strict=True)):
            name = readable(path)
            generator = None if self._seed is None else np.random.default_rng((self._seed, number))
            try:
                clip = fvd_clips.cut_clip(frames, self._protocol, self._most_frames, generator)
            except VideoError as error:
                self.left_out[name] = str(error)
                entry.report_error(f'{name}: {error}')
                continue
            if frames.faults:
                entry.report(f'{name}: {frames.faults}')
            self.shortest = min(self.shortest, len(clip))
            self.longest = max(self.longest, len(clip))
            yield name, clip
            taken += 1
            if taken == self._limit:
                return


def _in_batches(named_clips, size):
    """Yields lists of at most `size` (name, clip) that follow each other and have one length."""
    for _, alike in itertools.groupby(named_clips, key=lambda named: len(named[1])):
        while batch := list(itertools.islice(alike, size)):
            yield batch


def measure(clips, embed):
    """The `Statistics` of the features that `embed` makes of `Clips`.

    Raises:
      UsageError: for fewer than two clips.
      NonFiniteAnswerError: where the network answers with NaN or infinity, naming the video.
    """
    stream, progress = frechet.Stream(), ProgressLine(clips.label, 'videos', entry.report)
    with ahead.Reader() as reader:
        for batch in _in_batches(clips.read(reader), embed.batch_size):
            names, arrays = zip(*batch, strict=True)
            features = embed(arrays)
            for name, vector in zip(names, features, strict=True):
                require_finite(vector, f'{name}: features')
            stream.update(features)
            progress(stream.count)
    if stream.count < 2:
        raise entry.UsageError(
            f'{clips.label}: found {stream.count} videos that can be used, expected at least 2.'
        )
    return stream.statistics()


def find_or_make(file, clips, of, embed):
    """The `Side` of `Clips`: from its file, if that is there and up to date, else made, and kept.

    Args:
      file: where it is kept.
      clips: are read where it must be made.
      of: what the statistics must be of, by name.
      embed: makes features of clips.

    Raises:
      UsageError, NonFiniteAnswerError: as `measure`.
      OSError: with the name of the file, where it cannot be written.
    """
    of = {**of, 'videos': videos_digest(clips.paths)}
    side = _find(file, of)
    if side is not None:
        for name, reason in side.left_out.items():
            entry.report_error(f'{name}: {reason}')
        entry.report(f'{clips.label}: {side.statistics.count} videos are done already, {file}')
        return side
    statistics = measure(clips, embed)
    side = Side(file, statistics, clips.shortest, clips.longest, clips.left_out)
    left_out = np.array(list(side.left_out.items()), str).reshape(-1, 2)
    lengths = {'shortest': side.shortest, 'longest': side.longest}
    frechet.save(file, statistics, {**of, **lengths, 'left_out': left_out})
    entry.report(f'{clips.label}: {statistics.count} videos, {file}')
    return side


def _find(file, of):
    """The `Side` of a file that is there, whole, and of the same."""
    if not file.is_file():
        return None
    try:
        side, found = _load(file)
    except frechet.StatisticsError:
        return None  # a file system's crash, not ours: files appear whole
    return side if found == of else None


def read(file, of, dimensions):
    """The `Side` of a file that was given in place of videos.

    Raises:
      UsageError: where it is damaged, or its statistics are of something else.
    """
    try:
        side, found = _load(file)
    except frechet.StatisticsError as error:
        raise entry.UsageError(str(error)) from error
    found['dimensions'] = side.statistics.dimensions
    for name, expected in {**of, 'dimensions': dimensions}.items():
        if found[name] != expected:
            raise entry.UsageError(
                f'{file}: its statistics are of {name} {found[name]!r}, expected {expected!r}: '
                f'both sides need the same network and flags.'
            )
    return side


def _load(file):
    """A `Side`, and what its statistics are of, with the digest of its videos."""
    statistics, arrays = frechet.load(file, {**_OF, **_SEEN}, _REMEDY)
    rows = arrays.pop('left_out')
    if rows.shape[1:] != (2,):
        raise frechet.StatisticsError(
            f"{file} is damaged: array 'left_out' is of shape {rows.shape}, expected (n, 2); "
            f'{_REMEDY}'
        )
    found = {name: array.item() for name, array in arrays.items()}
    lengths = found.pop('shortest'), found.pop('longest')
    return Side(file, statistics, *lengths, dict(rows.tolist())), found
