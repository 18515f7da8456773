"""Keras layers of the S3D-G family: convolutions, gating, pooling, Inception blocks.

All take and return channels-last activations `(batch, time, height, width, channels)`, with any
dimension but the channels unknown until the call, and work on one device, under `tf.distribute`,
under mixed precision and under XLA.
"""

import keras
import tensorflow as tf

from s3dg.normalization import BatchNormalization
from s3dg.operations import convolve, known_shape, max_pool, output_sizes

_register = keras.saving.register_keras_serializable(package='s3dg')


@_register
class CenterIdentity(keras.initializers.Initializer):
    """A temporal kernel (t, 1, 1, C, C) that passes its input through: the identity at its centre.

    So a fresh separable network computes what its 2D counterpart does: "critical for a desired
    convergence behavior" (slim's i3d_utils.py).
    """

    def __call__(self, shape, dtype=None):
        time_size, height, width, channels_in, channels_out = shape
        if (height, width) != (1, 1) or channels_in != channels_out:
            raise ValueError(f'CenterIdentity needs a kernel (t, 1, 1, C, C), got {tuple(shape)}.')
        centre = tf.one_hot(time_size // 2, time_size, dtype=dtype or 'float32')
        return centre[:, None, None, None, None] * tf.eye(channels_in, dtype=dtype or 'float32')


@_register
class Rescaling(keras.layers.Layer):
    """Clips with values 0-255, uint8 or float, to the network's input range: `x * scale + offset`.

    Computed in float32 whatever the policy: bfloat16 cannot tell x and x + 0.5 apart from 128 on.

    Args:
      scale, offset: a number, or one per channel. 1 / 127.5 and -1 lead to [-1, 1] (slim, I3D).
    """

    def __init__(self, scale=1.0 / 127.5, offset=-1.0, **kwargs):
        super().__init__(**{**kwargs, 'autocast': False})
        self.scale = scale
        self.offset = offset

    def call(self, x):
        y = tf.cast(x, 'float32') * tf.constant(self.scale, 'float32')
        return tf.cast(y + tf.constant(self.offset, 'float32'), self.compute_dtype)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)

    def get_config(self):
        config = {**super().get_config(), 'scale': self.scale, 'offset': self.offset}
        config.pop('autocast', None)
        return config


@_register
class MaxPool(keras.layers.Layer):
    """Max-pool; size and strides are (time, height, width), `padding` as in operations.py."""

    def __init__(self, size, strides, padding='same', **kwargs):
        super().__init__(**kwargs)
        self.size = tuple(size)
        self.strides = tuple(strides)
        self.padding = _as_padding(padding)

    def call(self, x):
        return max_pool(x, self.size, self.strides, self.padding)

    def compute_output_shape(self, input_shape):
        sizes = output_sizes(input_shape[1:4], self.size, self.strides, self.padding)
        return (input_shape[0], *sizes, input_shape[4])

    def get_config(self):
        config = {'size': self.size, 'strides': self.strides, 'padding': self.padding}
        return {**super().get_config(), **config}


def _as_padding(padding):
    return padding if isinstance(padding, str) else tuple(padding)


def _build(layer, input_shape):
    if not layer.built:  # a layer read from a file comes built
        layer.build(input_shape)


class _Composite(keras.layers.Layer):
    """A layer made of others: `self.parts` is applied one after the other."""

    parts = ()

    def build(self, input_shape):
        for part in self.parts:
            _build(part, input_shape)
            input_shape = part.compute_output_shape(input_shape)

    def call(self, x):
        for part in self.parts:  # `training` reaches them through Keras's call context
            x = part(x)
        return x

    def compute_output_shape(self, input_shape):
        for part in self.parts:
            input_shape = part.compute_output_shape(input_shape)
        return tuple(input_shape)


