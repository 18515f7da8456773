"""Shards: where they are cut, and files that are not whole."""

import pytest
import tensorflow as tf

from data.errors import DatasetError
from data.records import shards


def test_boundaries_of_shards():
    assert shards.boundaries(1, 64, 8) == [0, 1]
    assert shards.boundaries(20, 64, 8) == [0, 10, 20]
    assert shards.boundaries(64, 64, 8) == [0, 8, 16, 24, 32, 40, 48, 56, 64]
    assert len(shards.boundaries(1600, 64, 8)) == 26
    uneven = shards.boundaries(1000, 64, 8)
    assert uneven[0] == 0
    assert uneven[-1] == 1000
    assert {b - a for a, b in zip(uneven, uneven[1:], strict=False)} == {62, 63}


def test_a_shortened_shard_is_found_out(tmp_path):
    path = tmp_path / 'x.tfrecord'
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b'12345')
        writer.write(b'')
    assert shards.count_records(path) == (2, 5)
    for cut in (1, 16, 20):
        short = tmp_path / 'short.tfrecord'
        short.write_bytes(path.read_bytes()[:-cut])
        if cut == 16:  # exactly the last record
            assert shards.count_records(short) == (1, 5)
        else:
            with pytest.raises(DatasetError, match='short.tfrecord: found'):
                shards.count_records(short)
