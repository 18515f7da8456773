"""Verification: nothing is wrong with what was converted, and every kind of damage is found."""

import csv
import pathlib
import shutil
import struct

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data import catalog, workers
from data.conversion.convert import convert_dataset
from data.errors import DatasetError
from data.listing import Video
from data.records import pictures, verification
from tests.data import jobs

CLASSES = ('jump', 'run')
FIRST = 'video_folder-train.tfrecord-00000-of-00002'
SECOND = 'video_folder-train.tfrecord-00001-of-00002'
HELD_OUT = 'video_folder-validation.tfrecord-00000-of-00001'


@pytest.fixture(scope='module')
def whole(tmp_path_factory, write_video_file, numbered):
    """(TFDS folder, listing): sixteen training videos in two shards, four held out, one skipped."""
    root = tmp_path_factory.mktemp('whole')
    for split, count in (('train', 8), ('validation', 2)):
        for name in CLASSES:
            for index in range(count):
                path = root / 'videos' / split / name / f'{index}.avi'
                write_video_file(path, numbered(3 + index % 2, 32, 32), 25)
    (root / 'videos' / 'train' / 'run' / 'zero.mp4').touch()
    builder = catalog.make_builder(
        'video_folder', 'mine', root / 'data', root / 'videos', frame_size=(24, 32)
    )
    convert_dataset(builder, processes=0)
    return root / 'data', builder.split_videos()


class Damaged:
    """A copy of the dataset, for a test to damage and verify."""

    def __init__(self, data_dir, listing):
        self.data_dir, self.listing = data_dir, listing
        self.folder = data_dir / 'video_folder' / 'mine' / '1.0.0'

    def records(self, name):
        dataset = tf.data.TFRecordDataset(str(self.folder / name))
        return list(dataset.as_numpy_iterator())

    def write(self, name, records):
        with tf.io.TFRecordWriter(str(self.folder / name)) as writer:
            for record in records:
                writer.write(record)

    def examples(self, name):
        return [tf.train.Example.FromString(record) for record in self.records(name)]

    def change(self, name, number, change):
        """Rewrites a record, changed by `change(features)`; the id it had."""
        examples = self.examples(name)
        features = examples[number].features.feature
        video_id = features['id'].bytes_list.value[0].decode()
        change(features)
        self.write(name, [example.SerializeToString() for example in examples])
        return video_id

    def ids(self, name):
        return [
            example.features.feature['id'].bytes_list.value[0].decode()
            for example in self.examples(name)
        ]

    def verify(self, listing=None, **options):
        opened = catalog.open_dataset('video_folder', 'mine', self.data_dir)
        return verification.verify(opened, listing, **options)

    def problems(self, listing=None):
        return self.verify(listing).problems


@pytest.fixture
def damaged(whole, tmp_path):
    data_dir, listing = whole
    shutil.copytree(data_dir, tmp_path / 'copy')
    return Damaged(tmp_path / 'copy', listing)


def test_a_good_dataset_has_no_problems(whole):
    data_dir, listing = whole
    opened = catalog.open_dataset('video_folder', 'mine', data_dir)
    lines = []
    expected = verification.Verification({'train': 16, 'validation': 4}, 70, [])
    assert verification.verify(opened, listing, lines.append) == expected
    assert lines[-1].startswith('verifying video_folder/mine/1.0.0: 20/20 videos, ')
    assert lines[-1].endswith(', 0 problems')
    for processes in (0, 1):
        assert verification.verify(opened, processes=processes) == expected


def test_the_builder_that_converted_is_verified_as_well(tmp_path):
    builder = catalog.make_builder(
        'moving_shapes', 'rgb', tmp_path, train_per_class=2, validation_per_class=1
    )
    done = convert_dataset(builder, processes=0)
    found = verification.verify(builder, builder.split_videos())
    assert found == verification.Verification({'train': 20, 'validation': 10}, done.frames, [])


def test_memory_is_bounded(whole, monkeypatch):
    """No more frames are read ahead than the processes are to decode next."""
    opened = catalog.open_dataset('video_folder', 'mine', whole[0])
    begun, checked, ahead = [], [], []

    def noted(records, jobs=verification._jobs):
        for job in jobs(records):
            begun.append(job.record)
            ahead.append(len(set(begun)) - len(checked))
            yield job

    def check(verifier, place, shapes, check=verification._Verifier.check_frames):
        checked.append(place)
        check(verifier, place, shapes)

    monkeypatch.setattr(verification, '_jobs', noted)
    monkeypatch.setattr(verification._Verifier, 'check_frames', check)
    assert verification.verify(opened, processes=1).problems == []
    assert len(checked) == 20
    assert max(ahead) <= workers.JOBS_PER_WORKER + 1


