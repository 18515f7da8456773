"""How programs end: closed pipes, full disks, too little memory, signals at work."""

import errno
import os
import signal
import subprocess
import time

import pytest
import tensorflow as tf

from experiments import evaluate
from s3dg.errors import LONGEST_LINE
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.training.loop import TrainingInterrupted
from s3dg.training.signals import Stopped
from tests import in_process, programs


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
    with in_process.flags_of(evaluate, f'--workdir={tmp_path / "not" / "there"}'):
        code, said = told(OSError(errno.ENOSPC, 'full'), capsys)
    assert code == 1
    assert said == f'error: --workdir ({tmp_path}): No space left on device\n'
    code, said = told(OSError(errno.ENOSPC, 'full', 'a/b.npz'), capsys)
    assert said == 'error: a/b.npz: No space left on device\n'


def shell(words):
    return subprocess.run(
        ['bash', '-c', words],
        cwd=programs.ROOT,
        env=programs.ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    programs.run(
        'convert', '--dataset=moving_shapes', f'--data_dir={folder}', f'--workdir={folder}/w'
    )
    return folder


def test_a_closed_pipe_ends_it_quietly(data_dir, tmp_path):
    words = ' '.join(
        programs.command(
            'convert',
            '--dataset=moving_shapes',
            f'--data_dir={data_dir}',
            f'--workdir={tmp_path}/w',
        )
    )
    done = shell(f'{words} | true; echo ${{PIPESTATUS[0]}}')
    assert (done.stdout, done.stderr) == (f'{128 + signal.SIGPIPE}\n', '')
    done = shell(f'{words} --nonsense 2>&1 | true; echo ${{PIPESTATUS[0]}}')
    assert (done.stdout, done.stderr) == (f'{128 + signal.SIGPIPE}\n', '')


def stopped(number, until, *words):
    """A program that gets a signal after it has printed a line with `until`.

    Returns:
      (exit code, standard error, seconds from the signal to the end).
    """
    process = subprocess.Popen(
        programs.command(*words),
        cwd=programs.ROOT,
        env=programs.ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if until in line:
            break
    asked = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors, time.monotonic() - asked


SECONDS = 10  # on a machine that does other things too; it takes one


def test_a_conversion_is_stopped_and_goes_on(tmp_path):
    words = (
        'convert',
        '--dataset=moving_shapes',
        f'--data_dir={tmp_path}',
        f'--workdir={tmp_path}/w',
    )
    code, errors, seconds = stopped(signal.SIGINT, 'moving_shapes', *words)
    assert (code, errors) == (130, 'stopped by Ctrl-C\n')
    assert seconds < SECONDS
    assert 'converted' in programs.run(*words).stdout


def test_a_training_is_stopped_while_it_is_traced_and_while_it_trains(data_dir, tmp_path):
    words = (
        'train',
        '--dataset=moving_shapes',
        f'--data_dir={data_dir}',
        f'--workdir={tmp_path}/w',
        '--batch_size=2',
        '--set=width=0.1',
        '--steps=9999',
        '--log_every=3',
        '--frames=8',
        '--crop=32',
    )
    code, errors, seconds = stopped(signal.SIGTERM, 'NetworkConfig', *words)
    assert (code, errors) == (143, 'stopped by SIGTERM\n')
    assert seconds < SECONDS
    code, errors, seconds = stopped(signal.SIGTERM, 'step 3/', *words)
    assert code == 143
    assert errors.startswith('Stopped at step ')
    assert errors.count('\n') == 1
    assert seconds < SECONDS + 5  # a call of steps
    step = errors.split()[3].rstrip(';')
    assert (tmp_path / 'w' / 'checkpoints' / f'ckpt-{step}.index').is_file()
