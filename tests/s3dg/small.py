"""Small networks, and clips for them, for tests of what is done with networks."""

import keras
import numpy as np

from s3dg import head, layers

# Fields that make any named network small enough to run.
SMALL = {'num_classes': 5, 'width': 0.1, 'kernel_initializer': 'he_normal'}


def random_clip(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype('uint8')


def randomized(network, seed=0):
    """Weights and statistics as a trained network might have: nothing is zero or one."""
    generator = np.random.default_rng(seed)
    for variable in network.variables:
        if variable.name == 'moving_variance':
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        elif variable.name == 'kernel':
            fan_in = np.prod(variable.shape[:-1])
            variable.assign(generator.normal(size=variable.shape) * np.sqrt(2.0 / fan_in))
        elif variable.name != 'random_state':
            variable.assign(generator.normal(size=variable.shape) * 0.1)
    return network


def small_network(classes, dropout_rate=0.2, synchronized=False):
    """Each kind of layer once, traced in a second: clips to logits.

    Clips are (batch, time, height, width, 3), logits (batch, classes).
    """
    keras.utils.set_random_seed(0)
    options = {'normalization': {'momentum': 0.9, 'synchronized': synchronized}}
    clip = keras.Input((None, None, None, 3), name='clip')
    x = layers.Rescaling()(clip)
    x = layers.SeparableConv3D(8, (3, 3, 3), (2, 2, 2), name='stem', **options)(x)
    x = layers.SelfGating(name='gate')(x)
    x = layers.InceptionBlock(
        [
            layers.Branch(
                [layers.SpatioTemporalConv(6, (1, 1, 1), name='a', **options)], name='Branch_0'
            ),
            layers.Branch(
                [
                    layers.MaxPool((3, 3, 3), (1, 1, 1), name='pool'),
                    layers.SpatioTemporalConv(6, (3, 3, 3), name='b', **options),
                ],
                name='Branch_1',
            ),
        ],
        name='block',
    )(x)
    x = head.Dropout(dropout_rate, name='dropout')(head.WindowedAveragePool()(x))
    return keras.Model(clip, head.Classifier(classes, name='logits')(x))