@_register
class SpatioTemporalConv(keras.layers.Layer):
    """Convolution, then batch norm or a bias, then ReLU.

    Args:
      filters: output channels.
      kernel_size: (time, height, width). (1, k, k) is a 2D convolution of every frame, (k, 1, 1) a
        temporal one.
      strides: (time, height, width).
      batch_norm: whether batch norm follows; without it the convolution has a bias.
      normalization: `BatchNormalization`'s `momentum`, `epsilon`, `scale`, as a dict.
      kernel_initializer: any Keras initializer.
      padding: as in operations.py.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1, 1),
        batch_norm=True,
        normalization=None,
        kernel_initializer='he_normal',
        padding='same',
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.padding = _as_padding(padding)
        self.normalization = dict(normalization or {})
        self.batch_norm = None
        if batch_norm:
            self.batch_norm = BatchNormalization(
                name='batch_norm', dtype=self.dtype_policy, **self.normalization
            )

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(*self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
            name='kernel',
        )
        self.bias = None
        if self.batch_norm is None:
            self.bias = self.add_weight(shape=(self.filters,), initializer='zeros', name='bias')
        else:
            _build(self.batch_norm, self.compute_output_shape(input_shape))

    def call(self, x):
        def finish(x):
            if self.batch_norm is None:
                x = tf.nn.bias_add(x, tf.cast(self.bias, self.compute_dtype))
            else:
                x = self.batch_norm(x)
            return tf.nn.relu(x)

        kernel = tf.cast(self.kernel, self.compute_dtype)
        return convolve(x, kernel, self.strides, self.padding, finish)

    def compute_output_shape(self, input_shape):
        sizes = output_sizes(input_shape[1:4], self.kernel_size, self.strides, self.padding)
        return (input_shape[0], *sizes, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            'filters': self.filters,
            'kernel_size': self.kernel_size,
            'strides': self.strides,
            'batch_norm': self.batch_norm is not None,
            'normalization': self.normalization,
            'kernel_initializer': keras.initializers.serialize(self.kernel_initializer),
            'padding': self.padding,
        }


@_register
class SeparableConv3D(_Composite):
    """A 3D convolution factored into 1xkxk (batch norm, ReLU) and kx1x1 (section 4.4, Fig. 3c).

    Args:
      filters: output channels, of both parts.
      kernel_size: (time, height, width).
      strides: (time, height, width); the temporal stride is the temporal part's.
      batch_norm: as in `SpatioTemporalConv`, for the spatial part.
      temporal_batch_norm: the same for the temporal part. False is slim's: a bias and ReLU.
      normalization, kernel_initializer: as in `SpatioTemporalConv`, the latter of the spatial part;
        the temporal one starts as `CenterIdentity` (slim).
      padding: as in operations.py, of both parts together.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1, 1),
        batch_norm=True,
        temporal_batch_norm=False,
        normalization=None,
        kernel_initializer='he_normal',
        padding='same',
        **kwargs,
    ):
        super().__init__(**kwargs)
        time_size, *space_size = kernel_size
        time_stride, *space_strides = strides
        space_padding = time_padding = padding
        if not isinstance(padding, str):
            space_padding, time_padding = (0, *padding[1:]), (padding[0], 0, 0)
        self.padding = _as_padding(padding)
        self.spatial = SpatioTemporalConv(
            filters,
            (1, *space_size),
            (1, *space_strides),
            batch_norm=batch_norm,
            normalization=normalization,
            kernel_initializer=kernel_initializer,
            padding=space_padding,
            name='spatial',
            dtype=self.dtype_policy,
        )
        self.temporal = SpatioTemporalConv(
            filters,
            (time_size, 1, 1),
            (time_stride, 1, 1),
            batch_norm=temporal_batch_norm,
            normalization=normalization,
            kernel_initializer=CenterIdentity(),
            padding=time_padding,
            name='temporal',
            dtype=self.dtype_policy,
        )
        self.parts = [self.spatial, self.temporal]

    def get_config(self):
        spatial, temporal = self.spatial, self.temporal
        return {
            **super().get_config(),
            'filters': spatial.filters,
            'kernel_size': (temporal.kernel_size[0], *spatial.kernel_size[1:]),
            'strides': (temporal.strides[0], *spatial.strides[1:]),
            'batch_norm': spatial.batch_norm is not None,
            'temporal_batch_norm': temporal.batch_norm is not None,
            'normalization': spatial.normalization,
            'kernel_initializer': keras.initializers.serialize(spatial.kernel_initializer),
            'padding': self.padding,
        }