def test_a_frame_that_kills_what_decodes_it(damaged, monkeypatch):
    """Is a problem of its video, and the rest is verified."""

    def change(features):
        features['video'].bytes_list.value[1] = b'deadly'

    video_id = damaged.change(HELD_OUT, 0, change)
    monkeypatch.setattr(pictures, 'shapes', jobs.shapes_or_die)
    found = damaged.verify(processes=1)
    assert found.examples == {'train': 16, 'validation': 4}
    (problem,) = found.problems
    assert problem.startswith(f'validation: {HELD_OUT}: {video_id!r}: frame 0 of ')
    assert 'is among some of which one kills what decodes it' in problem


def offsets(path):
    """Where every record begins, and the end, by the lengths alone."""
    content, position, found = path.read_bytes(), 0, [0]
    while position < len(content):
        position += struct.unpack_from('<Q', content, position)[0] + 16
        found.append(position)
    return found


def test_a_flipped_byte_is_found_and_what_follows_is_read(damaged):
    path = damaged.folder / FIRST
    ids, starts = damaged.ids(FIRST), offsets(damaged.folder / FIRST)
    content = bytearray(path.read_bytes())
    content[starts[2] + 12 + 100] ^= 1
    content[starts[6] - 1] ^= 0x80  # the checksum of record 5
    path.write_bytes(content)
    found = damaged.verify(damaged.listing)
    assert found.examples == {'train': 14, 'validation': 4}
    assert found.problems == [
        f'train: {FIRST}: record 2: corrupt: its checksum is wrong',
        f'train: {FIRST}: record 5: corrupt: its checksum is wrong',
        *(
            f'train: {video_id!r}: listed, but neither stored nor in skipped.csv'
            for video_id in sorted((ids[2], ids[5]))
        ),
    ]


def test_a_flipped_byte_of_a_length(damaged):
    path = damaged.folder / FIRST
    ids = damaged.ids(FIRST)
    content = bytearray(path.read_bytes())
    content[offsets(path)[6]] ^= 1
    path.write_bytes(content)
    problems = damaged.problems()
    assert problems[:2] == [
        f'train: {FIRST}: record 6: its length is corrupt; nothing after it can be read',
        f'train: {FIRST}: found 7 records, expected 8',
    ]
    assert problems[2:] == [f'videos.csv: {video_id!r}: stored nowhere' for video_id in ids[6:]]


@pytest.mark.parametrize(
    ('left', 'fault'),
    [
        (5, 'cut off: 5 bytes of it are left'),  # TensorFlow's reader says nothing of these
        (12, 'cut off: 12 of {} bytes are left'),
        (300, 'cut off: 300 of {} bytes are left'),
    ],
)
def test_a_torn_record(damaged, left, fault):
    path = damaged.folder / FIRST
    starts, ids = offsets(path), damaged.ids(FIRST)
    path.write_bytes(path.read_bytes()[: starts[7] + left])
    assert damaged.problems() == [
        f'train: {FIRST}: record 7: {fault.format(starts[8] - starts[7])}',
        f'videos.csv: {ids[7]!r}: stored nowhere',
    ]


def test_a_shard_cut_between_records(damaged):
    path = damaged.folder / SECOND
    ids = damaged.ids(SECOND)
    path.write_bytes(path.read_bytes()[: offsets(path)[5]])
    problems = damaged.problems(damaged.listing)
    assert problems[0] == f'train: {SECOND}: found 5 records, expected 8'
    missing = 'listed, but neither stored nor in skipped.csv'
    assert problems[1:] == [f'train: {video_id!r}: {missing}' for video_id in sorted(ids[5:])]


def test_a_dropped_shard_and_one_too_many(damaged):
    ids = damaged.ids(SECOND)
    (damaged.folder / SECOND).rename(damaged.folder / (SECOND + '.partial'))
    assert damaged.problems() == [
        f'train: {SECOND}: not there, expected 8 records',
        *(f'videos.csv: {video_id!r}: stored nowhere' for video_id in ids),
        f'{SECOND}.partial: belongs to no split',
    ]


