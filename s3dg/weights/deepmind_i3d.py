"""DeepMind's I3D checkpoints (kinetics-i3d): RGB, flow and Kinetics-600, which has no prefix.

And the module deepmind/i3d-kinetics-400/1 of TensorFlow Hub, a SavedModel: the same RGB network
under the same names with other weights, those that the Fréchet video distance is defined by. What
range of values it wants is told in two ways (github.com/google-research/google-research issue
1974): [-1, 1] by the distance's own code, which holds here, as for the network's other weights; and
[0, 1] by TensorFlow Hub's tutorial.
"""

from s3dg.config import VideoFormat
from s3dg.weights import slim
from s3dg.weights.assign import without_leading_ones
from s3dg.weights.source import NOT_WEIGHTS, Source, find, stem_channels

_PREFIXES = ('RGB/inception_i3d/', 'Flow/inception_i3d/', '')

_LEAVES = {
    'kernel': 'conv_3d/w',
    'bias': 'conv_3d/b',
    'gamma': 'batch_norm/gamma',
    'beta': 'batch_norm/beta',
    'moving_mean': 'batch_norm/moving_mean',
    'moving_variance': 'batch_norm/moving_variance',
}
_LOGITS = 'Logits/Conv3d_0c_1x1'


def _names(address):
    scopes = [_LOGITS]
    if address.endpoint != 'logits':
        scopes = [scope.replace('Conv2d_', 'Conv3d_') for scope in slim.scopes(address)]
    leaf = _LEAVES[address.leaf]
    return [f'{prefix}{scope}/{leaf}' for prefix in _PREFIXES for scope in scopes]


def _convert(address, array):
    """The classifier as a dense kernel; batch norm as vectors, in some files [1, 1, 1, 1, C]."""
    if address.leaf != 'kernel' and array.ndim == 5:
        return without_leading_ones(array, 1)
    return slim.convert(address, array)


def _fields(arrays):
    logits, stem = (
        find(arrays, [f'{prefix}{scope}/conv_3d/w' for prefix in _PREFIXES], 5)
        for scope in (_LOGITS, 'Conv3d_1a_7x7')
    )
    return {
        'num_classes': logits.shape[-1],
        'channels': stem_channels(stem.shape[3], 'Conv3d_1a_7x7/conv_3d/w'),
        'separable': False,
        'dropout_rate': 0.5,  # what it was trained with
    }


# Frames keep their aspect ratio, the shorter side becomes 256. (I3D's paper, section 3)
VIDEO_FORMAT = VideoFormat(frame_size=None, short_side=256)

SOURCE = Source(
    torch=False,
    fields_of=_fields,
    names_of=_names,
    convert=_convert,
    left_out=NOT_WEIGHTS,
    video_format=VIDEO_FORMAT,
)