# What self-gating averages over: "across space and time" worked better than either (section 4.6).
GATE_POOLING_AXES = {'space_time': (1, 2, 3), 'space': (2, 3), 'time': (1,)}


@_register
class SelfGating(keras.layers.Layer):
    """Spatio-temporal feature gating: `Y = sigmoid(W pool(X) + b) * X` (section 4.6).

    Args:
      use_bias: whether there is a b (paper: yes; slim's s3dg.py: no).
      pooling: 'space_time' (default), 'space' or 'time': what the average is taken over.
    """

    def __init__(self, use_bias=True, pooling='space_time', **kwargs):
        super().__init__(**kwargs)
        if pooling not in GATE_POOLING_AXES:
            known = ', '.join(GATE_POOLING_AXES)
            raise ValueError(f'SelfGating: pooling must be one of {known}, got {pooling!r}.')
        self.use_bias = use_bias
        self.pooling = pooling

    def build(self, input_shape):
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            shape=(channels, channels),
            initializer=keras.initializers.TruncatedNormal(stddev=0.01),  # slim
            name='kernel',
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(shape=(channels,), initializer='zeros', name='bias')

    def call(self, x):
        pooled = self._pool(x)
        gate = tf.tensordot(pooled, tf.cast(self.kernel, self.compute_dtype), 1)
        if self.bias is not None:
            gate = gate + tf.cast(self.bias, self.compute_dtype)
        return tf.sigmoid(gate) * x

    def _pool(self, x):
        """The mean, with axes of 1; over neighbouring axes as a matrix product, which is faster."""
        axes = GATE_POOLING_AXES[self.pooling]
        batch, time, height, width, channels = known_shape(x)
        if axes == (1,):
            return tf.reduce_mean(x, axes, keepdims=True)
        rows = batch if 1 in axes else batch * time
        flat = tf.reshape(x, [rows, -1, channels])
        count = tf.shape(flat)[1]
        share = tf.ones([rows, 1, count], x.dtype) / tf.cast(count, x.dtype)
        return tf.reshape(tf.matmul(share, flat), [batch, -1, 1, 1, channels])

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), 'use_bias': self.use_bias, 'pooling': self.pooling}


@_register
class Branch(_Composite):
    """One branch of an Inception block: layers, `parts`, applied one after the other."""

    def __init__(self, parts, **kwargs):
        super().__init__(**kwargs)
        self.parts = list(parts)

    def get_config(self):
        parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
        return {**super().get_config(), 'parts': parts}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        parts = [keras.saving.deserialize_keras_object(part) for part in config.pop('parts')]
        return cls(parts, **config)


@_register
class InceptionBlock(keras.layers.Layer):
    """Parallel branches, concatenated over channels, with an optional gate on the whole cell.

    Args:
      branches: `Branch` layers, in the order of their output channels.
      gate: a `SelfGating` for the concatenation (Model Garden's placement), or None.
    """

    def __init__(self, branches, gate=None, **kwargs):
        super().__init__(**kwargs)
        self.branches = list(branches)
        self.gate = gate

    def build(self, input_shape):
        for branch in self.branches:
            _build(branch, input_shape)
        if self.gate is not None:
            _build(self.gate, self.compute_output_shape(input_shape))

    def call(self, x):
        x = tf.concat([branch(x) for branch in self.branches], axis=-1)
        return x if self.gate is None else self.gate(x)

    def compute_output_shape(self, input_shape):
        shapes = [branch.compute_output_shape(input_shape) for branch in self.branches]
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            'branches': [serialize(branch) for branch in self.branches],
            'gate': None if self.gate is None else serialize(self.gate),
        }

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        config = dict(config)
        branches = [deserialize(branch) for branch in config.pop('branches')]
        gate = config.pop('gate')
        return cls(branches, None if gate is None else deserialize(gate), **config)
