"""Checkpoints of TF-slim: the authors' released code (nets/i3d.py, nets/s3dg.py), Inception-v1.

Which network a file of the authors' code holds is read off its variables: channels, stem, where the
temporal convolutions begin and end, dense or separable, gates, classes. The files for Kinetics-400
and -600 that d3dhelper (github.com/princeton-vl/d3dhelper) links are of this kind.

Inception-v1, trained on ImageNet (inception_v1_2016_08_28), is read into an I2D, which is the same
network on every frame but for the pools that reach over time, and the I2D is inflated into any
network (inflation.py).
"""

from s3dg.config import NETWORKS, SPATIO_TEMPORAL_ENDPOINTS
from s3dg.network import INCEPTION_FILTERS
from s3dg.weights.assign import WeightsError, without_leading_ones
from s3dg.weights.source import NOT_WEIGHTS, Source, find, stem_channels

_SCOPE = 'InceptionV1/'
_LOGITS = _SCOPE + 'Logits/Conv2d_0c_1x1'
_LEAVES = {
    'kernel': 'weights',
    'bias': 'biases',
    'gamma': 'BatchNorm/gamma',
    'beta': 'BatchNorm/beta',
    'moving_mean': 'BatchNorm/moving_mean',
    'moving_variance': 'BatchNorm/moving_variance',
}
# The last convolution of each branch, in whose scope its gate is.
_LAST_CONVOLUTIONS = ('Conv2d_0a_1x1', 'Conv2d_0b_3x3', 'Conv2d_0b_3x3', 'Conv2d_0b_1x1')

# What the released code can build.
_STEM_TEMPORAL_SIZES = (1, 3, 5, 7)

# Inception-v1's files and DeepMind's call this one so. (slim: nets/inception_v1.py)
_OTHERWISE_NAMED = {('Mixed_5b', 2, 'Conv2d_0b_3x3'): 'Conv2d_0a_3x3'}


def scopes(address):
    """The scopes, below the network's, that the variable's layer may have in the file."""
    if address.branch is None:
        return (address.endpoint,)
    layer = address.layer
    if layer == 'self_gating':
        layer = _LAST_CONVOLUTIONS[address.branch]
    names = [layer, _OTHERWISE_NAMED.get((address.endpoint, address.branch, layer))]
    return tuple(f'{address.endpoint}/Branch_{address.branch}/{name}' for name in names if name)


def _names(address):
    leaf = _LEAVES[address.leaf]
    if address.endpoint == 'logits':
        return (f'{_LOGITS}/{leaf}',)
    if address.layer == 'self_gating':
        leaf = f'self_gating/transformer_W/{leaf}'
    elif address.part == 'temporal':
        leaf = f'temporal/{leaf}'
    return tuple(f'{_SCOPE}{scope}/{leaf}' for scope in scopes(address))


def convert(address, array):
    """Kernels of gates and classifier as dense ones; the file's are 1x1x1 convolutions."""
    if address.leaf == 'kernel' and (
        address.endpoint == 'logits' or address.layer == 'self_gating'
    ):
        if array.ndim != 5:
            raise ValueError(f'shape {array.shape} is not that of a convolution.')
        return without_leading_ones(array, 2)
    return array


def _fields(arrays):
    scopes_3x3 = {'Conv2d_2c_3x3': 'Conv2d_2c_3x3'}
    scopes_3x3.update({name: f'{name}/Branch_1/Conv2d_0b_3x3' for name in INCEPTION_FILTERS})
    separable = [name for name, scope in scopes_3x3.items() if _holds(arrays, scope, 'temporal/')]
    dense = [name for name, scope in scopes_3x3.items() if _kernel(arrays, scope).shape[0] > 1]
    if separable and dense:
        raise WeightsError(f'{separable[0]} is separable and {dense[0]} is dense.')
    stem = _kernel(arrays, 'Conv2d_1a_7x7')
    if stem.shape[0] not in _STEM_TEMPORAL_SIZES:
        raise WeightsError(
            f'variable {_SCOPE}Conv2d_1a_7x7/weights has shape {list(stem.shape)}, expected a '
            f'temporal size of {", ".join(map(str, _STEM_TEMPORAL_SIZES))}.'
        )
    temporal = separable or dense
    first, last = (temporal[0], temporal[-1]) if temporal else (None, None)
    if first == 'Conv2d_2c_3x3' and stem.shape[0] > 1:
        first = 'Conv2d_1a_7x7'
    gated = [name for name in SPATIO_TEMPORAL_ENDPOINTS if _holds(arrays, name, 'self_gating/')]
    fields = {
        'num_classes': find(arrays, [f'{_LOGITS}/biases'], 1).shape[0],
        'channels': stem_channels(stem.shape[3], f'{_SCOPE}Conv2d_1a_7x7/weights'),
        'temporal_from': first,
        'temporal_until': last,
        'separable': not dense,
        'stem_temporal_size': stem.shape[0],
        'temporal_branches': 4 if _holds(arrays, 'Mixed', 'Branch_0/', 'temporal/') else 2,
        'temporal_batch_norm': _holds(arrays, '', 'temporal/BatchNorm/'),
        'batch_norm_scale': _holds(arrays, '', 'BatchNorm/gamma'),
    }
    if gated:
        fields['gating'], fields['gating_from'] = 'branch', gated[0]
        fields['gate_bias'] = _holds(arrays, '', 'self_gating/transformer_W/biases')
    return fields


def _holds(arrays, scope, *parts):
    """Whether there is a variable whose name starts with `scope` and holds all `parts`."""
    return any(
        name.startswith(_SCOPE + scope) and all(part in name for part in parts) for name in arrays
    )


def _kernel(arrays, scope):
    return find(arrays, [f'{_SCOPE}{scope}/weights'], 5)


def _inception_v1_fields(arrays):
    stem = _SCOPE + 'Conv2d_1a_7x7/weights'
    return {
        **NETWORKS['i2d'].to_dict(),
        'channels': stem_channels(find(arrays, [stem], 4).shape[2], stem),
        'batch_norm_scale': _SCOPE + 'Conv2d_1a_7x7/BatchNorm/gamma' in arrays,
    }


def _on_one_frame(address, array):
    """A kernel (h, w, in, out) as one of a single frame."""
    if address.leaf != 'kernel':
        return array
    if array.ndim != 4:
        raise ValueError(f'shape {array.shape} is not that of a 2D convolution.')
    return array[None]


SOURCE = Source(
    torch=False, fields_of=_fields, names_of=_names, convert=convert, left_out=NOT_WEIGHTS
)
INCEPTION_V1 = Source(
    torch=False,
    fields_of=_inception_v1_fields,
    names_of=_names,
    convert=_on_one_frame,
    left_out=(*NOT_WEIGHTS, r'InceptionV1/(Logits|AuxLogits)/.*'),
    kept=('logits',),
)
