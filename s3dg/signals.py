"""Stopping at a safe point when the process is asked to end."""

import signal
import threading


class Termination:
    """A context in which SIGTERM and SIGINT set `requested` instead of ending the process.

    A second SIGINT ends it at once. Outside the main thread, where Python allows no handlers, the
    signals keep their meaning.
    """

    def __init__(self):
        self.requested = False
        self._previous = {}

    def _request(self, number, frame):
        if number == signal.SIGINT and self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_):
        for number, handler in self._previous.items():
            signal.signal(number, handler)
