"""Full-video evaluation: each video's logits averaged over its windows, and exact counts."""

import dataclasses
import weakref

import numpy as np
from sklearn.metrics import confusion_matrix

from s3dg import files
from s3dg.errors import S3dgError
from s3dg.files.readers import read_npz
from s3dg.inference import InBatches
from s3dg.training.devices import create_strategy

# Of networks that live: their `InBatches` by batch size and strategy.
_FORWARD = weakref.WeakKeyDictionary()


class EvaluationError(S3dgError, RuntimeError):
    """Predictions that do not add up: a missing, doubled or non-finite one."""


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a network says of each video."""

    ids: np.ndarray  # str (videos,), unique, sorted
    labels: np.ndarray  # int32 (videos,)
    logits: np.ndarray  # float32 (videos, classes), the mean over the video's windows

    def save(self, path):
        """Writes them as `.npz` with the arrays `id`, `label`, `logits`."""
        with files.unfinished(path) as temporary:
            np.savez(temporary, id=self.ids, label=self.labels, logits=self.logits)

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote; EvaluationError where the file is damaged."""
        kinds = {'id': ('U', 1), 'label': ('iu', 1), 'logits': ('f', 2)}
        remedy = 'delete it to have it written again'
        arrays = read_npz(path, kinds, EvaluationError, remedy)
        ids, labels, logits = map(len, arrays.values())
        if not ids == labels == logits:
            raise EvaluationError(
                f'{path} is damaged: it has {ids} ids, {labels} labels and {logits} rows of '
                f'logits, expected as many of each; {remedy}'
            )
        return cls(*arrays.values())


@dataclasses.dataclass(frozen=True)
class Metrics:
    """Figures of an evaluation.

    `top1` and `top5` are shares of videos, in [0, 1], whose class is the first, or among the first
    five (all, where there are fewer classes). Equal logits count against the network.
    """

    top1: float
    top5: float
    confusion: np.ndarray  # int64 (classes, classes), rows: true class, columns: predicted
    videos_expected: int  # that the dataset says it holds
    videos_seen: int

    def per_class(self, class_names):
        """Top-1 and number of videos of each class, as a dict by class name."""
        videos = self.confusion.sum(axis=1)
        hits = np.diag(self.confusion)
        return {
            name: {'top1': float(hit / count) if count else None, 'videos': int(count)}
            for name, hit, count in zip(class_names, hits, videos, strict=True)
        }


def compute_metrics(predictions, videos_expected):
    """The `Metrics` of `Predictions`.

    Raises:
      EvaluationError: where there are no videos, a logit is not finite, or a label is no class.
    """
    logits, labels = predictions.logits, predictions.labels
    if not len(labels):
        raise EvaluationError('There are no videos to evaluate.')
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise EvaluationError(f'The logits of video {predictions.ids[~finite][0]} are not finite.')
    classes = logits.shape[1]
    strange = (labels < 0) | (labels >= classes)
    if strange.any():
        video, label = predictions.ids[strange][0], labels[strange][0]
        raise EvaluationError(f'Video {video} has label {label}, expected 0 to {classes - 1}.')
    own = np.take_along_axis(logits, labels[:, None].astype('int64'), axis=1)
    rank = (logits >= own).sum(axis=1) - 1  # 0: the true class alone is highest
    return Metrics(
        top1=float((rank == 0).mean()),
        top5=float((rank < 5).mean()),
        confusion=confusion_matrix(labels, logits.argmax(axis=1), labels=range(classes)),
        videos_expected=int(videos_expected),
        videos_seen=len(labels),
    )


def _forward(network, batch_size, strategy):
    """The network on any number of clips; traced once, however often it is evaluated."""
    known, key = _FORWARD.setdefault(network, {}), (batch_size, strategy)
    if key not in known:
        living = weakref.ref(network)  # else it would live as long as the program
        known[key] = InBatches(
            lambda clips: living()(clips, training=False),
            batch_size,
            strategy or create_strategy('one'),
        )
    return known[key]


def predict(network, windows, batch_size, *, strategy=None, progress=None):
    """The `Predictions` for every video of a dataset of windows.

    Args:
      network: a `Network`.
      windows: a finite `tf.data.Dataset` of batches of at most `batch_size`, dicts with `clip`
        (batch, time, height, width, channels), `label`, `id`, `window` (0, 1, ...) and `windows`
        (how many the video has).
      batch_size: windows per step over all replicas.
      strategy: default one device.
      progress: called with the number of windows done after every batch.

    Raises:
      EvaluationError: where a window comes twice or is missing, or a logit is not finite.
      ConfigError: where the batch does not divide by the replicas.
    """
    forward = _forward(network, batch_size, strategy)
    sums, labels, missing = {}, {}, {}
    done = 0
    for batch in windows.as_numpy_iterator():
        logits = forward(batch['clip'])
        columns = (batch[name] for name in ('id', 'label', 'window', 'windows'))
        for raw_id, label, window, count, row in zip(*columns, logits, strict=True):
            video = raw_id.decode()
            if not np.isfinite(row).all():
                raise EvaluationError(f'The logits of video {video} are not finite.')
            if video not in missing:
                missing[video], labels[video] = set(range(count)), label
                sums[video] = np.zeros(len(row), 'float64')
            if window not in missing[video]:
                raise EvaluationError(f'Window {window} of video {video} came twice.')
            missing[video].remove(window)
            sums[video] += row / float(count)
        done += len(logits)
        if progress is not None:
            progress(done)
    for video, numbers in missing.items():
        if numbers:
            raise EvaluationError(f'Windows {sorted(numbers)} of video {video} are missing.')
    ids = sorted(sums)
    return Predictions(
        np.array(ids, dtype=str),
        np.array([labels[video] for video in ids], 'int32'),
        np.array([sums[video] for video in ids], 'float32'),
    )
