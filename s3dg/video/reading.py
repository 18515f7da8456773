"""Opens video files, names what is wrong with them, and yields their frames with their times.

FFmpeg reads them, through PyAV: its frames, times, rotation and colours (the file's own matrix and
range; BT.601 where it states none). Interlaced video is not deinterlaced, as FFmpeg does by
default: both fields stand in one frame. Packets that cannot be decoded are left out and counted.

Times are presentation times: what a viewer would see on the screen at a given moment decides which
frame is taken, whatever the frame count in the header says and however unevenly the frames are
spaced.
"""

import collections
import ctypes
import functools
import os
import pathlib
from collections.abc import Iterator

import av
import av.logging
import numpy as np

from s3dg.errors import VideoError
from s3dg.video import decoded, sampling, truncation

# Files with other suffixes are not taken for videos when a folder is listed.
VIDEO_SUFFIXES = frozenset(
    f'.{name}'
    for name in (
        *('3g2', '3gp', 'apng', 'asf', 'avi', 'divx', 'dv', 'f4v', 'flv', 'gif', 'ivf', 'm1v'),
        *('m2t', 'm2ts', 'm2v', 'm4v', 'mjpeg', 'mjpg', 'mkv', 'mod', 'mov', 'mp4', 'mpe', 'mpeg'),
        *('mpg', 'mts', 'mxf', 'nut', 'ogm', 'ogv', 'qt', 'rm', 'rmvb', 'tod', 'ts', 'vob', 'webm'),
        *('wmv', 'y4m'),
    )
)

# The reason why a video that is not there cannot be used.
MISSING = 'file not found'

# A video of which more than this share of the packets cannot be decoded is refused.
MOST_DAMAGED = 0.1

# FFmpeg holds up to seventeen frames of one and a half bytes a pixel, and one of three bytes: this
# bounds the memory.
MOST_PIXELS = sampling.MOST_PIXELS
LIMITS = {'max_pixels': str(MOST_PIXELS)}

# A picture that stays for more seconds than this comes from a broken clock, and would be repeated
# without end.
LONGEST_FRAME = 3600.0

# The clock of a broadcast stream can start anew on the way (a cut, a wrap of its 33 bits). A jump
# of more seconds than this is taken for that, as FFmpeg's own program does (-dts_delta_threshold).
CLOCK_JUMP = 10.0
_BROADCAST = {'mpegts', 'mpeg'}

# Nominal rates outside this range (frames a second) are placeholders of the container (0, 1000,
# 90000).
PLAUSIBLE_RATES = (0.001, 480.0)

# FFmpeg would open these and go on to the files and addresses they name, or take text for pictures.
_NOT_VIDEOS = {'concat', 'dash', 'hls', 'imf', 'lavfi', 'lrc', 'rtsp', 'sdp', 'tty'}
_MOST_ERRORS_IN_A_ROW = 1000  # of a file that cannot be read on


class Frames(collections.abc.Iterator):
    """The frames of a video, uint8 arrays (height, width, 3), one after the other.

    Attributes:
      time: seconds from the start of the file at which the last frame begins that was given.
      faults: what was wrong with the file and did not stop it from being used, in words; complete
        after the last frame.
      shown: of a source that `live` plays, when the last frame was shown, as of `time.monotonic`.
    """

    shown: float | None = None

    def __init__(
        self, sampled: Iterator[tuple[np.ndarray, float]], video: 'VideoFile | None' = None
    ):
        self._sampled, self._video = sampled, video
        self.time = 0.0

    def __next__(self) -> np.ndarray:
        frame, time = next(self._sampled)
        self.time = time + (self._video.start if self._video else 0.0)
        return frame

    @property
    def faults(self) -> str:
        return self._video.faults if self._video else ''


def read_frames(
    path: str | os.PathLike,
    frames_per_second: float | None = None,
    frame_size: tuple[int, int] | None = None,
    short_side: int | None = None,
    crop_size: tuple[int, int] | None = None,
    *,
    bgr: bool = False,
) -> Frames:
    """The frames of a video in order, resampled in time and resized.

    Output frame k is the source frame on the screen at time (k + 0.5) / frames_per_second after the
    first one, so equal rates are the identity and the number of frames is the duration times the
    rate, rounded (halves up). Where time stamps are missing or do not increase, the nominal rate
    carries on. Only one frame is held at a time.

    Args:
      path: a video file. Rotation stated in its header is applied.
      frames_per_second: rate wanted; None keeps the source's frames as they are.
      frame_size: (height, width) wanted, whatever the source's shape (the paper's way, 256x256);
        bilinear without antialiasing, which equals `tf.image.resize` within one level.
      short_side: length wanted for the shorter side, keeping the shape. At most one of the two;
        neither keeps the size.
      crop_size: (height, width) cut from the middle of every frame then; None: all of it.
      bgr: gives the colours in OpenCV's own order instead of RGB.

    Raises:
      VideoError: while it is iterated, if the file is missing, empty, not a video, cut off, damaged
        in more than MOST_DAMAGED of its packets, has frames smaller than the crop, or changes its
        frame size on the way when no frame_size is given. Those found at the end come after the
        last frame.
      ValueError: if both frame_size and short_side are given, or a value is not positive.
    """
    sampling.check_arguments(frames_per_second, frame_size, short_side)
    video = VideoFile(path, bgr)
    sampled = sampling.sample(
        video.pictures(), frames_per_second, frame_size, short_side, crop_size
    )
    return Frames(sampled, video)


