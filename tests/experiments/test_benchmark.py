"""The benchmark: how it compares, and that all tasks run."""

import itertools
import json
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf

from experiments import benchmark
from experiments.benchmarks import comparing, networks, other_process, profiling
from s3dg.program.entry import UsageError
from tests import in_process, programs


@pytest.fixture
def clock(monkeypatch):
    """A clock, [seconds], that goes when the test says so."""
    now = [0.0]
    monkeypatch.setattr(comparing.time, 'perf_counter', lambda: now[0])  # of the whole process
    return now


def test_sides_run_in_turns_and_only_work_is_timed(clock):
    order = []

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

        return comparing.Side(name, work, prepare)

    lines = []
    sides = [side('ours', 4.0, 10, waiting=100.0), side('bare_loop', 2.0, 10)]
    rates, peak = comparing.compare(sides, 'frames', 3, lines.append)
    assert rates == {'ours': [2.5] * 3, 'bare_loop': [5.0] * 3}
    assert order == ['prepare ours', 'ours', 'prepare bare_loop', 'bare_loop'] * 3
    assert len(lines) == 6
    assert lines[-1] == 'turn 3 of 3: bare_loop: 5 frames/s'
    assert peak > 2**26


def test_a_quick_side_is_repeated_for_a_while(clock):
    def function():
        clock[0] += 0.375

    assert comparing.for_a_while(function, 2)(None) == 6.0  # it is over after 1.125 seconds


def test_a_side_made_late_is_made_once_and_before_its_turn_is_timed(clock):
    made = []

    def make():
        clock[0] += 100.0
        made.append(True)

        def work(_):
            clock[0] += 0.5
            return 1

        return work

    side = comparing.made_late('late', make)
    assert not made
    rates, _ = comparing.compare([side], 'clips', 3, lambda line: None)
    assert (rates, made) == ({'late': [2.0] * 3}, [True])


def test_the_summary_by_hand():
    sides = [comparing.Side(name, None) for name in ('ours', 'decoding', 'computing')]
    comparison = comparing.Comparison(
        'frames', sides, ('decoding', 'computing'), 'share', {'network': 'i3d'}
    )
    rates = {'ours': [9.0, 8.0, 4.0], 'decoding': [10.0] * 3, 'computing': [20.0, 40.0, 30.0]}
    assert comparing.summarize(comparison, rates) == {
        'network': 'i3d',
        'frames_per_second': 8.0,
        'share': 0.8,
        'times_faster_than': {'decoding': 0.8, 'computing': pytest.approx(8 / 30)},
        'medians': {'ours': 8.0, 'decoding': 10.0, 'computing': 30.0},
        'spreads': {'ours': 0.625, 'decoding': 0.0, 'computing': pytest.approx(2 / 3)},
        'rates': rates,
    }


def test_the_profile_names_what_takes_the_time():
    matrix = tf.random.normal([512, 512])
    multiply = tf.function(lambda x: tf.reduce_sum(tf.matmul(x, x)))
    multiply(matrix)
    operations = profiling.profile(lambda: [multiply(matrix).numpy() for _ in range(3)])
    (found,) = [one for one in operations if one[0] in ('MatMul', '_MklMatMul')]
    assert found[1] == 3
    assert 0 < found[2] < 60
    assert operations == sorted(operations, key=lambda one: -one[2])


def test_a_stream_is_answered_window_by_window(monkeypatch):
    now, windows = [0.0], []
    monkeypatch.setattr(networks.time, 'perf_counter', lambda: now[0])

    def answer(clip):
        windows.append(clip.shape)
        now[0] += 0.5

    frames = tf.zeros([1, 10, 2, 2, 3]).numpy()
    assert networks.measure_stream(answer, frames, 1) == {
        'latency_seconds': 0.5,
        'latency_seconds_slowest': 0.5,
        'frames_per_second': 20.0,
        'least_stride': 13,  # 12.5 frames come in half a second
    }
    assert windows == [(1, 10, 2, 2, 3)] * 11


def test_mistakes_end_in_one_line(tmp_path):
    done = programs.run('benchmark', f'--workdir={tmp_path}', code=2)
    assert done.stderr.splitlines()[-1] == 'error: --task is needed.'


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        (
            ('--task=features', '--against=torchvision'),
            '--against: --task=features has no use for it; it is for inference, training.',
        ),
        (('--task=input', '--crop=32'), '--crop: --task=input has no use for it; it is for '),
        (('--task=detection', '--crop=32'), '--crop: --task=detection has no use for it; it is '),
        (
            ('--task=training', '--strategy=mirrored'),
            '--strategy: --task=training has no use for it; one device is measured.',
        ),
    ],
)
def test_flags_that_a_task_has_no_use_for_are_refused(flags, said):
    with in_process.flags_of(benchmark, *flags), pytest.raises(UsageError) as raised:
        benchmark.Options.of(benchmark.FLAGS)
    assert str(raised.value).startswith(said)


NOWHERE = types.SimpleNamespace(network='s3d_g', fields={}, dtype='float32', jit=False)
WORK = types.SimpleNamespace(clips=np.zeros([1, 16, 32, 32, 3], np.uint8))


def test_what_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(UsageError, match='^--against: found .*, expected torchvision or a folder '):
        other_process.checkout(tmp_path, WORK, NOWHERE, training=True)


