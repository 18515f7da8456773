"""Damaged records in training and evaluation: one line names the shard or the video."""

import shutil

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data import catalog, clips
from data.errors import DatasetError
from data.records import faults, verification
from data.records.decode import stored_videos
from tests import fuzzing

SHARD = 'moving_shapes-train.tfrecord-00002-of-00005'


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    """A pool of processes takes seconds to begin, and test_verification has it."""
    check = verification._check_frames
    monkeypatch.setattr(
        verification,
        '_check_frames',
        lambda verifier, records, _, progress: check(verifier, records, 0, progress),
    )


@pytest.fixture
def copy(shapes_dataset, tmp_path):
    """(folder, a function that opens it): a copy of the dataset, to be damaged."""
    folder = tmp_path / 'moving_shapes' / 'rgb_small' / str(shapes_dataset.version)
    shutil.copytree(shapes_dataset.data_dir, folder)
    return folder, lambda: catalog.open_dataset('moving_shapes', 'rgb_small', tmp_path)


def _train(opened):
    dataset = clips.training_clips(
        opened, 'train', frames=4, crop_size=16, batch_size=2, seed=0, flip=False
    )
    with faults.named(opened, ['train']):
        list(dataset.take(100))  # 200 of 40 examples: every video comes


def _evaluate(opened):
    dataset = clips.evaluation_windows(opened, 'train', frames=8, crop_size=16, batch_size=4)
    with faults.named(opened, ['train']):
        list(dataset)


def _stored(opened):
    list(stored_videos(opened, 'train'))


EVERY = pytest.mark.parametrize('use', [_train, _evaluate, _stored])


def _shard(folder):
    """The third shard that holds records."""
    return sorted(path for path in folder.glob('*-train.tfrecord*') if path.stat().st_size)[2]


def _examples(path):
    return [
        tf.train.Example.FromString(record)
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]


def _change(path, change):
    """Rewrites a shard with its second example changed; the id of that."""
    examples = _examples(path)
    features = examples[1].features.feature
    video_id = features['id'].bytes_list.value[0].decode()
    change(features)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    return video_id


def _flip(content):
    return content[:100] + bytes([content[100] ^ 1]) + content[101:]


@EVERY
@pytest.mark.parametrize(
    ('damage', 'found'),
    [
        (_flip, 'record 0: corrupt: its checksum is wrong'),
        (lambda content: b'\xff' + content[1:], 'record 0: its length is corrupt'),
        (lambda content: content[:-9], 'cut off'),
        (lambda content: b'', 'found 0 bytes, expected . records'),
    ],
)
def test_a_damaged_shard_is_named(copy, use, damage, found):
    folder, open_copy = copy
    path = _shard(folder)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DatasetError, match=f'{path.name}: .*{found}.*--verify') as caught:
        use(open_copy())
    assert str(caught.value).isprintable()


@pytest.mark.parametrize('use', [_train, _evaluate])
def test_a_shard_that_ends_with_a_record_too_early_is_named(copy, use):
    folder, open_copy = copy
    path = _shard(folder)
    examples = _examples(path)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples[:-1]:
            writer.write(example.SerializeToString())
    count = len(examples)
    with pytest.raises(
        DatasetError, match=f'{path.name}: found {count - 1} records, expected {count}'
    ):
        use(open_copy())


@EVERY
def test_a_shard_that_is_gone_is_named(copy, use):
    folder, open_copy = copy
    _shard(folder).unlink()
    with pytest.raises(DatasetError, match='found nothing, expected . records'):
        use(open_copy())


@pytest.mark.parametrize('size', [0, 3])
def test_a_training_without_a_record_does_not_spin(copy, size):
    folder, open_copy = copy
    for path in folder.glob('*-train.tfrecord*'):
        path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DatasetError, match=f'found {size} bytes, expected . records'):
        _train(open_copy())


def test_a_training_whose_shards_are_emptied_meanwhile_does_not_spin(copy):
    folder, open_copy = copy
    opened = open_copy()
    dataset = clips.training_clips(
        opened, 'train', frames=4, crop_size=16, batch_size=2, seed=0, flip=False
    )
    for path in folder.glob('*-train.tfrecord*'):
        path.write_bytes(b'')
    with (
        pytest.raises(DatasetError, match='train.*found 0 records, expected'),
        faults.named(opened, ['train']),
    ):
        list(dataset.take(100))


def _picture(channels, side=32):
    return tf.io.encode_jpeg(np.zeros((side, side, channels), 'uint8')).numpy()


