"""A network with its batch norm folded away, against the network itself."""

import numpy as np
import pytest

from s3dg.saving.folding import fold_batch_norm
from tests.s3dg.saving.networks import create_network
from tests.s3dg.small import random_clip


@pytest.mark.parametrize('fields', [{}, {'batch_norm_scale': True, 'temporal_batch_norm': True}])
def test_folded_network_agrees(fields):
    network = create_network(**fields)
    folded = fold_batch_norm(network)
    clip = random_clip(2, 8, 32, 40, 3)
    np.testing.assert_allclose(folded(clip), network(clip), rtol=1e-3, atol=1e-4)
    assert np.abs(network(clip)).max() > 0.1
    assert not [v for v in folded.variables if 'batch_norm' in v.path]


def test_small_variances_are_not_magnified():
    """Epsilon is 0.001: of a variance of 0.001 it makes twice as much, a scale of 0.71."""
    network = create_network()
    for variable in network.variables:
        if variable.name == 'moving_variance':
            variable.assign(np.full(variable.shape, 1e-3))
    kernels = [
        {v.path: v.numpy() for v in one.variables if v.path.endswith('spatial/kernel')}
        for one in (fold_batch_norm(network), network)
    ]
    assert kernels[0].keys() == kernels[1].keys() != set()
    for path, kernel in kernels[0].items():
        np.testing.assert_allclose(kernel, kernels[1][path] / np.sqrt(2e-3), rtol=1e-5)
