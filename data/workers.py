"""Processes that work on the next few jobs while the results of the last ones are stored.

Processes, not threads: a video that crashes the decoder takes only its own process with it. So this
is where files are parsed that nobody vouches for: in one process at least, and never in the process
that asks. loky starts processes afresh, not as forks of one in which TensorFlow runs, and does not
import the program that asks for them. So each costs a fraction of a second and little memory.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import multiprocessing.resource_tracker
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import loky
import loky.backend.resource_tracker
from loky.process_executor import TerminatedWorkerError

JOBS_PER_WORKER = 3  # that are begun or finished and not yet handed on
_LONGEST_DEFERRAL = 0.1  # seconds until the handler of a signal is called
_MOST_APART = 32  # pools at once: each has its pipes, and 1024 open files is a usual limit

# loky replaces a process that has grown by 300 MB, which is welcome, and warns, which is not.
warnings.filterwarnings('ignore', 'A worker (stopped|was restarted) while some jobs', UserWarning)


def in_order(
    function: Callable[[Any], Any],
    jobs: Iterable,
    workers: int,
    crashed: Callable[[], Any],
) -> Iterator[tuple[Any, Any]]:
    """Yields (job, function(job)) in the order of the jobs.

    At most `JOBS_PER_WORKER` jobs per worker are begun ahead of what is handed on, which bounds the
    memory for their results. A caller that may leave before the end must close the generator
    (`contextlib.closing`): Python ends no program before all jobs that were begun are done.

    Args:
      function: of a module that can be imported; jobs and results can be pickled.
      jobs: they are taken as they are needed.
      workers: processes, no more than there are jobs. 0: the work is done in this one, which a
        hostile file then takes with it: for jobs of our own making, and for tests.
      crashed: makes the result of a job that killed its process while nothing else was running.

    Raises:
      Whatever `function` raises.
    """
    if not workers:
        for job in jobs:
            yield job, function(job)
        return
    jobs = iter(jobs)
    first = list(itertools.islice(jobs, workers))
    if not first:
        return
    jobs, workers = itertools.chain(first, jobs), len(first)
    pool = _Pool(function, workers)
    window = collections.deque()
    try:
        while True:
            for job in itertools.islice(jobs, JOBS_PER_WORKER * workers - len(window)):
                window.append((job, pool.submit(job)))
            if not window:
                return
            _wait([window[0][1]])
            if _lost(window[0][1]):
                pool.stop()
                # Jobs are begun in order and one per process, so one of the first is to blame.
                lost = [place for place, (_, future) in enumerate(window) if _lost(future)]
                suspects = [window[place][0] for place in lost[:workers]]
                for place, future in zip(lost, _apart(function, suspects, crashed), strict=False):
                    window[place] = (window[place][0], future)
                pool = _Pool(function, workers)
                for place in lost[workers:]:
                    window[place] = (window[place][0], pool.submit(window[place][0]))
            job, future = window.popleft()
            with _deferred_signals():
                result = future.result()
            yield job, result
    finally:
        pool.stop()


class _Pool:
    """Processes that call a function; they start with the first job."""

    def __init__(self, function, workers):
        self._function = function
        _start_trackers()
        # Without a say of the user, loky has Python print a trace of every crash.
        tracing = os.environ.get('PYTHONFAULTHANDLER', '')
        self._executor = loky.ProcessPoolExecutor(
            workers,
            initializer=_prepare,
            initargs=(os.getpid(),),
            env={'PYTHONFAULTHANDLER': tracing, 'S3DG_WITHOUT_TENSORFLOW': '1'},
        )

    def submit(self, job) -> concurrent.futures.Future:
        # What is blocked here is so in the processes that this starts, from their first moment on:
        # Ctrl-C is for the parent, which stops them.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with _deferred_signals():
                return self._executor.submit(self._function, job)
        except TerminatedWorkerError as error:  # an earlier job's doing
            future = concurrent.futures.Future()
            future.set_exception(error)
            return future
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def stop(self):
        self._executor.shutdown(wait=True, kill_workers=True)


def _wait(futures) -> None:
    """Waits until futures are done; a signal's handler is called within `_LONGEST_DEFERRAL`."""
    waiting = True
    while waiting:
        with _deferred_signals():
            waiting = concurrent.futures.wait(futures, _LONGEST_DEFERRAL).not_done


def _lost(future) -> bool:
    """Whether a process died before the result of a future that is done was there."""
    with _deferred_signals():
        return isinstance(future.exception(), TerminatedWorkerError)


@contextlib.contextmanager
def _deferred_signals() -> Iterator[None]:
    """Calls the handlers of signals after the block.

    An exception that a handler raises just when a lock is taken leaves it taken, and whoever stops
    the processes then waits for ever. A signal that comes just before a lock is waited for, or in
    another thread, is not seen until the lock is free.
    """
    if threading.current_thread() is not threading.main_thread():  # where no handler is called
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    came = []
    for number in handlers:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in came:
            handlers[number](number, None)


def _apart(function, jobs, crashed) -> list[concurrent.futures.Future]:
    """Results of jobs of which one has killed its process, or several have."""
    futures = []
    for start in range(0, len(jobs), _MOST_APART):
        some = jobs[start : start + _MOST_APART]
        for job, future in zip(some, _one_each(function, some), strict=True):
            if _lost(future):  # for want of memory, it may be, that the others took
                (future,) = _one_each(function, [job])
            if _lost(future):
                future = concurrent.futures.Future()
                future.set_result(crashed())
            futures.append(future)
    return futures


def _one_each(function, jobs) -> list[concurrent.futures.Future]:
    """Results of jobs at once, each in a process of its own."""
    pools = [_Pool(function, 1) for _ in jobs]
    try:
        futures = [pool.submit(job) for pool, job in zip(pools, jobs, strict=True)]
        _wait(futures)
        return futures
    finally:
        for pool in pools:
            pool.stop()


def _start_trackers() -> None:
    """Starts the processes that clean up after a killed parent, so that they do it silently."""
    given = os.environ.get('PYTHONWARNINGS')
    os.environ['PYTHONWARNINGS'] = ','.join(filter(None, (given, 'ignore:resource_tracker')))
    try:
        loky.backend.resource_tracker.ensure_running()
        multiprocessing.resource_tracker.ensure_running()  # if started by `submit`: lets Ctrl-C in
    finally:
        if given is None:
            del os.environ['PYTHONWARNINGS']
        else:
            os.environ['PYTHONWARNINGS'] = given


def _prepare(parent: int) -> None:
    """Sets a new process up."""
    cv2.setNumThreads(1)  # several videos at once use the cores better than several threads a frame
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """Ends this process soon after the parent, however that ended."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