def _all_frames(content):
    def change(features):
        values = features['video'].bytes_list.value
        values[:] = [content] * len(values)

    return change


@EVERY
@pytest.mark.parametrize(
    ('change', 'found'),
    [
        (lambda features: features.pop('label'), "'{id}': has no feature 'label'"),
        (
            lambda features: features.pop('video'),
            '{id}.*(there are no stored frames|has no feature)',
        ),
        (_all_frames(b'no picture'), 'frame 0 of .* is no JPEG'),
        (_all_frames(_picture(3)[:200]), 'frame 0 of .* is cut off'),
        (_all_frames(_picture(3)[:-100] + b'\xff\xd9'), '{id}'),
    ],
)
def test_a_damaged_video_is_named(copy, use, change, found):
    folder, open_copy = copy
    video_id = _change(_shard(folder), change)
    with pytest.raises(DatasetError, match=found.format(id=video_id)) as caught:
        use(open_copy())
    assert video_id in str(caught.value)


def _only_tensorflow_refuses(jpeg):
    """A picture with a marker among its coded pixels, which OpenCV passes over."""
    for place in range(len(jpeg) // 2, len(jpeg) - 2):
        damaged = jpeg[:place] + b'\xff\xc4' + jpeg[place + 2 :]
        pixels = cv2.imdecode(np.frombuffer(damaged, np.uint8), cv2.IMREAD_COLOR)
        try:
            tf.io.decode_jpeg(damaged, dct_method='INTEGER_ACCURATE')
        except tf.errors.InvalidArgumentError:
            if pixels is not None:
                return damaged
    raise AssertionError('there is no such place')


@pytest.mark.parametrize('use', [_evaluate, _stored])
def test_frames_that_only_tensorflow_refuses_are_named(copy, use):
    folder, open_copy = copy
    path = _shard(folder)

    def damage(features):
        frames = features['video'].bytes_list.value
        frames[1] = _only_tensorflow_refuses(frames[1])

    video_id = _change(path, damage)
    with pytest.raises(
        DatasetError, match=f"train: {path.name}: '{video_id}': frame 1 .*is damaged"
    ):
        use(open_copy())


@pytest.mark.parametrize('use', [_train, _evaluate])
def test_a_video_in_gray_is_not_taken_for_one_in_colour(copy, use):
    folder, open_copy = copy
    video_id = _change(_shard(folder), _all_frames(_picture(1)))
    with pytest.raises(DatasetError, match=f'{video_id}.* frames of 1 channels, expected 3'):
        use(open_copy())


@pytest.mark.parametrize('use', [_evaluate, _stored])
@pytest.mark.parametrize('frame', [1, -1])
def test_a_video_with_a_frame_of_another_size_is_named(copy, use, frame):
    folder, open_copy = copy

    def damage(features):
        features['video'].bytes_list.value[frame] = _picture(3, side=8)

    video_id = _change(_shard(folder), damage)
    with pytest.raises(DatasetError, match=f"'{video_id}': frame .* 8x8"):
        use(open_copy())


@EVERY
def test_a_record_that_is_none_is_named(copy, use):
    """TensorFlow quotes it in its message, which is then no text."""
    folder, open_copy = copy
    path = _shard(folder)
    count = len(_examples(path))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(count):
            writer.write(b'\x80\xff' * 50)
    with pytest.raises(DatasetError, match=f'{path.name}: record 0: it is no tf.train.Example'):
        use(open_copy())


def test_errors_of_another_origin_are_not_the_dataset_s(copy):
    _, open_copy = copy
    opened = open_copy()
    for error in (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError):
        with pytest.raises(error), faults.named(opened, ['train']):
            raise error(None, None, 'another fault')


@pytest.mark.parametrize(  # fewer: each reads shards, and makes a pipeline
    'examples', [fuzzing.FEW // 20, pytest.param(fuzzing.MANY // 20, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize('use', [_evaluate, _stored])
@pytest.mark.parametrize('kind', ['file', 'record'])
def test_damaged_records(copy, tmp_path, use, kind, examples):
    """Also those whose check sums are right, as another program would write them."""
    folder, open_copy = copy
    opened = open_copy()
    path = min(path for path in folder.glob('*-train.tfrecord*') if path.stat().st_size)
    if kind == 'file':
        fuzzing.check(lambda path: use(opened), path.read_bytes(), path, examples)
        return
    records = [example.SerializeToString() for example in _examples(path)]

    def read(record):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for one in (record.read_bytes(), *records[1:]):
                writer.write(one)
        use(opened)

    fuzzing.check(read, records[0], tmp_path / 'record', examples)
