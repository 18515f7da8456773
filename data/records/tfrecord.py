"""The framing of TFRecord files, apart from what the records mean.

A record is the length of its content (8 bytes, little endian), the checksum of those bytes (4), the
content, and the checksum of the content (4). Nothing here starts TensorFlow's runtime: devices can
still be configured afterwards.
"""

import dataclasses
import os
import pathlib
import struct
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import tensorflow as tf

from data.errors import DatasetError

_HEADER, _FOOTER = 12, 4
LEAST_BYTES = _HEADER + _FOOTER  # of a record


class Span(NamedTuple):
    """Where the content of a record lies: from byte `start` up to byte `end`."""

    start: int
    end: int

    @property
    def next(self) -> int:
        """Where the next record begins."""
        return self.end + _FOOTER


@dataclasses.dataclass(frozen=True)
class Damage:
    """In place of a record: why there is none."""

    fault: str


def find(file: BinaryIO, position: int) -> Span | Damage:
    """Finds the content of the record that begins at `position`, and goes there.

    The length is held against its checksum and the size of the file; the content is not read.
    """
    file.seek(position)
    header = file.read(_HEADER)
    if len(header) < _HEADER:
        return Damage(f'cut off: {len(header)} bytes of it are left')
    length, checksum = struct.unpack('<QI', header)
    if checksum != masked_checksum(header[:8]):
        return Damage('its length is corrupt; nothing after it can be read')
    span = Span(position + _HEADER, position + _HEADER + length)
    size = os.fstat(file.fileno()).st_size
    if span.next > size:
        return Damage(f'cut off: {size - position} of {span.next - position} bytes are left')
    return span


def count_records(path: pathlib.Path) -> tuple[int, int]:
    """The number of records in a complete file and the bytes of their contents.

    Raises:
      DatasetError: if something else than whole records is in the file.
    """
    count = content = position = 0
    with path.open('rb') as file:
        size = os.fstat(file.fileno()).st_size
        while position < size:
            span = find(file, position)
            if isinstance(span, Damage):
                raise DatasetError(
                    f'{path}: found record {count} damaged ({span.fault}); remove this file and'
                    ' convert again'
                )
            count, content, position = count + 1, content + span.end - span.start, span.next
    return count, content


def read_whole(path: pathlib.Path) -> Iterator[bytes]:
    """Yields the contents of whole records with right checksums, up to the first other one."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel('ERROR')  # deprecated, but the only reader that does not start the runtime
    try:
        records = tf.compat.v1.io.tf_record_iterator(str(path))
    finally:
        logger.setLevel(level)
    while True:
        try:
            record = next(records)
        except (StopIteration, tf.errors.DataLossError):
            return
        yield record


def read_all(path: pathlib.Path) -> Iterator[bytes | Damage]:
    """Yields the contents of all records, and a `Damage` for each that is not whole.

    Reading goes on after a content with a wrong checksum, and ends at a corrupt length. The reader
    of TensorFlow ends at either, and takes a file that is cut within the first bytes of a record
    for a complete one.

    Raises:
      OSError, tf.errors.OpError: if the file cannot be read.
    """
    position = 0
    with path.open('rb') as file, tempfile.TemporaryDirectory() as folder:
        for record in read_whole(path):
            yield record
            position += LEAST_BYTES + len(record)
        size = os.fstat(file.fileno()).st_size
        alone = pathlib.Path(folder) / 'record'
        while position < size:
            span = find(file, position)
            if isinstance(span, Damage):
                yield span
                return
            # TensorFlow checks the content, so that long checksums are not computed here.
            file.seek(position)
            alone.write_bytes(file.read(span.next - position))
            yield next(read_whole(alone), Damage('corrupt: its checksum is wrong'))
            position = span.next


def masked_checksum(content: bytes) -> int:
    """The masked CRC-32C of the format, bit by bit: for a few bytes."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF
