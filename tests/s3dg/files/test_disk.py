"""Full disks: a line that names the file, and what was good is kept."""

import errno

import numpy as np
import pytest
import tensorflow as tf

from s3dg.files.disk import DiskError, writing
from s3dg.training import history, loop
from tests.full_disk import longest_file
from tests.s3dg.training.test_loop import _clips, _config, _figures, _network

_TEMPORARY = '{{function_node SaveV2}} /tmp/q.tempstate1; No space left on device [Op:SaveV2]'


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (
            OSError(errno.ENOSPC, 'No space left on device'),
            '/a/b: No space left on device; c is kept',
        ),
        (PermissionError(errno.EACCES, 'no', '/x'), '/x: Permission denied; c is kept'),
        (
            tf.errors.ResourceExhaustedError(None, None, _TEMPORARY),
            '/a/b: No space left on device; c is kept',
        ),
    ],
)
def test_errors_of_writers_are_named(error, said):
    with pytest.raises(DiskError, match=f'^{said}$'), writing('/a/b', 'c is kept'):
        raise error


def test_faults_of_our_own_stay_what_they_are():
    with pytest.raises(ValueError, match='ours'), writing('/a', 'kept'):
        raise ValueError('ours')


def test_tensorflow_s_own_writer(tmp_path):
    variable = tf.Variable(np.random.default_rng(0).random(10**5))
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=variable), str(tmp_path), 1)
    with (
        pytest.raises(DiskError, match='^/a: File too large; kept$'),
        longest_file(50_000),
        writing('/a', 'kept'),
    ):
        manager.save()


def test_a_training_goes_on_when_there_is_room(tmp_path):
    whole, full = tmp_path / 'whole', tmp_path / 'full'
    loop.train(_network, _clips(), _config(), whole)
    loop.train(_network, _clips(), _config(steps=2), full)
    kept = {path.name: path.read_bytes() for path in (full / 'checkpoints').glob('ckpt-2*')}
    size = max(map(len, kept.values()))
    with (
        pytest.raises(
            DiskError,
            match='full/checkpoints/ckpt-4: File too large; the checkpoints '
            'before it are kept; make room',
        ),
        longest_file(size - 1000),
    ):
        loop.train(_network, _clips(), _config(), full)
    assert {path.name: path.read_bytes() for path in (full / 'checkpoints').glob('ckpt*')} == kept
    loop.train(_network, _clips(), _config(), full)
    assert _figures(full) == _figures(whole)


@pytest.mark.parametrize(('size', 'name'), [(90, 'history.csv'), (430, 'tensorboard')])
def test_a_history_that_finds_no_room_is_named(tmp_path, size, name):
    """Of so few rows TensorBoard's file is the longer one."""
    found = history.History(tmp_path, 0)
    row = {**dict.fromkeys(history.HISTORY_COLUMNS, 0.5), 'step': 1}

    def write():
        for step in range(1, 10):
            found.add({**row, 'step': step})

    message = f'{tmp_path}/{name}: File too large; the checkpoints are kept'
    with pytest.raises(DiskError, match=message), longest_file(size):
        write()
    rows = history.read_history(tmp_path)  # whole, whatever was not written
    assert [one['step'] for one in rows] == list(range(1, len(rows) + 1))
