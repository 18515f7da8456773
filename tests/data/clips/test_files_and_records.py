"""Windows cut from a video file, as `s3dg` reads it, and those of its record are the same."""

import fractions
import math

import numpy as np
import pytest

from data import catalog, clips
from data.conversion.convert import convert_dataset
from s3dg.video import reading, windows
from tests import video_files

RATE = 25
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
        video = reading.read_frames(path, RATE, short_side=40, crop_size=(38, 39))
        expected = list(windows.cut_windows(video, frames))
        shown = math.floor(
            fractions.Fraction(length * RATE, SOURCE_RATE) + fractions.Fraction(1, 2)
        )
        assert len(found[name]) == len(expected) == -(-shown // frames)
        last = max(shown - frames, 0)
        for number, (clip, window) in enumerate(zip(found[name], expected, strict=True)):
            # The frame on the screen in the middle of each 25th of a second, looped.
            places = [(min(number * frames, last) + k) % shown for k in range(frames)]
            middles = [fractions.Fraction(2 * place + 1, 2 * RATE) for place in places]
            shown_then = [min(math.floor(m * SOURCE_RATE), length - 1) for m in middles]
            for one in (clip, window):
                levels = (one[..., 2].mean((1, 2)) - 3) / 7
                assert np.rint(levels).tolist() == shown_then
            # One pixel off would be three levels and more, all over.
            errors = np.abs(clip.astype(float) - window)
            assert errors.max() <= MOST_ERROR
            assert errors.mean() < 0.6
