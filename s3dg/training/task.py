"""What a network is trained for: losses, metrics, and the entries of a batch that they need."""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

from s3dg.config import ConfigError

# `(outputs of the network, targets by name) -> scalar`: a mean over one micro-batch.
Measure = Callable[[object, Mapping[str, tf.Tensor]], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Task:
    """What the training loop has to know of a kind of network.

    Attributes:
      targets: the entries of a batch that `losses` and `metrics` are handed, as a dict by name.
      losses: by name; their sum is minimised and reported as 'loss'. Where there are several, each
        is reported under its own name too. A weight of a loss is part of its function.
      metrics: by name, reported only.
      evaluation: name of the figure that `evaluate` returns during a training.
      inputs: the entries of a batch that the network is called with: one as a tensor, several as a
        dict by name.
    """

    targets: tuple[str, ...]
    losses: Mapping[str, Measure]
    metrics: Mapping[str, Measure]
    evaluation: str
    inputs: tuple[str, ...] = ('clip',)

    def __post_init__(self):
        if not self.losses or not self.inputs:
            raise ConfigError('Task: expected at least one loss and one input.')
        names = (*self.columns, 'gradient_norm')
        if len(set(names)) < len(names):
            got = ', '.join(names)
            raise ConfigError(f'Task: two of its figures have the same name, got {got}.')

    @property
    def figures(self):
        """Names of what is reported of every step."""
        parts = tuple(self.losses) if len(self.losses) > 1 else ()
        return ('loss', *parts, *self.metrics)

    @property
    def columns(self):
        """The columns of `history.csv`."""
        timing = ('learning_rate', 'clips_per_second', 'input_wait_share')
        return ('step', *self.figures, *timing, self.evaluation)

    def select(self, batch):
        """(what the network is called with, the targets) of a batch, a dict by name."""
        inputs = {name: batch[name] for name in self.inputs}
        targets = {name: batch[name] for name in self.targets}
        return next(iter(inputs.values())) if len(inputs) == 1 else inputs, targets


def _cross_entropy(logits, targets):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets['label'], logits)
    return tf.reduce_mean(losses)


def _accuracy(logits, targets):
    label = targets['label']
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1, label.dtype), label), 'float32'))


CLASSIFICATION = Task(
    targets=('label',),
    losses={'cross_entropy': _cross_entropy},
    metrics={'accuracy': _accuracy},
    evaluation='top1',
)
