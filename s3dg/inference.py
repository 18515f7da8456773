"""Any number of clips through batches of one size, on one device or many."""

import numpy as np
import tensorflow as tf

from s3dg.config import ConfigError


class InBatches:
    """A function of a batch of clips, made one of any number of clips.

    Batches of clips of one shape have one shape, so that the function is traced once: the last,
    smaller one is filled up with zeros, and what becomes of those is cut off.

    Args:
      function: takes a tensor (clips, ...), or a dict of them, and returns one, or a dict of them.
        Each device runs it on its share of a batch.
      batch_size: clips of a batch, over all devices; an attribute too.
      strategy: the devices; default those of the strategy in whose scope it is made, else one.
      any_length: whether clips of a second shape make a graph for all shapes, and not each one its
        own: for clips of many lengths.

    Raises:
      ConfigError: where the devices cannot have equal shares of a batch.
    """

    def __init__(self, function, batch_size, strategy=None, any_length=False):
        self._strategy = strategy or tf.distribute.get_strategy()
        self.batch_size = batch_size
        devices = self._strategy.num_replicas_in_sync
        if batch_size % devices:
            raise ConfigError(
                f'batch_size: found {batch_size}, expected a multiple of the {devices} devices.'
            )
        self._of_devices = tf.function(
            lambda clips: self._strategy.run(function, (clips,)), reduce_retracing=any_length
        )

    def __call__(self, clips):
        """What the function returns for clips, as NumPy arrays.

        Args:
          clips: an array (clips, ...), or a sequence of arrays (...), or a dict of such; at least
            one clip.
        """
        size = self.batch_size
        named = clips if isinstance(clips, dict) else {None: clips}
        count = len(next(iter(named.values())))
        batches = []
        for first in range(0, count, size):
            batch = {key: np.asarray(one[first : first + size]) for key, one in named.items()}
            batches.append(self._of_batch(batch, min(size, count - first)))
        return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)

    def _of_batch(self, named, count):
        batch = {key: self._distributed(clips) for key, clips in named.items()}

        def join(output):
            parts = self._strategy.experimental_local_results(output)
            return np.concatenate([part.numpy() for part in parts])[:count]

        return tf.nest.map_structure(join, self._of_devices(batch.get(None, batch)))

    def _distributed(self, clips):
        """A batch of clips, filled up and shared among the devices."""
        zeros = np.zeros((self.batch_size - len(clips), *clips.shape[1:]), clips.dtype)
        batch = np.concatenate([clips, zeros]) if len(zeros) else clips
        shares = np.split(batch, self._strategy.num_replicas_in_sync)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(shares[context.replica_id_in_sync_group])
        )
