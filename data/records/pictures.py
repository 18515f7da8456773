"""Decodes stored frames, in the processes of `data.workers`: nobody vouches for a dataset.

No TensorFlow in here.
"""

from typing import NamedTuple

import cv2
import numpy as np

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_SCAN, _PROGRESSIVE = 0xDA, 0xC2  # markers
# What may follow 0xff among coded pixels: a byte of fill, restarts, more fill.
_IN_SCAN = frozenset((0x00, *range(0xD0, 0xD8), 0xFF))


class Job(NamedTuple):
    """Some frames of a record."""

    record: int  # its number, in the order in which records are read
    place: str  # of the record, for messages
    frames: list[bytes]  # encoded


def shapes(job: Job) -> list[tuple[int, ...] | str]:
    """The shape of every decoded frame, or what is wrong with it."""
    return [_shape(frame) for frame in job.frames]


def decode(job: tuple[list[int], list[bytes], bool]) -> list[np.ndarray | None]:
    """Decodes frames (numbers, encoded, whether they are gray); None for one that is damaged.

    Frames are uint8 arrays (height, width, 3), RGB, or (height, width).
    """
    _, frames, gray = job
    mode = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_RGB
    return [_decode(frame, mode) for frame in frames]


def _decode(frame: bytes, mode: int) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(frame, np.uint8), mode)
    except cv2.error:  # of an empty one, for instance
        return None


def _shape(frame: bytes) -> tuple[int, ...] | str:
    if not frame:
        return 'is empty (0 bytes)'
    if not frame.startswith(_JPEG_START):
        return 'is no JPEG: its start marker is missing'
    # Older OpenCV fills what is missing with gray.
    if not frame.endswith(_JPEG_END):
        return 'is cut off: its end marker is missing'
    if _has_stray_marker(frame):
        return 'is damaged: there is a marker among its coded pixels'
    picture = _decode(frame, cv2.IMREAD_UNCHANGED)
    return 'cannot be decoded' if picture is None else picture.shape


def _has_stray_marker(frame: bytes) -> bool:
    """Whether 0xff stands before a wrong byte among the coded pixels.

    OpenCV passes over it, TensorFlow refuses the picture. Progressive pictures, which have several
    scans, are not looked into.
    """
    place = len(_JPEG_START)
    while frame[place + 1 : place + 2] != bytes([_SCAN]):  # over the segments before the scan
        if frame[place : place + 1] != b'\xff':
            return False
        if frame[place + 1 : place + 2] == bytes([_PROGRESSIVE]):
            return False
        place += 2 + int.from_bytes(frame[place + 2 : place + 4], 'big')
    scan = frame[place + 2 : -len(_JPEG_END)]
    place = scan.find(b'\xff')
    while 0 <= place < len(scan) - 1:
        if scan[place + 1] not in _IN_SCAN:
            return True
        place = scan.find(b'\xff', place + 1)
    return False
