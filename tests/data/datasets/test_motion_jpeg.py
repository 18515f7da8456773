"""Motion JPEG files: what single frames give away of the direction of time."""

import cv2
import numpy as np
import pytest

from data.datasets.moving_shapes import motion_jpeg
from s3dg.errors import VideoError
from s3dg.video import reading

WANTED = 25  # frames a second


def test_motion_jpeg_reads_the_same_backwards(tmp_path):
    """What mp4v cannot do: the file of the reversed frames holds exactly the reversed pictures."""
    rng = np.random.default_rng(3)
    frames = [cv2.resize(p, (96, 64)) for p in rng.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)]
    motion_jpeg.write_motion_jpeg(tmp_path / 'forward.mp4', frames, 25)
    motion_jpeg.write_motion_jpeg(tmp_path / 'backward.mp4', frames[::-1], 25)
    forward = np.stack(list(reading.read_frames(tmp_path / 'forward.mp4', WANTED)))
    backward = np.stack(list(reading.read_frames(tmp_path / 'backward.mp4', WANTED)))
    np.testing.assert_array_equal(backward[::-1], forward)
    assert np.abs(forward.astype(int) - np.stack(frames)).mean() < 6
    with pytest.raises(VideoError, match='no frames'):
        motion_jpeg.write_motion_jpeg(tmp_path / 'none.mp4', [], 25)
