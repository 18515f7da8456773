"""The benchmark: how it compares, and that all tasks run."""

import itertools
import json

import pytest

from experiments import benchmark
from tests import programs


def test_sides_run_in_turns_and_only_work_is_timed(monkeypatch):
    clock, order = [0.0], []
    monkeypatch.setattr(benchmark.time, 'perf_counter', lambda: clock[0])

    def side(name, seconds, count, waiting=0.0):
        def prepare():
            clock[0] += waiting
            order.append(f'prepare {name}')
            return name

        def work(prepared):
            assert prepared == name
            clock[0] += seconds
            order.append(name)
            return count

        return benchmark.Side(name, work, prepare)

    lines = []
    sides = [side('bare', 2.0, 10), side('ours', 4.0, 10, waiting=100.0)]
    rates = benchmark.compare(sides, 'frames', 3, lines.append)
    assert rates == {'bare': [5.0] * 3, 'ours': [2.5] * 3}
    assert order == ['prepare bare', 'bare', 'prepare ours', 'ours'] * 3
    assert len(lines) == 6
    assert lines[-1] == 'turn 3 of 3: ours: 2.50 frames/s'


def test_mistakes_end_in_one_line(tmp_path):
    done = programs.run('benchmark', f'--workdir={tmp_path}', code=2)
    assert done.stderr.splitlines()[-1] == 'error: --task is needed.'


@pytest.mark.slow
@pytest.mark.parametrize('task', ['conversion', 'input', 'reading'])
def test_the_tasks_run(tmp_path, task):
    programs.run(
        'benchmark',
        f'--task={task}',
        '--videos=6',
        '--clips=36',
        '--repeats=2',
        f'--workdir={tmp_path}',
    )
    results = json.loads((tmp_path / 'results.json').read_text())
    unit = {'conversion': 'frames', 'input': 'clips', 'reading': 'frames'}[task]
    rates = results['rates']
    assert {len(turns) for turns in rates.values()} == {2}
    assert all(rate > 0 for rate in itertools.chain(*rates.values()))
    measured = {'conversion': 'conversion', 'input': 'pipeline', 'reading': 'reading'}[task]
    median = sum(rates[measured]) / 2
    assert results[f'{unit}_per_second'] == pytest.approx(median)
    assert results['fraction_of_bare_loop'] == pytest.approx(median / (sum(rates['bare_loop']) / 2))
    assert results['peak_memory_bytes'] > 2**26
    assert results['seconds'] > 0
    assert all(name in (tmp_path / 'report.md').read_text() for name in rates)
