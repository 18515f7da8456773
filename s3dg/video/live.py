"""A video at its own speed: a file as a player shows it, a stream, or a camera.

Each frame comes with the moment at which it was shown: of a file, when a player that began with the
first frame would show it; of a stream or a camera, when it arrived. Whoever reads a stream must not
wait: what is not taken stays with the sender, and is late.

Only what is named itself is opened. Playlists (HLS, DASH), which name other addresses, are refused,
except that RTSP and RTP negotiate the ports that their pictures come by.
"""

import collections
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator

import av

from s3dg.errors import VideoError
from s3dg.video import frame_folder, reading, sampling

# Seconds without anything from a stream or a camera after which it counts as gone.
PATIENCE = 10.0

_HTTP = 'http,https,tls,tcp,httpproxy'
# What FFmpeg may speak for an address, by its scheme, as far as its build can.
_PROTOCOLS = {
    'http': _HTTP,
    'https': _HTTP,
    'rtmp': 'rtmp,tcp',
    'rtmps': 'rtmps,tls,tcp',
    'rtp': 'rtp,udp',
    'rtsp': 'rtsp,rtp,udp,tcp',
    'rtsps': 'rtsps,rtsp,rtp,srtp,udp,tls,tcp',
    'srt': 'srt',
    'tcp': 'tcp',
    'udp': 'udp',
}
# Formats by which both sides agree on the ports of the pictures; known for these schemes alone.
_SESSIONS = {scheme: ('rtp', 'rtsp', 'sdp') for scheme in ('rtp', 'rtsp', 'rtsps')}
_CAMERA = 'video4linux2,v4l2'

# FFmpeg hands a frame over when it knows where it ends. Of H.264 that is when the next one begins,
# and MPEG-TS tells of that only when the one behind it begins. So a frame began to arrive when the
# frame that many before it was handed over. Measured with frames sent at known times; of RTSP, with
# RTP alone.
_HELD_BACK = {'mpegts': 2, 'rtp': 1, 'rtsp': 1}
_PARSED = ('h264', 'hevc', 'mpeg2video')

_MOST_REORDERED = 64  # packets that a decoder may hold


def scheme_of(source: str | os.PathLike) -> str | None:
    """The scheme of an address, in lower case; None of a path.

    >>> scheme_of('RTSP://camera/1'), scheme_of('video.mp4')
    ('rtsp', None)
    """
    match = re.match(r'([A-Za-z][A-Za-z0-9+.-]*)://', str(source))
    return match[1].lower() if match else None


class Frames(reading.Frames):
    """The frames of a source that plays, with when they are `shown`."""

    @property
    def shown(self) -> float:
        return self._video.shown


def play_frames(
    source: str | os.PathLike,
    folder_rate: float,
    frames_per_second: float | None = None,
    frame_size: tuple[int, int] | None = None,
    short_side: int | None = None,
    crop_size: tuple[int, int] | None = None,
    *,
    bgr: bool = False,
) -> Frames:
    """The frames of a source at its own speed, resampled and resized as `reading.read_frames` does.

    A frame comes when the picture that it is taken of has been shown; of a stream or camera, one
    picture later, for only the next one tells how long it stays.

    Args:
      source: a video file; a folder of numbered frames; the device of a camera, such as
        `/dev/video0`; or an address, whose scheme is one of those known here.
      folder_rate: frames a second of a folder.
      frames_per_second, frame_size, short_side, crop_size, bgr: as of `reading.read_frames`.

    Raises:
      VideoError: while it is iterated, as `reading.read_frames`; if there is no such source, if a
        stream breaks off, or if nothing comes from it for `PATIENCE` seconds.
      ValueError: as `reading.read_frames`.
    """
    sampling.check_arguments(frames_per_second, frame_size, short_side)
    if scheme_of(source) is not None or _is_device(source):
        pictures = _Stream(source, bgr)
    elif os.path.isdir(source):
        pictures = _Played(frame_folder.pictures(source, folder_rate, bgr))
    else:
        video = reading.VideoFile(source, bgr)
        pictures = _Played(video.pictures(), video)
    sampled = sampling.sample(
        pictures.pictures(), frames_per_second, frame_size, short_side, crop_size
    )
    return Frames(sampled, pictures)


def _is_device(source):
    try:
        return stat.S_ISCHR(os.stat(source).st_mode)
    except (OSError, ValueError):
        return False


