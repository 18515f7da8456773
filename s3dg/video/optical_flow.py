"""Optical flow between frames, and its 8-bit pictures.

Source of all figures: I3D (Carreira and Zisserman 2017), whose flow the paper uses (section 5.1).
"""

import itertools
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from s3dg.errors import S3dgError, VideoError

BOUND = 20.0  # pixels; longer components are cut off
_DIS_LEAST_SIDE = 16  # pixels; measured: below it OpenCV crashes, or returns NaN


class FlowError(S3dgError, RuntimeError):
    """Optical flow cannot be computed here; the message is one line saying what to install."""


def _tvl1():
    if not hasattr(cv2, 'optflow'):
        raise FlowError(
            'cv2.optflow: not found in this OpenCV, expected it for TV-L1 flow;'
            ' install opencv-contrib-python-headless, and no other OpenCV wheel beside it'
        )
    return cv2.optflow.DualTVL1OpticalFlow_create()


def _dis():
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


# TV-L1 with OpenCV's defaults is the I3D authors' way. DIS, which is ours, takes a fraction of its
# time.
ALGORITHMS = {'tvl1': _tvl1, 'dis': _dis}


def flow_fields(frames: Iterable[np.ndarray], algorithm: str = 'tvl1') -> Iterator[np.ndarray]:
    """Yields the forward flow from every frame to the next one: N frames give N - 1 fields.

    Args:
      frames: uint8 arrays (height, width), gray, all of one size.
      algorithm: a key of ALGORITHMS.

    Yields:
      float32 arrays (height, width, 2): x (to the right) and y (down) displacement in pixels.

    Raises:
      FlowError: if this OpenCV lacks the algorithm.
      VideoError: if the frames are too small for it, or it finds none.
    """
    method = ALGORITHMS[algorithm]()  # a new one for every video: it is not thread-safe
    for before, after in itertools.pairwise(frames):
        if algorithm == 'dis' and min(before.shape) < _DIS_LEAST_SIDE:
            height, width = before.shape
            raise VideoError(
                f'frames of {height}x{width}, DIS flow needs {_DIS_LEAST_SIDE} pixels a side'
            )
        field = method.calc(before, after, None)
        if not np.isfinite(field).all():
            raise VideoError('its optical flow is not a number somewhere')
        yield field


def to_image(field: np.ndarray) -> np.ndarray:
    """Quantises a flow field: uint8 (height, 2 width), the x components left, y right.

    Components are cut to [-20, 20] pixels and spread over 0 to 255.
    """
    cut = np.clip(field, -BOUND, BOUND)
    levels = np.round((cut + BOUND) / (2 * BOUND) * 255).astype(np.uint8)
    return np.concatenate([levels[..., 0], levels[..., 1]], axis=1)


def from_image(image: np.ndarray) -> np.ndarray:
    """The field that `to_image` quantised: uint8 (..., height, 2 width) to float32 (..., 2)."""
    width = image.shape[-1] // 2
    levels = np.stack([image[..., :width], image[..., width:]], axis=-1)
    return (levels.astype(np.float32) / 255 - 0.5) * (2 * BOUND)