def nominal_rate(path: str | os.PathLike) -> float | None:
    """Frames a second that a video file states, if it does; VideoError as `read_frames`."""
    with _open(pathlib.Path(path)) as container:
        return _nominal_rate(picture_stream(container))


class VideoFile:
    """A video file that is read once, from its beginning to its end.

    What `live` reads otherwise, from a stream, is in methods of their own, and in `_damage`: the
    errors after which the next packet is tried.

    Attributes:
      start: seconds from the file's start to its first picture; known with that picture.
      damaged: number of packets up to now that could not be read or decoded.
    """

    _damage: type[Exception] = av.FFmpegError

    def __init__(self, path: str | os.PathLike, bgr: bool = False):
        self._path, self._bgr = pathlib.Path(path), bgr
        self.start, self.damaged = 0.0, 0
        self._packets, self._cut = 0, ''

    @property
    def faults(self) -> str:
        """What was wrong and did not stop it from being used, in words."""
        damaged = f'{self.damaged} of {self._packets} packets damaged' if self.damaged else ''
        return '; '.join(filter(None, (damaged, self._cut)))

    def pictures(self) -> Iterator[tuple[decoded.DecodedPicture, float, float]]:
        """Yields (picture, start, end), times in seconds after the first picture.

        It is one picture behind the decoder, for a picture ends when the next one begins.

        Raises:
          VideoError: as `read_frames`.
        """
        _keep_freed_memory()
        with self._open() as container:
            yield from self._timed(container, self._choose(container))

    def _open(self):
        return _open(self._path)

    def _choose(self, container):
        try:
            return picture_stream(container)
        except VideoError:
            truncation.check_index(self._path)  # FFmpeg takes a part of the file for all of it
            raise

    def _clock_may_jump(self, container) -> bool:
        return container.format.name in _BROADCAST

    def _timed(self, container, stream):
        rate, tick = _nominal_rate(stream), float(stream.time_base)
        convert = decoded.Converter(self._bgr)
        clock = decoded.Clock(tick, not _is_unordered(container, stream))
        jumps = self._clock_may_jump(container)
        count, first, shown, start, length = 0, 0.0, None, 0.0, 0.0
        for frame in self._decode(container, stream, clock):
            count += 1
            stamp = clock.stamp(frame)
            if shown is None:
                first = stamp if stamp is not None else 0.0
                if container.start_time is not None:
                    self.start = max(first - container.start_time / av.time_base, 0.0)
            else:
                end = start if stamp is None else stamp - first
                if jumps and abs(end - start) > CLOCK_JUMP:  # the clock begins anew
                    end = start + (length or (1 / rate if rate else 0.0))
                    first = stamp - end
                if not end > start:
                    step = 1 / rate if rate else length or start / max(count - 2, 1)
                    if not step > 0:
                        raise VideoError(
                            f'frame {count} has no time stamp and the header states no frame rate'
                        )
                    end = start + step
                if end - start > LONGEST_FRAME:
                    raise VideoError(
                        f'time stamps jump by {end - start:.0f} seconds at frame {count}'
                    )
                yield shown, start, end
                start = end
            shown = decoded.DecodedPicture(frame, convert)
            length = frame.duration * tick
        # The last picture lasts as long as it or the header says, or as long as the average one. A
        # length from a broken clock says nothing.
        if not 0 < length <= LONGEST_FRAME and count:
            length = 1 / rate if rate else start / max(count - 1, 1)
        self._check_end(container, stream, count, start + length)
        yield shown, start, start + length

    def _decode(self, container, stream, clock) -> Iterator[av.VideoFrame]:
        """Yields all frames that can be decoded, and counts the packets that cannot."""
        decode = stream.codec_context.decode
        for packet in self._demux(container, stream):
            self._packets += packet is not None
            try:
                frames = decode(packet)
            except av.FFmpegError:
                self.damaged += packet is not None
                continue
            if packet is not None:
                clock.decoded(packet)
            yield from frames

    def _demux(self, container, stream) -> Iterator[av.Packet | None]:
        """Yields the packets of the stream, then None: with that the decoder returns the rest."""
        errors = 0
        while errors < _MOST_ERRORS_IN_A_ROW:
            try:
                for packet in container.demux(stream):
                    if packet.size:
                        errors = 0
                        yield packet
                break
            except self._damage:  # such as a packet of which the file has only a part
                errors += 1
                self.damaged += 1
                self._packets += 1
        yield None

    def _check_end(self, container, stream, count: int, seconds: float) -> None:
        if count == 0 and not stream.codec_context.width:
            raise VideoError(
                f'no frames can be decoded; those of more than {MOST_PIXELS:,} pixels are not'
            )
        cut = truncation.measure(self._path, container.format.name)
        if not (cut and cut.bytes_missing):  # else those that lack count as damaged
            self._check_damage()
        self._cut = truncation.check(
            cut, container.format.name, stream, self.start + seconds, seconds
        )
        if count == 0:
            raise VideoError('no frames can be decoded')
        self._check_damage()

    def _check_damage(self) -> None:
        if self.damaged > MOST_DAMAGED * self._packets:
            raise VideoError(
                f'{self.damaged} of {self._packets} packets are damaged, more than the share of'
                f' {MOST_DAMAGED:g} allowed'
            )


