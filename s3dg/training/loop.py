"""The training loop: synchronous momentum SGD on one device or many, resumable at any step.

One loop of our own over `tf.distribute`, the same for one device and for several. `Model.fit` works on
one device; under the strategies it was tried and fails where this loop does not (steps per call, XLA,
batches that leave a replica empty, several workers).
"""

import contextlib
import dataclasses
import math
import pathlib
import shutil
import signal
import time

import keras
import tensorflow as tf

from s3dg.config import ConfigError
from s3dg.errors import S3dgError
from s3dg.files.disk import DiskError, writing
from s3dg.training.checkpoints import open_checkpoints
from s3dg.training.history import History, Window, empty_row
from s3dg.training.schedules import CosineSchedule, StepSchedule
from s3dg.training.signals import Stopped, Termination
from s3dg.training.trainable import batch_norm_layers

# A call of the compiled loop is kept about this long, so that a signal is answered soon.
_SECONDS_PER_CALL = 5.0

_GO_ON = 'make room and run the same command again to go on from there'


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
      accumulation: micro-batches that each replica runs per step, one after the other, before one
        update with the mean gradient. Batch norm sees the micro-batch, so 336 clips in micro-batches of
        6 have the paper's statistics on any number of GPUs.
      momentum: 0.9 ("vanilla" momentum). Keras's update holds the rate inside the velocity; TensorFlow
        1's held it outside: the two differ only in the dozen steps after a change of the rate.
      weight_decay: on every kernel, as slim's `l2_regularizer`: `weight_decay * sum(w^2) / 2`. It is
        not part of the loss that is reported.
      checkpoint_every: steps between checkpoints.
      log_every: steps between lines of progress, `history.csv` and TensorBoard.
      evaluate_every: steps between evaluations; 0: none during training.
      jit: whether forward and backward pass are compiled by XLA.
      deterministic: whether TensorFlow's deterministic operations are on
        (`tf.config.experimental.enable_op_determinism`), which allow no clock: the time waited for input
        is not measured then.
    """

    schedule: StepSchedule | CosineSchedule
    batch_size: int = 336
    accumulation: int = 1
    momentum: float = 0.9
    weight_decay: float = 1e-7
    checkpoint_every: int = 1000
    log_every: int = 100
    evaluate_every: int = 0
    jit: bool = False
    deterministic: bool = False

    def __post_init__(self):
        for name in ('batch_size', 'accumulation', 'checkpoint_every', 'log_every'):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f'TrainingConfig: {name} must be at least 1, got {getattr(self, name)}.'
                )
        if self.evaluate_every < 0:
            raise ConfigError(
                f'TrainingConfig: evaluate_every must be 0 or more, got {self.evaluate_every}.'
            )
        if not 0 <= self.momentum < 1:
            raise ConfigError(f'TrainingConfig: momentum must be in [0, 1), got {self.momentum}.')
        if not 0 <= self.weight_decay < math.inf:
            raise ConfigError(
                f'TrainingConfig: weight_decay must be 0 or more, got {self.weight_decay}.'
            )

    def micro_batch_size(self, replicas):
        """Clips that one replica sees at once.

        Raises:
          ConfigError: where the batch does not divide by replicas x accumulation.
        """
        parts = replicas * self.accumulation
        if self.batch_size % parts:
            raise ConfigError(
                f'batch_size must divide by replicas x accumulation = {replicas} x {self.accumulation}, '
                f'got {self.batch_size}.'
            )
        return self.batch_size // parts

    def to_dict(self):
        return {**dataclasses.asdict(self), 'schedule': self.schedule.to_dict()}


def create_strategy(kind='auto'):
    """The distribution strategy called `kind`.

    Args:
      kind: 'one' (the first GPU, else the CPU), 'mirrored' (all GPUs, else all logical CPUs), or 'auto'
        (mirrored where there is more than one GPU or logical CPU, else one).

    Raises:
      ConfigError: for another name.
    """
    devices = tf.config.list_logical_devices('GPU') or tf.config.list_logical_devices('CPU')
    names = [device.name for device in devices]
    if kind == 'one' or (kind == 'auto' and len(names) == 1):
        return tf.distribute.OneDeviceStrategy(names[0])
    if kind in ('auto', 'mirrored'):
        return tf.distribute.MirroredStrategy(names)
    raise ConfigError(f'There is no strategy {kind!r}; use auto, one or mirrored.')


def create_optimizer(config, policy=None):
    """Momentum SGD with the configuration's schedule; with loss scaling where `policy` is float16."""
    optimizer = keras.optimizers.SGD(config.schedule.build(), momentum=config.momentum)
    if (policy or keras.config.dtype_policy()).name == 'mixed_float16':
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def create_train_steps(strategy, network, optimizer, config):
    """The compiled loop: `(iterator, number of steps) -> (metrics, seconds waited for input)`.

    `metrics` is a dict of float32 `(steps,)`: 'loss' (cross-entropy), 'accuracy' and 'gradient_norm'
    (before the replicas' gradients are added; of the scaled loss under loss scaling), means over replicas
    and micro-batches.
    The iterator gives dicts with 'clip' and 'label', one micro-batch per replica at a time.
    """
    variables = network.trainable_variables
    kernels = [variable for variable in variables if variable.name == 'kernel']
    share = 1.0 / (strategy.num_replicas_in_sync * config.accumulation)
    with strategy.scope():
        optimizer.build(variables)
        accumulators = []
        if config.accumulation > 1:
            accumulators = [
                tf.Variable(
                    tf.zeros(variable.shape, variable.dtype),
                    trainable=False,
                    synchronization=tf.VariableSynchronization.ON_READ,
                    aggregation=tf.VariableAggregation.SUM,
                )
                for variable in variables
            ]

    def differentiate(clip, label):
        with tf.GradientTape() as tape:
            logits = network(clip, training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
            )
            decay = config.weight_decay * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
            objective = optimizer.scale_loss((loss + decay) * share)
        gradients = tape.gradient(objective, variables)
        hits = tf.equal(tf.argmax(logits, 1, label.dtype), label)
        metrics = {
            'loss': tf.cast(loss, 'float32'),
            'accuracy': tf.reduce_mean(tf.cast(hits, 'float32')),
            'gradient_norm': tf.cast(tf.linalg.global_norm(gradients), 'float32'),
        }
        return gradients, metrics

    if config.jit:
        if strategy.num_replicas_in_sync > 1 and any(
            layer.synchronized and layer.trainable for layer in batch_norm_layers(network)
        ):
            raise ConfigError(
                'Synchronised batch norm talks to the other replicas, which XLA cannot compile: '
                'drop either jit or the synchronisation.'
            )
        differentiate = tf.function(differentiate, jit_compile=True)

    def update(batch):
        gradients, metrics = differentiate(batch['clip'], batch['label'])
        optimizer.apply(gradients, variables)
        return metrics

    def accumulate(batch):
        gradients, metrics = differentiate(batch['clip'], batch['label'])
        for accumulator, gradient in zip(accumulators, gradients, strict=True):
            accumulator.assign_add(gradient)
        return metrics

    def update_with_accumulated():
        optimizer.apply([tf.convert_to_tensor(a) for a in accumulators], variables)
        for accumulator in accumulators:
            accumulator.assign(tf.zeros_like(accumulator))

    def fetch(iterator):
        """The next batch, and the seconds it took to come (NaN where clocks are not allowed)."""
        if config.deterministic:
            return next(iterator), tf.constant(math.nan, 'float64')
        started = tf.timestamp()
        batch = next(iterator)
        tensors = [t for v in batch.values() for t in strategy.experimental_local_results(v)]
        with tf.control_dependencies(tensors):
            return batch, tf.timestamp() - started

    def mean(metrics):
        return {name: strategy.reduce('MEAN', value, axis=None) for name, value in metrics.items()}

    def one_step(iterator):
        if config.accumulation == 1:
            batch, waited = fetch(iterator)
            return mean(strategy.run(update, (batch,))), waited
        totals = {name: tf.zeros([]) for name in ('loss', 'accuracy', 'gradient_norm')}
        waited = tf.zeros([], 'float64')
        for _ in tf.range(config.accumulation):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            batch, seconds = fetch(iterator)
            metrics = mean(strategy.run(accumulate, (batch,)))
            totals = {name: totals[name] + metrics[name] / config.accumulation for name in totals}
            waited += seconds
        strategy.run(update_with_accumulated)
        return totals, waited

    @tf.function
    def train_steps(iterator, steps):
        losses = tf.TensorArray('float32', steps, element_shape=[])
        accuracies = tf.TensorArray('float32', steps, element_shape=[])
        norms = tf.TensorArray('float32', steps, element_shape=[])
        waited = tf.zeros([], 'float64')
        for i in tf.range(steps):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            metrics, seconds = one_step(iterator)
            losses = losses.write(i, metrics['loss'])
            accuracies = accuracies.write(i, metrics['accuracy'])
            norms = norms.write(i, metrics['gradient_norm'])
            waited += seconds
        metrics = {
            'loss': losses.stack(),
            'accuracy': accuracies.stack(),
            'gradient_norm': norms.stack(),
        }
        return metrics, waited

    return train_steps


