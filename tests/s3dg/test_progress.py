"""Lines of progress, by a clock that the tests turn."""

import itertools
import types

import pytest

from s3dg import progress


@pytest.fixture
def clock(monkeypatch):
    clock = types.SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress, 'time', types.SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_lines_say_how_much_how_fast_and_how_long(clock):
    lines = []
    line = progress.ProgressLine('set/rgb', 'videos', lines.append, total=100)
    clock.now += 10
    line(20)  # 2 a second, so 40 seconds for the 80 that are left
    assert lines == ['set/rgb: 20/100 videos, 2.0/s, 40 s left']
    clock.now += 10
    line(25, lambda: '3 skipped')  # 1.25 a second since the start
    assert lines[1:] == ['set/rgb: 25/100 videos, 1.2/s, 60 s left, 3 skipped']


def test_what_had_been_done_before_does_not_count_for_the_speed(clock):
    lines = []
    line = progress.ProgressLine('set', 'videos', lines.append, total=1000, first=900)
    clock.now += 10
    line(910)
    assert lines == ['set: 910/1000 videos, 1.0/s, 90 s left']


def test_slow_work_has_a_speed_too(clock):
    """TV-L1 flow of a video of ten seconds takes a core two minutes."""
    lines = []
    line = progress.ProgressLine('set', 'videos', lines.append, total=31)
    clock.now += 120
    line(1)
    assert lines == ['set: 1/31 videos, 0.0083/s, 1 h 0 min left']


def test_a_line_every_five_seconds_and_one_at_the_end(clock):
    lines = []
    line = progress.ProgressLine('set', 'videos', lines.append, total=240)
    for done in range(1, 241):
        clock.now += 0.1
        line(done)
    numbers = [int(text.split()[1].split('/')[0]) for text in lines]
    assert numbers[-1] == 240
    assert len(numbers) in (5, 6)
    assert all(second - first >= 50 for first, second in itertools.pairwise(numbers[:-1]))
    assert lines[-1] == 'set: 240/240 videos, 10.0/s, 0 s left'


def test_the_last_line_comes_at_once(clock):
    lines = []
    progress.ProgressLine('set', 'videos', lines.append, total=1)(1)
    assert len(lines) == 1
    assert lines[0].startswith('set: 1/1 videos, ')


def test_remarks_are_made_for_lines_alone(clock):
    line = progress.ProgressLine('set', 'videos', lambda text: None, total=10)
    line(1, lambda: pytest.fail('there is no line yet'))


def test_an_unknown_total(clock):
    lines = []
    line = progress.ProgressLine('features', 'clips', lines.append)
    clock.now += 4
    line(4)
    clock.now += 4
    line(24)
    assert lines == ['features: 24 clips, 3.0/s']


def test_nothing_done_yet(clock):
    lines = []
    line = progress.ProgressLine('set', 'videos', lines.append, total=10, first=3)
    clock.now += 6
    line(3)
    assert lines == ['set: 3/10 videos, 0/s']


@pytest.mark.parametrize(
    ('seconds', 'words'),
    [
        (0, '0 s'),
        (0.4, '0 s'),
        (119.4, '119 s'),
        (120, '2 min'),
        (59 * 60 + 29, '59 min'),
        (59 * 60 + 31, '1 h 0 min'),
        (89 * 60 - 1, '1 h 29 min'),
        (3 * 3600 + 20 * 60, '3 h 20 min'),
        (86400 - 31, '23 h 59 min'),
        (86400 - 29, '1 d 0 h'),
        (4 * 86400 + 3 * 3600, '4 d 3 h'),
        (4 * 86400 + 3 * 3600 + 1801, '4 d 4 h'),
    ],
)
def test_durations(seconds, words):
    assert progress.duration(seconds) == words
