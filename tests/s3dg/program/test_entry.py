"""The line with which programs end: full disks, too little memory, signals."""

import errno
import os
import signal

import pytest
import tensorflow as tf

from s3dg.commands import classify, features
from s3dg.errors import LONGEST_LINE, VideoError
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.training.loop import TrainingInterrupted
from s3dg.training.signals import Stopped
from tests import in_process


def told(error, capsys):
    """(exit code, what is printed) where a program raises `error`."""

    def main(arguments):
        raise error

    code = entry.guard(main)(['program'])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ('error', 'code', 'line'),
    [
        (Stopped(signal.SIGTERM), 143, 'stopped by SIGTERM\n'),
        (Stopped(signal.SIGINT), 130, 'stopped by Ctrl-C\n'),
        (KeyboardInterrupt(), 130, 'interrupted\n'),
        (TrainingInterrupted(7, signal.SIGINT), 130, 'Stopped at step 7; run the same command'),
        (MemoryError(), 1, 'error: memory: less at once is needed'),
        (
            tf.errors.ResourceExhaustedError(
                None, None, 'OOM when allocating\ntensor ' + 'x' * 9999
            ),
            1,
            'error: OOM when allocating tensor xxx',
        ),
        (OSError(errno.EIO, 'no'), 1, 'error: an open file: Input/output error'),
        (UsageError('--x: ' + 'y' * 200_000), 2, 'error: --x: yyy'),
        (OSError(errno.ENOENT, 'no', 'y' * 200_000), 1, 'error: yyy'),
    ],
)
def test_what_can_befall_a_user_is_one_short_line(error, code, line, capsys):
    ended, said = told(error, capsys)
    assert ended == code
    assert said.startswith(line)
    assert said.count('\n') == 1
    assert len(said) <= LONGEST_LINE + len('error: \n')


def test_lines_of_progress_are_bounded(capsys):
    entry.report('a\n' + 'x' * 200_000 + '\nb')
    first, long, last = capsys.readouterr().out.splitlines()
    assert (first, last) == ('a', 'b')
    assert len(long) <= 1000


def test_a_full_disk_is_named(capsys, tmp_path, monkeypatch):
    real = os.statvfs

    def statvfs(path):
        found = real(path)
        if str(path) != str(tmp_path):
            return found
        values = list(found)
        values[4] = 0  # f_bavail
        return os.statvfs_result(values)

    monkeypatch.setattr(os, 'statvfs', statvfs)
    with in_process.flags_of(features, f'--workdir={tmp_path / "not" / "there"}'):
        code, said = told(OSError(errno.ENOSPC, 'full'), capsys)
    assert code == 1
    assert said == f'error: --workdir ({tmp_path}): No space left on device\n'
    code, said = told(OSError(errno.ENOSPC, 'full', 'a/b.npz'), capsys)
    assert said == 'error: a/b.npz: No space left on device\n'


def test_empty_flags_are_refused(capsys):
    with in_process.flags_of(classify, '--model='):
        assert entry.guard(lambda arguments: 0)(['program']) == 2
    assert capsys.readouterr().err == 'error: --model is empty, expected a value.\n'


@pytest.mark.parametrize(
    ('error', 'code', 'line'),
    [
        (UsageError('--x: wrong'), 2, 'error: --x: wrong'),
        (VideoError('no\nframes'), 1, 'error: no frames'),
        (FileNotFoundError(2, 'no', 'a/b.mp4'), 1, 'error: a/b.mp4: No such file or directory'),
        (TrainingInterrupted(7), 143, 'Stopped at step 7; run the same command again'),
    ],
)
def test_users_errors_end_in_one_line(error, code, line, capsys):
    def main(arguments):
        raise error

    assert entry.guard(main)(['program']) == code
    written = capsys.readouterr().err
    assert written.startswith(line)
    assert written.count('\n') == 1


def test_our_own_faults_keep_their_traceback():
    def main(arguments):
        raise KeyError('fault')

    with pytest.raises(KeyError):
        entry.guard(main)(['program'])


def test_stray_arguments_are_refused(capsys):
    assert entry.guard(lambda arguments: 0)(['program', 'stray']) == 2
    assert "Unexpected argument 'stray'" in capsys.readouterr().err
    assert (
        entry.guard(lambda arguments: len(arguments), takes_arguments=True)(['program', 'x']) == 1
    )
