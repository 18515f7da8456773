"""Processes that work ahead: their order, their number, and what their deaths and ours leave."""

import contextlib
import functools
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from data import encoding, workers
from data.datasets.jhmdb import masks
from tests.data import jobs

REPOSITORY = pathlib.Path(__file__).parents[2]
QUIET = os.environ | {'S3DG_WITHOUT_TENSORFLOW': '1'}  # it has words of its own for users


def crashed():
    return 'crashed'


def run(function, given, processes=2):
    """The results, after a check that each belongs to its job."""
    pairs = list(workers.in_order(function, given, processes, crashed))
    assert [job for job, _ in pairs] == list(given)
    return [result for _, result in pairs]


def test_results_come_in_the_order_of_the_jobs():
    seconds = [0.3, 0, 0.1, 0, 0, 0.05, 0, 0, 0, 0]
    assert run(jobs.sleep, seconds) == seconds
    assert jobs.children() == []


def test_several_processes_work_and_none_is_this_one():
    found = set(run(jobs.process, range(40)))
    assert 1 <= len(found) <= 2
    assert os.getpid() not in found
    assert len(set(run(jobs.process, range(4), processes=1)) - {os.getpid()}) == 1
    assert set(run(jobs.process, range(4), processes=0)) == {os.getpid()}


def test_there_are_no_more_processes_than_jobs():
    with contextlib.closing(workers.in_order(jobs.sleep, [0, 60], 50, crashed)) as results:
        assert next(results) == (0, 0)
        assert len(jobs.children()) == 2
    assert run(jobs.itself, [], processes=50) == []
    assert run(jobs.process, [1], processes=50) != [os.getpid()]  # what kills it kills not us


def test_memory_is_bounded():
    """Against a consumer that is slower than the processes."""
    begun = []

    def counted():
        for job in range(40):
            begun.append(job)
            yield job

    most = 0
    for handed_on, _ in enumerate(workers.in_order(jobs.itself, counted(), 2, crashed)):
        most = max(most, len(begun) - handed_on)
        time.sleep(0.005)
    assert most == 2 * workers.JOBS_PER_WORKER
    assert begun == list(range(40))


