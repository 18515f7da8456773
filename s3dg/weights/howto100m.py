"""The video tower of the S3D-G trained on HowTo100M (Miech et al. 2020).

Files: github.com/antoine77340/S3D_HowTo100M. Its outputs are 512 dimensions of a space shared with
text, not logits. The text tower is no part of the network: `text_embedding` computes it.
"""

from s3dg.config import VideoFormat
from s3dg.weights.source import Source, find
from s3dg.weights.text_tower import text_embedding
from s3dg.weights.torch_s3d import COUNTERS, LEAVES, LINEAR, to_channels_last

__all__ = ['SOURCE', 'text_embedding']

_CONVOLUTIONS = {
    'Conv2d_1a_7x7': 'conv1',
    'Conv2d_2b_1x1': 'conv_2b',
    'Conv2d_2c_3x3': 'conv_2c',
}
_LAYERS = {
    (0, 'Conv2d_0a_1x1'): 'conv_b0',
    (1, 'Conv2d_0a_1x1'): 'conv_b1_a',
    (1, 'Conv2d_0b_3x3'): 'conv_b1_b',
    (2, 'Conv2d_0a_1x1'): 'conv_b2_a',
    (2, 'Conv2d_0b_3x3'): 'conv_b2_b',
    (3, 'Conv2d_0b_1x1'): 'conv_b3_b',
}


def _names(address):
    if address.endpoint == 'logits':
        return (f'fc.{LINEAR[address.leaf]}',)
    block = address.endpoint.lower()
    if address.layer == 'self_gating':
        gate = 'gating' if address.branch is None else f'{block}.gating_b{address.branch}'
        return (f'{gate}.fc.{LINEAR[address.leaf]}',)
    if address.branch is None:
        scope = _CONVOLUTIONS[address.endpoint]
    else:
        scope = f'{block}.{_LAYERS[address.branch, address.layer]}'
    number = 2 if address.part == 'temporal' else 1
    leaf = LEAVES[address.leaf].format(conv=f'conv{number}', norm=f'bn{number}')
    return (f'{scope}.{leaf}',)


def _convert(address, array):
    """torch's layouts as TensorFlow's, and the stem's kernel as one on frames.

    The file's stem is a convolution of 2x4x4 on frames put through space-to-depth: 2x2x2 neighbours
    become 8 times the channels, channel c of neighbour (t, h, w) at ((t * 2 + h) * 2 + w) * 3 + c.
    That is a convolution of 4x8x8 with stride 2 on the frames themselves.
    """
    if address.endpoint != 'Conv2d_1a_7x7' or address.leaf != 'kernel':
        return to_channels_last(address, array)
    filters, depth, time, height, width = array.shape
    channels = depth // 8
    blocks = array.reshape(filters, 2, 2, 2, channels, time, height, width)
    taps = blocks.transpose(5, 1, 6, 2, 7, 3, 4, 0)  # neighbours next to the taps they belong to
    return taps.reshape(2 * time, 2 * height, 2 * width, channels, filters)


def _fields(arrays):
    return {
        'num_classes': find(arrays, ['fc.weight'], 2).shape[0],
        'head': 'embedding',
        'head_temporal_window': 1,
        'dropout_rate': 0.0,
        'stem_temporal_size': 4,
        'stem_spatial_size': 8,
        # Padding 1, 2, 2 in units of two frames, rows and columns, the first of each dropped again:
        # 0, 2, 2 rows before; those after, 2, 4, 4, follow from the size of the output.
        'stem_padding': (0, 2, 2),
        'pool_padding': 'trailing',
        'temporal_branches': 2,
        'temporal_batch_norm': True,
        'batch_norm_scale': True,
        'batch_norm_epsilon': 1e-5,
        'gating': 'branch',
        'input_scale': 1.0 / 255.0,
        'input_offset': 0.0,
    }


SOURCE = Source(
    torch=True,
    fields_of=_fields,
    names_of=_names,
    convert=_convert,
    left_out=(*COUNTERS, r'text_module\..*'),
    # Trained on 32 frames of 200x200 at 10 a second; its authors advise sides of 200 to 256.
    video_format=VideoFormat(frames_per_second=10.0, clip_frames=32, evaluation_frames=32),
)
