"""torchvision's S3D, trained on Kinetics-400 from scratch (torchvision models/video/s3d.py)."""

from s3dg.config import VideoFormat
from s3dg.weights.assign import without_leading_ones
from s3dg.weights.source import Source, find, stem_channels

# Number of an endpoint in `features`.
POSITIONS = {
    'Conv2d_1a_7x7': 0,
    'Conv2d_2b_1x1': 2,
    'Conv2d_2c_3x3': 3,
    'Mixed_3b': 5,
    'Mixed_3c': 6,
    'Mixed_4b': 8,
    'Mixed_4c': 9,
    'Mixed_4d': 10,
    'Mixed_4e': 11,
    'Mixed_4f': 12,
    'Mixed_5b': 14,
    'Mixed_5c': 15,
}
# Number of a layer in its branch; branch 0 is its only layer, branch 3 begins with the pool.
LAYERS = {
    (0, 'Conv2d_0a_1x1'): 'branch0',
    (1, 'Conv2d_0a_1x1'): 'branch1.0',
    (1, 'Conv2d_0b_3x3'): 'branch1.1',
    (2, 'Conv2d_0a_1x1'): 'branch2.0',
    (2, 'Conv2d_0b_3x3'): 'branch2.1',
    (3, 'Conv2d_0b_1x1'): 'branch3.1',
}
_LEAVES = {
    'kernel': '0.weight',
    'gamma': '1.weight',
    'beta': '1.bias',
    'moving_mean': '1.running_mean',
    'moving_variance': '1.running_var',
}
_PARTS = {'spatial': '0.', 'temporal': '1.', None: ''}

# Kinetics-400's own, after division by 255. (transforms/_presets.py, VideoClassification)
MEAN = (0.43216, 0.394666, 0.37645)
STD = (0.22803, 0.22145, 0.216989)

# BatchNorm's counters of batches.
COUNTERS = (r'.*num_batches_tracked',)


def names_of(address):
    """The names that the variable at an `Address` may have in the file."""
    if address.endpoint == 'logits':
        return ({'kernel': 'classifier.1.weight', 'bias': 'classifier.1.bias'}[address.leaf],)
    scope = f'features.{POSITIONS[address.endpoint]}'
    if address.branch is not None:
        scope += '.' + LAYERS[address.branch, address.layer]
    return (f'{scope}.{_PARTS[address.part]}{_LEAVES[address.leaf]}',)


def to_channels_last(address, array):
    """torch's (out, in, T, H, W) as (T, H, W, in, out), a linear layer's (out, in) as (in, out)."""
    if address.leaf != 'kernel':
        return array
    if array.ndim == 2:
        return array.T
    kernel = array.transpose(2, 3, 4, 1, 0)
    return without_leading_ones(kernel, 2) if address.endpoint == 'logits' else kernel


def s3d_fields(arrays, stem, classifier):
    """The fields of an S3D of torch, from the names of its stem's and classifier's kernels."""
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


def fields_of(arrays):
    """The `NetworkConfig` fields of the network that the file holds."""
    return {
        **s3d_fields(arrays, 'features.0.0.0.weight', 'classifier.1.weight'),
        'head_spatial_window': 7,
        'input_scale': tuple(1.0 / (255.0 * std) for std in STD),
        'input_offset': tuple(-mean / std for mean, std in zip(MEAN, STD, strict=True)),
    }


SOURCE = Source(
    torch=True,
    fields_of=fields_of,
    names_of=names_of,
    convert=to_channels_last,
    left_out=COUNTERS,
    # Trained on 64 frames, its published accuracy measured with 128. (S3D_Weights.KINETICS400_V1)
    video_format=VideoFormat(frames_per_second=15.0, evaluation_frames=128),
)
