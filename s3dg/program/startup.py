"""What a program does before its imports: it sets TensorFlow up, and lets signals end it at once.

`experiments` and `s3dg.__main__` import this module first, and it imports nothing of others before
the environment is set. A user's own program that says `import s3dg` stays as it is, and decides
itself what TensorFlow prints.
"""

import contextlib
import ctypes
import os
import re
import signal
import sys
import tempfile

from s3dg.training.signals import STOPS  # which imports the standard library alone

GIVEN = dict(os.environ)  # what the process was started with

# TensorFlow uses oneDNN by itself only where a CPU has AVX512-VNNI or the like. It helps with AVX2
# alone too: on two such cores, a training step of S3D-G took 2.0 instead of 3.5 s.
ONEDNN_VARIABLE = 'TF_ENABLE_ONEDNN_OPTS'
# Operations that TensorFlow runs at once: by itself as many as there are cores, which two cores
# are not kept busy by in small networks.
_THREADS_VARIABLE = 'TF_NUM_INTEROP_THREADS'
_LEAST_THREADS = 4
# Options of glibc's `mallopt`, and bytes. Once a pipeline feeds a strategy, TensorFlow 2.21 has
# glibc give back all free memory over 128 KB (generator_dataset_op.cc, M_TRIM_THRESHOLD). Every
# record, frame and scratch buffer is then mapped, cleared and unmapped again: on two cores, 51
# instead of 83 clips a second were decoded. What is set here is not touched by that.
_KEPT_MEMORY = {
    -3: 32 * 2**20,  # M_MMAP_THRESHOLD: smaller blocks come from a heap; glibc allows no more
    -2: 64 * 2**20,  # M_TOP_PAD: what a heap keeps
}
_LEVEL_VARIABLE = 'TF_CPP_MIN_LOG_LEVEL'
_QUIET = 3  # nothing but what ends the process; what the user must know comes as an exception
# The severities of TensorFlow's lines, from level 0 on, as they begin: 'I0000 00:00:1795620994.1'.
_SEVERITIES = 'IWEF'
_LOGGED = re.compile(rb'([IWEF])\d{4} \d\d:\d\d:')
_PREAMBLE = b'WARNING: All log messages before absl::InitializeLog() is called'

_errors = 2  # the file descriptor that messages go to


def prepare(words):
    """Sets the process up for a program called with these words, and imports TensorFlow.

    Variables that the user has set stay as they are.
    """
    for number in STOPS:
        signal.signal(number, end)
    os.environ.setdefault(ONEDNN_VARIABLE, '1')
    if len(os.sched_getaffinity(0)) < _LEAST_THREADS:
        os.environ.setdefault(_THREADS_VARIABLE, str(_LEAST_THREADS))
    _keep_memory()
    level = os.environ.setdefault(_LEVEL_VARIABLE, str(_wanted_level(words)))
    level = int(level) if level.isdigit() else 0
    # No setting quietens what the libraries print while they are loaded.
    with _without_log_lines(level) if level > 0 else contextlib.nullcontext():
        import s3dg.network  # noqa: F401  which imports TensorFlow, and registers its classes


def _keep_memory():
    """Has glibc keep freed memory for the next of its size; other C libraries have no such call."""
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        for option, size in _KEPT_MEMORY.items():
            mallopt(option, size)


def end(number, frame=None):
    """Ends the process at once, with a line and the exit code of shells; a handler of signals."""
    os.write(_errors, f'stopped by {STOPS[number]}\n'.encode())
    os._exit(128 + number)


def _wanted_level(words):
    """The level that absl's flag --verbosity, if it is among the words, comes to."""
    following = [*words[1:], '']
    for word, after in zip(words, following, strict=False):
        if word == '--':
            break
        given = re.fullmatch(r'--?(?:verbosity|v)(?:=(.*))?', word)
        if given is None:
            continue
        value = after if given[1] is None else given[1]
        if re.fullmatch(r'[-+]?\d+', value):  # else absl says what is wrong with it
            return min(max(-int(value), 0), _QUIET)
    return _QUIET


@contextlib.contextmanager
def _without_log_lines(level):
    """Holds back what is written to standard error; lines logged below `level` stay back."""
    global _errors
    try:
        kept = os.dup(2)
    except OSError:  # closed by the caller
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        _errors = kept
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            _errors = 2
            os.close(kept)
            held.seek(0)
            for line in held:
                severity = _LOGGED.match(line)
                if line.startswith(_PREAMBLE) or (
                    severity and _SEVERITIES.index(severity[1].decode()) < level
                ):
                    continue
                os.write(2, line)
