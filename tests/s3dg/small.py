"""A network of our layers that is traced in a second, for tests of what is done with networks."""

import keras

from s3dg import head, layers


def small_network(classes, dropout_rate=0.2, synchronized=False):
    """Each kind of layer once: clips (batch, time, height, width, 3) to logits (batch, classes)."""
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
