"""Videos that a process of its own decodes, while the program computes with what is there already.

A file that crashes the decoder takes that process with it, and not the program. The process needs
no TensorFlow. Ctrl-C is for the program alone, with which it ends, however that ended: its pipe is
closed then.
"""

import collections
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from s3dg.errors import VideoError
from s3dg.video import sources

# Frames that wait take no more bytes than this, unless a single one does.
MOST_BYTES = 2**28


class Frames(collections.abc.Iterator):
    """What `reading.Frames` of a video would be."""

    def __init__(self, receive):
        self._receive = receive
        self.time, self.shown, self.faults, self.is_over = 0.0, None, '', False

    def __next__(self) -> np.ndarray:
        if self.is_over:
            raise StopIteration
        message = self._receive()
        if _is_frame(message):
            frame, self.time, self.shown = message
            return frame
        self.is_over = True
        if isinstance(message, Exception):
            raise message
        self.faults = message
        raise StopIteration


class Reader:
    """The process, which starts at once; to be used in a `with` block, which ends it.

    with Reader() as reader:
        for frames in reader.videos(paths, 128, short_side=256):
            for frame in frames:
                ...
    """

    def __init__(self):
        self._process = _start()
        self._thread, self._is_closed, self._left = None, False, -1
        # In C: no exception that a signal's handler raises leaves them half changed.
        self._messages, self._room = queue.SimpleQueue(), queue.SimpleQueue()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._is_closed = True
        self._process.kill()
        if self._thread is not None:
            self._make_room(self._most_frames)
            self._thread.join()
        # Another thread may wait for a frame.
        self._messages.put((VideoError('its reader has ended'), 0))
        _end(self._process)

    def videos(
        self, paths: Sequence[str | os.PathLike], most_frames: int, **options
    ) -> Iterator[Frames]:
        """Yields the `Frames` of each video, those of a broken one too; to be called once.

        Frames that are left when the next video is asked for are skipped.

        Args:
          paths: video files, or folders of frames; the next one is begun while frames of the one
            before it wait.
          most_frames: that wait at a time, fewer of large ones (`MOST_BYTES`); one more is in the
            hands of either process.
          **options: of `sources.read_frames`.

        Raises:
          VideoError: by the `Frames`, as `sources.read_frames`, or where the decoder crashes.
        """
        self._most_frames = most_frames
        self._make_room(most_frames)
        self._thread = threading.Thread(target=self._fetch, args=(paths, options), daemon=True)
        self._thread.start()
        for number in range(len(paths)):
            yield (frames := Frames(self._take))
            self._left = number
            while not frames.is_over:
                frames.is_over = not _is_frame(self._take())

    def _take(self):
        message, room = self._messages.get()
        self._make_room(room)
        return message

    def _make_room(self, number):
        for _ in range(number):
            self._room.put(None)

    def _fetch(self, paths, options):
        for number, path in enumerate(paths):
            for message in self._read(path, options):
                room = 0
                if _is_frame(message):
                    share = -(-message[0].nbytes * self._most_frames // MOST_BYTES)
                    room = min(max(share, 1), self._most_frames)
                for _ in range(room):
                    self._room.get()
                if self._is_closed:
                    return
                self._messages.put((message, room))
                if room and self._left == number:  # nobody wants the rest, which may last for hours
                    _end(self._process)

    def _read(self, path, options):
        """Yields the messages of a video; after a crash the next one gets a new process."""
        try:
            if self._process.poll() is not None:
                self._process = _start()
            if self._is_closed:
                return
            _send((path, options), self._process.stdin)
            while _is_frame(message := pickle.load(self._process.stdout)):  # noqa: S301
                yield message
        except Exception:  # noqa: BLE001  (what a process says that ends half-way can be anything)
            _end(self._process)
            message = VideoError('its decoder crashed')
        yield message


def _is_frame(message: Any) -> bool:
    """Of a video come (frame, time, shown) for each, then its faults in words or an exception."""
    return isinstance(message, tuple)


def _send(message, pipe):
    pickle.dump(message, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _start() -> subprocess.Popen:
    path = [*map(str, sys.path)]  # of a checkout too
    return subprocess.Popen(
        [
            sys.executable,
            '-c',
            f'import sys; sys.path[:] = {path}; import {__name__} as a; a.serve()',
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, 'S3DG_WITHOUT_TENSORFLOW': '1'},
        start_new_session=True,  # a terminal's Ctrl-C does not reach it
    )


def _end(process):
    process.kill()
    process.communicate()


def serve() -> None:
    """What the process does: videos that it is told of on its standard input go to the output."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    cv2.setNumThreads(1)  # the program needs the others
    output = os.fdopen(os.dup(1), 'wb')
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what a library may print
    videos = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(videos,), daemon=True).start()
    while True:
        path, options = videos.get()
        try:
            frames = sources.read_frames(path, **options)
            for frame in frames:
                _send((frame, frames.time, frames.shown), output)
            last = frames.faults
        except Exception as error:  # noqa: BLE001
            last = error
            if not isinstance(error, VideoError):
                error.add_note(traceback.format_exc())
        _send(last, output)


def _listen(videos):
    """Takes what is asked for, and ends the process when there is nobody who could ask."""
    try:
        while True:
            videos.put(pickle.load(sys.stdin.buffer))  # noqa: S301
    finally:
        os._exit(0)
