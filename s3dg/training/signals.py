"""Stopping when the process is asked to: at once where nothing is lost, else at a safe point."""

import contextlib
import os
import signal
import threading
import time

# The signals that ask a process to end, and what a user calls them.
STOPS = {signal.SIGTERM: 'SIGTERM', signal.SIGINT: 'Ctrl-C'}

# How long a program whose work nobody waits for may take to put things away.
_SECONDS_TO_STOP = 4.0


class Stopped(KeyboardInterrupt):
    """The process was asked to end, by the signal `number`."""

    def __init__(self, number):
        super().__init__(f'stopped by {STOPS[number]}')
        self.number = number


class Termination:
    """A context in which SIGTERM and SIGINT set `requested` instead of ending the process.

    Within its `at_once`, or at a second signal, they raise `Stopped` too. Outside the main thread,
    where Python allows no handlers, the signals keep their meaning.

    Attributes:
      requested: number of the signal that came, or None.
    """

    _current = None  # the one that there is, for whoever watches the program

    def __init__(self):
        self.requested = None
        self._raises = self._nothing_to_save = False
        self._previous = {}

    def _request(self, number, frame):
        again = self.requested is not None
        self.requested = number
        if again or self._raises:
            raise Stopped(number)

    @contextlib.contextmanager
    def at_once(self, nothing_to_save):
        """Within it a signal raises `Stopped`.

        With `nothing_to_save` the process may be ended outright, should nothing interrupt it.
        """
        self._raises, self._nothing_to_save = True, nothing_to_save
        try:
            yield
        finally:
            self._raises = self._nothing_to_save = False

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._request) for number in STOPS}
            Termination._current = self
        return self

    def __exit__(self, *_):
        if self._previous:
            Termination._current = None
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def stop_program(end):
    """From now on SIGTERM and SIGINT raise `Stopped` in the main thread, and the process ends.

    Python's handlers run between two lines of Python, which may be minutes apart: TensorFlow's
    kernels and compiler do not call them. So a thread watches, and ends the process at a
    second signal, or some seconds after the first one where nothing has to be saved.

    Args:
      end: takes the number of a signal and ends the process at once.
    """

    def stop(number, frame):
        raise Stopped(number)

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading, end), daemon=True).start()
    for number in STOPS:
        signal.signal(number, stop)


def _watch(received, end):
    first = _next_stop(received)
    threading.Thread(target=_end_later, args=(first, end), daemon=True).start()
    end(_next_stop(received))


def _next_stop(received):
    while (number := os.read(received, 1)[0]) not in STOPS:
        pass
    return signal.Signals(number)


def _end_later(number, end):
    last = time.monotonic() + _SECONDS_TO_STOP
    while time.monotonic() < last:
        time.sleep(0.1)
        current = Termination._current
        if current is not None and not current._nothing_to_save:
            last = time.monotonic() + _SECONDS_TO_STOP
    end(number)
