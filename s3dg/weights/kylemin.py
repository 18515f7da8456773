"""kylemin's S3D of Kinetics-400 (github.com/kylemin/S3D): torchvision's under other names."""

from s3dg.config import VideoFormat
from s3dg.weights import torchvision
from s3dg.weights.source import Source

_LAYERS = {**torchvision.LAYERS, (0, 'Conv2d_0a_1x1'): 'branch0.0'}
# To be filled with the part's suffix.
LEAVES = {
    'kernel': 'conv{}.weight',
    'gamma': 'bn{}.weight',
    'beta': 'bn{}.bias',
    'moving_mean': 'bn{}.running_mean',
    'moving_variance': 'bn{}.running_var',
}
_PARTS = {'spatial': '_s', 'temporal': '_t', None: ''}


def names_of(address):
    """The names that the variable at an `Address` may have in the file."""
    if address.endpoint == 'logits':
        return ({'kernel': 'fc.0.weight', 'bias': 'fc.0.bias'}[address.leaf],)
    scope = f'base.{torchvision.POSITIONS[address.endpoint]}'
    if address.branch is not None:
        scope += '.' + _LAYERS[address.branch, address.layer]
    return (f'{scope}.{LEAVES[address.leaf].format(_PARTS[address.part])}',)


def fields_of(arrays):
    """The `NetworkConfig` fields of the network that the file holds."""
    return torchvision.s3d_fields(arrays, 'base.0.conv_s.weight', 'fc.0.weight')


SOURCE = Source(
    torch=True,
    fields_of=fields_of,
    names_of=names_of,
    convert=torchvision.to_channels_last,
    left_out=torchvision.COUNTERS,
    video_format=VideoFormat(),
)
