"""TF-slim's Inception-v1, trained on ImageNet (inception_v1_2016_08_28), inflated into any network.

The checkpoint is read into an I2D, which is the same network on every frame but for the pools that
reach over time, and the I2D is inflated (s3dg/weights/inflation.py).
"""

from s3dg.config import NETWORKS, VideoFormat
from s3dg.weights import slim
from s3dg.weights.source import NOT_WEIGHTS, Source, find, stem_channels


def convert(address, array):
    """A kernel (h, w, in, out) as one of a single frame."""
    if address.leaf != 'kernel':
        return array
    if array.ndim != 4:
        raise ValueError(f'shape {array.shape} is not that of a 2D convolution.')
    return array[None]


def fields_of(arrays):
    """The `NetworkConfig` fields of the I2D that the file holds."""
    stem = 'InceptionV1/Conv2d_1a_7x7/weights'
    channels = stem_channels(find(arrays, [stem], 4).shape[2], stem)
    fields = NETWORKS['i2d'].to_dict()
    scale = 'InceptionV1/Conv2d_1a_7x7/BatchNorm/gamma' in arrays
    return {**fields, 'channels': channels, 'batch_norm_scale': scale}


SOURCE = Source(
    torch=False,
    fields_of=fields_of,
    names_of=slim.names_of,
    convert=convert,
    left_out=(*NOT_WEIGHTS, r'InceptionV1/(Logits|AuxLogits)/.*'),
    video_format=VideoFormat(),
    kept=('logits',),
)
