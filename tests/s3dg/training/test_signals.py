"""How a program ends when it is asked to, in processes that do nothing else."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from s3dg.training import signals

ROOT = pathlib.Path(__file__).parents[3]
ENVIRONMENT = os.environ | {'S3DG_WITHOUT_TENSORFLOW': '1'}

START = """
import contextlib, hashlib, os, time
from s3dg.training import signals

def end(number):
    os.write(2, b'ended')
    os._exit(100 + number)

def compute():  # knows nothing of signals, for minutes
    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)

signals.stop_program(end)
"""


def started(script, before=START):
    process = subprocess.Popen(
        [sys.executable, '-c', before + script],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == 'ready\n'
    time.sleep(0.3)  # into what comes next
    return process


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_raises_where_python_is_at_work(number):
    script = """
print('ready', flush=True)
try:
    time.sleep(60)
except signals.Stopped as stop:
    print('put away:', stop, stop.number)
"""
    process = started(script)
    process.send_signal(number)
    said = {'SIGTERM': 'SIGTERM 15', 'SIGINT': 'Ctrl-C 2'}[number.name]
    assert process.communicate(timeout=30) == (f'put away: stopped by {said}\n', '')
    assert process.returncode == 0


def test_what_nothing_interrupts_is_ended_within_seconds():
    process = started("print('ready', flush=True); compute()")
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == ('', 'ended')
    assert process.returncode == 100 + signal.SIGTERM
    assert 2 < time.monotonic() - asked < 15


@pytest.mark.parametrize('second', [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(second):
    process = started(
        "with signals.Termination(): print('ready', flush=True); compute()  # and would save"
    )
    process.send_signal(signal.SIGINT)
    time.sleep(6)  # longer than what needs no saving is given
    assert process.poll() is None
    asked = time.monotonic()
    process.send_signal(second)
    assert process.communicate(timeout=30) == ('', 'ended')
    assert process.returncode == 100 + second
    assert time.monotonic() - asked < 2


def test_a_second_ctrl_c_interrupts_what_python_does():
    """Where no thread watches, as in a program of the user's own."""
    with signals.Termination() as termination:
        signal.raise_signal(signal.SIGINT)
        assert termination.requested == signal.SIGINT
        with pytest.raises(signals.Stopped, match='stopped by Ctrl-C'):
            signal.raise_signal(signal.SIGINT)


def test_a_second_ctrl_c_ends_a_program():
    """One of ours, which has something to save and does not come to it."""
    script = """
import time
from s3dg.program import entry
from s3dg.training import signals

def main(arguments):
    with signals.Termination():
        print('ready', flush=True)
        while True:
            try:
                time.sleep(60)
            except signals.Stopped:  # of which those around it need know nothing
                pass

entry.start(main)
"""
    process = started(script, before='')
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + signal.SIGINT, '')
    assert errors.endswith('stopped by Ctrl-C\n')  # after what TensorFlow says where it is loaded


def test_what_needs_no_saving_is_not_waited_for_in_a_termination():
    process = started(
        """
with signals.Termination() as termination, termination.at_once(True):
    print('ready', flush=True)
    compute()
"""
    )
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == ('', 'ended')


def test_what_is_saved_within_a_termination_is_waited_for():
    process = started(
        """
with signals.Termination() as termination:
    print('ready', flush=True)
    while not termination.requested:
        time.sleep(0.1)
    time.sleep(6)
    print('saved', termination.requested)
"""
    )
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == ('saved 15\n', '')
    assert process.returncode == 0
