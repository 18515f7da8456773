"""Windows of a video file, against the frames themselves."""

import numpy as np
import pytest

from s3dg.config import VideoFormat
from s3dg.errors import VideoError
from s3dg.saving.endpoints import prepare_frames
from s3dg.video import sampling, windows
from tests import video_files


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
    np.testing.assert_allclose(windows.frame_times(tmp_path / 'v.avi', 25), np.arange(10) / 25)


def test_broken_files_give_their_reason(tmp_path):
    with pytest.raises(VideoError, match='file not found'):
        next(windows.read_windows(tmp_path / 'v.avi', 4))


@pytest.mark.parametrize(
    ('length', 'frames', 'stride', 'starts'),
    [
        (5, 8, 8, [0]),
        (8, 8, 3, [0]),
        (9, 8, 8, [0, 1]),
        (16, 8, 8, [0, 8]),
        (17, 8, 8, [0, 8, 9]),
        (23, 8, 6, [0, 6, 12, 15]),
        (10, 4, 1, [0, 1, 2, 3, 4, 5, 6]),
        (20, 2, 7, [0, 7, 14, 18]),
    ],
)
def test_strided_windows_end_with_the_video(length, frames, stride, starts):
    assert sampling.strided_starts(length, frames, stride).tolist() == starts


def test_strided_windows_cover_every_frame():
    for length in range(1, 40):
        for frames in range(1, 12):
            for stride in range(1, frames + 1):
                starts = sampling.strided_starts(length, frames, stride)
                shown = sampling.frame_numbers(length, starts, frames)
                assert set(shown.ravel()) == set(range(length))
                assert shown[-1, min(frames, length) - 1] == length - 1


# Overlapping, adjoining, with gaps, looped.
@pytest.mark.parametrize(
    ('length', 'starts'), [(12, [0, 1, 3, 8]), (8, [0, 4]), (12, [1, 8]), (3, [0])]
)
def test_windows_are_cut_where_they_are_asked_for(
    tmp_path, write_video_file, numbered, length, starts
):
    write_video_file(tmp_path / 'v.avi', numbered(length, 16, 16), 25)
    cut = windows.cut_windows(tmp_path / 'v.avi', length, starts, 4)
    expected = [[(start + k) % length for k in range(4)] for start in starts]
    np.testing.assert_array_equal([window[:, 0, 0, 0] for window in cut], expected)


@pytest.mark.parametrize('size', [(20, 30), (16, 32), (16, 18)])
def test_crops_are_those_of_evaluation(tmp_path, write_video_file, size):
    frames = np.random.default_rng(0).integers(0, 256, (5, *size, 3), dtype=np.uint8)
    write_video_file(tmp_path / 'v.avi', frames, 25)
    cut = windows.cut_windows(tmp_path / 'v.avi', 5, [0], 5, crop_size=(15, 16))
    video_format = VideoFormat(frame_size=None, crop_size=(15, 16))
    np.testing.assert_array_equal(next(cut), prepare_frames(frames, video_format))


def test_frames_smaller_than_the_crop_are_refused(tmp_path, write_video_file, numbered):
    write_video_file(tmp_path / 'v.avi', numbered(5, 16, 24), 25)
    with pytest.raises(VideoError, match='frames of 16x24 .*at least the crop of 17x8'):
        next(windows.cut_windows(tmp_path / 'v.avi', 5, [0], 5, crop_size=(17, 8)))


def test_a_video_that_changes_meanwhile_is_refused(tmp_path, write_video_file, numbered):
    write_video_file(tmp_path / 'v.avi', numbered(5, 16, 16), 25)
    with pytest.raises(VideoError, match='found 9 frames, then 5'):
        list(windows.cut_windows(tmp_path / 'v.avi', 9, [0, 5], 4))


def test_counting_reports_every_frame(tmp_path, write_video_file, numbered):
    write_video_file(tmp_path / 'v.avi', numbered(6, 16, 16), 50)
    counted = []
    assert len(windows.frame_times(tmp_path / 'v.avi', 25, progress=counted.append)) == 3
    assert counted == [1, 2, 3]


def test_times_are_those_of_the_file(tmp_path):
    """Pictures that begin late, one of which stays for long, beside sound from the start."""
    shown = [1.2, 1.24, 1.28, 3.0, 3.04]
    frames = video_files.stepped_frames(5)
    path = tmp_path / 'v.mkv'
    video_files.write_with_ffmpeg(path, frames, 25, times=shown, sound=('aac', 4.0))
    np.testing.assert_allclose(windows.frame_times(path), shown, atol=0.002)
    resampled = windows.frame_times(path, 25)
    np.testing.assert_allclose(resampled, 1.2 + np.arange(len(resampled)) / 25, atol=0.002)
    assert len(resampled) == 47  # of 1.88 seconds


def test_what_is_wrong_is_told_once(tmp_path):
    path = tmp_path / 'v.mp4'
    video_files.write_with_ffmpeg(path, video_files.stepped_frames(30), 25, options={'g': '5'})
    video_files.damage_packet(path, 12)
    told = []
    cut = windows.read_windows(path, 8, frames_per_second=25, warn=told.append)
    assert len(list(cut)) == 4
    assert told == ['1 of 30 packets damaged']
