"""Windows of videos, against their starts by hand."""

import math
import weakref

import numpy as np
import pytest

from s3dg.config import VideoFormat
from s3dg.errors import VideoError
from s3dg.saving.endpoints import prepare_frames
from s3dg.video import reading, sampling, windows
from tests import video_files

# Short, whole, overlapping, adjoining, with gaps.
STARTS = [
    (1, 8, None, [0]),
    (5, 8, 8, [0]),
    (8, 8, 3, [0]),
    (9, 8, 8, [0, 1]),
    (16, 8, None, [0, 8]),
    (17, 8, None, [0, 8, 9]),
    (23, 8, 6, [0, 6, 12, 15]),
    (10, 4, 1, [0, 1, 2, 3, 4, 5, 6]),
    (20, 2, 7, [0, 7, 14, 18]),
    (16, 2, 7, [0, 7, 14]),
    (17, 2, 7, [0, 7, 14, 15]),
    (3, 1, None, [0, 1, 2]),
]


@pytest.mark.parametrize(('length', 'frames', 'stride', 'starts'), STARTS)
def test_windows_begin_every_stride_and_end_with_the_video(length, frames, stride, starts):
    assert sampling.window_starts(length, frames, stride).tolist() == starts
    cut = list(windows.cut_windows(np.arange(length), frames, stride))
    expected = [[(start + k) % length for k in range(frames)] for start in starts]
    np.testing.assert_array_equal(cut, expected)


def test_windows_are_cut_where_they_begin():
    for length in range(1, 40):
        for frames in range(1, 12):
            for stride in range(1, frames + 3):
                starts = sampling.window_starts(length, frames, stride)
                shown = sampling.frame_numbers(length, starts, frames)
                cut = list(windows.cut_windows(np.arange(length), frames, stride))
                np.testing.assert_array_equal(cut, shown)
                assert shown[-1, min(frames, length) - 1] == length - 1
                assert stride > frames or set(shown.ravel()) == set(range(length))


def test_as_many_windows_as_the_formulas_say():
    """Those of the tools that read features, for every video, window and stride of any use."""
    for window in range(8, 65):
        for stride in range(1, 33):
            counts = {
                tail: [len(windows.Cut(window, stride, tail).starts(n)) for n in range(1, 201)]
                for tail in ('drop', 'zero')
            }
            lengths = range(1, 201)
            # ActionFormer's: floor((N - window) / stride) + 1.
            assert counts['drop'] == [max((n - window) // stride + 1, 0) for n in lengths]
            if stride == 16 == window:  # UCF-Crime's
                assert counts['zero'] == [math.ceil(n / 16) for n in lengths]
        centred = windows.Cut(window, 1, 'zero', centred=True)  # MS-TCN's
        assert [len(centred.starts(n)) for n in range(1, 201)] == [*range(1, 201)]


def _by_hand(length, frames, stride, tail, centred):
    """Windows as lists of frames, None where there is none, in plain Python."""
    found, start = [], -(frames // 2) if centred else 0
    while True:
        numbers = range(start, start + frames)
        if centred and start + frames // 2 >= length:
            return found
        if not centred and (start >= length or (found and numbers[-1] - stride >= length - 1)):
            return found
        if tail == 'drop' and numbers[-1] >= length:
            return found
        if tail == 'repeat':
            found.append([min(max(k, 0), length - 1) for k in numbers])
        else:
            found.append([k if 0 <= k < length else None for k in numbers])
        start += stride


@pytest.mark.parametrize('centred', [False, True])
@pytest.mark.parametrize('tail', ['drop', 'repeat', 'zero'])
def test_the_ends_of_videos(tail, centred):
    if centred and tail == 'drop':
        with pytest.raises(ValueError, match="found 'drop', expected repeat or zero"):
            windows.Cut(4, 1, tail, centred)
        return
    for length in range(1, 20):
        for frames in range(1, 9):
            for stride in range(1, frames + 3):
                cut = windows.Cut(frames, stride, tail, centred)
                expected = _by_hand(length, frames, stride, tail, centred)
                assert list(cut.windows(range(length), lambda frame: None)) == expected
                numbers = [
                    [None if n < 0 else n for n in row] for row in cut.numbers(length).tolist()
                ]
                assert numbers == expected


def test_a_window_comes_with_its_last_frame():
    video = iter(range(20))
    cut = windows.cut_windows(video, 8, 6)
    assert next(cut).tolist() == [*range(8)]
    assert next(video) == 8


def test_frames_of_one_window_are_held():
    seen = []

    def video():
        for number in range(30):
            frame = np.array([number])
            seen.append(weakref.ref(frame))
            yield frame

    for window in windows.cut_windows(video(), 4, 3):
        del window
        assert sum(one() is not None for one in seen) <= 5  # the generator has one more


def test_windows_are_resampled_and_resized(tmp_path, write_video_file, numbered):
    write_video_file(tmp_path / 'v.avi', numbered(20, 16, 24), 50)
    frames = reading.read_frames(tmp_path / 'v.avi', 25, (8, 12))
    found = list(windows.cut_windows(frames, 4))
    assert [window.shape for window in found] == [(4, 8, 12, 3)] * 3
    numbers = [window[:, 0, 0, 0].tolist() for window in found]
    assert numbers == [[1, 3, 5, 7], [9, 11, 13, 15], [13, 15, 17, 19]]


@pytest.mark.parametrize('size', [(20, 30), (16, 32), (16, 18)])
def test_crops_are_those_of_evaluation(tmp_path, write_video_file, size):
    frames = np.random.default_rng(0).integers(0, 256, (5, *size, 3), dtype=np.uint8)
    write_video_file(tmp_path / 'v.avi', frames, 25)
    cut = list(reading.read_frames(tmp_path / 'v.avi', crop_size=(15, 16)))
    assert all(frame.base is None for frame in cut)  # the rest of it is not held
    video_format = VideoFormat(frame_size=None, crop_size=(15, 16))
    np.testing.assert_array_equal(cut, prepare_frames(frames, video_format))


def test_frames_smaller_than_the_crop_are_refused(tmp_path, write_video_file, numbered):
    write_video_file(tmp_path / 'v.avi', numbered(5, 16, 24), 25)
    with pytest.raises(VideoError, match='frames of 16x24 .*at least the crop of 17x8'):
        next(reading.read_frames(tmp_path / 'v.avi', crop_size=(17, 8)))


def test_times_are_those_of_the_file(tmp_path):
    """Pictures that begin late, one of which stays for long, beside sound from the start."""
    shown = [1.2, 1.24, 1.28, 3.0, 3.04]
    frames = video_files.stepped_frames(5)
    path = tmp_path / 'v.mkv'
    video_files.write_with_ffmpeg(path, frames, 25, times=shown, sound=('aac', 4.0))
    np.testing.assert_allclose(video_files.frame_times(path), shown, atol=0.002)
    resampled = video_files.frame_times(path, 25)
    np.testing.assert_allclose(resampled, 1.2 + np.arange(len(resampled)) / 25, atol=0.002)
    assert len(resampled) == 47  # of 1.88 seconds
