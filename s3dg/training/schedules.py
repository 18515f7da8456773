"""Learning-rate schedules: the paper's as a table of steps, and cosine decay for short runs."""

import dataclasses
import math

import keras

from s3dg.config import ConfigError


def _check(steps, rates):
    if steps < 1:
        raise ConfigError(f'A schedule needs at least 1 step, got {steps}.')
    for rate in rates:
        if not 0 < rate < math.inf:
            raise ConfigError(f'A learning rate must be a number above 0, got {rate}.')


@dataclasses.dataclass(frozen=True)
class StepSchedule:
    """A rate that holds from one step to the next change."""

    steps: int  # length of the training
    rates: tuple[tuple[int, float], ...]  # (first step, rate); the first begins at 0
    warmup_steps: int = 0  # in which it rises in a straight line

    def __post_init__(self):
        starts, rates = zip(*self.rates, strict=True)
        _check(self.steps, rates)
        if starts[0] != 0 or list(starts) != sorted(set(starts)):
            raise ConfigError(f'Rates must start at step 0 and at rising steps, got {self.rates}.')
        if not 0 <= self.warmup_steps < self.steps:
            bound, got = f'from 0 to below steps ({self.steps})', self.warmup_steps
            raise ConfigError(f'warmup_steps must be {bound}, got {got}.')

    def scaled(self, factor):
        """The same schedule with every rate times `factor` (linear scaling with the batch)."""
        rates = tuple((start, rate * factor) for start, rate in self.rates)
        return dataclasses.replace(self, rates=rates)

    def with_steps(self, steps):
        """The same schedule over `steps`; changes of the rate that would coincide are dropped."""
        rates = {start * steps // self.steps: rate for start, rate in self.rates}
        warmup_steps = self.warmup_steps * steps // self.steps
        return StepSchedule(steps, tuple(rates.items()), warmup_steps)

    def build(self):
        """The Keras schedule; `rates[i]` holds at its first step already."""
        ends = [start - 1 for start, _ in self.rates[1:]]
        rates = [rate for _, rate in self.rates]
        if not ends:  # PiecewiseConstantDecay wants one
            ends, rates = [self.steps], rates * 2
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay(ends, rates)
        return _WarmUp(schedule, self.warmup_steps) if self.warmup_steps else schedule

    def to_dict(self):
        values = {'steps': self.steps, 'rates': [list(pair) for pair in self.rates]}
        if self.warmup_steps:  # so that older runs, whose files lack it, are found
            values['warmup_steps'] = self.warmup_steps
        return {'kind': 'steps', **values}


class _WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose rates are reached in a straight line; the first step has a share already."""

    def __init__(self, schedule, steps):
        self._schedule, self._steps = schedule, steps

    def __call__(self, step):
        share = keras.ops.minimum((keras.ops.cast(step, 'float32') + 1) / self._steps, 1)
        return share * self._schedule(step)


@dataclasses.dataclass(frozen=True)
class CosineSchedule:
    """Half a cosine from `rate` to 0 (ours: short runs settle with it)."""

    steps: int  # length of the training
    rate: float
    hold_steps: int = 0  # for which the rate holds before the cosine begins

    def __post_init__(self):
        _check(self.steps, [self.rate])
        if not 0 <= self.hold_steps < self.steps:
            bound, got = f'from 0 to below steps ({self.steps})', self.hold_steps
            raise ConfigError(f'hold_steps must be {bound}, got {got}.')

    def scaled(self, factor):
        """The same schedule with the rate times `factor`."""
        return dataclasses.replace(self, rate=self.rate * factor)

    def with_steps(self, steps):
        """The same schedule over `steps`, of which the rate holds for the same share."""
        return dataclasses.replace(
            self, steps=steps, hold_steps=self.hold_steps * steps // self.steps
        )

    def build(self):
        """The Keras schedule."""
        if not self.hold_steps:
            return keras.optimizers.schedules.CosineDecay(self.rate, self.steps)
        return keras.optimizers.schedules.CosineDecay(
            self.rate,
            self.steps - self.hold_steps,
            warmup_target=self.rate,  # a warm-up from the rate to the rate
            warmup_steps=self.hold_steps,
        )

    def to_dict(self):
        return {'kind': 'cosine', **dataclasses.asdict(self)}


# By training. The paper states those of Mini-Kinetics and Something-Something (section 3.2) and of
# the fine-tuning (5.2), and none for Kinetics-Full: these are I3D's (deepmind/kinetics-i3d).
SCHEDULES = {
    'kinetics': StepSchedule(115_000, ((0, 0.1), (97_000, 0.01), (108_000, 0.001))),
    'kinetics_flow': StepSchedule(
        155_000,
        (
            (0, 0.1),
            (97_000, 0.01),
            (104_500, 0.001),
            (115_000, 0.1),
            (140_000, 0.01),
            (150_000, 0.001),
        ),
    ),
    'mini_kinetics': StepSchedule(80_000, ((0, 0.1), (60_000, 0.01), (70_000, 0.001))),
    'something_something': StepSchedule(10_000, ((0, 0.1),)),
    'fine_tuning': StepSchedule(8_000, ((0, 0.01), (6_000, 0.001))),
}