def test_a_shard_that_cannot_be_read(damaged):
    (damaged.folder / HELD_OUT).unlink()
    (damaged.folder / HELD_OUT).mkdir()
    problems = damaged.problems()
    assert problems[0].startswith(f'validation: {HELD_OUT}: cannot be read after 0 records: ')
    assert problems[1] == f'validation: {HELD_OUT}: found 0 records, expected 4'


def test_a_record_in_two_splits_and_twice_in_one(damaged):
    copied = damaged.records(FIRST)[3]
    video_id = damaged.ids(FIRST)[3]
    damaged.write(HELD_OUT, [*damaged.records(HELD_OUT), copied])
    assert damaged.problems(damaged.listing) == [
        f"validation: {HELD_OUT}: {video_id!r}: stored before, in split 'train', {FIRST}",
        f"validation: {HELD_OUT}: {video_id!r}: listed in split 'train'",
        f'validation: {HELD_OUT}: found 5 records, expected 4',
    ]
    damaged.write(HELD_OUT, damaged.records(HELD_OUT)[:4])
    damaged.write(FIRST, [*damaged.records(FIRST), copied])
    assert damaged.problems() == [
        f"train: {FIRST}: {video_id!r}: stored before, in split 'train', {FIRST}",
        f'train: {FIRST}: found 9 records, expected 8',
    ]


def test_another_label(damaged):
    def swap(features):
        value = features['label'].int64_list.value
        value[0] = 1 - value[0]

    video_id = damaged.change(FIRST, 0, swap)
    own = video_id.split('/')[1]
    other = CLASSES[1 - CLASSES.index(own)]
    assert damaged.problems() == []  # without the list, nothing says which is right
    assert damaged.problems(damaged.listing) == [
        f"train: {FIRST}: {video_id!r}: has label '{other}', listed with '{own}'"
    ]


@pytest.mark.parametrize(
    ('values', 'fault'),
    [
        ([2], 'has label 2, expected 0 to 1'),
        ([-2], 'has label -2, expected 0 to 1'),
        ([], 'has 0 labels, expected one'),
        ([0, 1], 'has 2 labels, expected one'),
        ([-1], 'has no label (-1), but 3 of its split have'),
    ],
)
def test_labels_that_cannot_be(damaged, values, fault):
    def change(features):
        features['label'].int64_list.value[:] = values

    video_id = damaged.change(HELD_OUT, 1, change)
    assert damaged.problems() == [f'validation: {HELD_OUT}: {video_id!r}: {fault}']


def test_a_split_without_any_labels_is_good(damaged):
    def unlabel(features):
        features['label'].int64_list.value[:] = [-1]

    for number in range(4):
        damaged.change(HELD_OUT, number, unlabel)
    assert damaged.problems() == []
    listing = damaged.listing | {
        'validation': [Video(item.id, item.path, None) for item in damaged.listing['validation']]
    }
    assert damaged.problems(listing) == []
    problems = damaged.problems(damaged.listing)
    assert len(problems) == 4
    assert all("has label None, listed with '" in line for line in problems)


def _jpeg(height, width, channels):
    ramp = np.arange(height * width * channels).reshape(height, width, channels)
    return cv2.imencode('.jpg', (ramp % 251).astype(np.uint8))[1].tobytes()


