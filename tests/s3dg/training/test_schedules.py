"""Learning-rate schedules at the steps where they change."""

import pytest

from s3dg.config import ConfigError
from s3dg.training.schedules import SCHEDULES, CosineSchedule, StepSchedule

# (schedule, {step: rate}): the paper's words, and I3D's for Kinetics.
PUBLISHED = {
    'mini_kinetics': {
        0: 0.1,
        59_999: 0.1,
        60_000: 0.01,
        69_999: 0.01,
        70_000: 0.001,
        79_999: 0.001,
    },
    'something_something': {0: 0.1, 9_999: 0.1},
    'fine_tuning': {0: 0.01, 5_999: 0.01, 6_000: 0.001, 7_999: 0.001},
    'kinetics': {0: 0.1, 96_999: 0.1, 97_000: 0.01, 108_000: 0.001, 114_999: 0.001},
    'kinetics_flow': {104_500: 0.001, 114_999: 0.001, 115_000: 0.1, 140_000: 0.01, 154_999: 0.001},
}
LENGTHS = {
    'mini_kinetics': 80_000,
    'something_something': 10_000,
    'fine_tuning': 8_000,
    'kinetics': 115_000,
    'kinetics_flow': 155_000,
}


@pytest.mark.parametrize('name', SCHEDULES)
def test_published_schedules(name):
    schedule = SCHEDULES[name].build()
    assert {s: float(schedule(s)) for s in PUBLISHED[name]} == pytest.approx(PUBLISHED[name])
    assert SCHEDULES[name].steps == LENGTHS[name]


def test_cosine_starts_at_the_rate_and_ends_at_zero():
    schedule = CosineSchedule(1000, 0.02).build()
    assert [float(schedule(s)) for s in (0, 500, 1000)] == pytest.approx(
        [0.02, 0.01, 0.0], abs=1e-8
    )


def test_the_rate_holds_before_the_cosine():
    schedule = CosineSchedule(100, 0.4, hold_steps=60).build()
    assert [float(schedule(s)) for s in (0, 1, 59, 60, 80, 100)] == pytest.approx(
        [0.4, 0.4, 0.4, 0.4, 0.2, 0.0], abs=1e-6
    )


def test_scaling_and_stretching():
    schedule = SCHEDULES['fine_tuning'].scaled(0.5).with_steps(80)
    assert schedule == StepSchedule(80, ((0, 0.005), (60, 0.0005)))
    assert SCHEDULES['fine_tuning'].with_steps(1).rates == ((0, 0.001),)
    assert CosineSchedule(100, 0.4, 10).with_steps(50).scaled(2) == CosineSchedule(50, 0.8, 5)


def test_schedules_that_cannot_be():
    with pytest.raises(ConfigError, match='at least 1 step, got 0'):
        CosineSchedule(0, 0.1)
    with pytest.raises(ConfigError, match='start at step 0 and at rising steps'):
        StepSchedule(10, ((5, 0.1),))
    with pytest.raises(ConfigError, match='hold_steps must be'):
        CosineSchedule(10, 0.1, 10)
