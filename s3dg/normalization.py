"""Batch normalisation as this project needs it: fused, and right under several replicas."""

import keras
import tensorflow as tf

from s3dg.operations import known_shape, on_frames


@keras.saving.register_keras_serializable(package='s3dg')
class BatchNormalization(keras.layers.Layer):
    """Batch normalisation over all axes but the last, fused, with statistics that survive replicas.

    Differs from `keras.layers.BatchNormalization` (3.15), measured: that one is unfused and
    computes in float32 whatever the policy (half again the training time on CPU in bfloat16), and
    under a distribution strategy lets the replicas' moving statistics drift apart and saves one
    copy. Here the statistics are kept per replica and their mean is what is read and saved.
    Variable names (`gamma`, `beta`, `moving_mean`, `moving_variance`) and the meaning of
    `trainable = False` (inference mode, statistics untouched) are Keras's.

    The moving variance takes in the unbiased batch variance (n / (n - 1)), as TensorFlow's fused
    kernel does; the normalisation itself uses the biased one.

    Args:
      momentum: share of the moving statistics kept per step ("decay" in slim; 0.999 there).
      epsilon: added to the variance (slim: 1e-3).
      scale: whether there is a gamma (slim: no, a ReLU and a convolution follow).
      synchronized: whether training statistics are taken over all replicas together instead of each
        replica's own (the paper's: each GPU's own 6 clips). Not possible inside `jit_compile`.
    """

    def __init__(self, momentum=0.999, epsilon=1e-3, scale=False, synchronized=False, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.scale = scale
        self.synchronized = synchronized

    def build(self, input_shape):
        channels = input_shape[-1]
        # No autocast: the statistics, scale and offset of bfloat16 activations are float32.
        self.gamma = None
        if self.scale:
            self.gamma = self.add_weight((channels,), 'ones', autocast=False, name='gamma')
        self.beta = self.add_weight((channels,), 'zeros', autocast=False, name='beta')
        self.moving_mean = self._add_statistic('moving_mean', channels, 'zeros')
        self.moving_variance = self._add_statistic('moving_variance', channels, 'ones')

    def _add_statistic(self, name, channels, initializer):
        # add_weight has no `synchronization`; these two words make saving read the replicas' mean.
        variable = keras.Variable(
            keras.initializers.get(initializer),
            shape=(channels,),
            dtype=self.variable_dtype,
            trainable=False,
            autocast=False,
            synchronization='on_read',
            aggregation='mean',
            name=name,
        )
        self._track_variable(variable)
        return variable

    def call(self, x, training=False):
        training = bool(training and self.trainable)
        if len(x.shape) == 4:
            return self._normalize(x, training)
        if len(x.shape) == 5:
            return on_frames(lambda frames: self._normalize(frames, training), x)
        flat = tf.reshape(x, [-1, 1, 1, known_shape(x)[-1]])
        return tf.reshape(self._normalize(flat, training), tf.shape(x))

    def _normalize(self, x, training):
        """`x` is (N, H, W, C)."""
        offset = tf.convert_to_tensor(self.beta)
        scale = tf.ones_like(offset) if self.gamma is None else tf.convert_to_tensor(self.gamma)
        moving = [self.moving_mean, self.moving_variance]
        given = [] if training else [tf.convert_to_tensor(statistic) for statistic in moving]
        replica = tf.distribute.get_replica_context()
        together = self.synchronized and replica is not None and replica.num_replicas_in_sync > 1
        if x.dtype == tf.float64 and given:  # for which there is no fused kernel
            y = tf.nn.batch_normalization(x, *given, offset, scale, self.epsilon)
        elif x.dtype == tf.float64 or (training and together):
            replica = replica if together else None
            y, *measured = self._normalize_unfused(x, scale, offset, replica)
        else:
            y, *measured = tf.raw_ops.FusedBatchNormV3(
                x=x,
                scale=scale,
                offset=offset,
                mean=given[0] if given else tf.zeros([0]),
                variance=given[1] if given else tf.zeros([0]),
                epsilon=self.epsilon,
                is_training=training,
            )[:3]
        if training:
            for statistic, batch in zip(moving, measured, strict=True):
                kept = self.momentum * statistic
                statistic.assign(kept + (1.0 - self.momentum) * tf.stop_gradient(batch))
        return y

    def _normalize_unfused(self, x, scale, offset, replica):
        """In float32 or wider; over all replicas where their context, `replica`, is given."""
        wide = tf.cast(x, tf.float64 if x.dtype == tf.float64 else tf.float32)
        count = tf.cast(tf.size(wide[..., 0]), wide.dtype)
        total = count if replica is None else float(replica.num_replicas_in_sync) * count

        def mean_of(values):
            summed = tf.reduce_sum(values, [0, 1, 2])
            return (summed if replica is None else replica.all_reduce('sum', summed)) / total

        # Two rounds, the mean first: E[x^2] - E[x]^2 loses digits where the mean is large.
        mean = mean_of(wide)
        variance = mean_of(tf.square(wide - mean))
        y = tf.nn.batch_normalization(wide, mean, variance, offset, scale, self.epsilon)
        unbiased = variance * total / tf.maximum(total - 1.0, 1.0)
        return tf.cast(y, x.dtype), mean, unbiased

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            'momentum': self.momentum,
            'epsilon': self.epsilon,
            'scale': self.scale,
            'synchronized': self.synchronized,
        }
