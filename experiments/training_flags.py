"""Flags of programs that train: those that override fields of a preset, and how they are applied."""

import dataclasses

from absl import flags

from experiments import run
from experiments.network_fields import parse_fields
from s3dg.schedules import StepSchedule

FLAGS = flags.FLAGS

# Flags that stand for a field of `Preset` as they are.
_FIELDS = ('micro_batch_size', 'frames', 'evaluation_frames', 'momentum', 'weight_decay')


def define_training_flags():
    """The flags that override a preset, and those of a training's course."""
    flags.DEFINE_multi_string('set', [], 'FIELD=VALUE of the network, e.g. temporal_from=Mixed_4b.')
    flags.DEFINE_integer('steps', None, 'Length of the training; the schedule is stretched to it.')
    flags.DEFINE_integer('batch_size', None, 'Clips per step; the rate is scaled with it.')
    flags.DEFINE_integer(
        'micro_batch_size',
        None,
        'Clips one replica sees at once; the rest of its share of the step is accumulated.',
    )
    flags.DEFINE_float('learning_rate', None, 'First rate; the schedule is scaled to it.')
    flags.DEFINE_float('momentum', None, 'Of the SGD.')
    flags.DEFINE_float('weight_decay', None, 'L2, on kernels.')
    flags.DEFINE_integer('frames', None, 'Frames of a training clip.')
    flags.DEFINE_integer('evaluation_frames', None, 'Frames of an evaluation window.')
    flags.DEFINE_integer('crop', None, 'Height and width of the crop, pixels.')
    flags.DEFINE_enum(
        'flip',
        'auto',
        ['auto', 'yes', 'no'],
        'Mirror half of the training clips; auto: unless the labels of the dataset name directions.',
    )
    flags.DEFINE_bool(
        'freeze_batch_norm', False, 'Keep batch norm as it is; wise for small batches.'
    )
    flags.DEFINE_string('freeze_until', None, 'Freeze everything below this endpoint (or logits).')
    flags.DEFINE_bool('jit', False, 'Compile forward and backward pass with XLA.')
    flags.DEFINE_bool('sync_batch_norm', False, 'Batch statistics over all replicas together.')
    flags.DEFINE_integer('checkpoint_every', 500, 'Steps between checkpoints.')
    flags.DEFINE_integer('log_every', 50, 'Steps between lines of progress.')
    flags.DEFINE_integer('evaluate_every', 0, 'Steps between evaluations; 0: only at the end.')


def override(preset, report, steps, rate):
    """The preset with the flags' values in it; reports how the rate was scaled.

    Args:
      preset: a `Preset`.
      report: takes a line.
      steps: length of the training, or None.
      rate: its first rate, or None.
    """
    schedule = preset.schedule
    if steps is not None:
        schedule = schedule.with_steps(steps)
    batch_size = preset.batch_size if FLAGS.batch_size is None else FLAGS.batch_size
    if rate is not None:
        first = schedule.rates[0][1] if isinstance(schedule, StepSchedule) else schedule.rate
        schedule = schedule.scaled(rate / first)
    elif batch_size != preset.batch_size:
        factor = batch_size / preset.batch_size
        schedule = schedule.scaled(factor)
        report(
            f'batch of {batch_size} instead of {preset.batch_size} clips: learning rate scaled by '
            f'{factor:.4g} (--learning_rate overrides)'
        )
    given = {name: FLAGS[name].value for name in _FIELDS if FLAGS[name].value is not None}
    if FLAGS.crop is not None:
        given['crop_size'] = (FLAGS.crop, FLAGS.crop)
    return dataclasses.replace(preset, schedule=schedule, batch_size=batch_size, **given)


def network_fields():
    """The fields of `NetworkConfig` that --set gives."""
    return parse_fields(FLAGS.set)


def resolve_accumulation(preset, replicas):
    """How many micro-batches each replica runs per step: the fewest that are small enough.

    Raises:
      UsageError: where a flag cannot be.
    """
    most, batch_size = preset.micro_batch_size, preset.batch_size
    if most < 1:
        raise run.UsageError(f'--micro_batch_size must be at least 1, found {most}.')
    if batch_size < 1 or batch_size % replicas:
        raise run.UsageError(
            f'--batch_size must be a multiple of the {replicas} replicas, found {batch_size}.'
        )
    share = batch_size // replicas
    return next(n for n in range(1, share + 1) if share % n == 0 and share // n <= most)
