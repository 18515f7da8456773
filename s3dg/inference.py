"""Any number of clips through batches of one size, on one device or many."""

import numpy as np
import tensorflow as tf

from s3dg.config import ConfigError


class InBatches:
    """A function of a batch of clips, made one of any number of clips.

    Every batch has the same shape, so that the function is traced once: the last, smaller one is
    filled up with zeros, and what becomes of those is cut off.

    Args:
      function: takes a tensor (clips, ...) and returns one (clips, ...), or a dict of them. Each
        device runs it on its share of a batch.
      batch_size: clips of a batch, over all devices; an attribute too.
      strategy: the devices; default those of the strategy in whose scope it is made, else one.

    Raises:
      ConfigError: where the devices cannot have equal shares of a batch.
    """

    def __init__(self, function, batch_size, strategy=None):
        self._strategy = strategy or tf.distribute.get_strategy()
        self.batch_size = batch_size
        devices = self._strategy.num_replicas_in_sync
        if batch_size % devices:
            raise ConfigError(
                f'batch_size: found {batch_size}, expected a multiple of the {devices} devices.'
            )
        self._of_devices = tf.function(lambda clips: self._strategy.run(function, (clips,)))

    def __call__(self, clips):
        """What the function returns for clips, as NumPy arrays.

        Args:
          clips: an array (clips, ...), or a sequence of arrays (...); at least one clip.
        """
        size = self.batch_size
        starts = range(0, len(clips), size)
        batches = [self._of_batch(np.asarray(clips[first : first + size])) for first in starts]
        return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)

    def _of_batch(self, clips):
        zeros = np.zeros((self.batch_size - len(clips), *clips.shape[1:]), clips.dtype)
        batch = np.concatenate([clips, zeros]) if len(zeros) else clips
        shares = np.split(batch, self._strategy.num_replicas_in_sync)
        distributed = self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(shares[context.replica_id_in_sync_group])
        )

        def join(output):
            parts = self._strategy.experimental_local_results(output)
            return np.concatenate([part.numpy() for part in parts])[: len(clips)]

        return tf.nest.map_structure(join, self._of_devices(distributed))