def _check_finite(metrics, first_step, scaled):
    # Under loss scaling an infinite gradient is the scale's way of finding its size: it is skipped.
    watched = ('loss',) if scaled else ('loss', 'gradient_norm')
    for name in watched:
        for i, value in enumerate(metrics[name]):
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f'{name} is {value} at step {first_step + i + 1}; the checkpoints before it are kept. '
                    f'A lower learning rate or another --dtype may help.'
                )


def _time(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{seconds:02}' if hours else f'{minutes}:{seconds:02}'


def train(create_network, clips, config, workdir, *, strategy=None, evaluate=None, report=print):
    """Trains a network, or goes on with a training that was stopped.

    What is restored, in this order: (1) the newest checkpoint in `workdir/checkpoints`: weights, batch
    norm statistics, momenta, step and the dropout's random state; (2) where there is none, what
    `create_network` gives: fresh weights, or those it loaded. The input goes on at the example after the
    last one used.

    Args:
      create_network: a function without arguments that gives the `Network`; called in the strategy's
        scope.
      clips: a function `(first example, tf.distribute.InputContext, batch size) -> tf.data.Dataset` of
        dicts with 'clip' (batch, time, height, width, channels) and 'label' int (batch,), endless, full
        batches only.
      config: a `TrainingConfig`.
      workdir: folder for `checkpoints/`, `history.csv` and `tensorboard/`.
      strategy: a `tf.distribute.Strategy`; default one device.
      evaluate: a function `network -> top-1`, called every `evaluate_every` steps.
      report: takes each line of progress.

    Returns:
      (network, last row of the history; without figures where `history.csv` of a finished training is gone).

    Raises:
      NonFiniteLossError: naming the step; the checkpoints of earlier steps are kept.
      SavedStateError: where there are checkpoints and all are damaged.
      DiskError: where a checkpoint or the history cannot be written; the checkpoints before are kept.
      TrainingInterrupted: after SIGTERM or SIGINT, with a checkpoint written.
      Stopped: the same before the first step was done, when there is nothing to write.
      ConfigError: where the batch does not divide.
    """
    strategy = strategy or create_strategy('one')
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    micro_batch_size = config.micro_batch_size(strategy.num_replicas_in_sync)
    total = config.schedule.steps
    with strategy.scope():
        network = create_network()
        optimizer = create_optimizer(config)
        step_variable = tf.Variable(0, dtype='int64', trainable=False, name='step')
    train_steps = create_train_steps(strategy, network, optimizer, config)
    window = Window()
    # The TensorFlow variables themselves, in order: Keras layers (3.15) hide those of sublayers that they
    # hold in a list from tf.train.Checkpoint, without a word.
    state = {
        'network': [variable.value for variable in network.variables],
        'optimizer': [variable.value for variable in optimizer.variables],
        'step': step_variable,
    }
    checkpoint = tf.train.Checkpoint(**state, window=window)
    folder = workdir / 'checkpoints'
    manager = open_checkpoints(checkpoint, folder, report, tf.train.Checkpoint(**state))
    step = int(step_variable.numpy())
    history = History(workdir, step)
    if step >= total:
        if not history.rows:
            report(f'{history.path} has no rows of this training, which is at its end')
        return network, history.rows[-1] if history.rows else empty_row(step)

    dataset = strategy.distribute_datasets_from_function(
        lambda context: clips(step * config.batch_size, context, micro_batch_size)
    )
    iterator = iter(dataset)
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)

    def save():
        step_variable.assign(step)
        path = folder / f'ckpt-{step}'
        try:
            with writing(path, f'the checkpoints before it are kept; {_GO_ON}'):
                manager.save(checkpoint_number=step)
        except DiskError:
            shutil.rmtree(f'{path}_temp', ignore_errors=True)  # which TensorFlow leaves behind
            raise

    seconds_per_step = None
    with Termination() as termination:
        while step < total:
            stops = [config.checkpoint_every, config.log_every, config.evaluate_every or total]
            until = min(total, *(step - step % every + every for every in stops))
            count = until - step
            if seconds_per_step is None:
                count = 1  # traces, and shows how long a step takes
            else:
                count = max(1, min(count, int(_SECONDS_PER_CALL / seconds_per_step)))
            started = time.perf_counter()
            # Tracing takes minutes, and nothing is lost if it is left.
            tracing = seconds_per_step is None
            with termination.at_once(True) if tracing else contextlib.nullcontext():
                metrics, waited = train_steps(iterator, tf.constant(count))
            metrics = {name: values.numpy().tolist() for name, values in metrics.items()}
            seconds = time.perf_counter() - started
            _check_finite(metrics, step, scaled)
            step += count
            window.add(metrics['loss'], metrics['accuracy'])
            if seconds_per_step is not None:  # the first call is mostly tracing
                window.add_times(count, seconds, float(waited))
            seconds_per_step = seconds / count
            evaluation_due = config.evaluate_every and step % config.evaluate_every == 0
            if step % config.log_every == 0 or step == total or evaluation_due:
                top1 = None
                if evaluate and evaluation_due and not termination.requested:
                    # Who stops it loses this figure, but not the steps before it.
                    with contextlib.suppress(Stopped), termination.at_once(False):
                        top1 = evaluate(network)
                row = window.row(step, float(optimizer.learning_rate), config.batch_size, top1)
                window.clear()
                history.add(row)
                report(_progress(row, total, seconds_per_step))
            # After the history, so that a checkpoint never stands without the rows before it.
            if step % config.checkpoint_every == 0 or step == total or termination.requested:
                save()
            if termination.requested:
                raise TrainingInterrupted(step, termination.requested)
    return network, history.rows[-1]


def _progress(row, total, seconds_per_step):
    line = (
        f'step {row["step"]}/{total}  loss {row["loss"]:.4f}  accuracy {row["accuracy"]:.3f}  '
        f'rate {row["learning_rate"]:.3g}'
    )
    if row['clips_per_second'] is not None:
        line += f'  {row["clips_per_second"]:.1f} clips/s'
    if row['input_wait_share'] is not None:
        line += f'  waiting for input {row["input_wait_share"]:.0%}'
    if row['top1'] is not None:
        line += f'  top-1 {row["top1"]:.3f}'
    return line + f'  ETA {_time((total - row["step"]) * seconds_per_step)}'
