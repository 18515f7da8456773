"""Boxes from JHMDB's puppet masks: `puppet_mask.mat` of a video says where its actor is.

No TensorFlow in here: the files are read in the processes that read videos.
"""

import dataclasses
import math
import os

import numpy as np

from data.datasets.jhmdb import matlab
from s3dg.errors import VideoError

_VARIABLE = 'part_mask'
# 436 masks of 240x320, where the longest of the published videos has 40: 256 MiB, if of doubles. A
# hostile file may claim, or inflate to, any number.
_MOST_VALUES = 2**25


@dataclasses.dataclass(frozen=True)
class Extents:
    """Where the masks of a video are."""

    frames: np.ndarray  # int64 [n], numbers of the masks that cover anything, from 0
    # float64 [n, 4], (ymin, xmin, ymax, xmax) of what each of them covers, in pixels: one from
    # column a to column b, both included, reaches from x = a to x = b + 1.
    corners: np.ndarray
    height: int  # of the masks, in pixels
    width: int  # likewise
    count: int  # of all masks


def read(path: str | os.PathLike) -> Extents:
    """Reads where the one actor of a video is.

    Args:
      path: MATLAB file with the variable `part_mask` [height, width, number of masks], above 0
        where the actor is. Mask k is that of frame k; there may be fewer than frames.

    Raises:
      VideoError: if there is no such file, or it cannot be used.
    """
    masks = _read_masks(path) > 0
    height, width, count = masks.shape
    ymin, ymax = _extent(masks.any(axis=1))
    xmin, xmax = _extent(masks.any(axis=0))
    frames = np.flatnonzero(masks.any(axis=(0, 1)))
    corners = np.stack([ymin, xmin, ymax, xmax], axis=1)[frames].astype(np.float64)
    return Extents(frames, corners, height, width, count)


def _extent(covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First covered place of each column, and the one after the last covered one."""
    return covered.argmax(axis=0), len(covered) - covered[::-1].argmax(axis=0)


def _read_masks(path) -> np.ndarray:
    name = os.path.basename(path)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for
        raise VideoError(f'{name} is not a regular file')
    others = []
    try:
        for variable in matlab.variables(path):
            if variable.name == _VARIABLE:
                return _numbers(variable, name)
            others.append(variable.name)
    except FileNotFoundError:
        raise VideoError(f'{name}: file not found') from None
    except OSError as error:
        raise VideoError(f'{name} cannot be read ({error.strerror})') from None
    except matlab.MatlabError as error:
        raise VideoError(f'{name} cannot be read ({error})') from None
    found = ', '.join(sorted(others))[:100] or 'nothing'
    raise VideoError(f'{name} holds {found!r}, expected {_VARIABLE!r}')


def _numbers(variable, name) -> np.ndarray:
    shape = variable.shape
    if len(shape) not in (2, 3) or not variable.has_numbers:
        raise VideoError(
            f'{name} holds {_VARIABLE!r} of type {variable.kind} and shape {shape},'
            ' expected numbers [height, width, number of masks]'
        )
    if min(shape) < 1 or math.prod(shape) > _MOST_VALUES:
        raise VideoError(
            f'{name} holds masks of shape {shape}, expected 1 to {_MOST_VALUES:,} values'
        )
    return variable.read().reshape(*shape[:2], -1)  # MATLAB drops a last dimension of 1
