"""Flags of programs that train: those that override a preset, and how they are applied."""

import dataclasses

from absl import flags

from s3dg.program.entry import UsageError
from s3dg.program.flags import parse_fields
from s3dg.program.number_flags import (
    MOST_CLIPS,
    MOST_FRAMES,
    MOST_PIXELS,
    MOST_STEPS,
    define_count,
    define_number,
)
from s3dg.training.schedules import StepSchedule


@dataclasses.dataclass(frozen=True)
class Options:
    """What the flags say of trainings; None leaves it to the preset, or the data.

    They mean what the fields of `Preset`, `Plan` and `TrainingConfig` with their names do.
    """

    network_fields: dict = dataclasses.field(default_factory=dict)  # of --set
    steps: int | None = None  # of trainings that others do not start from
    pretraining_steps: int | None = None  # of those that others start from
    learning_rate: float | None = None  # the first one
    batch_size: int | None = None
    micro_batch_size: int | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    frames: int | None = None
    evaluation_frames: int | None = None
    crop: int | None = None
    flip: bool | None = None
    freeze_batch_norm: bool = False
    freeze_until: str | None = None
    sync_batch_norm: bool = False
    dtype: str = 'float32'
    jit: bool = False
    deterministic: bool = False
    checkpoint_every: int = 500
    log_every: int = 50
    evaluate_every: int = 0

    @classmethod
    def of(cls, values):
        """The options in parsed flags, which `define_training_flags` has defined.

        Raises:
          UsageError: naming the flag that cannot be.
        """
        fields = parse_fields(values.set)
        for name in ('num_classes', 'channels'):
            if name in fields:
                raise UsageError(f'--set: {name} is what the dataset has.')
        names = {field.name for field in dataclasses.fields(cls)} & set(values)
        given = {name: values[name].value for name in names}
        flip = {'auto': None, 'yes': True, 'no': False}[values.flip]
        return cls(**{**given, 'flip': flip, 'network_fields': fields})

    def for_pretraining(self, shared_fields=None):
        """What of these is for a training that others start from.

        That is its length, how it runs and fits into memory, and what its network must share with
        those that start from it: `shared_fields` of the network; None: all that weights depend on.
        The rest is of the trainings that follow, and leaves alone what they start from.
        """
        shared = {name: getattr(self, name) for name in (*_COURSE, *_MACHINE)}
        fields = {
            name: value
            for name, value in self.network_fields.items()
            if name not in _FINE_TUNED_FIELDS and (shared_fields is None or name in shared_fields)
        }
        steps = self.pretraining_steps
        return Options(network_fields=fields, steps=steps, pretraining_steps=steps, **shared)

    def changes(self):
        """What of these are given and decide the result, as dict from flag to value."""
        usual = dataclasses.asdict(Options())
        given = {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name not in _COURSE and value != usual[name]
        }
        fields = given.pop('network_fields', {})
        return {**given, **{f'set.{name}': value for name, value in fields.items()}}


# Options that do not decide the result of a training.
_COURSE = ('jit', 'checkpoint_every', 'log_every', 'evaluate_every')
# Options that fit a training to the machine.
_MACHINE = ('dtype', 'deterministic', 'micro_batch_size')
# Fields of `NetworkConfig` that a network may have otherwise than the one that it starts from.
_FINE_TUNED_FIELDS = ('dropout_rate', 'batch_norm_decay', 'kernel_initializer')
# Options that stand for a field of `Preset` as they are.
_PRESET_FIELDS = (
    'micro_batch_size',
    'frames',
    'evaluation_frames',
    'crop',
    'momentum',
    'weight_decay',
)

