"""Video files made by OpenCV directly, and small datasets, for the tests of `data`."""

import pathlib

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from data import catalog, conversion


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


@pytest.fixture(scope='session')
def write_video_file():
    return write_with_opencv


def numbered_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames that are one gray level each, of their number."""
    return [np.full((height, width, 3), number, np.uint8) for number in range(count)]


@pytest.fixture(scope='session')
def numbered():
    return numbered_frames


@pytest.fixture(scope='session')
def shapes_dataset(tmp_path_factory):
    """moving_shapes with 4 training and 2 validation videos per class, opened."""
    data_dir = tmp_path_factory.mktemp('shapes')
    builder = catalog.make_builder(
        'moving_shapes', 'rgb_small', data_dir, train_per_class=4, validation_per_class=2
    )
    conversion.convert(builder, processes=1)
    return catalog.open_dataset('moving_shapes', 'rgb_small', data_dir)


@pytest.fixture(scope='session')
def convert_dataset():
    """Converts a dataset in this process and reads it back with TFDS: (Conversion, opened builder,
    {split: {id: example as NumPy arrays}})."""

    def convert(name, config, data_dir, manual_dir, max_skipped_fraction=1.0, **fields):
        builder = catalog.make_builder(name, config, data_dir, manual_dir, **fields)
        done = conversion.convert(builder, processes=1, max_skipped_fraction=max_skipped_fraction)
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
                    write_with_opencv(path, ramp_frames(length), 25)
    builder = catalog.make_builder(
        'video_folder',
        'ramps',
        root / 'data',
        root / 'videos',
        frames_per_second=None,
        frame_size=None,
        jpeg_quality=100,
    )
    conversion.convert(builder, processes=1)
    return catalog.open_dataset('video_folder', 'ramps', root / 'data')
