"""Statistics of a network's kernels at each temporal offset (section 4.3, Figure 5).

The paper shows an I3D whose kernels W(t, :, :, :) began equal for every offset t, inflated from one
2D network: after training the low layers hardly tell the offsets apart, the high ones do.
"""

import numpy as np
from matplotlib.cbook import boxplot_stats

from s3dg.config import NETWORKS, ConfigError
from s3dg.weights.assign import network_weights

# The layers looked at, low to high, by the name they are shown under. The paper shows four and
# names none; these are ours: the stem's only 3x3x3 convolution, and that of branch 1, the widest,
# in a block of every stage.
FIGURE_5_LAYERS = {
    'Conv2d_2c_3x3': 'Conv2d_2c_3x3/convolution',
    'Mixed_3c': 'Mixed_3c/Branch_1/Conv2d_0b_3x3',
    'Mixed_4d': 'Mixed_4d/Branch_1/Conv2d_0b_3x3',
    'Mixed_5c': 'Mixed_5c/Branch_1/Conv2d_0b_3x3',
}

# Our names of what matplotlib's `boxplot_stats` computes and `Axes.bxp` draws.
BOX_FIELDS = {
    'q1': 'q1',
    'median': 'med',
    'q3': 'q3',
    'mean': 'mean',
    'whisker_low': 'whislo',
    'whisker_high': 'whishi',
}


def filter_statistics(network, layers=FIGURE_5_LAYERS):
    """Statistics of the weights at each temporal offset of some convolutions.

    Of a dense convolution all weights W(t, :, :, :) are taken; of a separable one those of its
    temporal part, which begins as the identity.

    Args:
      network, layers: a `Network`, and a dict from names in the result to paths of convolutions.

    Returns:
      {layer: {offset: statistics}}, JSON-serialisable. Offsets are strings, '-1', '0', '1' for a
      kernel of 3, the negative ones before the present frame. Statistics are floats: 'min', 'max',
      'mean', 'std' (of all weights, divided by their number), the quartiles 'q1', 'median', 'q3'
      (linearly interpolated), and 'whisker_low', 'whisker_high', the outermost weights within 1.5
      times q3 - q1 of the quartiles.

    Raises:
      ConfigError: where the network has no such convolution, or it does not extend over time.
    """
    return {
        name: {
            str(t - (len(kernel) - 1) // 2): _statistics(weights.ravel())
            for t, weights in enumerate(kernel)  # padded by that many frames before the first
        }
        for name, kernel in _kernels(network, layers)
    }


def temporal_variation(network):
    """How differently Figure 5's layers treat the temporal offsets, in one figure each (ours).

    Boxes hide it: weights may be exchanged between offsets and leave the boxes as they are. Raises
    as `filter_statistics`.

    Returns:
      dict from layer to the root mean square of the weights' differences from their mean over time,
      over that of the weights: 0 for an inflated network, sqrt(2 / 3) for three offsets that have
      nothing to do with each other.
    """
    return {
        name: float(np.sqrt(np.mean((kernel - kernel.mean(axis=0)) ** 2) / np.mean(kernel**2)))
        for name, kernel in _kernels(network, FIGURE_5_LAYERS)
    }


def _kernels(network, layers):
    """Yields (name, float64 kernel (time, height, width, in, out)) of each of the `layers`."""
    weights = network_weights(network)
    for name, path in layers.items():
        variable = weights.get(f'{path}/temporal/kernel', weights.get(f'{path}/kernel'))
        if variable is None or len(variable.shape) != 5:
            raise ConfigError(
                f'The network has no convolution {path!r}; expected the path of one, such as '
                f'{FIGURE_5_LAYERS["Mixed_3c"]}.'
            )
        if variable.shape[0] == 1:
            endpoint = path.split('/')[0]
            temporal = [name for name, config in NETWORKS.items() if config.is_temporal(endpoint)]
            config = network.config
            raise ConfigError(
                f'{path} does not extend over time in this network (temporal_from: '
                f'{config.temporal_from}, temporal_until: {config.temporal_until}); networks where '
                f'{endpoint} does are {", ".join(temporal)}.'
            )
        yield name, variable.numpy().astype('float64')


def _statistics(weights):
    box = boxplot_stats(weights)[0]  # the quartiles and whiskers that `Axes.boxplot` would draw
    values = {ours: box[theirs] for ours, theirs in BOX_FIELDS.items()}
    values.update(min=weights.min(), max=weights.max(), std=weights.std())
    return {name: float(value) for name, value in values.items()}
