"""Batch norm folded away: a network for inference alone, whose convolutions scale and shift."""

import numpy as np

from s3dg.head import Classifier
from s3dg.layers import SelfGating, SpatioTemporalConv
from s3dg.network import Network


def fold_batch_norm(network):
    """The same network without batch norm: its scale and shift are in the convolutions' weights.

    Args:
      network: a `Network`, which stays as it is.

    Returns:
      A `Network` with `batch_norm=False` whose logits agree with the original's in inference up to
      rounding.
    """
    folded = Network(
        network.config.replace(batch_norm=False), network.class_names, network.video_format
    )
    for source, target in zip(_with_weights(network), _with_weights(folded), strict=True):
        if not isinstance(source, SpatioTemporalConv):
            target.set_weights(source.get_weights())
            continue
        kernel = source.kernel.numpy()
        if source.batch_norm is None:
            bias = source.bias.numpy()
        else:
            norm = source.batch_norm
            scale = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
            if norm.gamma is not None:
                scale = scale * norm.gamma.numpy()
            kernel = kernel * scale
            bias = norm.beta.numpy() - norm.moving_mean.numpy() * scale
        target.kernel.assign(kernel)
        target.bias.assign(bias)
    return folded


def _with_weights(network):
    kinds = (SpatioTemporalConv, SelfGating, Classifier)
    return [layer for layer in network._flatten_layers() if isinstance(layer, kinds)]
