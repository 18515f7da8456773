"""From a `NetworkConfig` to a Keras model: the whole family of the paper in one code path."""

import keras

from s3dg import head, layers
from s3dg.config import ENDPOINTS, ConfigError, NetworkConfig, VideoFormat, named_config

# Filters of the Inception-v1 blocks: branch 0 | branch 1 reduce, out | branch 2 reduce, out |
# branch 3 after its pool. (slim: inception_v1.py, s3dg.py)
INCEPTION_FILTERS = {
    'Mixed_3b': (64, (96, 128), (16, 32), 32),
    'Mixed_3c': (128, (128, 192), (32, 96), 64),
    'Mixed_4b': (192, (96, 208), (16, 48), 64),
    'Mixed_4c': (160, (112, 224), (24, 64), 64),
    'Mixed_4d': (128, (128, 256), (24, 64), 64),
    'Mixed_4e': (112, (144, 288), (32, 64), 64),
    'Mixed_4f': (256, (160, 320), (32, 128), 128),
    'Mixed_5b': (256, (160, 320), (32, 128), 128),
    'Mixed_5c': (384, (192, 384), (48, 128), 128),
}

# Filters and spatial kernel size of the convolutions before the blocks.
STEM_CONVOLUTIONS = {
    'Conv2d_1a_7x7': (64, 7),  # or config.stem_spatial_size
    'Conv2d_2b_1x1': (64, 1),
    'Conv2d_2c_3x3': (192, 3),
}

# Size and strides (time, height, width) of the pools between endpoints.
MAX_POOLS = {
    'MaxPool_2a_3x3': ((1, 3, 3), (1, 2, 2)),
    'MaxPool_3a_3x3': ((1, 3, 3), (1, 2, 2)),
    'MaxPool_4a_3x3': ((3, 3, 3), (2, 2, 2)),
    'MaxPool_5a_2x2': ((2, 2, 2), (2, 2, 2)),
}

INITIALIZERS = {
    'truncated_normal': lambda: keras.initializers.TruncatedNormal(stddev=0.01),  # slim
    'he_normal': keras.initializers.HeNormal,
}

# The features after the last endpoint, by slim's name: float32 (batch, windows, channels).
POOLED_FEATURES = 'AvgPool_0a_7x7'


