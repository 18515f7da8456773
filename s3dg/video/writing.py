"""Writes video files and encoded frames."""

import itertools
import os
import pathlib
from collections.abc import Iterable

import cv2
import numpy as np

from s3dg import files
from s3dg.errors import VideoError
from s3dg.video.reading import check_name

_MOST_JPEG = 65500  # pixels of a side
_LARGEST_FRACTION = 65_535  # of MPEG-4


def encode_jpeg(frame: np.ndarray, quality: int = 95, *, bgr: bool = False) -> bytes:
    """Encodes a uint8 frame as JPEG: RGB, or BGR, (height, width, 3) or gray (height, width).

    Raises:
      VideoError: if a side is longer than JPEG can state.
    """
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3):
        raise ValueError(
            f'frame: found {frame.dtype} {frame.shape}, expected uint8 (H, W, 3) or (H, W)'
        )
    if max(frame.shape[:2]) > _MOST_JPEG:
        raise VideoError(
            f'found a frame of {frame.shape[0]}x{frame.shape[1]} (height x width), expected sides'
            f' of at most {_MOST_JPEG} pixels'
        )
    stored = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) if frame.ndim == 3 and not bgr else frame
    done, encoded = cv2.imencode('.jpg', stored, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f'OpenCV could not encode a frame of shape {frame.shape} as JPEG')
    return encoded.tobytes()


def stated_rate(rate: float) -> float:
    """The rate that an MPEG-4 file of frames at `rate` states: it has fractions up to 65,535."""
    digits = next(d for d in (2, 1, 0, -1, -2, -3) if rate * 10**d <= _LARGEST_FRACTION)
    return round(rate, digits)


def even(frame: np.ndarray) -> np.ndarray:
    """A frame of even height and width, which MPEG-4 needs: the last row or column is doubled."""
    height, width = frame.shape[:2]
    return np.pad(frame, [(0, height % 2), (0, width % 2), (0, 0)], 'edge')


def write_video(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    frames_per_second: float,
    codec: str = 'mp4v',
) -> None:
    """Writes frames as a video file, which appears under its name only when it is complete.

    Args:
      path: file to write; its suffix picks the container, and missing parent folders are made.
      frames: at least one uint8 array (height, width, 3), RGB, all of one size.
      frames_per_second: rate stated in the file.
      codec: four-character code: "mp4v" for .mp4, "FFV1" for lossless .avi, "VP90" for .webm,
        "MJPG" for .avi.

    Raises:
      VideoError: if OpenCV cannot write this codec into this container, if there are no frames, or
        if frames differ in size or type from the first.
    """
    path = pathlib.Path(path)
    check_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.unfinished(path) as temporary:
        _write_all(temporary, iter(frames), frames_per_second, codec, path.suffix)


def _write_all(path, frames, frames_per_second, codec, suffix):
    first = next(frames, None)
    if first is None:
        raise VideoError('there are no frames to write')
    shape, fourcc = first.shape, cv2.VideoWriter_fourcc(*codec)
    size = (shape[1], shape[0])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, frames_per_second, size)
    try:
        if not writer.isOpened():
            raise VideoError(f'OpenCV cannot write codec {codec!r} into a {suffix!r} file')
        for frame in itertools.chain([first], frames):
            if frame.dtype != np.uint8 or frame.shape != shape or frame.ndim != 3:
                raise VideoError(
                    f'found a frame {frame.dtype} {frame.shape}, expected uint8 {shape}'
                )
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()
    if not path.stat().st_size:
        raise VideoError(f'OpenCV wrote nothing with codec {codec!r} into a {suffix!r} file')