# Flags that are numbers from 1 on: name, the most, and what they are.
_COUNTS = (
    ('steps', MOST_STEPS, 'Length of the training; the schedule is stretched to it.'),
    ('batch_size', MOST_CLIPS, 'Clips per step; the rate is scaled with it.'),
    (
        'micro_batch_size',
        MOST_CLIPS,
        'Clips one replica sees at once; the rest of its share of the step is accumulated.',
    ),
    ('frames', MOST_FRAMES, 'Frames of a training clip.'),
    ('evaluation_frames', MOST_FRAMES, 'Frames of an evaluation window.'),
    ('crop', MOST_PIXELS, 'Height and width of the crop, pixels.'),
    ('checkpoint_every', MOST_STEPS, 'Steps between checkpoints.'),
    ('log_every', MOST_STEPS, 'Steps between lines of progress.'),
)


def define_training_flags():
    """The flags that override a preset, and those of a training's course."""
    flags.DEFINE_multi_string('set', [], 'FIELD=VALUE of the network, e.g. temporal_from=Mixed_4b.')
    for name, most, words in _COUNTS:
        define_count(name, getattr(Options, name), words, most)
    every = 'Steps between evaluations; 0: only at the end.'
    define_count('evaluate_every', Options.evaluate_every, every, MOST_STEPS, least=0)
    define_number('learning_rate', None, 'First rate; the schedule is scaled to it.', 1000)
    define_number('momentum', None, 'Of the SGD; below 1.', 1)
    define_number('weight_decay', None, 'L2, on kernels.', 1000)
    flags.DEFINE_enum(
        'flip',
        'auto',
        ['auto', 'yes', 'no'],
        'Mirror half of the training clips; auto: unless labels of the dataset name directions.',
    )
    frozen = 'Keep batch norm as it is; wise for small batches.'
    flags.DEFINE_bool('freeze_batch_norm', False, frozen)
    flags.DEFINE_string('freeze_until', None, 'Freeze everything below this endpoint (or logits).')
    flags.DEFINE_bool('jit', False, 'Compile forward and backward pass with XLA.')
    flags.DEFINE_bool('sync_batch_norm', False, 'Batch statistics over all replicas together.')


def override(preset, options, report):
    """The preset with what the flags give; reports how the rate was scaled.

    Raises:
      UsageError, ConfigError: for a value that cannot be.
    """
    batch_size = preset.batch_size if options.batch_size is None else options.batch_size
    schedule = scaled_schedule(
        preset.schedule,
        options.steps,
        options.learning_rate,
        batch_size,
        preset.batch_size,
        'clips',
        report,
    )
    given = {name: getattr(options, name) for name in _PRESET_FIELDS}
    given = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(preset, schedule=schedule, batch_size=batch_size, **given)


def scaled_schedule(schedule, steps, rate, batch_size, usual_batch_size, unit, report):
    """A schedule with what flags give; reports how its rate was scaled with the batch.

    Args:
      steps, rate: length and first rate; None leaves them.
      batch_size, usual_batch_size: now, and of the preset.
      unit: what they count.
    """
    if steps is not None:
        schedule = schedule.with_steps(steps)
    if rate is not None:
        first = schedule.rates[0][1] if isinstance(schedule, StepSchedule) else schedule.rate
        return schedule.scaled(rate / first)
    if batch_size == usual_batch_size:
        return schedule
    factor = batch_size / usual_batch_size
    report(
        f'batch of {batch_size} instead of {usual_batch_size} {unit}: learning rate scaled by '
        f'{factor:.4g} (--learning_rate overrides)'
    )
    return schedule.scaled(factor)


def resolve_accumulation(preset, replicas):
    """How many micro-batches each replica runs per step: the fewest that are small enough.

    Raises:
      UsageError: where a flag cannot be.
    """
    most, batch_size = preset.micro_batch_size, preset.batch_size
    if batch_size % replicas:
        raise UsageError(
            f'--batch_size must be a multiple of the {replicas} replicas, found {batch_size}.'
        )
    share = batch_size // replicas
    return next(n for n in range(1, share + 1) if share % n == 0 and share // n <= most)
