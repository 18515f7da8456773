"""Writing of video files and of encoded frames, against OpenCV's own decoder."""

import cv2
import numpy as np
import pytest

from s3dg.errors import VideoError
from s3dg.video import reading, writing

WANTED = 25  # frames a second


@pytest.mark.parametrize(('name', 'codec'), [('v.mp4', 'mp4v'), ('v.avi', 'FFV1')])
def test_written_videos_can_be_read(tmp_path, name, codec):
    frames = [np.full((32, 48, 3), 20 * k, np.uint8) for k in range(10)]
    path = tmp_path / 'deep' / 'er' / name
    writing.write_video(path, iter(frames), 25, codec)
    found = list(reading.read_frames(path, WANTED))
    assert np.abs(np.stack(found).astype(int) - np.stack(frames)).max() <= 6
    assert [entry.name for entry in path.parent.iterdir()] == [name]


@pytest.mark.parametrize(
    ('frames', 'name', 'codec', 'reason'),
    [
        ([], 'v.mp4', 'mp4v', 'no frames'),
        (numbered := [np.zeros((8, 8, 3), np.uint8)] * 2, 'v.mp4', 'FFV9', 'cannot write codec'),
        ([*numbered, np.zeros((8, 10, 3), np.uint8)], 'v.mp4', 'mp4v', 'found a frame'),
    ],
)
def test_failed_writing_leaves_nothing(tmp_path, frames, name, codec, reason):
    with pytest.raises(VideoError, match=reason):
        writing.write_video(tmp_path / name, frames, 25, codec)
    assert list(tmp_path.iterdir()) == []


def test_jpeg_is_what_opencv_reads_back():
    rng = np.random.default_rng(2)
    frame = cv2.resize(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8), (40, 32))
    decoded = cv2.imdecode(np.frombuffer(writing.encode_jpeg(frame, 100), np.uint8), 1)[:, :, ::-1]
    assert np.abs(decoded.astype(int) - frame).mean() < 2
    gray = writing.encode_jpeg(frame[:, :, 0], 100)
    decoded = cv2.imdecode(np.frombuffer(gray, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded.shape == (32, 40)
    assert np.abs(decoded.astype(int) - frame[:, :, 0]).max() <= 2
    with pytest.raises(ValueError, match='float64'):
        writing.encode_jpeg(frame / 255.0)


def test_sides_that_jpeg_cannot_state_are_refused(capfd):
    with pytest.raises(VideoError, match='1x65501 .* at most 65500'):
        writing.encode_jpeg(np.zeros((1, 65_501, 3), np.uint8))
    assert not capfd.readouterr().err


@pytest.mark.parametrize(('rate', 'written'), [(29.97, 29.97), (239.7612, 239.76), (1e3, 1e3)])
def test_any_rate_can_be_written(rate, written, tmp_path):
    assert writing.stated_rate(rate) == pytest.approx(written, rel=1e-3)
    writing.write_video(
        tmp_path / 'v.mp4', [np.zeros((48, 64, 3), np.uint8)] * 3, writing.stated_rate(rate)
    )


def test_odd_sizes_grow_by_a_pixel():
    frame = np.random.default_rng(0).integers(0, 255, (49, 65, 3), np.uint8)
    grown = writing.even(frame)
    assert grown.shape == (50, 66, 3)
    assert np.array_equal(grown[:49, :65], frame)
    assert writing.even(grown).shape == (50, 66, 3)
