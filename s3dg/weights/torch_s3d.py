"""torch's S3Ds of Kinetics-400: torchvision's, trained from scratch, and kylemin's.

They are one network under two sets of names. (torchvision models/video/s3d.py;
github.com/kylemin/S3D)
"""

from s3dg.config import ENDPOINTS, VideoFormat
from s3dg.weights.assign import without_leading_ones
from s3dg.weights.source import Source, find, stem_channels

# To be filled with the names of the convolution and of its batch norm.
LEAVES = {
    'kernel': '{conv}.weight',
    'gamma': '{norm}.weight',
    'beta': '{norm}.bias',
    'moving_mean': '{norm}.running_mean',
    'moving_variance': '{norm}.running_var',
}
LINEAR = {'kernel': 'weight', 'bias': 'bias'}

# Kinetics-400's own, after division by 255. (transforms/_presets.py, VideoClassification)
_MEAN = (0.43216, 0.394666, 0.37645)
_STD = (0.22803, 0.22145, 0.216989)

# BatchNorm's counters of batches.
COUNTERS = (r'.*num_batches_tracked',)


def _layer(address):
    """The numbers of an endpoint and of a layer in its branch; branch 3 begins with the pool."""
    position = ENDPOINTS.index(address.endpoint)
    if address.branch is None:
        return str(position)
    number = 1 if address.layer.startswith('Conv2d_0b') else 0
    return f'{position}.branch{address.branch}.{number}'


def _torchvision_names(address):
    if address.endpoint == 'logits':
        return (f'classifier.1.{LINEAR[address.leaf]}',)
    layer = _layer(address).replace('branch0.0', 'branch0')  # which is no list
    part = {'spatial': '0.', 'temporal': '1.', None: ''}[address.part]
    return (f'features.{layer}.{part}{LEAVES[address.leaf].format(conv=0, norm=1)}',)


def _kylemin_names(address):
    if address.endpoint == 'logits':
        return (f'fc.0.{LINEAR[address.leaf]}',)
    part = {'spatial': '_s', 'temporal': '_t', None: ''}[address.part]
    leaf = LEAVES[address.leaf].format(conv=f'conv{part}', norm=f'bn{part}')
    return (f'base.{_layer(address)}.{leaf}',)


def to_channels_last(address, array):
    """torch's (out, in, T, H, W) as (T, H, W, in, out), a linear layer's (out, in) as (in, out)."""
    if address.leaf != 'kernel':
        return array
    if array.ndim == 2:
        return array.T
    kernel = array.transpose(2, 3, 4, 1, 0)
    return without_leading_ones(kernel, 2) if address.endpoint == 'logits' else kernel


def _fields(arrays, stem, classifier):
    """The fields of both, from the names of the stem's and the classifier's kernel."""
    return {
        'num_classes': find(arrays, [classifier], 5).shape[0],
        'channels': stem_channels(find(arrays, [stem], 5).shape[1], stem),
        'stem_temporal_size': 7,
        'stem_separable': True,
        'stem_padding': 'symmetric',
        'pool_padding': 'symmetric',
        'temporal_branches': 2,
        'temporal_batch_norm': True,
        'batch_norm_scale': True,
    }


def _torchvision_fields(arrays):
    return {
        **_fields(arrays, 'features.0.0.0.weight', 'classifier.1.weight'),
        'head_spatial_window': 7,
        'input_scale': tuple(1.0 / (255.0 * std) for std in _STD),
        'input_offset': tuple(-mean / std for mean, std in zip(_MEAN, _STD, strict=True)),
    }


TORCHVISION = Source(
    torch=True,
    fields_of=_torchvision_fields,
    names_of=_torchvision_names,
    convert=to_channels_last,
    left_out=COUNTERS,
    # Trained on 64 frames, its published accuracy measured with 128. (S3D_Weights.KINETICS400_V1)
    video_format=VideoFormat(frames_per_second=15.0, evaluation_frames=128),
)
KYLEMIN = Source(
    torch=True,
    fields_of=lambda arrays: _fields(arrays, 'base.0.conv_s.weight', 'fc.0.weight'),
    names_of=_kylemin_names,
    convert=to_channels_last,
    left_out=COUNTERS,
)
