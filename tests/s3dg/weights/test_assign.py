"""Every variable is accounted for, on both sides, and a file that does not fit changes nothing."""

import numpy as np
import pytest

import s3dg
from s3dg.weights.assign import (
    Address,
    WeightsError,
    assign,
    network_weights,
    without_leading_ones,
)


@pytest.fixture(scope='module')
def network():
    return s3dg.build('s3d_g', num_classes=3, width=0.25)


def _paths(address):
    """The inverse of `Address.of`, for these tests: a file whose names are the network's paths."""
    words = [address.endpoint]
    if address.branch is not None:
        words.append(f'Branch_{address.branch}')
    words += [address.layer, address.part]
    if address.leaf in ('gamma', 'beta', 'moving_mean', 'moving_variance'):
        words.append('batch_norm')
    return ('/'.join([word for word in words if word] + [address.leaf]),)


def _arrays(network):
    return {
        path: np.full(variable.shape, 0.5, 'float32')
        for path, variable in network_weights(network).items()
    }


@pytest.mark.parametrize(
    ('path', 'address'),
    [
        (
            'Conv2d_1a_7x7/convolution/kernel',
            ('Conv2d_1a_7x7', None, 'convolution', None, 'kernel'),
        ),
        (
            'Conv2d_2c_3x3/convolution/spatial/batch_norm/beta',
            ('Conv2d_2c_3x3', None, 'convolution', 'spatial', 'beta'),
        ),
        (
            'Mixed_3b/Branch_1/Conv2d_0b_3x3/temporal/bias',
            ('Mixed_3b', 1, 'Conv2d_0b_3x3', 'temporal', 'bias'),
        ),
        ('Mixed_3b/Branch_0/self_gating/kernel', ('Mixed_3b', 0, 'self_gating', None, 'kernel')),
        ('Mixed_3b/self_gating/bias', ('Mixed_3b', None, 'self_gating', None, 'bias')),
        ('logits/kernel', ('logits', None, '', None, 'kernel')),
    ],
)
def test_address(path, address):
    assert Address.of(path) == address
    assert _paths(Address.of(path)) == (path,)


def test_all_is_assigned_and_counted(network):
    arrays = _arrays(network)
    used, left_out = assign(network, {**arrays, 'step': np.int32(3)}, _paths, left_out=('step',))
    assert (used, left_out) == (len(arrays), ['step'])
    for variable in network_weights(network).values():
        assert (variable.numpy() == 0.5).all(), variable.path


def _drop(arrays):
    del arrays['Mixed_3b/Branch_1/Conv2d_0b_3x3/temporal/bias']


def _drop_many(arrays):
    for path in [path for path in arrays if path.startswith('Mixed_5')]:
        del arrays[path]


def _reshape(arrays):
    arrays['logits/kernel'] = arrays['logits/kernel'][:, :2]


def _flatten(arrays):
    arrays['logits/kernel'] = arrays['logits/kernel'].ravel()


def _add(arrays):
    arrays['Mixed_6a/kernel'] = np.zeros(3, 'float32')


def _spoil(arrays):
    arrays['logits/bias'][1] = np.nan


def _round(arrays):
    arrays['logits/bias'] = np.zeros(3, 'int32')


def _write(arrays):
    arrays['logits/bias'] = np.asarray(b'three numbers')


def _overflow(arrays):
    arrays['logits/bias'] = np.float64([1e300, 0, 0])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (_drop, '^variable Mixed_3b/Branch_1/Conv2d_0b_3x3/temporal/bias is missing.$'),
        (_drop_many, r'^\d+ variables \(Mixed_5b/.*, Mixed_5b/.*, ...\) are missing.$'),
        (
            _reshape,
            r'^variable logits/kernel has shape \[256, 2\], .* logits/kernel, \[256, 3\] here',
        ),
        (_flatten, r'^variable logits/kernel has shape \[768\], .* \[256, 3\] here'),
        (_add, '^variable Mixed_6a/kernel is unknown: '),
        (_spoil, '^variable logits/bias holds values that are not finite'),
        (_write, r'^variable logits/bias holds \|S13, expected floating-point'),
        (_overflow, '^variable logits/bias holds values that are not finite'),
        (_round, '^variable logits/bias holds int32, expected floating-point'),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_changed(network, change, message):
    before = {path: v.numpy() for path, v in network_weights(network).items()}
    arrays = {path: value + 1.0 for path, value in before.items()}
    change(arrays)
    with pytest.raises(WeightsError, match=message):
        assign(network, arrays, _paths)
    for path, variable in network_weights(network).items():
        np.testing.assert_array_equal(variable.numpy(), before[path])


def test_other_precisions_fit_and_extra_dimensions_do_not(network):
    arrays = _arrays(network)
    arrays['logits/bias'] = np.array([1.0, 2.0, 3.0], 'float64')
    assign(network, arrays, _paths)
    np.testing.assert_array_equal(network.get_layer('logits').bias.numpy(), [1.0, 2.0, 3.0])
    arrays['logits/bias'] = arrays['logits/bias'][None]
    with pytest.raises(WeightsError, match=r'logits/bias has shape \[1, 3\], which does not fit'):
        assign(network, arrays, _paths)


def test_leading_ones_are_taken_off_and_nothing_else():
    array = np.arange(6.0).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(without_leading_ones(array, 2), array[0, 0])
    for other, dimensions in ((array, 1), (array[0, 0], 3)):
        with pytest.raises(ValueError, match='is not that of'):
            without_leading_ones(other, dimensions)
