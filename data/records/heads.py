"""Reads what records hold besides their frames, which it passes over: a small part of a dataset.

Nothing is decoded, and no checksum of a content is compared; `verification` does both.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf import message

from data import boxes
from data.errors import DatasetError
from data.example import ID, LABEL, VIDEO
from data.records import tfrecord

# Ends the messages about damage.
ADVICE = 'see what is wrong with the dataset by experiments.convert --verify'

# Tags of the fields of the protocol buffers; a length follows each. An Example holds Features (1).
# They hold a map of entries (1) of a name (1) and a Feature (2). The video's Feature holds a
# BytesList (1) of frames (1).
_FIRST, _SECOND = 0x0A, 0x12


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """What is known of a stored video without its frames."""

    id: str
    label: int  # index of its class, or `UNKNOWN_LABEL`
    frames: int  # how many are stored
    boxes: dict[str, np.ndarray]  # what `box_columns` returns
    path: pathlib.Path  # of the shard
    position: int  # where its record begins


def read_heads(path: str | os.PathLike, lengths: Mapping[str, int] | None = None) -> Iterator[Head]:
    """Yields the heads of a shard's records, in their order.

    Frames are counted of the videos that `lengths`, {id: frames}, does not have. Raises
    DatasetError, naming the file, if it holds anything but whole records of videos.
    """
    path, position = pathlib.Path(path), 0
    with path.open('rb') as file:
        size = os.fstat(file.fileno()).st_size
        while position < size:
            try:
                span = _enter_record(file, position)
                features, video = _read_features(file, span.end)
                video_id = features[ID].bytes_list.value[0].decode()
                frames = (lengths or {}).get(video_id)
                if frames is None:
                    frames = sum(1 for _ in _frame_spans(file, *video))
                label = features[LABEL].int64_list.value[0]
                head = Head(video_id, label, frames, box_columns(features), path, position)
            except (_UnexpectedError, message.DecodeError, UnicodeDecodeError, IndexError):
                raise _damaged(path, position) from None
            yield head
            position = span.next


def stored_files(info: tfds.core.SplitInfo) -> list[str]:
    """Paths of the shards of a split that hold records, as far as their sizes tell.

    Raises DatasetError, naming a shard that is not there or too short for its records.
    """
    found = []
    for path, count in zip(info.filepaths, info.shard_lengths, strict=True):
        if not count:
            continue
        size = os.stat(path).st_size if os.path.exists(path) else None
        if size is None or size < count * tfrecord.LEAST_BYTES:
            held = 'nothing' if size is None else f'{size} bytes'
            raise DatasetError(f'{path}: found {held}, expected {count} records; {ADVICE}')
        found.append(str(path))
    return found


def split_heads(info: tfds.core.SplitInfo) -> Iterator[Head]:
    """Yields the heads of a split's records, in their order; raises as the two it is made of."""
    for path in stored_files(info):
        yield from read_heads(path)


def labels(builder: tfds.core.DatasetBuilder, split: str) -> dict[str, int]:
    """The label of every stored video of a split, by id, in their order; raises as `read_heads`."""
    return {head.id: head.label for head in split_heads(builder.info.splits[split])}


def read_frames(head: Head) -> list[bytes]:
    """The encoded frames of a video, at least one; raises as `read_heads`."""
    try:
        with head.path.open('rb') as file:
            span = _enter_record(file, head.position)
            example = tf.train.Example.FromString(file.read(span.end - span.start))
        frames = list(example.features.feature[VIDEO].bytes_list.value)
    except (_UnexpectedError, message.DecodeError):
        frames = []
    if not frames:
        raise _damaged(head.path, head.position)
    return frames


def frame_spans(head: Head) -> np.ndarray:
    """From where to where each encoded frame lies in the shard: int64 (frames, 2), bytes.

    Raises as `read_heads`.
    """
    try:
        with head.path.open('rb') as file:
            span = _enter_record(file, head.position)
            _, video = _read_features(file, span.end)
            return np.array(list(_frame_spans(file, *video)), np.int64).reshape(-1, 2)
    except (_UnexpectedError, message.DecodeError):
        raise _damaged(head.path, head.position) from None


def box_columns(features: Mapping[str, tf.train.Feature]) -> dict[str, np.ndarray]:
    """An example's boxes by the keys in `data.boxes`; corners are four numbers a box, in a row."""
    columns = {}
    for name in (boxes.FRAME, boxes.BOX, boxes.LABEL, boxes.TUBE):
        kind, dtype = ('float_list', np.float32) if name == boxes.BOX else ('int64_list', np.int64)
        columns[name] = np.array(values_of(features, f'{boxes.BOXES}/{name}', kind), dtype)
    return columns


def values_of(features: Mapping[str, tf.train.Feature], name: str, kind: str) -> Sequence:
    """The values of an example's feature; none where it has no such feature, or of another kind."""
    return getattr(features[name], kind).value if name in features else ()


def _damaged(path, position) -> DatasetError:
    return DatasetError(f'{path}: found no whole record of a video at byte {position}; {ADVICE}')


class _UnexpectedError(ValueError):
    """The bytes are not those of a record of a video."""


def _enter_record(file: BinaryIO, position: int) -> tfrecord.Span:
    span = tfrecord.find(file, position)
    if isinstance(span, tfrecord.Damage):
        raise _UnexpectedError
    return span


def _read_features(file, end) -> tuple[Mapping[str, tf.train.Feature], tuple[int, int]]:
    """The features but the video, and from where to where that lies."""
    entries, video = [], (end, end)
    _enter(file, _FIRST, end)
    while file.tell() < end:
        start = file.tell()
        entry_end = _enter(file, _FIRST, end)
        name = file.read(_enter(file, _FIRST, entry_end) - file.tell())
        if name == VIDEO.encode():
            video = file.tell(), entry_end
            file.seek(entry_end)
        else:
            file.seek(start)
            entries.append(file.read(entry_end - start))
    return tf.train.Features.FromString(b''.join(entries)).feature, video


def _frame_spans(file, start, end) -> Iterator[tuple[int, int]]:
    """From where to where each frame lies, of a video that lies from `start` to `end`."""
    file.seek(start)
    for tag in (_SECOND, _FIRST):
        if file.tell() == end:
            return
        _enter(file, tag, end)
    place = file.tell()
    while place < end:
        file.seek(place)
        frame_end = _enter(file, _FIRST, end)
        yield file.tell(), frame_end
        place = frame_end


def _enter(file: BinaryIO, expected: int, limit: int) -> int:
    """Reads a field's tag and length; where it ends."""
    if file.read(1) != bytes([expected]):
        raise _UnexpectedError
    length = shift = 0
    while True:
        byte = file.read(1)
        if not byte or shift > 63:
            raise _UnexpectedError
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            break
    end = file.tell() + length
    if end > limit:
        raise _UnexpectedError
    return end
