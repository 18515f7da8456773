"""The rules of sampling by hand, and the same wherever a video is brought to a network."""

import doctest
import fractions
import math

import numpy as np
import pytest
import tensorflow as tf

from data import catalog, clips
from data.conversion.convert import convert_dataset
from s3dg.config import VideoFormat
from s3dg.errors import VideoError
from s3dg.saving import endpoints
from s3dg.video import sampling, windows
from tests import video_files

RATE = 25


def test_the_examples_of_the_rules_hold():
    failed, tried = doctest.testmod(sampling)
    assert (failed, tried >= 9) == (0, True)


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
    read = next(windows.read_windows(tmp_path / 'v.avi', 2, short_side=24))
    assert min(read.shape[1:3]) == 24
    expected = sampling.crop_centre(read, (22, 23)).astype(float)
    assert expected.shape == (2, 22, 23, 3)
    prepared = endpoints.prepare_frames(tf.constant(frame[None]), video_format).numpy()
    assert (np.abs(prepared - expected) <= 1).all()


@pytest.mark.parametrize('frames', [1, 2, 7, 8, 64, 250])
def test_exported_windows_are_those_of_the_reader(frames):
    for length in [*range(1, 70), 249, 250, 251, 1000, 7777]:
        starts = sampling.window_starts(length, frames)
        # Evenly spaced: each at its share of the way from the first frame to the last start.
        share = fractions.Fraction(max(length - frames, 0), max(len(starts) - 1, 1))
        assert starts.tolist() == [math.floor(k * share) for k in range(-(-length // frames))]
        numbers = sampling.frame_numbers(length, starts, frames)
        assert set(numbers.ravel()) == set(range(length))
        np.testing.assert_array_equal(
            endpoints.window_indices(tf.constant(length), frames), numbers
        )


def test_a_video_of_hours_is_exported_in_its_windows():
    """Three hours at 25 frames a second: products of frame numbers pass 2**31."""
    found = endpoints.window_indices(tf.constant(270_000), 8).numpy()
    assert len(found) == 33_750
    assert found[0].tolist() == list(range(8))
    assert found[-1].tolist() == list(range(269_992, 270_000))
    assert (np.diff(found[:, 0]) == 8).all()


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


SOURCE_RATE = 30
MOST_ERROR = 6  # levels, of JPEG at quality 100
# Frames of the files; of them resampling leaves five sixths.
LENGTHS = (4, 9, 10, 20, 36)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Lossless videos of 46x62 by their ids, and the dataset of them, with shorter sides of 40.

    Red and green say where a pixel was, blue which frame it is of.
    """
    root = tmp_path_factory.mktemp('files')
    y, x = np.mgrid[:46, :62]
    for length in LENGTHS:
        frames = [
            np.stack([3 * x + 10, 4 * y + 10, np.full_like(x, 7 * k + 3)], -1).astype(np.uint8)
            for k in range(length)
        ]
        for split in ('train', 'validation'):
            path = root / 'videos' / split / 'ramps' / f'{length}.avi'
            video_files.write_with_opencv(path, frames, SOURCE_RATE)
    fields = {'frames_per_second': RATE, 'frame_size': None, 'short_side': 40, 'jpeg_quality': 100}
    config = ('video_folder', 'files', root / 'data')
    convert_dataset(catalog.make_builder(*config, root / 'videos', **fields), processes=0)
    ids = [f'validation/ramps/{length}.avi' for length in LENGTHS]
    return {name: root / 'videos' / name for name in ids}, catalog.open_dataset(*config)


@pytest.mark.parametrize('frames', [6, 8, 25])
def test_windows_of_a_file_are_those_of_its_record(files, frames):
    videos, dataset = files
    found = {name: [] for name in videos}
    for batch in clips.evaluation_windows(
        dataset, 'validation', frames=frames, crop_size=(38, 39), batch_size=3
    ).as_numpy_iterator():
        for clip, name in zip(batch['clip'], batch['id'], strict=True):
            found[name.decode()].append(clip)
    for length, (name, path) in zip(LENGTHS, videos.items(), strict=True):
        options = {'frames_per_second': RATE, 'short_side': 40}
        expected = [
            sampling.crop_centre(window, (38, 39))
            for window in windows.read_windows(path, frames, **options)
        ]
        shown = _rounded(fractions.Fraction(length * RATE, SOURCE_RATE))
        assert len(found[name]) == len(expected) == -(-shown // frames)
        step = fractions.Fraction(max(shown - frames, 0), max(len(expected) - 1, 1))
        for number, (clip, window) in enumerate(zip(found[name], expected, strict=True)):
            # The frame on the screen in the middle of each 25th of a second, looped.
            places = [(math.floor(number * step) + k) % shown for k in range(frames)]
            middles = [fractions.Fraction(2 * place + 1, 2 * RATE) for place in places]
            shown_then = [min(math.floor(m * SOURCE_RATE), length - 1) for m in middles]
            for one in (clip, window):
                levels = (one[..., 2].mean((1, 2)) - 3) / 7
                assert np.rint(levels).tolist() == shown_then
            # One pixel off would be three levels and more, all over.
            errors = np.abs(clip.astype(float) - window)
            assert errors.max() <= MOST_ERROR
            assert errors.mean() < 0.6
