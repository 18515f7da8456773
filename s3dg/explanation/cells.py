"""Where the cells of an endpoint are: in a clip, and in the frames of the video it is cut from.

Coordinates are such that frame k, or pixel k, is from k to k + 1.
"""

import numpy as np

from s3dg.config import ENDPOINTS
from s3dg.operations import output_sizes

# Rows, and columns, of cells that show where something is. Measured on moving_shapes, whose
# networks see 64x64 pixels: at Conv2d_2c_3x3, the last endpoint with so many, the hottest cell lies
# on the shape more often than later (docs/features.md). Of 224x224 pixels it is Mixed_3c.
FEWEST_CELLS = 16


def default_endpoint(network, sizes):
    """The last endpoint with `FEWEST_CELLS` rows and columns of cells, else the first one.

    Args:
      network, sizes: as of `centres`.
    """
    enough = [
        name
        for name in ENDPOINTS
        if min(map(len, centres(network, name, sizes)[1:])) >= FEWEST_CELLS
    ]
    return enough[-1] if enough else ENDPOINTS[0]


def centres(network, endpoint, sizes):
    """The middles of what the cells of an endpoint see, which may lie beyond the clip's end.

    TensorFlow's SAME pads more after the last pixel than before the first one where strides are 2,
    so a cell sees what is right of its even share of the clip and below it, and later: with an even
    number of rows by half a row at every halving. The cells of Mixed_4f, 16 pixels wide, look 7.5
    pixels further than their shares.

    Args:
      network: a `Network`.
      endpoint: one of `ENDPOINTS`.
      sizes: (time, height, width) of the clip.

    Returns:
      Three float64 arrays (t,), (h,) and (w,), rising, in frames and in pixels of the clip.
    """
    first, step = np.zeros(3), np.ones(3)  # of the cells' places: first + step * (number + 0.5)
    for name in ENDPOINTS[: ENDPOINTS.index(endpoint) + 1]:
        for size, strides, padding in _windows(network.get_layer(name)):
            outputs = output_sizes(sizes, size, strides, padding)
            before = padding
            if padding == 'valid':
                before = (0, 0, 0)
            elif padding == 'same':
                rows = zip(sizes, outputs, size, strides, strict=True)
                before = [max((n - 1) * s + k - old, 0) // 2 for old, n, k, s in rows]
            first += step * ((np.array(size) - strides) / 2 - before)
            step *= strides
            sizes = outputs
    return [
        start + width * (np.arange(count) + 0.5)
        for start, width, count in zip(first, step, sizes, strict=True)
    ]


def _windows(layer):
    """Size, strides and padding of the convolutions and pools of a layer, one after the other.

    Those in the branches of an Inception block are left out: they have no strides, odd sizes, and
    the same padding on either side.
    """
    if hasattr(layer, 'parts'):
        for part in layer.parts:
            yield from _windows(part)
    elif hasattr(layer, 'strides'):
        size = layer.size if hasattr(layer, 'size') else layer.kernel_size
        yield size, layer.strides, layer.padding


def interpolation(places, points):
    """Weights, float32 (points, places), of values at places for linear interpolation at points.

    Before the first place, and after the last one, the value of that place holds.
    """
    weights = [np.interp(points, places, one) for one in np.eye(len(places))]
    return np.stack(weights, -1).astype('float32')


class Crop:
    """One side of the frames, of which the network sees the middle: rows, or columns.

    Args:
      length: of the side of the video's frames, in pixels.
      resized: the same of what it is resized to.
      seen: the pixels that the network sees of those, a `slice` as of `sampling.centre`.
    """

    def __init__(self, length, resized, seen):
        self.length, self._scale = length, length / resized
        self._first, self._count = seen.start, seen.stop - seen.start

    def in_video(self, places):
        """Places in the crop, in pixels of the video; what is beyond the crop is at its end."""
        return (np.clip(places, 0, self._count) + self._first) * self._scale

    def weights(self, places):
        """The `interpolation` at all pixels of the video; zeros where the network does not see."""
        points = (np.arange(self.length) + 0.5) / self._scale - self._first
        is_seen = (points > 0) & (points < self._count)
        return interpolation(places, points) * is_seen[:, None].astype('float32')
