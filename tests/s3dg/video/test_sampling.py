"""The rules of sampling by hand, and the same wherever a video is brought to a network."""

import doctest
import fractions
import math

import numpy as np
import pytest
import tensorflow as tf

from s3dg.config import VideoFormat
from s3dg.errors import VideoError
from s3dg.saving import endpoints
from s3dg.video import reading, sampling
from tests import video_files

RATE = 25


def test_the_examples_of_the_rules_hold():
    failed, tried = doctest.testmod(sampling)
    assert (failed, tried >= 8) == (0, True)


def _rounded(value):
    """The nearest whole number, halves up."""
    return math.floor(value + fractions.Fraction(1, 2))


def test_short_sides_are_rounded_alike():
    generator = np.random.default_rng(0)
    sizes = [*generator.integers(1, 5000, (300, 2)).tolist(), [3, 2], [2, 5], [7, 7], [4096, 8640]]
    for height, width in sizes:
        for short_side in (1, 2, 7, 128, 256, 4096):
            scale = fractions.Fraction(short_side, min(height, width))
            expected = [_rounded(height * scale), _rounded(width * scale)]
            assert list(sampling.short_side_size(height, width, short_side)) == expected
    # As tensors, all at once; also those whose products pass 2**31.
    height, width = tf.constant(sizes, tf.int64)[:, 0], tf.constant(sizes, tf.int64)[:, 1]
    short = tf.minimum(height, width)
    found = [sampling.scaled_side(side, short, 1_000_000).numpy() for side in (height, width)]
    expected = [sampling.short_side_size(*size, 1_000_000) for size in sizes]
    np.testing.assert_array_equal(np.transpose(found), expected)


@pytest.mark.parametrize('size', [(30, 40), (38, 30), (46, 34), (34, 34), (34, 50), (32, 46)])
def test_an_export_prepares_frames_as_the_reader_does(tmp_path, size):
    """Smooth pictures: of noise, a size that is one pixel off would be no better than another."""
    video_format = VideoFormat(frame_size=None, short_side=24, crop_size=(22, 23))
    y, x = np.mgrid[: size[0], : size[1]]
    frame = np.stack([5 * x, 5 * y, 2 * (x + y)], -1).astype(np.uint8)
    video_files.write_with_opencv(tmp_path / 'v.avi', [frame] * 2, RATE)
    read = np.stack([*reading.read_frames(tmp_path / 'v.avi', short_side=24)])
    assert min(read.shape[1:3]) == 24
    expected = sampling.crop_centre(read, (22, 23)).astype(float)
    assert expected.shape == (2, 22, 23, 3)
    prepared = endpoints.prepare_frames(tf.constant(frame[None]), video_format).numpy()
    assert (np.abs(prepared - expected) <= 1).all()


@pytest.mark.parametrize('frames', [1, 2, 7, 8, 64, 250])
def test_exported_windows_are_those_of_the_reader(frames):
    for length in [*range(1, 70), 249, 250, 251, 1000, 7777]:
        starts = sampling.window_starts(length, frames)
        # One after the other, the last one pulled back to where it ends with the video.
        whole = [frames * k for k in range(length // frames)]
        rest = [max(length - frames, 0)] if length % frames else []
        assert starts.tolist() == whole + rest
        numbers = sampling.frame_numbers(length, starts, frames)
        assert set(numbers.ravel()) == set(range(length))
        np.testing.assert_array_equal(
            endpoints.window_indices(tf.constant(length), frames), numbers
        )


def test_a_video_of_hours_is_exported_in_its_windows():
    """Three hours at 25 frames a second, and three frames."""
    found = endpoints.window_indices(tf.constant(270_003), 8).numpy()
    assert len(found) == 33_751
    assert found[0].tolist() == list(range(8))
    assert found[-1].tolist() == list(range(269_995, 270_003))
    assert (np.diff(found[:-1, 0]) == 8).all()


def test_a_video_without_frames_is_refused_by_an_export():
    with pytest.raises(tf.errors.InvalidArgumentError, match='The video has no frames'):
        endpoints.window_indices(tf.constant(0), 8)


def test_crops_are_the_middle():
    for height in range(4, 9):
        for width in range(5, 10):
            frames = np.arange(2 * height * width * 3).reshape(2, height, width, 3)
            top, left = math.floor((height - 4) / 2), math.floor((width - 5) / 2)
            expected = frames[:, top : top + 4, left : left + 5]
            np.testing.assert_array_equal(sampling.crop_centre(frames, (4, 5)), expected)
            video_format = VideoFormat(frame_size=None, crop_size=(4, 5))
            prepared = endpoints.prepare_frames(tf.constant(frames), video_format)
            np.testing.assert_array_equal(prepared, expected)
    with pytest.raises(VideoError, match='frames of 3x9 .* at least the crop of 4x5'):
        sampling.crop_centre(np.zeros((3, 9, 3)), (4, 5))
