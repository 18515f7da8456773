"""A network with its batch norm folded away, against the network itself."""

import numpy as np
import pytest

from s3dg.saving.export import fold_batch_norm
from tests.s3dg.saving.networks import coarse_video, create_network


@pytest.mark.parametrize('fields', [{}, {'batch_norm_scale': True}])
def test_folded_network_agrees(fields):
    network = create_network(**fields)
    folded = fold_batch_norm(network)
    clip = np.stack([coarse_video(8, 32, 40, seed) for seed in (8, 9)])
    np.testing.assert_allclose(folded(clip), network(clip), rtol=1e-3, atol=1e-4)
    assert np.abs(np.diff(network(clip), axis=0)).max() > 0.03
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
