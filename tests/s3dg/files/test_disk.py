"""Errors of writers: one line that names the file and says what is kept."""

import errno

import numpy as np
import pytest
import tensorflow as tf

from s3dg.files.disk import DiskError, writing
from tests.full_disk import longest_file

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
