"""Small datasets for the tests of `data`."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data import catalog
from data.conversion.convert import convert_dataset
from tests import video_files


@pytest.fixture(scope='session')
def shapes_dataset(tmp_path_factory):
    """moving_shapes with 4 training and 2 validation videos per class, opened."""
    data_dir = tmp_path_factory.mktemp('shapes')
    builder = catalog.make_builder(
        'moving_shapes', 'rgb_small', data_dir, train_per_class=4, validation_per_class=2
    )
    convert_dataset(builder, processes=0)
    return catalog.open_dataset('moving_shapes', 'rgb_small', data_dir)


@pytest.fixture(scope='session', name='convert_dataset')
def convert_and_read():
    """Converts a dataset in this process and reads it back with TFDS: (Conversion, opened builder,
    {split: {id: example as NumPy arrays}})."""

    def convert(name, config, data_dir, manual_dir, max_skipped_fraction=1.0, **fields):
        builder = catalog.make_builder(name, config, data_dir, manual_dir, **fields)
        done = convert_dataset(builder, processes=0, max_skipped_fraction=max_skipped_fraction)
        opened = catalog.open_dataset(name, config, data_dir)
        examples = {
            split: {
                example['id'].decode(): example
                for example in tfds.as_numpy(opened.as_dataset(split=split))
            }
            for split in opened.info.splits
        }
        return done, opened, examples

    return convert


@pytest.fixture
def saved(tmp_path):
    """Saves what a pickle holds: its path."""

    def save(content):
        path = tmp_path / 'annotations.pkl'
        path.write_bytes(content)
        return path

    return save


LENGTHS = (2, 5, 8, 9, 16, 17, 24)  # of the ramp videos, one of each length per class
RAMP_HEIGHT, RAMP_WIDTH = 48, 64


def ramp_frames(count: int) -> list[np.ndarray]:
    """Frames that say where each pixel was: red 3 x + 10, green 4 y + 10, blue 10 times the frame
    number + 5."""
    y, x = np.mgrid[:RAMP_HEIGHT, :RAMP_WIDTH]
    return [
        np.stack([3 * x + 10, 4 * y + 10, np.full_like(x, 10 * k + 5)], -1).astype(np.uint8)
        for k in range(count)
    ]


@pytest.fixture(scope='session')
def ramp_dataset(tmp_path_factory):
    """video_folder of ramp videos; id "split/class/LENGTH-COPY.avi" says how long each one is."""
    root = tmp_path_factory.mktemp('ramps')
    for split, copies in (('train', 4), ('validation', 1)):
        for name in ('first', 'second'):
            for length in LENGTHS:
                for copy in range(copies):
                    path = root / 'videos' / split / name / f'{length}-{copy}.avi'
                    video_files.write_with_opencv(path, ramp_frames(length), 25)
    builder = catalog.make_builder(
        'video_folder',
        'ramps',
        root / 'data',
        root / 'videos',
        frames_per_second=None,
        frame_size=None,
        jpeg_quality=100,
    )
    convert_dataset(builder, processes=0)
    return catalog.open_dataset('video_folder', 'ramps', root / 'data')
