"""What a user sees before the first line of a program: nothing, unless it was asked for."""

import os
import signal
import subprocess
import sys
import time

import pytest

from s3dg.program import startup
from tests import programs


@pytest.mark.parametrize(
    ('words', 'level'),
    [
        ([], 3),
        (['--helpshort', 'a.mp4'], 3),
        (['--verbosity=0'], 0),
        (['--verbosity=1'], 0),
        (['--verbosity', '-1'], 1),
        (['-v=-2'], 2),
        (['--v', '-3'], 3),
        (['--verbosity=-9'], 3),
        (['--verbosity=nonsense'], 3),
        (['--verbosity'], 3),
        (['--', '--verbosity=0'], 3),
        (['--verbosity_of_others=0'], 3),
    ],
)
def test_verbosity_is_known_before_absl_is(words, level):
    assert startup._wanted_level(words) == level


@pytest.mark.parametrize('flag', ['--help', '--helpshort', '--helpfull'])
def test_help_is_told_and_nothing_else(flag):
    done = programs.run('convert', flag)
    assert done.stderr == ''
    assert '--[no]verify' in done.stdout


@pytest.mark.parametrize('flags', [['--verbosity=0'], []])
def test_tensorflow_is_heard_where_it_is_asked_for(flags, monkeypatch):
    if not flags:
        monkeypatch.setitem(programs.ENVIRONMENT, 'TF_CPP_MIN_LOG_LEVEL', '0')
    done = programs.run('classify', '--helpshort', *flags)
    assert 'oneDNN custom operations are on' in done.stderr or 'cuda' in done.stderr.lower()


def test_what_is_no_line_of_a_log_gets_through(capfd):
    lines = [
        b'WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n',
        b'I0000 00:00:1795620994.100383   16645 port.cc:153] oneDNN custom operations are on.\n',
        b'W0000 00:00:1795620994.100383   16645 a.cc:1] beware\n',
        b'E0000 00:00:1795620994.100383   16645 a.cc:1] no GPU\n',
        b'F0000 00:00:1795620994.100383   16645 a.cc:1] fatal\n',
        b'ImportError: a library is missing\n',
        b'no end',
    ]
    for level, heard in ((3, lines[4:]), (1, lines[2:])):
        with startup._without_log_lines(level):
            for line in lines:
                os.write(2, line)
        assert capfd.readouterr().err == b''.join(heard).decode()


@pytest.mark.parametrize(
    ('number', 'code', 'name', 'seconds'),
    [(signal.SIGTERM, 143, 'SIGTERM', 1.5), (signal.SIGINT, 130, 'Ctrl-C', 0.7)],
)
def test_a_signal_while_it_starts_ends_it_in_one_line(number, code, name, seconds):
    process = subprocess.Popen(
        programs.command('convert', '--helpfull'),
        cwd=programs.ROOT,
        env=programs.ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(seconds)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (code, '', f'stopped by {name}\n')


def _prepared(before, after, given):
    """What a process prints that runs `before`, prepares for a program, and runs `after`."""
    script = f'{before}; from s3dg.program import startup; startup.prepare([]); {after}'
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=programs.ROOT,
        env=programs.ENVIRONMENT | {'S3DG_WITHOUT_TENSORFLOW': '1'} | given,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize('given', [{}, {'TF_ENABLE_ONEDNN_OPTS': '0'}])
def test_programs_compute_with_onednn_unless_the_user_says_no(given):
    """TensorFlow itself does only on CPUs with AVX512-VNNI or newer, on which this cannot fail."""
    asked = (
        'from tensorflow.python.util import _pywrap_util_port as port; print(port.IsMklEnabled())'
    )
    assert _prepared('pass', asked, given) == str(not given)


@pytest.mark.parametrize(
    ('cores', 'given', 'expected'),
    [
        (1, {}, '4'),
        (3, {}, '4'),
        (4, {}, 'None'),
        (1, {'TF_NUM_INTEROP_THREADS': '2'}, '2'),
    ],
)
def test_few_cores_run_four_operations_at_once_unless_the_user_says_otherwise(
    cores, given, expected
):
    before = f'import os; os.sched_getaffinity = lambda process: range({cores})'
    after = 'print(os.environ.get("TF_NUM_INTEROP_THREADS"))'
    assert _prepared(before, after, given) == expected


def test_freed_memory_is_kept_where_a_pipeline_feeds_a_strategy():
    after = """
import resource
import numpy as np, tensorflow as tf
strategy = tf.distribute.OneDeviceStrategy('CPU')
print(*iter(strategy.experimental_distribute_dataset(tf.data.Dataset.range(1))))
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    np.ones(2**21, np.uint8)  # 512 pages
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = _prepared('pass', after, {}).splitlines()[-1]
    assert int(faults) < 100 * 512 / 10  # as they are when every array is mapped anew: 51,200


@pytest.mark.parametrize('way', ['-c', '-m'])
def test_importing_the_library_leaves_everything_as_it_is(way, tmp_path):
    script = 'import os, signal, s3dg, experiments; print(os.environ.get("TF_CPP_MIN_LOG_LEVEL"))'
    script += '; print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))'
    script += '; print(os.environ.get("TF_NUM_INTEROP_THREADS"))'
    script += '; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)'
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / '__init__.py').write_text(script)
    (tmp_path / 'mine' / '__main__.py').touch()
    done = subprocess.run(
        [sys.executable, way, {'-c': script, '-m': 'mine'}[way]],
        cwd=tmp_path,
        env=programs.ENVIRONMENT | {'PYTHONPATH': str(programs.ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ['None', 'None', 'None', 'True']
