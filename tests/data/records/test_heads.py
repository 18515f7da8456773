"""Heads of records: the same as in whole records, at a small part of the reading."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from data.errors import DatasetError
from data.records.heads import frame_spans, read_frames, read_heads
from tests.data import tiny_boxes


def write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def record(video_id='a/b', label=3, frames=(b'first', b'', b'third'), deterministic=True):
    example = tf.train.Example()
    features = example.features.feature
    features['video'].bytes_list.value.extend(frames)
    features['label'].int64_list.value.append(label)
    features['id'].bytes_list.value.append(video_id.encode())
    features['zoom'].float_list.value.append(2.5)
    return example.SerializeToString(deterministic=deterministic)


def test_heads_say_what_records_hold(tmp_path):
    path = tmp_path / 'shard'
    records = [
        record(),
        record('naïve', -1, [b'x' * 70_000] * 300),
        record(frames=[], deterministic=False),
    ]
    write(path, records)
    heads = list(read_heads(path))
    assert [(head.id, head.label, head.frames) for head in heads] == [
        ('a/b', 3, 3),
        ('naïve', -1, 300),
        ('a/b', 3, 0),
    ]
    starts = [0, len(records[0]) + 16, len(records[0]) + len(records[1]) + 32]
    assert [head.position for head in heads] == starts
    assert read_frames(heads[0]) == [b'first', b'', b'third']
    assert read_frames(heads[1]) == [b'x' * 70_000] * 300
    stored = path.read_bytes()
    for head in heads[:2]:
        spans = frame_spans(head).tolist()
        assert [stored[start:end] for start, end in spans] == read_frames(head)
    assert frame_spans(heads[2]).shape == (0, 2)


def test_features_in_any_order(tmp_path):
    """Protocol buffers write a map in whatever order."""
    whole = tf.train.Example.FromString(record()).features
    parts = []
    for name in ('label', 'video', 'zoom', 'id'):
        part = tf.train.Features()
        part.feature[name].CopyFrom(whole.feature[name])
        parts.append(part.SerializeToString())
    features = b''.join(parts)
    write(tmp_path / 'shard', [b'\x0a' + bytes([len(features)]) + features])
    (head,) = read_heads(tmp_path / 'shard')
    assert (head.id, head.label, head.frames) == ('a/b', 3, 3)


def test_known_lengths_are_taken(tmp_path):
    write(tmp_path / 'shard', [record('a'), record('b')])
    heads = read_heads(tmp_path / 'shard', {'b': 77, 'c': 1})
    assert [head.frames for head in heads] == [3, 77]


class CountingFile:
    """A file that counts the bytes asked for."""

    total = 0

    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def read(self, size):
        CountingFile.total += size
        return self._file.read(size)


@pytest.mark.parametrize('lengths', [None, {'a/b': 5}])
def test_frames_are_not_read(tmp_path, monkeypatch, lengths):
    path = tmp_path / 'shard'
    write(path, [record(frames=[b'x' * 20_000] * 50)] * 3)
    opened = pathlib.Path.open
    monkeypatch.setattr(pathlib.Path, 'open', lambda self, mode: CountingFile(opened(self, mode)))
    monkeypatch.setattr(CountingFile, 'total', 0)
    assert len(list(read_heads(path, lengths))) == 3
    assert 0 < CountingFile.total < path.stat().st_size / 1000


def test_boxes_come_with_the_head(tmp_path, write_video_file, numbered):
    opened = tiny_boxes.convert(tmp_path, write_video_file, numbered)
    path = pathlib.Path(opened.data_dir) / 'tiny_boxes-train.tfrecord-00000-of-00001'
    heads = {head.id: head for head in read_heads(path)}
    boxes = heads['with'].boxes
    assert boxes['frame'].tolist() == [0, 1, 2, 2, 3]
    assert boxes['tube'].tolist() == [0, 0, 0, 1, 0]
    assert boxes['label'].tolist() == [1, 1, 1, 0, 1]
    first, second = [2 / 20, 3 / 30, 10 / 20, 12 / 30], [10 / 20, 11 / 30, 18 / 20, 20 / 30]
    expected = [first, first, first, second, first]
    np.testing.assert_allclose(boxes['box'].reshape(-1, 4), expected, rtol=1e-6)
    assert {name: values.size for name, values in heads['without'].boxes.items()} == {
        'frame': 0,
        'box': 0,
        'label': 0,
        'tube': 0,
    }


def _flip_length(content, second):
    return content[:second] + bytes([content[second] ^ 1]) + content[second + 1 :]


@pytest.mark.parametrize(
    ('damage', 'position'),
    [
        (lambda content, second: content[:-1], 'second'),
        (lambda content, second: content[: second + 7], 'second'),
        (_flip_length, 'second'),
        (lambda content, second: content[:12] + b'\xff' + content[13:], 'first'),  # a tag
        (lambda content, second: content[:13] + b'\xff' * 12 + content[25:], 'first'),  # a length
    ],
)
def test_damage_is_one_line(tmp_path, damage, position):
    path = tmp_path / 'shard'
    write(path, [record(), record()])
    second = len(record()) + 16
    path.write_bytes(damage(path.read_bytes(), second))
    with pytest.raises(DatasetError) as error:
        list(read_heads(path))
    byte = second if position == 'second' else 0
    assert str(error.value) == (
        f'{path}: found no whole record of a video at byte {byte};'
        ' see what is wrong with the dataset by experiments.convert --verify'
    )


def test_records_of_something_else(tmp_path):
    other = tf.train.Example()
    other.features.feature['image'].bytes_list.value.append(b'x')
    for content in (
        other.SerializeToString(),
        b'',
        b'\xff\xff',
        record().replace(b'a/b', b'\xffff'),
    ):
        write(tmp_path / 'shard', [content])
        with pytest.raises(DatasetError, match='found no whole record of a video at byte 0'):
            list(read_heads(tmp_path / 'shard'))


def test_frames_of_a_damaged_record(tmp_path):
    path = tmp_path / 'shard'
    write(path, [record()])
    (head,) = read_heads(path)
    whole = path.read_bytes()
    for damaged in (whole[:-5], whole.replace(b'\x05first', b'\xf5first'), b''):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match='found no whole record of a video at byte 0'):
            read_frames(head)
    write(path, [record(frames=[])])
    with pytest.raises(DatasetError, match='found no whole record of a video at byte 0'):
        read_frames(head)