class _Played:
    """Pictures that are held until a player that began with the first one would show them.

    Attributes:
      shown: of the last picture, as of `time.monotonic`.
      start, faults: of the file.
    """

    def __init__(self, timed: Iterable, video: reading.VideoFile | None = None):
        self._timed, self._video = timed, video
        self.shown = 0.0

    @property
    def start(self):
        return self._video.start if self._video else 0.0

    @property
    def faults(self):
        return self._video.faults if self._video else ''

    def pictures(self) -> Iterator[tuple[sampling.Picture, float, float]]:
        began = None
        for picture, start, end in self._timed:
            now = time.monotonic()
            if began is None:
                began = now - start
            # A computer that decodes too slowly is late, which this moment then tells.
            self.shown = began + start
            time.sleep(max(self.shown - now, 0.0))
            yield picture, start, end


class _Stream(reading.VideoFile):
    """What comes from an address or a camera, read until it ends.

    Attributes:
      shown: when the last picture began to arrive, as of `time.monotonic`.
    """

    _damage = av.error.InvalidDataError  # after any other a stream is gone

    def __init__(self, source: str | os.PathLike, bgr: bool = False):
        super().__init__(source, bgr)
        self._source, self.shown = str(source), 0.0
        self._arrived = collections.deque(maxlen=_MOST_REORDERED)  # (time stamp, moment)
        self._decoded = collections.deque()  # moments of pictures that were not given yet

    def pictures(self):
        for picture in super().pictures():
            self.shown = self._decoded.popleft()
            yield picture

    def _open(self):
        scheme = scheme_of(self._source)
        # FFmpeg would wait for the rate of the frames, and hand over late what it had seen of them.
        options = {'fpsprobesize': '0', **reading.LIMITS}
        kind, file_format = 'camera', _CAMERA
        if scheme is not None:
            if scheme not in _PROTOCOLS:
                known = ', '.join(_PROTOCOLS)
                raise VideoError(f'found an address of the scheme {scheme}, expected {known}')
            kind, file_format = 'stream', None
            formats = [reading.containers(), *(_SESSIONS.get(scheme, ()))]
            options['format_whitelist'] = ','.join(formats)
            options['protocol_whitelist'] = _PROTOCOLS[scheme]
        try:
            return av.open(
                self._source,
                format=file_format,
                options=options,
                timeout=PATIENCE,
                metadata_errors='replace',
            )
        except av.error.ExitError:
            raise VideoError(f'nothing came from it for {PATIENCE:g} seconds') from None
        except av.error.ProtocolNotFoundError:
            raise VideoError(f'this FFmpeg cannot open addresses of the scheme {scheme}') from None
        except av.error.InvalidDataError:
            raise VideoError('what comes is no video') from None
        except (av.FFmpegError, ValueError) as error:  # ValueError: no such format in this build
            said = getattr(error, 'strerror', None) or error
            if scheme is not None and isinstance(error, av.error.ArgumentError):
                said = 'a mistake in the address, or what comes is a list of other addresses'
            raise VideoError(f'it cannot be opened as a {kind}: {said}') from None

    def _choose(self, container):
        return reading.picture_stream(container)

    def _clock_may_jump(self, container):
        return True

    def _demux(self, container, stream):
        parsed = stream.codec_context.name in _PARSED
        held = _HELD_BACK.get(container.format.name, 0) if parsed else 0
        handed_over = collections.deque(maxlen=held + 1)
        try:
            for packet in super()._demux(container, stream):
                if packet is not None:
                    handed_over.append(time.monotonic())
                    self._arrived.append((packet.pts, handed_over[0]))
                yield packet
        except av.error.ExitError:
            raise VideoError(f'nothing came from it for {PATIENCE:g} seconds') from None
        except av.FFmpegError as error:
            raise VideoError(f'it broke off: {error.strerror}') from None

    def _decode(self, container, stream, clock):
        for frame in super()._decode(container, stream, clock):
            known = [moment for stamp, moment in self._arrived if stamp == frame.pts]
            self._decoded.append(known[-1] if known else self._arrived[-1][1])
            yield frame

    def _check_end(self, container, stream, count: int, seconds: float) -> None:
        """No length was stated, and a stream that is joined on its way begins damaged."""
        if count == 0:
            raise VideoError('no frames can be decoded')