def _open(path: pathlib.Path):
    check_name(path)
    try:
        if not (path.is_file() or path.is_dir()) and path.exists():
            raise VideoError('not a regular file')  # a pipe would be waited for
        with path.open('rb') as file:
            begins = file.read(16)
    except IsADirectoryError:
        raise VideoError('a folder, not a file') from None
    except OSError as error:
        raise unreadable(error) from None
    if not begins:
        raise VideoError('empty file (0 bytes)')
    if begins.startswith((b'ffconcat', b'#EXTM3U')):
        raise VideoError('a list of other files, not a video')
    options = {
        'format_whitelist': containers(),
        'protocol_whitelist': 'file',
        **LIMITS,  # of the decoder that looks into the file for what its header does not say
    }
    try:
        # An absolute path cannot be taken for an address ("name:rest").
        return av.open(f'file:{path.absolute()}', options=options, metadata_errors='replace')
    except av.FFmpegError:
        truncation.check_index(path)
        raise VideoError('not a video: FFmpeg cannot open it') from None


def unreadable(error: OSError) -> VideoError:
    """What the user is told where the system cannot open a file or a folder."""
    if isinstance(error, FileNotFoundError):
        return VideoError(MISSING)
    if isinstance(error, PermissionError):
        return VideoError('no permission to read it')
    return VideoError(error.strerror)  # a name that is too long, links in a circle


@functools.cache
def containers() -> str:
    """The formats that FFmpeg may take a file for; pictures and lists are not among them."""
    names = av.formats_available - _NOT_VIDEOS
    return ','.join(
        sorted(n for n in names if not n.endswith('_pipe') and not n.startswith('image2'))
    )


def picture_stream(container):
    """The stream of an open container's pictures, ready to be decoded; VideoError without any."""
    streams = container.streams.video
    # The cover of a record is a video stream of one picture.
    pictures = [s for s in streams if not s.disposition & av.stream.Disposition.attached_pic]
    if not pictures:
        raise VideoError('only sound, no pictures' if container.streams.audio else 'no pictures')
    best = container.streams.best('video')
    stream = best if best in pictures else pictures[0]
    context = stream.codec_context
    if context is None:
        raise VideoError('its pictures are of a codec that FFmpeg cannot decode')
    if context.width * context.height > MOST_PIXELS:
        raise VideoError(
            f'frames of {context.height}x{context.width} (height x width), expected at most'
            f' {MOST_PIXELS:,} pixels'
        )
    # One thread: several threads decode frames ahead and lose the errors of damaged packets. For
    # speed, callers decode several videos at once.
    context.thread_count = 1
    context.options = dict(LIMITS)
    return stream


def _is_unordered(container, stream) -> bool:
    """Whether FFmpeg takes the order in which packets are decoded for that of the pictures."""
    return container.format.name == 'avi' and stream.codec_context.name in ('h264', 'hevc')


def _nominal_rate(stream) -> float | None:
    low, high = PLAUSIBLE_RATES
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and low <= rate <= high:
            return float(rate)
    return None


@functools.cache
def _keep_freed_memory() -> None:
    """Makes glibc keep the memory of a frame for the next one.

    By default it returns blocks of that size and takes them anew, page by page: a fifth of the
    time of reading at 340x256, measured. The process keeps up to 64 MiB of free memory.
    """
    av.logging.set_level(None)  # FFmpeg's own complaints; ours are the VideoErrors
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        mallopt(ctypes.c_int(-3), ctypes.c_int(32 * 2**20))  # M_MMAP_THRESHOLD
        mallopt(ctypes.c_int(-1), ctypes.c_int(64 * 2**20))  # M_TRIM_THRESHOLD


def check_name(path: pathlib.Path) -> None:
    """Raises VideoError for a name that cannot be handed to FFmpeg or OpenCV."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:  # OpenCV would crash the process
        raise VideoError('its name or folder is not valid UTF-8; rename it') from None
