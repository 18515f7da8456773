"""A small folder of videos to convert, and what the files of a dataset hold."""

import os
import pathlib

import tensorflow as tf

from data import catalog
from data.conversion.convert import Conversion, convert_dataset

# Videos that cannot be used, with the reasons.
BROKEN = {
    'train/jump/empty.MP4': 'empty file (0 bytes)',
    'train/run/text.mp4': 'not a video: FFmpeg cannot open it',
}


def write_videos(root: pathlib.Path, write_video_file, numbered) -> pathlib.Path:
    """Writes twenty good videos of two classes, split by folders, and two broken ones in training;
    number N of a class and split has 4 + N frames."""
    for split, count in (('train', 8), ('validation', 2)):
        for name in ('jump', 'run'):
            for index in range(count):
                path = root / split / name / f'{index}.avi'
                write_video_file(path, numbered(4 + index, 32, 32), 25)
    (root / 'train' / 'run' / 'text.mp4').write_text('no video ' * 100)
    (root / 'train' / 'jump' / 'empty.MP4').touch()
    (root / 'train' / 'jump' / '.hidden.mp4').touch()
    (root / 'train' / 'jump' / 'notes.txt').touch()
    return root


def make(folder, data_dir, **fields):
    return catalog.make_builder('video_folder', 'mine', data_dir, folder, **fields)


def convert(folder, data_dir, processes=0, fields=None, **arguments) -> Conversion:
    """Converts in this process, where functions can be replaced."""
    builder = make(folder, data_dir, **(fields or {}))
    return convert_dataset(builder, processes=processes, **arguments)


def files(data_path: str | os.PathLike) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in pathlib.Path(data_path).iterdir()}


def records(data_path: str | os.PathLike) -> dict[str, tf.train.Example]:
    """The records of all shards by id, each id once."""
    found = {}
    for path in sorted(pathlib.Path(data_path).glob('*.tfrecord*')):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            video_id = example.features.feature['id'].bytes_list.value[0].decode()
            assert video_id not in found
            found[video_id] = example
    return found