def test_an_error_comes_out_in_its_turn():
    results = workers.in_order(jobs.fail_at_three, range(20), 2, crashed)
    assert [next(results) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
    with pytest.raises(OSError, match='No space left') as error:
        next(results)
    assert error.value.errno == 28
    assert jobs.children() == []


def test_jobs_that_kill_their_process():
    given = ['a', 'kill', 'b', 'c', 'exit', 'kill', *'defghijkl']
    results = run(jobs.die, given)
    assert results == [job if len(job) == 1 else 'crashed' for job in given]
    assert run(jobs.die, ['exit']) == ['crashed']
    assert jobs.children() == []


def test_a_process_may_die_while_the_consumer_is_busy():
    results = []
    given = ['a', ('kill', 0.1), *'bcdefghij']
    for _, result in workers.in_order(jobs.die, given, 2, crashed):
        results.append(result)
        time.sleep(0.4 if len(results) == 1 else 0)
    assert results == ['a', 'crashed', *'bcdefghij']


def test_a_death_costs_the_others_little(tmp_path, monkeypatch):
    """Neither what was done is done again, nor what had not been begun."""

    def begun(given):
        log = tmp_path / 'log'
        log.write_text('')
        results = run(jobs.log_and_die, [(str(log), job) for job in given])
        assert results == ['crashed' if job == deadly else job[0] for job in given]
        lines = log.read_text().splitlines()
        return {job: lines.count(str(job)) for job in given}

    deadly = ('kill', 1.5)
    # With others beside it, in its own process, with nothing beside it.
    assert begun(['a', 'b', deadly, *'cdefg']) == dict.fromkeys('abcdefg', 1) | {deadly: 3}
    monkeypatch.setattr(workers, '_MOST_APART', 1)
    long = ('a', 3.0)  # is at work when the other one dies
    assert begun([deadly, long, *'bcd']) == dict.fromkeys('bcd', 1) | {deadly: 3, long: 2}


def test_jobs_that_die_only_beside_others_are_done_alone(tmp_path):
    """As those that take more memory than a process's share."""
    given = [str(tmp_path / 'lock')] * 4
    assert run(jobs.alone, given) == ['done'] * 4


def test_leaving_early_stops_the_processes():
    results = workers.in_order(jobs.sleep, [0, 60, 60, 60, 60, 60, 60], 2, crashed)
    assert next(results) == (0, 0)
    assert len(jobs.children()) == 2
    start = time.monotonic()
    results.close()
    assert jobs.children() == []
    assert time.monotonic() - start < 20  # a third of a job


def test_processes_do_not_load_tensorflow(tmp_path, write_video_file, numbered):
    write_video_file(tmp_path / 'v.avi', numbered(3), 25)
    storage = encoding.Storage(25, (16, 16), None, 95, 'flow', 'dis', None, masks.read)
    source = encoding.Source(str(tmp_path / 'v.avi'), str(tmp_path / 'puppet_mask.mat'))
    call = functools.partial(encoding.try_video, source, storage)
    (loaded, _) = run(jobs.modules_after, [call, call])
    assert 'data.encoding' in loaded
    foreign = {'tensorflow', 'tensorflow_datasets', 'keras', 'pytest'}
    assert not foreign & set(loaded)


def test_how_processes_are_set_up():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    for threads, blocked in run(jobs.settings, [0, 0]):
        assert threads == 1
        assert signal.SIGINT in blocked
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


SLEEPERS = """
from data import workers
from tests.data import jobs
for job, _ in workers.in_order(jobs.sleep, [0.1, 0.1] + [60] * 20, 2, None):
    print('handed on', flush=True)
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_end_it_all_without_a_word(number):
    parent = subprocess.Popen(
        [sys.executable, '-c', SLEEPERS],
        cwd=REPOSITORY,
        env=QUIET,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert [parent.stdout.readline(), parent.stdout.readline()] == ['handed on\n'] * 2
    assert len(jobs.of_session(parent.pid)) == 2
    if number == signal.SIGINT:  # Ctrl-C goes to all of them
        os.killpg(parent.pid, number)
    else:
        os.kill(parent.pid, number)
    _, errors = parent.communicate(timeout=50)  # until all have closed it
    assert parent.returncode == -number
    jobs.wait_until_gone(jobs.of_session, parent.pid)
    if number == signal.SIGINT:
        assert errors.count('Traceback') == 1
        assert errors.endswith('KeyboardInterrupt\n')
    else:
        assert errors == ''


INTERRUPTED = """
import os, signal, sys, threading

class Condition(threading.Condition):
    armed = False

    def __enter__(self):
        entered = super().__enter__()
        if Condition.armed and sys._getframe(1).f_code.co_name == 'exception':  # of a future
            Condition.armed = False
            os.kill(os.getpid(), signal.SIGINT)
        return entered

threading.Condition = Condition

from data import workers
from tests.data import jobs
for job, _ in workers.in_order(jobs.sleep, [0.1, 1] + [60] * 20, 2, None):
    Condition.armed = True
"""


def test_a_signal_that_comes_as_a_lock_is_taken_ends_it_too():
    """The exception of its handler would leave the lock taken, for which others then wait."""
    done = subprocess.run(
        [sys.executable, '-c', INTERRUPTED],
        cwd=REPOSITORY,
        env=QUIET,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == -signal.SIGINT
    assert done.stderr.endswith('KeyboardInterrupt\n')


NOISY = """
from data import workers
from tests.data import jobs
print(list(workers.in_order(jobs.die, ['segmentation fault', 'a', 'b'], 2, lambda: 'crashed')))
pids = {pid for _, (_, pid) in workers.in_order(jobs.grow, range(10), 2, None)}
print(len(pids) > 2)
"""


def test_users_see_nothing_of_crashes_and_growth():
    done = subprocess.run(
        [sys.executable, '-c', NOISY],
        cwd=REPOSITORY,
        env=QUIET | {'LOKY_MAX_MEMORY_LEAK_SIZE': '1e7'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stderr == ''
    crashes, replaced = done.stdout.splitlines()
    assert crashes == "[('segmentation fault', 'crashed'), ('a', 'a'), ('b', 'b')]"
    assert replaced == 'True'
