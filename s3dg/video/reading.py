"""Reads, resamples and writes video files with OpenCV; no TensorFlow in here.

Times are presentation times: what a viewer would see on the screen at a given moment decides which
frame is taken, whatever the frame count in the header says and however unevenly the frames are
spaced.
"""

import math
import os
import pathlib
from collections.abc import Iterator

from s3dg.errors import VideoError
from s3dg.video import sampling

# FFmpeg prints its own complaints about broken files; ours are the VideoErrors. It must be told
# before its first use, and a value the user has set stays.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

import cv2  # noqa: E402
import numpy as np  # noqa: E402

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)

# Files with other suffixes are not taken for videos when a folder is listed.
VIDEO_SUFFIXES = frozenset(
    (
        '.3gp',
        '.avi',
        '.flv',
        '.m2ts',
        '.m4v',
        '.mkv',
        '.mov',
        '.mp4',
        '.mpeg',
        '.mpg',
        '.mts',
        '.ogv',
        '.ts',
        '.webm',
        '.wmv',
    )
)

# The reason why a video that is not there cannot be used.
MISSING = 'file not found'

# The header's frame count is advisory (it comes from the container, not from the frames): only a
# file that gives clearly fewer frames than this share of it is called truncated.
MISSING_FRAMES_TOLERANCE = 0.10

# A frame shown for longer than this (seconds) comes from a broken clock, and would be repeated
# without end.
LONGEST_FRAME = 60.0

# Nominal rates outside this range (frames a second) are placeholders of the container (0, 1000,
# 90000).
PLAUSIBLE_RATES = (0.1, 480.0)


def read_frames(
    path: str | os.PathLike,
    frames_per_second: float | None = None,
    frame_size: tuple[int, int] | None = None,
    short_side: int | None = None,
    *,
    bgr: bool = False,
) -> Iterator[np.ndarray]:
    """Yields the frames of a video in order, resampled in time and resized.

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
      bgr: give the colours in OpenCV's own order, for what goes on to OpenCV.

    Yields:
      uint8 arrays (height, width, 3), RGB or BGR.

    Raises:
      VideoError: if the file is missing, empty, not a video, truncated, has fewer than two frames,
        or changes its frame size on the way when no frame_size is given. Those found at the end
        come after the last frame.
      ValueError: if both frame_size and short_side are given, or a value is not positive.
    """
    sampling.check_arguments(frames_per_second, frame_size, short_side)
    capture = _open(path)
    try:
        timed = _timed_frames(capture)
        yield from sampling.resample_and_resize(
            timed, frames_per_second, frame_size, short_side, bgr
        )
    finally:
        capture.release()


def source_frames_per_second(path: str | os.PathLike) -> float:
    """Nominal frame rate in a video's header, in frames a second.

    Raises:
      VideoError: if the file cannot be opened or states no plausible rate.
    """
    capture = _open(path)
    try:
        rate = _nominal_rate(capture)
    finally:
        capture.release()
    if rate is None:
        raise VideoError('its header states no frame rate')
    return rate


def check_name(path: pathlib.Path) -> None:
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:  # OpenCV would crash the process
        raise VideoError('its name or folder is not valid UTF-8; rename it') from None


def _open(path) -> cv2.VideoCapture:
    path = pathlib.Path(path)
    check_name(path)
    try:
        if not (path.is_file() or path.is_dir()) and path.exists():
            raise VideoError('not a regular file')  # a pipe would be waited for
        with path.open('rb') as file:
            begins = file.read(8)
        if not begins:
            raise VideoError('empty file (0 bytes)')
        if begins == b'ffconcat':  # FFmpeg would go on to those
            raise VideoError('a list of other files, not a video')
    except FileNotFoundError:
        raise VideoError(MISSING) from None
    except IsADirectoryError:
        raise VideoError('a folder, not a file') from None
    except PermissionError:
        raise VideoError('no permission to read it') from None
    except OSError as error:  # a name that is too long, links in a circle
        raise VideoError(error.strerror) from None
    # An absolute path cannot be taken for an address ("name:rest") by FFmpeg. One decoding thread:
    # callers that want speed decode several videos at once.
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        capture.release()
        if _lacks_index(path):
            raise VideoError('truncated mp4: its index ("moov" atom) is missing')
        raise VideoError('not a video: OpenCV cannot open it')
    return capture


def _lacks_index(path: pathlib.Path) -> bool:
    """Whether a file begins like an mp4 and has no "moov" atom, as a download that broke off."""
    size = path.stat().st_size
    with path.open('rb') as file:
        position = 0
        while position + 8 <= size:
            file.seek(position)
            header = file.read(16)
            length, kind = int.from_bytes(header[:4], 'big'), header[4:8]
            if position == 0 and kind != b'ftyp':
                return False
            if kind == b'moov':
                return position + length > size
            if length == 1:
                length = int.from_bytes(header[8:16], 'big')
            if length < 8:  # 0: to the end of the file
                return True
            position += length
    return position > 0


def _nominal_rate(capture) -> float | None:
    rate = capture.get(cv2.CAP_PROP_FPS)
    low, high = PLAUSIBLE_RATES
    return rate if math.isfinite(rate) and low <= rate <= high else None


def _timed_frames(capture) -> Iterator[tuple[np.ndarray, float, float]]:
    """Yields (BGR frame, start, end), times in seconds after the first frame.

    It is one frame behind what is decoded, for a frame ends when the next one begins.
    """
    rate = _nominal_rate(capture)
    stated = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    count, first_stamp, shown, start = 0, 0.0, None, 0.0
    while True:
        decoded, frame = capture.read()
        if not decoded:
            break
        count += 1
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if shown is None:
            first_stamp = stamp
        else:
            end = stamp - first_stamp
            if not end > start:
                if rate is None:
                    raise VideoError(
                        f'frame {count} has no time stamp and the header states no frame rate'
                    )
                end = start + 1 / rate
            if end - start > LONGEST_FRAME:
                raise VideoError(f'time stamps jump by {end - start:.0f} seconds at frame {count}')
            yield shown, start, end
            start = end
        shown = frame
    _check_count(count, stated)
    # The last frame lasts as long as the header says, or as the average frame did.
    yield shown, start, start + (1 / rate if rate is not None else start / (count - 1))


def _check_count(count: int, stated: float) -> None:
    if count == 0:
        raise VideoError('no frames can be decoded')
    if math.isfinite(stated) and count < stated * (1 - MISSING_FRAMES_TOLERANCE):
        raise VideoError(f'truncated: {count} of {stated:.0f} frames can be decoded')
    if count == 1:
        raise VideoError('only one frame')
