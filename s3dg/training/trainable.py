"""Which layers of a network learn, and how its batch norms do; called before `loop.train`."""

from s3dg.config import ENDPOINTS, ConfigError
from s3dg.normalization import BatchNormalization


def batch_norm_layers(network):
    """All batch-norm layers of a network, in the order of its layers."""
    return [layer for layer in network._flatten_layers() if isinstance(layer, BatchNormalization)]


def freeze_batch_norm(network):
    """Puts every batch norm into inference mode: statistics, scale and offset stay as they are.

    The paper fine-tunes with batch norm trained (kinetics-i3d issue 46); small batches need it
    frozen.
    """
    for layer in batch_norm_layers(network):
        layer.trainable = False


def synchronize_batch_norm(network):
    """Makes every batch norm take its training statistics over all replicas together."""
    for layer in batch_norm_layers(network):
        layer.synchronized = True


def freeze_until(network, endpoint):
    """Freezes everything below `endpoint` (one of `ENDPOINTS`, or 'logits' for the whole body).

    Frozen batch norms use their statistics. Raises ConfigError for another name.
    """
    for name in layers_below(endpoint):
        network.get_layer(name).trainable = False


def layers_below(endpoint):
    """Names of the layers that `freeze_until` freezes, low to high; errors as there."""
    known = (*ENDPOINTS, 'logits')
    if endpoint not in known:
        raise ConfigError(f'freeze_until must be one of {", ".join(known)}; got {endpoint!r}.')
    return known[: known.index(endpoint)]
