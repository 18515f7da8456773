"""Keras layers after the last endpoint: average pool, dropout, classifier.

All compute in float32, whatever the policy, but in float64 where that is the policy.
"""

import random

import keras
import tensorflow as tf

_register = keras.saving.register_keras_serializable(package='s3dg')


def head_dtype(policy=None):
    """'float64' under a policy (None: the global one) that computes in it, else 'float32'."""
    policy = keras.config.dtype_policy() if policy is None else keras.dtype_policies.get(policy)
    return 'float64' if policy.compute_dtype == 'float64' else 'float32'


@_register
class WindowedAveragePool(keras.layers.Layer):
    """The head's average pool of stride 1: (B, T, H, W, C) to float32 (B, max(T - t + 1, 1), C).

    Over space it is the mean over all windows of all positions in them, since what follows is
    linear and a mean; over time every window stays apart. A window larger than the activations is
    reduced to them, as slim does for small inputs (nets/i3d_utils.py).

    Args:
      temporal_window: t: 2 (slim's and I3D's 2x7x7) or 1.
      spatial_window: height and width of the window; None: all positions, whatever their number.
    """

    def __init__(self, temporal_window=2, spatial_window=None, **kwargs):
        super().__init__(**{**kwargs, 'dtype': head_dtype(kwargs.get('dtype'))})
        if temporal_window not in (1, 2):
            raise ValueError(
                f'WindowedAveragePool: temporal_window must be 1 or 2, got {temporal_window}.'
            )
        self.temporal_window = temporal_window
        self.spatial_window = spatial_window

    def call(self, x):
        x = tf.cast(x, self.compute_dtype)
        if self.spatial_window is None:
            x = tf.reduce_mean(x, [2, 3])
        else:
            height, width = tf.shape(x)[2], tf.shape(x)[3]
            x = tf.reduce_sum(x * _shares(width, self.spatial_window, x.dtype)[:, None], 3)
            x = tf.reduce_sum(x * _shares(height, self.spatial_window, x.dtype)[:, None], 2)
        if self.temporal_window == 1:
            return x
        time = tf.shape(x)[1]
        earlier = x[:, : tf.maximum(time - 1, 1)]
        later = x[:, tf.minimum(1, time - 1) :]
        return (earlier + later) / 2.0

    def compute_output_shape(self, input_shape):
        time = input_shape[1]
        time = None if time is None else max(time - self.temporal_window + 1, 1)
        return (input_shape[0], time, input_shape[4])

    def get_config(self):
        windows = {
            'temporal_window': self.temporal_window,
            'spatial_window': self.spatial_window,
        }
        return {**super().get_config(), **windows}


def _shares(size, window, dtype):
    """Share of each of `size` positions in the mean over all windows of stride 1; sums to 1."""
    window = tf.minimum(window, size)
    places = size - window + 1
    position = tf.range(size)
    windows_over = tf.minimum(tf.minimum(position + 1, size - position), tf.minimum(window, places))
    return tf.cast(windows_over, dtype) / tf.cast(window * places, dtype)


@_register
class Dropout(keras.layers.Layer):
    """Dropout whose random state is in the checkpoint and differs between replicas.

    `keras.layers.Dropout` (3.15) draws the same mask on every replica, and its state is not saved
    by `tf.train.Checkpoint`, so that a resumed run draws other masks than an uninterrupted one.

    Args:
      rate: share of elements set to zero in training; the others are divided by `1 - rate`.
    """

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f'Dropout: rate must be in [0, 1), got {rate}.')
        self.rate = rate

    def build(self, input_shape):
        # (seed, calls). keras.utils.set_random_seed seeds Python's generator too.
        seed = random.getrandbits(31)
        self.random_state = keras.Variable(
            lambda shape, dtype: tf.constant([seed, 0], dtype),
            shape=(2,),
            dtype='int64',
            trainable=False,
            synchronization='on_read',
            aggregation='only_first_replica',
            name='random_state',
        )
        self._track_variable(self.random_state)

    def call(self, x, training=False):
        if not training or self.rate == 0.0:
            return x
        replica = tf.distribute.get_replica_context()
        if replica is None:
            raise RuntimeError('Dropout in training: call the network inside strategy.run.')
        number = tf.cast(replica.replica_id_in_sync_group, 'int64')
        seed, calls = tf.unstack(tf.convert_to_tensor(self.random_state))
        self.random_state.assign(tf.stack([seed, calls + 1]))
        key = tf.stack([seed, calls * replica.num_replicas_in_sync + number])
        keep = tf.random.stateless_uniform(tf.shape(x), key) >= self.rate
        return tf.where(keep, x / (1.0 - self.rate), tf.zeros_like(x))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), 'rate': self.rate}


@_register
class Classifier(keras.layers.Layer):
    """The mean over time of the logits of every window: float32 (B, T, C) to (B, num_classes)."""

    def __init__(self, num_classes, **kwargs):
        super().__init__(**{**kwargs, 'dtype': head_dtype(kwargs.get('dtype'))})
        self.num_classes = num_classes

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.num_classes),
            initializer=keras.initializers.TruncatedNormal(stddev=0.01),  # slim
            name='kernel',
        )
        self.bias = self.add_weight(shape=(self.num_classes,), initializer='zeros', name='bias')

    def call(self, x):
        return tf.reduce_mean(tf.tensordot(x, self.kernel, 1) + self.bias, 1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_classes)

    def get_config(self):
        return {**super().get_config(), 'num_classes': self.num_classes}