class _Builder:
    """Makes the layers of one configuration."""

    def __init__(self, config):
        self.config = config
        self.normalization = {
            'momentum': config.batch_norm_decay,
            'epsilon': config.batch_norm_epsilon,
            'scale': config.batch_norm_scale,
        }

    def convolution(self, name, filters, size, temporal=1, *, separable=None, **options):
        """A convolution of spatial `size` and temporal size `temporal`; with 1 it is 2D."""
        config = self.config
        options = {
            'filters': config.filters(filters),
            'kernel_size': (temporal, size, size),
            'batch_norm': config.batch_norm,
            'normalization': self.normalization,
            'kernel_initializer': INITIALIZERS[config.kernel_initializer](),
            'name': name,
            **options,
        }
        if temporal > 1 and (config.separable if separable is None else separable):
            with_norm = config.batch_norm and config.temporal_batch_norm
            return layers.SeparableConv3D(temporal_batch_norm=with_norm, **options)
        return layers.SpatioTemporalConv(**options)

    def gate(self):
        return layers.SelfGating(
            self.config.gate_bias, self.config.gate_pooling, name='self_gating'
        )

    def gates(self, endpoint, placement):
        """A list of the gate after what stands at `endpoint`, empty where gates are elsewhere."""
        placed = self.config.gating == placement and self.config.has_gates(endpoint)
        return [self.gate()] if placed else []

    def branch_gates(self, endpoint, temporal):
        """The gate after a branch whose last convolution has this temporal size, or none."""
        after_temporal = self.gates(endpoint, 'temporal') if temporal > 1 else []
        return after_temporal or self.gates(endpoint, 'branch')

    def stem(self):
        config = self.config
        size, temporal = config.stem_spatial_size, config.resolved_stem_temporal_size
        padding = config.stem_padding
        if padding == 'symmetric':
            padding = (temporal // 2, size // 2, size // 2)
        in_pairs = config.temporal_halving == 'pairs'
        convolution = self.convolution(
            'convolution',
            STEM_CONVOLUTIONS['Conv2d_1a_7x7'][0],
            size,
            temporal,
            separable=config.stem_separable,
            strides=(1 if in_pairs else 2, 2, 2),
            padding=padding,
        )
        pools = [layers.MaxPool((2, 1, 1), (2, 1, 1), name='pairs')] if in_pairs else []
        return layers.Branch([convolution, *pools], name='Conv2d_1a_7x7')

    def stem_convolution(self, name):
        temporal = 3 if self.config.is_temporal(name) else 1
        convolution = self.convolution('convolution', *STEM_CONVOLUTIONS[name], temporal)
        gates = [*self.branch_gates(name, temporal), *self.gates(name, 'cell')]
        return layers.Branch([convolution, *gates], name=name)

    def max_pool(self, name):
        size, strides = MAX_POOLS[name]
        if self.config.temporal_halving == 'pairs':
            size = (strides[0], *size[1:])
        padding = {
            'same': 'same',
            'symmetric': 'valid' if name == 'MaxPool_5a_2x2' else tuple(n // 2 for n in size),
            'trailing': (0, 0, 0),
        }[self.config.pool_padding]
        return layers.MaxPool(size, strides, padding, name=name)

    def inception_block(self, name):
        config, convolution = self.config, self.convolution
        middle = 3 if config.is_temporal(name) else 1
        outer = middle if config.separable and config.temporal_branches == 4 else 1
        first, (reduce_1, out_1), (reduce_2, out_2), last = INCEPTION_FILTERS[name]
        pool = layers.MaxPool(
            (config.branch_pool_temporal_size, 3, 3), (1, 1, 1), name='MaxPool_0a_3x3'
        )
        reduce, spread = 'Conv2d_0a_1x1', 'Conv2d_0b_3x3'
        branches = [
            ([convolution(reduce, first, 1, outer)], outer),
            ([convolution(reduce, reduce_1, 1), convolution(spread, out_1, 3, middle)], middle),
            ([convolution(reduce, reduce_2, 1), convolution(spread, out_2, 3, middle)], middle),
            ([pool, convolution('Conv2d_0b_1x1', last, 1, outer)], outer),
        ]
        branches = [
            layers.Branch([*parts, *self.branch_gates(name, temporal)], name=f'Branch_{i}')
            for i, (parts, temporal) in enumerate(branches)
        ]
        return layers.InceptionBlock(branches, *self.gates(name, 'cell'), name=name)

    def endpoint(self, name):
        if name in MAX_POOLS:
            return self.max_pool(name)
        if name in INCEPTION_FILTERS:
            return self.inception_block(name)
        return self.stem() if name == 'Conv2d_1a_7x7' else self.stem_convolution(name)


@keras.saving.register_keras_serializable(package='s3dg')
class Network(keras.Model):
    """A network of the family, as a Keras functional model.

    Called on clips with values 0-255, uint8 or float, `(batch, time, height, width, channels)`, any
    length and size; returns float32 logits `(batch, classes)`, or an embedding where the
    configuration's `head` says so. Its precision is that of Keras's dtype policy when it is built
    or loaded, so a network trained in bfloat16 may be used in float32.

    Args:
      config: a `NetworkConfig`.
      class_names: one string per class, or None.
      video_format: the `VideoFormat` it was made for; default the paper's.

    Raises:
      ConfigError: where there are not as many class names as classes.
    """

    def __init__(self, config, class_names=None, video_format=None, name='network', **kwargs):
        if class_names is not None and len(class_names) != config.num_classes:
            raise ConfigError(
                f'Network: class_names must hold one name for each of the {config.num_classes} '
                f'classes, got {len(class_names)}.'
            )
        builder = _Builder(config)
        clip = keras.Input((None, None, None, config.channels), dtype='float32', name='clip')
        x = layers.Rescaling(config.input_scale, config.input_offset, name='rescaling')(clip)
        activations = {}
        for endpoint in ENDPOINTS:
            x = activations[endpoint] = builder.endpoint(endpoint)(x)
        pool = head.WindowedAveragePool(
            config.head_temporal_window, config.head_spatial_window, name=POOLED_FEATURES
        )
        x = activations[POOLED_FEATURES] = pool(x)
        x = head.Dropout(config.dropout_rate, name='dropout', dtype=head.head_dtype())(x)
        logits = head.Classifier(config.num_classes, name='logits')(x)
        super().__init__(inputs=clip, outputs=logits, name=name, **kwargs)
        self.config = config
        self.class_names = None if class_names is None else tuple(class_names)
        self.video_format = video_format or VideoFormat()
        self._activations = activations

    def endpoint(self, name):
        """A Keras model from clips to the activations at `name`, sharing this network's weights.

        Args:
          name: one of `ENDPOINTS`, for `(batch, time, height, width, channels)` in the policy's
            compute dtype; or 'AvgPool_0a_7x7' for float32 `(batch, max(time - 1, 1), channels)`
            (`time` where the configuration's `head_temporal_window` is 1).

        Raises:
          ConfigError: for another name.
        """
        return keras.Model(self.inputs[0], self._activation(name), name=name)

    def endpoints(self, names):
        """A Keras model from clips to a dict of the activations at several endpoints."""
        return keras.Model(self.inputs[0], {name: self._activation(name) for name in names})

    def after(self, name):
        """A Keras model from the activations at an endpoint to what the network returns."""
        return keras.Model(self._activation(name), self.outputs[0])

    def _activation(self, name):
        if name not in self._activations:
            known = ', '.join(self._activations)
            raise ConfigError(f'There is no endpoint {name!r}; the endpoints are {known}.')
        return self._activations[name]

    def with_classes(self, num_classes, class_names=None, video_format=None):
        """A new network with these weights and a fresh classifier (fine-tuning)."""
        config = self.config.replace(num_classes=num_classes, head='classifier')
        network = Network(config, class_names, video_format or self.video_format)
        copy_weights(self, network, skip=('logits',))
        return network

    def get_config(self):
        return {
            'name': self.name,
            'config': self.config.to_dict(),
            'class_names': None if self.class_names is None else list(self.class_names),
            'video_format': self.video_format.to_dict(),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        del custom_objects
        return cls(
            NetworkConfig.from_dict(config['config']),
            config['class_names'],
            VideoFormat.from_dict(config['video_format']),
            name=config['name'],
        )


def copy_weights(source, target, skip=()):
    """Copies the variables of one network into another of the same structure.

    Layers named in `skip` (endpoints, 'logits') keep their own weights.

    Raises:
      ConfigError: where a layer's variables differ in name or shape.
    """
    for layer in target.layers:
        if layer.name in skip:
            continue
        theirs = {v.path: v for v in source.get_layer(layer.name).variables}
        ours = {v.path: v for v in layer.variables}
        shapes = [{path: tuple(v.shape) for path, v in own.items()} for own in (theirs, ours)]
        differing = sorted(
            path for path in theirs | ours if shapes[0].get(path) != shapes[1].get(path)
        )
        if differing:
            one, other = (own.get(differing[0], 'not there') for own in shapes)
            raise ConfigError(
                f'Layer {layer.name} differs between the networks: {differing[0]} is {one} in the '
                f'source and {other} in the target.'
            )
        for path, variable in ours.items():
            variable.assign(theirs[path])


def build(name, num_classes=400, *, class_names=None, video_format=None, **fields):
    """An untrained network of the paper.

    Args:
      name: one of `s3dg.NETWORKS`.
      num_classes: logits.
      class_names: one string per class, or None.
      video_format: a `VideoFormat`; default the paper's.
      **fields: any other field of `NetworkConfig`, e.g. `temporal_from='Mixed_4c'`.

    Returns:
      A `Network`, which is a `tf.keras.Model`.

    Raises:
      ConfigError: for an unknown name or field, or a value that cannot be.
    """
    config = named_config(name, num_classes=num_classes, **fields)
    return Network(config, class_names, video_format)
