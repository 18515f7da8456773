"""The training loop: synchronous momentum SGD on one device or many, resumable at any step.

One loop of our own over `tf.distribute`: a `Task` says what is minimised. `Model.fit` works on one
device; under the strategies it was tried and fails where this loop does not (steps per call, XLA,
batches that leave a replica empty, several workers).
"""

import contextlib
import dataclasses
import math
import pathlib
import signal
import time

import keras
import tensorflow as tf

from s3dg.config import ConfigError
from s3dg.errors import S3dgError
from s3dg.training.checkpoints import Checkpoints
from s3dg.training.devices import create_strategy
from s3dg.training.history import History, Window
from s3dg.training.optimizer import MomentumSGD
from s3dg.training.schedules import CosineSchedule, StepSchedule
from s3dg.training.signals import Stopped, Termination
from s3dg.training.steps import TrainSteps
from s3dg.training.task import CLASSIFICATION

# A call of the compiled loop is kept about this long, so that a signal is answered soon.
_SECONDS_PER_CALL = 5.0


class NonFiniteLossError(S3dgError, RuntimeError):
    """The loss or a gradient was infinite or not a number: names the step."""


class TrainingInterrupted(Exception):
    """The run was asked to stop, by signal `number`, and has written a checkpoint at `step`."""

    def __init__(self, step, number=signal.SIGTERM):
        super().__init__(f'Stopped at step {step}; run the same command again to go on from there.')
        self.step, self.number = step, number


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes:
      schedule: a `StepSchedule` or `CosineSchedule`; its `steps` is the length of the training.
      batch_size: clips per step, over all replicas and micro-batches (paper: 56 GPUs x 6 = 336).
      accumulation: micro-batches that each replica runs before one update with the mean gradient.
        Batch norm sees the micro-batch, so 336 clips in micro-batches of 6 have the paper's
        statistics on any number of GPUs.
      momentum: 0.9 ("vanilla" momentum). Keras's update holds the rate inside the velocity;
        TensorFlow 1's held it outside: they differ only in the dozen steps after a change of it.
      weight_decay: on every kernel, as slim's `l2_regularizer`: `weight_decay * sum(w^2) / 2`. It
        is not part of the loss that is reported.
      clip_norm: length to which the gradient of every variable is cut; None: none is.
      checkpoint_every, evaluate_every: steps between checkpoints, and evaluations (0: none).
      log_every: steps between lines of progress, `history.csv` and TensorBoard.
      jit: whether forward and backward pass are compiled by XLA.
      deterministic: whether TensorFlow's deterministic operations are on
        (`tf.config.experimental.enable_op_determinism`), which allow no clock: the time waited for
        input is not measured then.
    """

    schedule: StepSchedule | CosineSchedule
    batch_size: int = 336
    accumulation: int = 1
    momentum: float = 0.9
    weight_decay: float = 1e-7
    clip_norm: float | None = None
    checkpoint_every: int = 1000
    log_every: int = 100
    evaluate_every: int = 0
    jit: bool = False
    deterministic: bool = False

    def __post_init__(self):
        for name, holds, expected in (
            ('batch_size', self.batch_size >= 1, 'at least 1'),
            ('accumulation', self.accumulation >= 1, 'at least 1'),
            ('checkpoint_every', self.checkpoint_every >= 1, 'at least 1'),
            ('log_every', self.log_every >= 1, 'at least 1'),
            ('evaluate_every', self.evaluate_every >= 0, '0 or more'),
            ('momentum', 0 <= self.momentum < 1, 'in [0, 1)'),
            ('clip_norm', self.clip_norm is None or self.clip_norm > 0, 'above 0'),
            ('weight_decay', 0 <= self.weight_decay < math.inf, '0 or more'),
        ):
            if not holds:
                found = getattr(self, name)
                raise ConfigError(f'TrainingConfig: {name} must be {expected}, got {found}.')

    def micro_batch_size(self, replicas):
        """Clips that one replica sees at once; ConfigError where the batch does not divide."""
        parts = replicas * self.accumulation
        if self.batch_size % parts:
            raise ConfigError(
                f'batch_size must divide by replicas x accumulation = {replicas} x '
                f'{self.accumulation}, got {self.batch_size}.'
            )
        return self.batch_size // parts

    def to_dict(self):
        values = {**dataclasses.asdict(self), 'schedule': self.schedule.to_dict()}
        if self.clip_norm is None:  # so that older runs, whose files lack it, are found
            del values['clip_norm']
        return values


def train(
    create_network,
    clips,
    config,
    workdir,
    *,
    task=CLASSIFICATION,
    strategy=None,
    evaluate=None,
    report=print,
):
    """Trains a network, or goes on with a training that was stopped.

    The newest checkpoint in `workdir/checkpoints` is restored: weights, batch norm statistics,
    momenta, step and the dropout's random state. Where there is none, training starts from what
    `create_network` returns. The input goes on at the example after the last one used.

    Args:
      create_network: returns the Keras model to train (for classification a `Network`); called in
        the strategy's scope.
      clips: a function `(first example, tf.distribute.InputContext, batch size) -> tf.data.Dataset`
        of dicts, endless, full batches only. They hold the inputs and targets of `task`; of
        classification 'clip' (batch, time, height, width, channels) and 'label' int (batch,).
      config: a `TrainingConfig`.
      workdir: folder for `checkpoints/`, `history.csv` and `tensorboard/`.
      task: the `Task`.
      strategy: a `tf.distribute.Strategy`; default one device.
      evaluate: a function from the network to the task's figure of evaluation (of classification:
        top-1).
      report: takes each line of progress.

    Returns:
      (network, last row of the history: without figures where that of a finished training is
      gone).

    Raises:
      NonFiniteLossError: naming the step; the checkpoints of earlier steps are kept.
      SavedStateError: where there are checkpoints and all are damaged.
      DiskError: where a checkpoint or the history cannot be written; those before are kept.
      TrainingInterrupted: after SIGTERM or SIGINT, with a checkpoint written.
      Stopped: the same before the first step, when there is nothing to write.
      ConfigError: where the batch does not divide.
    """
    strategy = strategy or create_strategy('one')
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    micro_batch_size = config.micro_batch_size(strategy.num_replicas_in_sync)
    run = _Run(create_network, config, workdir, task, strategy, report)
    first, rows = run.step, run.history.rows
    if first < config.schedule.steps:
        dataset = strategy.distribute_datasets_from_function(
            lambda context: clips(first * config.batch_size, context, micro_batch_size)
        )
        run.go_on(iter(dataset), evaluate)
    elif not rows:
        report(f'{run.history.path} has no rows of this training, which is at its end')
    return run.network, rows[-1] if rows else {**dict.fromkeys(task.columns), 'step': first}


class _Run:
    """A training under way, after `step`; arguments and errors as of `train`."""

    def __init__(self, create_network, config, workdir, task, strategy, report):
        self.config, self.task, self.report = config, task, report
        with strategy.scope():
            self.network = create_network()
            self.optimizer = MomentumSGD(
                config.schedule.build(), momentum=config.momentum, clip_norm=config.clip_norm
            )
            if keras.config.dtype_policy().name == 'mixed_float16':
                self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
            step = tf.Variable(0, dtype='int64', trainable=False, name='step')
        self.train_steps = TrainSteps(strategy, self.network, self.optimizer, task, config)
        self.window = Window(task.figures)
        self.checkpoints = Checkpoints(
            workdir / 'checkpoints', self.network, self.optimizer, step, self.window
        )
        self.step = self.checkpoints.restore(report)
        self.history = History(workdir, self.step, task)
        self.seconds_per_step = None  # nothing is traced yet

    def go_on(self, iterator, evaluate):
        """Trains to the end, or until it is asked to stop."""
        config, total = self.config, self.config.schedule.steps
        with Termination() as termination:
            while self.step < total:
                self._take_steps(iterator, termination)
                last = self.step == total
                evaluates = config.evaluate_every and self.step % config.evaluate_every == 0
                if self.step % config.log_every == 0 or last or evaluates:
                    figure = None
                    if evaluate and evaluates and not termination.requested:
                        # A signal costs this figure, but not the steps before it.
                        with contextlib.suppress(Stopped), termination.at_once(False):
                            figure = evaluate(self.network)
                    self._add_row(figure)
                # After the history, so that a checkpoint never stands without the rows before it.
                number = termination.requested
                if self.step % config.checkpoint_every == 0 or last or number:
                    self.checkpoints.save(self.step)
                if number:
                    raise TrainingInterrupted(self.step, number)

    def _take_steps(self, iterator, termination):
        count = self._steps_per_call()
        tracing = self.seconds_per_step is None
        started = time.perf_counter()
        # Tracing takes minutes, and nothing is lost if it is left.
        with termination.at_once(True) if tracing else contextlib.nullcontext():
            figures, waited = self.train_steps.run(iterator, tf.constant(count))
        figures = {name: values.numpy().tolist() for name, values in figures.items()}
        seconds = time.perf_counter() - started
        scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        _check_finite(figures, self.step, scaled)
        self.step += count
        self.window.add(figures)
        if not tracing:  # the first call is mostly that
            self.window.add_times(count, seconds, float(waited))
        self.seconds_per_step = seconds / count

    def _steps_per_call(self):
        if self.seconds_per_step is None:
            return 1  # which shows how long a step takes
        config, total = self.config, self.config.schedule.steps
        stops = (config.checkpoint_every, config.log_every, config.evaluate_every or total)
        until = min(total, *(self.step - self.step % every + every for every in stops))
        return max(1, min(until - self.step, int(_SECONDS_PER_CALL / self.seconds_per_step)))

    def _add_row(self, figure):
        row = {
            'step': self.step,
            **self.window.means(self.config.batch_size),
            'learning_rate': float(self.optimizer.learning_rate),
            self.task.evaluation: figure,
        }
        self.window.clear()
        self.history.add(row)
        total = self.config.schedule.steps
        left = (total - self.step) * self.seconds_per_step
        self.report(_describe(row, self.task, total, left))


def _check_finite(figures, first_step, scaled):
    # Under loss scaling an infinite gradient is the scale's way of finding its size: it is skipped.
    watched = ('loss',) if scaled else ('loss', 'gradient_norm')
    for name in watched:
        for i, value in enumerate(figures[name]):
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f'{name} is {value} at step {first_step + i + 1}; the checkpoints before it '
                    f'are kept. A lower learning rate or another --dtype may help.'
                )


def _describe(row, task, total, seconds_left):
    """A row of the history as a line of progress."""
    loss, *others = task.figures
    parts = [f'step {row["step"]}/{total}', f'{loss} {row[loss]:.4f}']
    parts += [f'{name} {row[name]:.3f}' for name in others]
    parts.append(f'rate {row["learning_rate"]:.3g}')
    if row['clips_per_second'] is not None:
        parts.append(f'{row["clips_per_second"]:.1f} clips/s')
    if row['input_wait_share'] is not None:
        parts.append(f'waiting for input {row["input_wait_share"]:.0%}')
    if row[task.evaluation] is not None:
        parts.append(f'{task.evaluation} {row[task.evaluation]:.3f}')
    return '  '.join((*parts, f'ETA {_time(seconds_left)}'))


def _time(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{seconds:02}' if hours else f'{minutes}:{seconds:02}'
