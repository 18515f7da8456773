"""Boxes from JHMDB's puppet masks: `puppet_mask.mat` of a video says where its actor is."""

import math
import os

import numpy as np
import scipy.io

from data import boxes
from s3dg.errors import VideoError

_VARIABLE = 'part_mask'
# What MATLAB calls the types of numbers; others (cells, structures, functions) are not read.
_TYPES = (
    'logical',
    'double',
    'single',
    'int8',
    'uint8',
    'int16',
    'uint16',
    'int32',
    'uint32',
    'int64',
    'uint64',
)
_MOST_VALUES = 2**28  # 3,495 masks of 240x320; a hostile file may claim any number


def read(path: str | os.PathLike, label: str) -> boxes.Annotation:
    """Reads the boxes of a video's one actor.

    A mask that covers columns a to b of the picture, both included, gives a box from x = a to
    x = b + 1, likewise for rows; one that covers nothing gives none.

    Args:
      path: MATLAB file with the variable `part_mask` [height, width, number of masks], above 0 where
        the actor is. Mask k is that of frame k; there may be fewer than frames.
      label: the video's class.

    Raises:
      VideoError: if there is no such file, or it cannot be used.
    """
    masks = _read_masks(path) > 0
    height, width, count = masks.shape
    ymin, ymax = _extent(masks.any(axis=1))
    xmin, xmax = _extent(masks.any(axis=0))
    frames = np.flatnonzero(masks.any(axis=(0, 1)))
    corners = np.stack([ymin, xmin, ymax, xmax], axis=1)[frames].astype(np.float64)
    return boxes.Annotation([boxes.Tube(label, frames, corners)], height, width, count)


def _extent(covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First covered place of each column, and the one after the last covered one."""
    return covered.argmax(axis=0), len(covered) - covered[::-1].argmax(axis=0)


def _read_masks(path) -> np.ndarray:
    name = os.path.basename(path)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for
        raise VideoError(f'{name} is not a regular file')
    try:
        listed = scipy.io.whosmat(path, appendmat=False)
        held = {variable: (shape, kind) for variable, shape, kind in listed}
        if _VARIABLE not in held:
            found = ', '.join(sorted(held))[:100] or 'nothing'
            raise VideoError(f'{name} holds {found!r}, expected {_VARIABLE!r}')
        shape, kind = held[_VARIABLE]
        if len(shape) not in (2, 3) or kind not in _TYPES:
            raise VideoError(
                f'{name} holds {_VARIABLE!r} of type {kind} and shape {shape},'
                ' expected numbers [height, width, number of masks]'
            )
        if min(shape) < 1 or math.prod(shape) > _MOST_VALUES:
            raise VideoError(f'{name} holds masks of shape {shape}')
        loaded = scipy.io.loadmat(path, appendmat=False, variable_names=[_VARIABLE])
        masks = loaded[_VARIABLE].reshape(*shape[:2], -1)  # MATLAB drops a last dimension of 1
    except VideoError:
        raise
    except FileNotFoundError:
        raise VideoError(f'{name}: file not found') from None
    except NotImplementedError:
        raise VideoError(
            f'{name} is a MATLAB file of version 7.3 (HDF5); save it again with -v7'
        ) from None
    # A reader of binary files, on a broken one, fails in whatever way its bytes lead to.
    except Exception as error:  # noqa: BLE001
        raise VideoError(f'{name} cannot be read ({type(error).__name__})') from None
    return masks
