"""The main job, whole, and what it is for: reading the order of frames. Minutes long."""

import json
import signal
import subprocess
import time

import keras
import numpy as np
import pytest

from tests import programs
from tests.experiments.explained_shapes import find_peaks

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp('data')


@pytest.fixture(scope='module')
def quickstart(data_dir, tmp_path_factory):
    workdir = tmp_path_factory.mktemp('quickstart')
    programs.run('quickstart', f'--data_dir={data_dir}', f'--workdir={workdir}')
    return workdir


def test_s3d_g_reads_the_order_of_frames(quickstart):
    results = json.loads((quickstart / 'results.json').read_text())
    assert results['top1'] >= 0.95
    assert results['top1_reversed'] <= 0.05
    assert results['videos_seen'] == results['videos_expected'] == 400
    assert results['max_difference'] <= 1e-4
    # A network mistakes a few videos in a hundred: one of these ten may be among them.
    new_videos = results['new_videos']
    assert len(new_videos) == len(list((quickstart / 'new_videos').glob('*.avi'))) == 10
    assert sum(name == row['taken_for'] for name, row in new_videos.items()) >= 9


def test_heat_peaks_at_the_shape(quickstart):
    """The hottest cell of 9 in 10 videos, where it would be by chance in one of five."""
    network = keras.models.load_model(quickstart / 'model.keras')
    inside, shares = find_peaks(network, 10)
    assert len(inside) == 100
    assert inside.mean() >= 0.9
    assert shares.mean() < 0.25


def test_killed_runs_end_with_the_weights_of_an_uninterrupted_one(data_dir, tmp_path):
    """SIGTERM once, SIGKILL twice, at moments nobody chose; equal to the last bit."""
    flags = (
        '--dataset=moving_shapes',
        f'--data_dir={data_dir}',
        '--deterministic',
        '--steps=40',
        '--checkpoint_every=7',
        '--log_every=3',
    )
    programs.run('train', *flags, f'--workdir={tmp_path / "whole"}')
    workdir = tmp_path / 'killed'
    for number, at_step in ((signal.SIGTERM, 5), (signal.SIGKILL, 17), (signal.SIGKILL, 30)):
        process = subprocess.Popen(
            programs.command('train', *flags, f'--workdir={workdir}'),
            cwd=programs.ROOT,
            env=programs.ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 240
        while _last_step(workdir) < at_step:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(60) == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    programs.run('train', *flags, f'--workdir={workdir}')
    one = keras.models.load_model(tmp_path / 'whole' / 'model.keras')
    two = keras.models.load_model(workdir / 'model.keras')
    for whole, killed in zip(one.variables, two.variables, strict=True):
        np.testing.assert_array_equal(whole.numpy(), killed.numpy(), err_msg=whole.path)
    steps = [line.split(',')[0] for line in (workdir / 'history.csv').read_text().splitlines()]
    assert len(steps) == len(set(steps))


def _last_step(workdir):
    history = workdir / 'history.csv'
    if not history.exists():
        return 0
    last = history.read_text().splitlines()[-1].split(',')[0]
    return int(last) if last.isdigit() else 0