def test_a_checkout_that_cannot_do_the_work_is_named_with_what_it_said(tmp_path):
    package = tmp_path / 's3dg' / '__init__.py'
    package.parent.mkdir()
    package.write_text("raise ImportError('too old')")
    side = other_process.checkout(tmp_path, WORK, NOWHERE, training=True)
    with pytest.raises(UsageError) as raised:
        side.prepare()
    said = 'the process that measures it ended, and said: ImportError: too old'
    assert str(raised.value) == f'--against: {tmp_path}: {said}'


def test_how_far_times_are_off_a_line_by_hand():
    frames = np.array([1.0, 2.0, 3.0])
    assert networks.off_line(frames, [3.0, 5.0, 7.0]) == pytest.approx(0)
    # Of the line through 1, 1, 1 + x, with the weights' slopes by hand: see the sums below.
    seconds = np.array([1.0, 1.0, 2.0])
    weights = 1 / seconds**2
    mean_x, mean_y = (np.average(v, weights=weights) for v in (frames, seconds))
    slope = (weights * (frames - mean_x) * (seconds - mean_y)).sum()
    slope /= (weights * (frames - mean_x) ** 2).sum()
    line = mean_y + slope * (frames - mean_x)
    expected = max(abs(seconds / line - 1))
    assert networks.off_line(frames, seconds) == pytest.approx(expected)
    assert expected > 0.1


def test_scaling_varies_one_thing_at_a_time(monkeypatch):
    now, shapes = [0.0], []
    monkeypatch.setattr(networks.time, 'perf_counter', lambda: now[0])

    def answer(clips):
        batch, frames, height, width, channels = clips.shape
        shapes.append(clips.shape)
        assert (height, channels) == (width, 2)
        now[0] += 1 + batch * frames * height * width

    options = types.SimpleNamespace(frames=64, crop=112, batch_size=1, repeats=3)
    found = networks.measure_scaling(answer, options, 2)
    pixels = 112 * 112
    assert found['frames']['seconds'] == {n: 1 + n * pixels for n in (16, 32, 64, 128, 250)}
    assert found['crop']['seconds'] == {n: 1 + 64 * n * n for n in (56, 80, 112, 160)}
    assert found['batch_size']['seconds'] == {n: 1 + n * 64 * pixels for n in (1, 2, 4)}
    assert all(axis['linear_within'] < 1e-6 for axis in found.values())
    assert len(shapes) == 4 * (5 + 4 + 3)  # a first call, and three that count


def check_results(folder, unit, ours, limits, fraction):
    """Of a run with two turns: that the figures in results.json follow from the turns."""
    results = json.loads((folder / 'results.json').read_text())
    rates = results['rates']
    assert {len(turns) for turns in rates.values()} == {2}
    assert all(rate > 0 for rate in itertools.chain(*rates.values()))
    medians = {name: sum(turns) / 2 for name, turns in rates.items()}
    assert next(iter(rates)) == ours
    assert results[f'{unit}_per_second'] == pytest.approx(medians[ours])
    slowest = min(medians[name] for name in limits)
    assert results[fraction] == pytest.approx(medians[ours] / slowest)
    assert results['peak_memory_bytes'] > 2**26
    assert results['seconds'] > 0
    assert all(name in (folder / 'report.md').read_text() for name in rates)
    assert (folder / 'rates.png').stat().st_size > 0
    return results


SMALL = ('--set=width=0.125', '--frames=16', '--crop=32', '--repeats=2')


@pytest.mark.slow
@pytest.mark.parametrize('task', ['inference', 'training'])
def test_tasks_of_networks_run(tmp_path, task):
    workdir = f'--workdir={tmp_path}'
    here = pathlib.Path(benchmark.__file__).parents[1]
    more = {'inference': ['--streaming', '--scaling'], 'training': [f'--against={here}']}[task]
    programs.run('benchmark', f'--task={task}', *SMALL, '--profile', *more, workdir)
    ours = {'inference': 'exported', 'training': 'loop_step'}[task]
    results = check_results(tmp_path, 'clips', ours, ['matrix_product'], 'fraction_of_matmul_peak')
    assert any('Conv2D' in name for name, *_ in results['operations'])
    assert ({'streaming', 'scaling'} <= {*results}) == (task == 'inference')
    assert ('first_step_seconds' in results) == (task == 'training')
    assert ('checkout' in results['rates']) == (task == 'training')
    assert 'eigen_matrix_product' in results['times_faster_than']


@pytest.mark.slow
def test_features_run(tmp_path):
    programs.run('benchmark', '--task=features', *SMALL, f'--workdir={tmp_path}')
    limits = ['decoding', 'computing']
    check_results(tmp_path, 'frames', 'features', limits, 'fraction_of_slower_part')


@pytest.mark.slow
def test_detection_runs(tmp_path):
    few = ('--set=width=0.125', '--frames=4', '--repeats=2', '--chunk=150')
    programs.run('benchmark', '--task=detection', *few, f'--workdir={tmp_path}')
    limits = ['matrix_product']
    results = check_results(tmp_path, 'key_frames', 'detector', limits, 'fraction_of_matmul_peak')
    assert results['clip'] == [1, 4, 320, 400, 3]
    assert (results['proposals'], results['chunk']) == (300, 150)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('task', 'unit', 'ours', 'few'),
    [
        ('conversion', 'frames', 'conversion', ()),
        ('input', 'clips', 'pipeline', ('--clips=36',)),
        ('reading', 'frames', 'reading', ()),
    ],
)
def test_tasks_of_videos_run(tmp_path, task, unit, ours, few):
    few = ('--videos=6', '--repeats=2', *few)
    programs.run('benchmark', f'--task={task}', *few, f'--workdir={tmp_path}')
    check_results(tmp_path, unit, ours, ['bare_loop'], 'fraction_of_bare_loop')
