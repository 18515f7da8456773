"""A stream as a camera would send it: MPEG-TS over TCP, each frame at its time."""

import contextlib
import fractions
import socket
import threading
import time

import av


class _Sink:
    def __init__(self):
        self.parts = []

    def write(self, part):
        self.parts.append(bytes(part))
        return len(part)

    def take(self):
        parts, self.parts = self.parts, []
        return b''.join(parts)


# What keeps encoders from holding frames back.
_AT_ONCE = {
    'libx264': {'tune': 'zerolatency', 'preset': 'ultrafast'},
    'libx265': {'tune': 'zerolatency', 'preset': 'ultrafast', 'x265-params': 'log-level=none'},
    'mpeg2video': {'flags': '+low_delay'},
}


def encode(frames, frames_per_second=25, codec='libx264'):
    """The bytes of each frame as MPEG-TS, in the order in which they are shown; then the rest."""
    sink, tick = _Sink(), fractions.Fraction(1, frames_per_second)
    parts = []
    with av.open(sink, 'w', format='mpegts', options={'flush_packets': '1'}) as output:
        stream = output.add_stream(codec, rate=frames_per_second, options=_AT_ONCE[codec])
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.codec_context.time_base = 'yuv420p', tick
        stream.codec_context.gop_size = 12
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, 'rgb24').reformat(format='yuv420p')
            picture.pts, picture.time_base = number, tick
            output.mux(stream.encode(picture))
            parts.append(sink.take())
            assert parts[-1]  # else it would be sent with a later one
        output.mux(stream.encode())
    return [*parts, sink.take()]


@contextlib.contextmanager
def sent(parts, frames_per_second=25, hangs=False):
    """Sends parts to the first who connects, one every frame.

    Args:
      parts: as of `encode`.
      frames_per_second: at which they are sent.
      hangs: whether the connection stays open after the last one.

    Yields:
      The address, and a list that gets the moment, of `time.monotonic`, at which each is sent.
    """
    moments, over = [], threading.Event()
    listening = socket.create_server(('127.0.0.1', 0))

    def send():
        with contextlib.suppress(OSError), listening.accept()[0] as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = time.monotonic()
            for number, part in enumerate(parts):
                time.sleep(max(began + number / frames_per_second - time.monotonic(), 0))
                moments.append(time.monotonic())
                connection.sendall(part)
            if hangs:
                over.wait()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield f'tcp://127.0.0.1:{listening.getsockname()[1]}', moments
    finally:
        over.set()
        listening.close()
