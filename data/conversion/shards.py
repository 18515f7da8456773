"""TFRecord files that are written record by record, survive a kill, and go on where they stopped.

A shard grows as `NAME.partial` and is renamed to NAME when it is complete. Every record is handed
to the operating system before the next one is begun, so a killed process leaves whole records and
at most one torn one behind. Nothing here starts TensorFlow's runtime: devices can still be
configured after a conversion.
"""

import contextlib
import os
import pathlib

import tensorflow as tf

from data.errors import DatasetError
from data.example import ID, VIDEO
from data.records import tfrecord

_PARTIAL = '.partial'
_COPY = '.copy'


class ShardWriter:
    """Context manager that writes one shard, after what a partial file of it already holds."""

    def __init__(self, path: pathlib.Path, kept: int = 0):
        """
        Args:
          path: the shard's final name.
          kept: number of records to take over from the partial file.
        """
        self._path = path
        self._kept = kept

    def __enter__(self) -> 'ShardWriter':
        partial, copy = _with_suffix(self._path, _PARTIAL), _with_suffix(self._path, _COPY)
        self._writer = tf.io.TFRecordWriter(str(copy))
        if self._kept:
            records = tfrecord.read_whole(partial)
            for _ in range(self._kept):
                self.write(next(records))
        os.replace(copy, partial)  # the writer goes on writing to the renamed file
        return self

    def write(self, record: bytes) -> None:
        try:
            self._writer.write(record)
            self._writer.flush()
        except tf.errors.OpError as error:  # a full disk
            raise DatasetError(
                f'{error.message}; what is done is kept: make room and run again'
            ) from None

    def __exit__(self, kind, error, trace):
        with contextlib.suppress(*([tf.errors.OpError] if kind else [])):
            self._writer.close()
        if kind is None:
            partial = _with_suffix(self._path, _PARTIAL)
            with partial.open('rb') as file:
                os.fsync(file.fileno())
            os.replace(partial, self._path)


def reopen(path: pathlib.Path) -> None:
    """Makes a complete shard a partial file again."""
    os.replace(path, _with_suffix(path, _PARTIAL))


def partial_contents(path: pathlib.Path) -> list[tuple[str, int]]:
    """(id, number of frames) of each whole record in a shard's partial file, if there is one."""
    partial = _with_suffix(path, _PARTIAL)
    return (
        [_id_and_frames(record) for record in tfrecord.read_whole(partial)]
        if partial.exists()
        else []
    )


def _with_suffix(path: pathlib.Path, suffix: str) -> pathlib.Path:
    return path.with_name(path.name + suffix)


def _id_and_frames(record: bytes) -> tuple[str, int]:
    features = tf.train.Example.FromString(record).features.feature
    video_id = features[ID].bytes_list.value[0].decode()
    return video_id, len(features[VIDEO].bytes_list.value)
