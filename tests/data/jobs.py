"""Work for processes, and a look at processes; nothing here imports more than it needs.

Processes import this module by its name: it may not import pytest or TensorFlow.
"""

import dataclasses
import fcntl
import os
import pathlib
import signal
import sys
import time

import cv2

from data import encoding
from data.datasets.jhmdb import masks
from data.records import pictures
from s3dg.errors import VideoError

PROCESS = 'popen_loky'  # in the command lines of the processes under test


def itself(job):
    return job


def process(job):
    del job
    return os.getpid()


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def fail_at_three(job):
    if job == 3:
        raise OSError(28, 'No space left on device')
    return job


def die(job):
    """Ends its process as a job's name says; (name, seconds): later."""
    name, seconds = job if isinstance(job, tuple) else (job, 0)
    time.sleep(seconds)
    if name == 'kill':
        os.kill(os.getpid(), signal.SIGKILL)
    if name == 'exit':
        os._exit(0)
    if name == 'segmentation fault':
        os.kill(os.getpid(), signal.SIGSEGV)
    return name


def crash(job):
    del job
    os.kill(os.getpid(), signal.SIGSEGV)


def log_and_die(job):
    """Also leaves a line in a log: (log, what `die` takes)."""
    log, job = job
    with open(log, 'a') as file:
        file.write(f'{job}\n')
    return die(job)


def alone(lock):
    """As a job that takes more than half of the memory: dies beside another one."""
    with open(lock, 'a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.3)
    return 'done'


def encode_or_die(source, storage):
    """In place of `encoding.try_video`: some files are deadly by their names."""
    if 'deadly' in source.path:
        os.kill(os.getpid(), signal.SIGKILL)
    return _try_video(source, storage)


def encode_or_fail(source, storage):
    """Likewise: some files show a fault of the code, or fill the disk."""
    if 'faulty' in source.path:
        raise KeyError('a fault in the code')
    if 'full' in source.path:
        raise OSError(28, 'No space left on device')
    return _try_video(source, storage)


def read_text(path):
    """In place of a reader of annotations; a file of "deadly" kills the process."""
    text = pathlib.Path(path).read_text()
    if text == 'deadly':
        os.kill(os.getpid(), signal.SIGSEGV)
    if not text:
        raise VideoError('an annotation without words')
    return text


def read_masks(path):
    """In place of `masks.read`: some files are deadly by the names of their folders."""
    if 'deadly' in str(path):
        os.kill(os.getpid(), signal.SIGSEGV)
    return _read_masks(path)


def shapes_or_die(job):
    """In place of `pictures.shapes`: frames of "deadly" are."""
    if b'deadly' in job.frames:
        os.kill(os.getpid(), signal.SIGSEGV)
    return _shapes(job)


def encode_and_tell_threads(source, storage):
    """Likewise: the faults of a good video are how many threads OpenCV has in this process."""
    result = _try_video(source, storage)
    if isinstance(result, encoding.Encoded):
        result = dataclasses.replace(result, faults=f'{cv2.getNumThreads()} threads')
    return result


def encode_once(source, storage):
    """Likewise: a process is quick with its first good video, and takes its time for others."""
    result = _try_video(source, storage)
    if isinstance(result, encoding.Encoded):
        _HELD.append(source)
        if len(_HELD) > 1:
            time.sleep(10)
    return result


_try_video = encoding.try_video
_read_masks = masks.read
_shapes = pictures.shapes
_HELD = []


def grow(job):
    """Takes memory and keeps it; four of these last longer than loky waits between two looks."""
    _HELD.append(bytearray(os.urandom(1)) * 20_000_000)
    time.sleep(0.35)
    return job, os.getpid()


def settings(job):
    """The number of OpenCV's threads, and the signals that are blocked."""
    del job
    return cv2.getNumThreads(), signal.pthread_sigmask(signal.SIG_BLOCK, [])


def modules_after(call):
    """Calls, and says which modules are loaded by then."""
    call()
    return sorted(sys.modules)


def children() -> list[int]:
    """The processes of `data.workers` that this process has."""
    return [pid for pid, parent, _ in _processes() if parent == os.getpid()]


def of_session(session: int) -> list[int]:
    """The processes of `data.workers` in a session; they stay in it when their parent dies."""
    return [pid for pid, _, its_session in _processes() if its_session == session]


def wait_until_gone(find, *arguments, seconds: float = 20.0) -> float:
    """Waits until there are no processes. Returns the seconds that it took.

    Raises:
      AssertionError: if there are some after so many seconds.
    """
    start = time.monotonic()
    while found := find(*arguments):
        assert time.monotonic() - start < seconds, f'alive after {seconds} s: {found}'
        time.sleep(0.01)
    return time.monotonic() - start


def _processes():
    """(process, parent, session) of every process of `data.workers` on this machine."""
    for folder in pathlib.Path('/proc').iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / 'cmdline').read_text()
            # "pid (name) state parent group session ...", the name being anything.
            fields = (folder / 'stat').read_text().rpartition(')')[2].split()
        except OSError:  # gone by now
            continue
        if PROCESS in command and fields[0] != 'Z':
            yield int(folder.name), int(fields[1]), int(fields[3])
