"""Several crops of each window, as features are averaged or told apart by them."""

import numpy as np

from s3dg.video import sampling

# Corners by name: whether the crop is at the bottom, and at the right.
CORNERS = {
    'top_left': (0, 0),
    'top_right': (0, 1),
    'bottom_left': (1, 0),
    'bottom_right': (1, 1),
}
CENTRE = 'centre'

# torchvision's FiveCrop, which XD-Violence's authors name too (Roc-Ng/XDVioDet, issue 5).
FIVE = ('top_left', 'top_right', 'bottom_left', 'bottom_right', CENTRE)
# Of the extraction for UCF-Crime. (henrryzh1/UR-DMU, feature_extract/i3d_extract.py)
FIVE_OF_UCF_CRIME = ('top_left', 'top_right', CENTRE, 'bottom_left', 'bottom_right')


def place(name, size, crop_size):
    """The rows and columns of a crop, two slices.

    >>> place('bottom_left', (256, 340), (224, 224)), place('centre', (256, 340), (224, 224))
    ((slice(32, 256, None), slice(0, 224, None)), (slice(16, 240, None), slice(58, 282, None)))

    Args:
      name: one of `CORNERS`, or `CENTRE`.
      size, crop_size: (height, width) of the frames and of the crop.
    """
    if name == CENTRE:
        return sampling.centre(size, crop_size)
    first = [
        at * (side - crop) for at, side, crop in zip(CORNERS[name], size, crop_size, strict=True)
    ]
    return tuple(slice(start, start + crop) for start, crop in zip(first, crop_size, strict=True))


def crop_each(window, names, crop_size, mirrored=False):
    """The crops of a window in order, and, `mirrored`, then those of the mirrored frames.

    So the second half begins with what is at the top right, the other way round. (torchvision's
    TenCrop and UR-DMU's extraction mirror the frame first)

    Args:
      window: uint8 (frames, height, width, channels): RGB, or flow, x and y, which is mirrored with
        its x turned round.
      names: of crops, one of the tables above.
      crop_size: (height, width).

    Returns:
      uint8 (crops, frames, *crop_size, channels).

    Raises:
      VideoError: where the frames are smaller than the crop.
    """
    size = window.shape[1:3]
    sampling.check_crop(size, crop_size)
    sides = [window, mirror(window)] if mirrored else [window]
    places = [place(name, size, crop_size) for name in names]
    return np.stack([side[:, rows, columns] for side in sides for rows, columns in places])


def mirror(frames):
    """Frames, uint8 (..., width, channels), the other way round; 0 to 255 are -20 to 20 of flow."""
    turned = frames[..., ::-1, :]
    if frames.shape[-1] != 2:
        return turned
    return np.stack([255 - turned[..., 0], turned[..., 1]], axis=-1)
