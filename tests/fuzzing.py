"""Damaged copies of a file, thousands of them, for every reader of files that are not ours.

A reader may refuse a damaged file, in one line, or read what is left of it. It may not raise
anything else, hang, take much memory or take the process with it.
"""

import contextlib
import os
import pathlib
import time
from collections.abc import Callable, Iterator

import hypothesis
from hypothesis import strategies

from s3dg.errors import LONGEST_LINE, S3dgError

# Mutations of a file in the fast suite, and in the slow one.
FEW, MANY = 200, int(os.environ.get('FUZZ_EXAMPLES', '2000'))
MOST_BYTES = 2**30  # of memory, above what the process had before
MOST_SECONDS = 60.0  # for one file; generous, for machines are busy

# What readers take for lengths and counts is most often damaged to these.
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**64 - 1)
_KINDS = ('set', 'flip', 'number', 'delete', 'insert', 'repeat', 'cut', 'zeros')

_edit = strategies.tuples(
    strategies.sampled_from(_KINDS), strategies.floats(0, 1), strategies.integers(0, 2**16 - 1)
)


def mutate(content: bytes, edits) -> bytes:
    """A damaged copy: every edit is (kind, place as a share of the length, number)."""
    for kind, share, number in edits:
        place = min(int(share * len(content)), max(len(content) - 1, 0))
        before, after = content[:place], content[place:]
        if kind == 'set':
            after = bytes([number % 256]) + after[1:]
        elif kind == 'flip' and after:
            after = bytes([after[0] ^ 1 << number % 8]) + after[1:]
        elif kind == 'number':
            width = (1, 2, 4, 8)[number % 4]
            value = _NUMBERS[number // 4 % len(_NUMBERS)] % 256**width
            order = 'big' if number // 64 % 2 else 'little'
            after = value.to_bytes(width, order) + after[width:]
        elif kind == 'delete':
            after = after[1 + number % 64 :]
        elif kind == 'insert':
            after = number.to_bytes(2, 'big') * (1 + number % 8) + after
        elif kind == 'repeat':
            after = after[: 1 + number % 512] + after
        elif kind == 'cut':
            after = b''
        elif kind == 'zeros':
            length = min(1 + number % 4096, len(after))
            after = bytes(length) + after[length:]
        content = before + after
    return content


def check(
    read: Callable[[pathlib.Path], object],
    whole: bytes,
    path: pathlib.Path,
    examples: int = FEW,
    refused: type[Exception] | tuple[type[Exception], ...] = S3dgError,
) -> None:
    """Has a reader read damaged copies of a file, the same ones in every run.

    Args:
      read: reads the file at `path`; its errors of the types `refused` are good answers.
      whole: the undamaged file, which must be read.
      path: where the copies are put, one after the other.
      examples: number of copies.

    Raises:
      AssertionError: a copy takes too long or too much memory, or its error is no short line;
        hypothesis then prints the edits that made the copy.
    """
    path.write_bytes(whole)
    read(path)
    pathlib.Path('/proc/self/clear_refs').write_text('5')  # peak memory counts from here
    most = _peak_memory() + MOST_BYTES

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategies.lists(_edit, min_size=1, max_size=4))
    def read_damaged(edits):
        path.write_bytes(mutate(whole, edits))
        begun = time.monotonic()
        try:
            read(path)
        except refused as error:
            line = str(error)
            assert line, 'an error without a message'
            assert line.isprintable(), f'not a line: {line!r}'
            assert len(line) <= LONGEST_LINE + 50, f'{len(line)} characters: {line}'
        assert time.monotonic() - begun < MOST_SECONDS, 'it takes too long'
        assert _peak_memory() < most, 'it takes too much memory'

    read_damaged()


@contextlib.contextmanager
def bounded_memory(most: int = MOST_BYTES) -> Iterator[None]:
    """Raises AssertionError if the process holds so many bytes more, at any moment, than before."""
    pathlib.Path('/proc/self/clear_refs').write_text('5')  # peak memory counts from here
    most += _peak_memory()
    yield
    assert _peak_memory() < most, 'it takes too much memory'


def _peak_memory() -> int:
    """The most bytes that this process has held at once."""
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1]) * 1024
    raise RuntimeError('/proc/self/status states no VmHWM')
