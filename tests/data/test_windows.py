"""Windows of a video file, against the frames themselves."""

import numpy as np
import pytest

from data import video, windows


@pytest.mark.parametrize(('length', 'frames'), [(5, 8), (8, 8), (9, 8), (17, 8), (30, 7), (24, 3)])
def test_windows_are_those_of_evaluation(tmp_path, write_video_file, numbered, length, frames):
    write_video_file(tmp_path / 'v.avi', numbered(length, 16, 16), 25)
    found = [window[:, 0, 0, 0] for window in windows.read_windows(tmp_path / 'v.avi', frames)]
    count = -(-length // frames)
    step = (length - frames) / max(count - 1, 1)
    starts = [int(step * index + 1e-9) for index in range(count)] if length > frames else [0]
    expected = [[(start + k) % length for k in range(frames)] for start in starts]
    np.testing.assert_array_equal(found, expected)


def test_windows_are_resampled_and_resized(tmp_path, write_video_file, numbered):
    write_video_file(tmp_path / 'v.avi', numbered(20, 16, 24), 50)
    found = list(
        windows.read_windows(tmp_path / 'v.avi', 4, frames_per_second=25, frame_size=(8, 12))
    )
    assert [window.shape for window in found] == [(4, 8, 12, 3)] * 3
    numbers = [window[:, 0, 0, 0].tolist() for window in found]
    assert numbers == [[1, 3, 5, 7], [7, 9, 11, 13], [13, 15, 17, 19]]
    assert windows.count_frames(tmp_path / 'v.avi', 25) == 10


def test_broken_files_give_their_reason(tmp_path):
    with pytest.raises(video.VideoError, match='file not found'):
        next(windows.read_windows(tmp_path / 'v.avi', 4))
