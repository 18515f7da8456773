"""How programs at work end, as processes: closed pipes, and signals at every stage."""

import signal
import subprocess
import time

import pytest

from tests import programs

pytestmark = pytest.mark.slow


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