def _png(height, width):
    return cv2.imencode('.png', np.zeros((height, width, 3), np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ('damage', 'fault'),
    [
        (lambda good: b'', 'is empty (0 bytes)'),
        (lambda good: b'garbage', 'is no JPEG: its start marker is missing'),
        (lambda good: _png(24, 32), 'is no JPEG: its start marker is missing'),
        (lambda good: good[:-2], 'is cut off: its end marker is missing'),
        (lambda good: good[: len(good) // 2], 'is cut off: its end marker is missing'),
        (lambda good: good[:2] + good[-2:], 'cannot be decoded'),
        (
            lambda good: good[:-8] + b'\xff\xc4' + good[-6:],
            'is damaged: there is a marker among its coded pixels',
        ),
        (lambda good: _jpeg(24, 31, 3), 'is 24x31 (height x width), expected 24x32'),
        (lambda good: _jpeg(32, 24, 3), 'is 32x24 (height x width), expected 24x32'),
        (lambda good: _jpeg(24, 32, 1), 'is gray, expected colour'),
    ],
)
def test_frames_that_are_not_as_they_should_be(damaged, damage, fault):
    def change(features):
        frames = features['video'].bytes_list.value
        frames[1] = damage(frames[1])

    video_id = damaged.change(FIRST, 4, change)
    assert damaged.problems() == [
        f'train: {FIRST}: {video_id!r}: frame 1 of {3 + int(video_id[-5]) % 2} {fault}'
    ]


def test_many_faulty_frames_are_one_line(damaged):
    def change(features):
        frames = features['video'].bytes_list.value
        frames[:] = [b'x', frames[1], b'x', *[b'x'] * 20]

    video_id = damaged.change(FIRST, 4, change)
    expected = 3 + int(video_id[-5]) % 2
    assert damaged.problems() == [
        f'train: {FIRST}: {video_id!r}: has 23 frames, expected the {expected} of videos.csv',
        f'train: {FIRST}: {video_id!r}: frame 0 of 23 is no JPEG: its start marker is missing;'
        ' 21 more are faulty',
    ]


def test_no_frames(damaged):
    video_id = damaged.change(
        FIRST, 0, lambda features: features['video'].bytes_list.ClearField('value')
    )
    length = 3 + int(video_id[-5]) % 2
    assert damaged.problems() == [
        f'train: {FIRST}: {video_id!r}: has no frames',
        f'train: {FIRST}: {video_id!r}: has 0 frames, expected the {length} of videos.csv',
    ]


@pytest.mark.parametrize(
    ('values', 'fault'),
    [
        ([], 'it has 0 ids, expected one'),
        ([b'a', b'b'], 'it has 2 ids, expected one'),
        ([b''], "its id '' is empty"),
        ([b'\xff'], "its id b'\\xff' is not UTF-8"),
        ([b'/home/me/1.avi'], "its id '/home/me/1.avi' is a local path"),
    ],
)
def test_ids_that_cannot_be(damaged, values, fault):
    def change(features):
        features['id'].bytes_list.value[:] = values

    video_id = damaged.change(HELD_OUT, 2, change)
    assert damaged.problems() == [
        f'validation: {HELD_OUT}: record 2: {fault}',
        f'videos.csv: {video_id!r}: stored nowhere',
    ]


def test_another_id(damaged):
    def change(features):
        features['id'].bytes_list.value[:] = [b'two\nlines']

    video_id = damaged.change(HELD_OUT, 2, change)
    place = f"validation: {HELD_OUT}: 'two\\nlines'"
    assert damaged.problems(damaged.listing) == [
        f'{place}: stored, but not in videos.csv',
        f'{place}: stored, but not listed',
        f'validation: {video_id!r}: listed, but neither stored nor in skipped.csv',
    ]


def test_records_of_something_else(damaged):
    records = damaged.records(HELD_OUT)
    other = tf.train.Example()
    other.features.feature['image'].bytes_list.value.append(b'x')
    damaged.write(HELD_OUT, [records[0], b'\xff' * 40, other.SerializeToString(), records[3]])
    assert damaged.problems()[:2] == [
        f'validation: {HELD_OUT}: record 1: it is no tf.train.Example',
        f'validation: {HELD_OUT}: record 2: it has 0 ids, expected one',
    ]


def test_a_feature_is_missing(damaged):
    video_id = damaged.change(HELD_OUT, 0, lambda features: features.pop('label'))
    assert damaged.problems() == [
        f"validation: {HELD_OUT}: {video_id!r}: has no feature 'label'",
        f'validation: {HELD_OUT}: {video_id!r}: has 0 labels, expected one',
    ]


def _edit(path, edit):
    with path.open(newline='') as file:
        rows = list(csv.reader(file))
    edit(rows)
    with path.open('w', newline='') as file:
        csv.writer(file, lineterminator='\n').writerows(rows)


def test_videos_csv_was_edited(damaged):
    path = damaged.folder / 'videos.csv'
    first, second = damaged.ids(FIRST)[:2]

    def edit(rows):
        assert [row[0] for row in rows[1:3]] == [first, second]
        rows[1][1] = '7'
        del rows[2]
        rows.append(['nowhere', '3', ''])

    _edit(path, edit)
    length = 3 + int(first[-5]) % 2
    assert damaged.problems() == [
        f'train: {FIRST}: {first!r}: has {length} frames, expected the 7 of videos.csv',
        f'train: {FIRST}: {second!r}: stored, but not in videos.csv',
        "videos.csv: 'nowhere': stored nowhere",
    ]


def test_videos_csv_is_of_no_use(damaged):
    path = damaged.folder / 'videos.csv'
    _edit(path, lambda rows: rows[1].__setitem__(1, 'many'))
    (problem,) = damaged.problems()
    assert problem.startswith(f"{path} is damaged: video '")
    assert "has 'many' frames, expected a number" in problem
    path.unlink()
    assert damaged.problems() == ['videos.csv: not there, expected it beside the records']
    (damaged.folder / 'plan.json').unlink()  # as TFDS alone makes it
    assert damaged.problems() == []


def test_skipped_csv_was_edited(damaged):
    stored = damaged.ids(FIRST)[0]

    def edit(rows):
        assert rows[1][0] == 'train/run/zero.mp4'
        rows[1][0] = 'another'
        rows.append([stored, 'somewhere', 'no reason'])

    _edit(damaged.folder / 'skipped.csv', edit)
    assert damaged.problems(damaged.listing) == [
        f'train: {FIRST}: {stored!r}: stored, but in skipped.csv too',
        "train: 'train/run/zero.mp4': listed, but neither stored nor in skipped.csv",
        "skipped.csv: 'another': not listed",
    ]


def test_flow_is_gray_and_twice_as_wide(whole, tmp_path):
    root = pathlib.Path(whole[0]).parent
    builder = catalog.make_builder(
        'video_folder',
        'flow',
        tmp_path,
        root / 'videos',
        modality='flow',
        flow_algorithm='dis',
        frame_size=(32, 24),
    )
    convert_dataset(builder, processes=0)
    opened = catalog.open_dataset('video_folder', 'flow', tmp_path)
    found = verification.verify(opened, builder.split_videos())
    assert found == verification.Verification({'train': 16, 'validation': 4}, 50, [])
    path = pathlib.Path(opened.data_dir) / HELD_OUT
    (first, *rest) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    example = tf.train.Example.FromString(first)
    frames = example.features.feature['video'].bytes_list.value
    video_id = example.features.feature['id'].bytes_list.value[0].decode()
    for frame, fault in (
        (_jpeg(32, 24, 1), 'is 32x12 (height x width), expected 32x24'),
        (_jpeg(32, 47, 1), 'is 47 pixels wide, expected an even number for the two halves of flow'),
        (_jpeg(32, 48, 3), 'is in colour, expected gray'),
    ):
        frames[0] = frame
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in (example.SerializeToString(), *rest):
                writer.write(record)
        assert verification.verify(opened).problems == [
            f'validation: {HELD_OUT}: {video_id!r}: frame 0 of {len(frames)} {fault}'
        ]


@pytest.mark.parametrize(
    ('fields', 'faults'),
    [
        (
            {'frame_size': None, 'short_side': 20},
            {
                (20, 20, 3): None,
                (20, 24, 3): 'is 20x24 (height x width), unlike the first frame',
                (32, 24, 3): 'is 32x24 (height x width), expected a shorter side of 20',
            },
        ),
        (
            {'frame_size': None},
            {(32, 32, 3): None, (20, 20, 3): 'is 20x20 (height x width), unlike the first frame'},
        ),
    ],
)
def test_sizes_that_are_not_stated(whole, tmp_path, fields, faults):
    root = pathlib.Path(whole[0]).parent
    builder = catalog.make_builder('video_folder', 'any', tmp_path, root / 'videos', **fields)
    convert_dataset(builder, processes=0)
    opened = catalog.open_dataset('video_folder', 'any', tmp_path)
    assert verification.verify(opened).problems == []
    copy = Damaged(tmp_path, None)
    copy.folder = pathlib.Path(opened.data_dir)
    for shape, fault in faults.items():
        frame = _jpeg(*shape)

        def change(features, frame=frame):
            features['video'].bytes_list.value[2] = frame

        video_id = copy.change(HELD_OUT, 0, change)
        length = 3 + int(video_id[-5]) % 2
        place = f'validation: {HELD_OUT}: {video_id!r}'
        expected = [f'{place}: frame 2 of {length} {fault}'] if fault else []
        assert verification.verify(opened).problems == expected


def test_a_dataset_that_does_not_say_what_its_frames_are(damaged):
    path = damaged.folder / 'metadata.json'
    path.write_text(path.read_text().replace('"rgb"', '"sound"'))
    with pytest.raises(DatasetError, match="found modality='sound', expected one of rgb, flow"):
        damaged.problems()
