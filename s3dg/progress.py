"""Lines of progress for long work."""

import time
from collections.abc import Callable

SECONDS_BETWEEN_LINES = 5.0


class ProgressLine:
    """Reports how much is done, how fast, and how long the rest will take, every few seconds.

    Args:
      label: the work.
      unit: what is counted.
      report: takes a line.
      total: how much there is to do, if that is known; the line at `total` is always reported.
      first: how much of it had been done before.
    """

    def __init__(
        self,
        label: str,
        unit: str,
        report: Callable[[str], None],
        total: int | None = None,
        first: int = 0,
    ):
        self._label, self._unit, self._report = label, unit, report
        self._total, self._first = total, first
        self._start = self._last = time.monotonic()

    def __call__(self, done: int, remark: Callable[[], str] | None = None) -> None:
        """Reports that `done` is done, if a line is due; `remark()` is added to the line."""
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES and done != self._total:
            return
        self._last = now
        rate = (done - self._first) / max(now - self._start, 1e-9)
        count = done if self._total is None else f'{done}/{self._total}'
        speed = f'{rate:.1f}' if rate >= 1 else f'{rate:.2g}'
        line = f'{self._label}: {count} {self._unit}, {speed}/s'
        if self._total is not None and rate:
            line += f', {duration((self._total - done) / rate)} left'
        self._report(line if remark is None else f'{line}, {remark()}')


def duration(seconds: float) -> str:
    """Seconds as people say them: '42 s', '12 min', '3 h 20 min', '4 d 3 h'."""
    seconds = round(seconds)
    if seconds < 120:
        return f'{seconds} s'
    minutes = round(seconds / 60)
    if minutes < 60:
        return f'{minutes} min'
    if minutes < 24 * 60:
        return f'{minutes // 60} h {minutes % 60} min'
    hours = round(minutes / 60)
    return f'{hours // 24} d {hours % 24} h'
