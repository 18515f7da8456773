"""Video files made by OpenCV directly, for tests."""

import pathlib

import cv2
import numpy as np


def write_with_opencv(path: pathlib.Path, frames, frames_per_second, codec='FFV1') -> None:
    """Writes RGB frames; FFV1 in .avi is lossless."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    fourcc = cv2.VideoWriter_fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, frames_per_second, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()


def numbered_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames that are one gray level each, of their number."""
    return [np.full((height, width, 3), number, np.uint8) for number in range(count)]
