"""Verification of datasets with boxes: good ones pass, and every kind of damage is found."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from data.records import verification
from tests.data import tiny_boxes


@pytest.fixture(scope='module', params=['rgb', 'flow'])
def boxed(request, tmp_path_factory, write_video_file, numbered):
    """An opened dataset with boxes, the path of its shard with two videos, and what that holds."""
    root = tmp_path_factory.mktemp('boxed')
    opened = tiny_boxes.convert(root, write_video_file, numbered, request.param)
    path = pathlib.Path(opened.data_dir) / 'tiny_boxes-train.tfrecord-00000-of-00001'
    return opened, path, path.read_bytes()


def _change_boxes(path, name, kind, change):
    examples = [
        tf.train.Example.FromString(record)
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    for example in examples:
        if example.features.feature['id'].bytes_list.value[0] == b'with':
            change(getattr(example.features.feature[f'boxes/{name}'], kind).value)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())


def test_boxes_are_good(boxed):
    opened, path, content = boxed
    path.write_bytes(content)
    assert verification.verify(opened).problems == []


@pytest.mark.parametrize(
    ('name', 'kind', 'index', 'value', 'fault'),
    [
        ('frame', 'int64_list', 1, -1, 'box 1 of 5 is on frame -1 of 4'),
        ('frame', 'int64_list', 4, 4, 'box 4 of 5 is on frame 4 of 4'),
        ('label', 'int64_list', 2, 2, 'box 2 of 5 has label 2, expected 0 to 1'),
        ('label', 'int64_list', 2, -1, 'box 2 of 5 has label -1, expected 0 to 1'),
        ('tube', 'int64_list', 0, -1, 'box 0 of 5 is of tube -1'),
        # (ymin, xmin, ymax, xmax) are 0.1, 0.1, 0.5, 0.4.
        ('box', 'float_list', 0, 0.5, 'box 0 of 5 is (0.5, 0.1, 0.5, 0.4), expected 0 <= ymin < '),
        ('box', 'float_list', 1, 0.4, 'box 0 of 5 is (0.1, 0.4, 0.5, 0.4), expected 0 <= ymin < '),
        ('box', 'float_list', 1, -0.1, 'box 0 of 5 is (0.1, -0.1, 0.5, 0.4), expected 0 <= ymin'),
        ('box', 'float_list', 6, 1.5, 'box 1 of 5 is (0.1, 0.1, 1.5, 0.4), expected 0 <= ymin'),
        ('box', 'float_list', 7, 1.5, 'box 1 of 5 is (0.1, 0.1, 0.5, 1.5), expected 0 <= ymin'),
        ('box', 'float_list', 19, np.nan, 'box 4 of 5 is (0.1, 0.1, 0.5, nan), expected 0 <='),
    ],
)
def test_boxes_that_cannot_be(boxed, name, kind, index, value, fault):
    opened, path, content = boxed
    path.write_bytes(content)
    _change_boxes(path, name, kind, lambda values: values.__setitem__(index, value))
    (problem,) = verification.verify(opened).problems
    assert problem.startswith(f"train: {path.name}: 'with': {fault}")


@pytest.mark.parametrize(
    ('name', 'kind', 'found', 'expected'),
    [('tube', 'int64_list', 4, 5), ('label', 'int64_list', 4, 5), ('box', 'float_list', 19, 20)],
)
def test_boxes_of_unequal_numbers(boxed, name, kind, found, expected):
    opened, path, content = boxed
    path.write_bytes(content)
    _change_boxes(path, name, kind, lambda values: values.pop())
    assert verification.verify(opened).problems == [
        f"train: {path.name}: 'with': has {found} values of boxes/{name}, expected {expected} for"
        ' the 5 boxes'
    ]


def test_many_faulty_boxes_are_one_line(boxed):
    opened, path, content = boxed
    path.write_bytes(content)
    _change_boxes(
        path, 'label', 'int64_list', lambda values: values.__setitem__(slice(1, 3), [9, 9])
    )
    assert verification.verify(opened).problems == [
        f"train: {path.name}: 'with': box 1 of 5 has label 9, expected 0 to 1; 1 more are faulty"
    ]
