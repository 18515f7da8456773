"""The framing of TFRecord files, against files that TensorFlow writes."""

import pytest
import tensorflow as tf

from data.errors import DatasetError
from data.records import tfrecord
from data.records.tfrecord import Damage, Span

RECORDS = [b'12345', b'', b'x' * 1000]
STARTS = [0, 21, 37]  # of the records, each 16 bytes longer than its content
SIZE = 37 + 1016


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'x.tfrecord'
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in RECORDS:
            writer.write(record)
    assert path.stat().st_size == SIZE
    return path


def test_whole_files(path):
    assert list(tfrecord.read_whole(path)) == list(tfrecord.read_all(path)) == RECORDS
    assert tfrecord.count_records(path) == (3, 1005)
    with path.open('rb') as file:
        spans = [tfrecord.find(file, start) for start in STARTS]
        assert file.tell() == 49  # where the last content begins
    assert spans == [Span(12, 17), Span(33, 33), Span(49, 1049)]
    assert [span.next for span in spans] == [21, 37, SIZE]


@pytest.mark.parametrize(
    ('size', 'whole', 'fault'),
    [
        (SIZE - 1, 2, 'cut off: 1015 of 1016 bytes are left'),
        (45, 2, 'cut off: 8 bytes of it are left'),
        (37, 2, None),  # cut between two records
        (20, 0, 'cut off: 20 of 21 bytes are left'),
        (0, 0, None),
    ],
)
def test_files_that_are_cut(path, size, whole, fault):
    path.write_bytes(path.read_bytes()[:size])
    expected = RECORDS[:whole]
    assert list(tfrecord.read_whole(path)) == expected
    damages = [] if fault is None else [Damage(fault)]
    assert list(tfrecord.read_all(path)) == expected + damages
    if fault is None:
        assert tfrecord.count_records(path) == (whole, sum(map(len, expected)))
    else:
        with pytest.raises(DatasetError) as error:
            tfrecord.count_records(path)
        assert str(error.value) == (
            f'{path}: found record {whole} damaged ({fault}); remove this file and convert again'
        )


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_a_corrupt_content(path):
    """What follows it is read; its length is right, so it counts."""
    flip(path, 12)
    assert list(tfrecord.read_whole(path)) == []
    damage = Damage('corrupt: its checksum is wrong')
    assert list(tfrecord.read_all(path)) == [damage, *RECORDS[1:]]
    assert tfrecord.count_records(path) == (3, 1005)


@pytest.mark.parametrize('position', [21, 28, 29, 32])
def test_a_corrupt_length(path, position):
    flip(path, position)
    damage = Damage('its length is corrupt; nothing after it can be read')
    assert list(tfrecord.read_whole(path)) == RECORDS[:1]
    assert list(tfrecord.read_all(path)) == [RECORDS[0], damage]
    with path.open('rb') as file:
        assert tfrecord.find(file, 21) == damage
    with pytest.raises(DatasetError, match='found record 1 damaged .its length is corrupt'):
        tfrecord.count_records(path)


def test_checksums():
    """The check value of CRC-32C is 0xe3069283, which the format rotates and adds to."""
    rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    assert tfrecord.masked_checksum(b'123456789') == (rotated + 0xA282EAD8) % 2**32
