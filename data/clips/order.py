"""The order in which training reads records: a pure function of (seed, epoch) and the files."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data.records import read

FILES_AT_ONCE = 8  # fixed, for the order of records must not depend on the machine


@dataclasses.dataclass(frozen=True)
class Order:
    """The records of one pipeline of `num_shards`, epoch after epoch.

    An epoch's order is drawn in two steps: the files are shuffled and read `FILES_AT_ONCE` at a
    time, a record of each in turn; then records are shuffled through a buffer. Where all pipelines
    must see the same order, each takes every num_shards-th record of it; else each reads files of
    its own.
    """

    files: tuple[str, ...]  # paths of the TFRecord files of a split
    lengths: tuple[int, ...]  # how many records each holds
    seed: int  # of the order
    buffer: int  # records held for shuffling
    num_shards: int  # number of pipelines
    shard_index: int  # which of them this is
    deterministic: bool  # whether the order must be the same in every run

    @property
    def _by_file(self) -> bool:
        return self.num_shards > 1 and not self.deterministic and len(self.files) >= self.num_shards

    @property
    def _is_common(self) -> bool:
        # Taking every n-th record is a partition only if all pipelines see the same order.
        return self.deterministic or (self.num_shards > 1 and not self._by_file)

    def records(self, first_example: int = 0) -> tf.data.Dataset:
        """The records from an example on, without end.

        Files whose records all come before it are not opened: an empty string stands in the order
        for each of their records, so that the rest comes as if they had been read.

        Args:
          first_example: how many examples all pipelines together have taken.

        Returns:
          Dataset of (epoch, serialized record).
        """
        first_epoch, skipped = divmod(first_example, sum(self.lengths))
        if self._by_file:
            skipped //= self.num_shards
        passed = self._passed_files(first_epoch, skipped)
        is_passed = np.isin(np.arange(len(self.files)), passed)

        def epoch_records(epoch):
            def open_file(file):
                passed_over = tf.logical_and(epoch == first_epoch, tf.gather(is_passed, file))
                length = tf.where(passed_over, tf.gather(self._lengths, file), 0)
                path = tf.gather(self.files, file)
                stored = read.records(tf.boolean_mask([path], [~passed_over]))
                missing = tf.data.Dataset.from_tensors((False, '')).repeat(length)
                return stored.map(lambda record: (True, record)).concatenate(missing)

            stored = self._in_order(epoch, open_file, self._is_common)
            stored = stored.filter(lambda is_read, record: is_read)
            return stored.map(lambda is_read, record: (epoch, record))

        stored = tf.data.Dataset.counter(first_epoch).flat_map(epoch_records)
        stored = stored.skip(skipped - sum(self.lengths[file] for file in passed))
        return stored if self._by_file else stored.shard(self.num_shards, self.shard_index)

    def _passed_files(self, epoch: int, skipped: int) -> np.ndarray:
        """Numbers of the files with no record after the first `skipped` ones of an epoch.

        They are found by the drawing of the order itself, with the number of its file for a record.
        Where runs differ in their order, this is one that they may have.
        """

        def numbers(epoch):
            def repeat(file):
                return tf.data.Dataset.from_tensors(file).repeat(tf.gather(self._lengths, file))

            return self._in_order(epoch, repeat, deterministic=True)

        if not skipped:
            return np.array([], int)
        dataset = tf.data.Dataset.from_tensors(tf.constant(epoch, tf.int64)).flat_map(numbers)
        found = np.concatenate(list(dataset.batch(4096).as_numpy_iterator()))
        return np.setdiff1d(found[:skipped], found[skipped:])

    def _in_order(
        self,
        epoch: tf.Tensor,
        open_file: Callable[[tf.Tensor], tf.data.Dataset],
        deterministic: bool,
    ) -> tf.data.Dataset:
        """What `open_file` returns for the number of each file, in the order of an epoch."""
        order = tf.argsort(self._file_keys(epoch), stable=True)
        if self._by_file:
            order = order[self.shard_index :: self.num_shards]
        stored = tf.data.Dataset.from_tensor_slices(order).interleave(
            open_file,
            cycle_length=min(FILES_AT_ONCE, len(self.files)),
            num_parallel_calls=min(FILES_AT_ONCE, len(self.files)),
            deterministic=deterministic,
        )
        # A file cut where a record ends looks whole to TensorFlow, and an empty one like an epoch.
        count = tf.reduce_sum(tf.gather(self._lengths, order))
        stored = stored.apply(tf.data.experimental.assert_cardinality(count))
        # This function's own graph: without it the order would depend on TensorFlow's global seed,
        # and with a global seed of 0 `shuffle` compares the symbolic seed and fails.
        tf.random.set_seed(1)
        return stored.shuffle(
            self.buffer,
            seed=hashed(tf.strings.as_string(self.seed), tf.strings.as_string(epoch)),
            reshuffle_each_iteration=False,
        )

    @property
    def _lengths(self) -> tf.Tensor:
        return tf.constant(self.lengths, tf.int64)

    def _file_keys(self, epoch) -> tf.Tensor:
        # A named generator: the default one differs between kinds of device.
        seed = [tf.constant(self.seed, tf.int64), epoch]
        return tf.random.stateless_uniform([len(self.files)], seed, alg='philox')


def hashed(*words) -> tf.Tensor:
    """A non-negative int64 that depends on all the words."""
    return tf.strings.to_hash_bucket_fast(tf.strings.join(words, separator='\n'), 2**62)
