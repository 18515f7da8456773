"""Reads the corrected annotations of UCF101-24 (Singh et al. 2017), `pyannot.pkl`."""

import os
from collections.abc import Sequence

import numpy as np

from data.datasets import detection, pickles
from data.datasets.detection import LAST_FRAME, Annotation, Tube
from data.errors import DatasetError

# Of the pictures that the boxes were drawn on.
_HEIGHT, _WIDTH = 240, 320


def read(path: str | os.PathLike, label_names: Sequence[str]) -> dict[str, Annotation]:
    """Reads the boxes of all videos.

    The pickle is a dictionary by "CLASS/VIDEO" of {'numf', 'label', 'annotations': [{'label', 'sf',
    'ef', 'boxes'}]}: number of frames, index of the class, and for every tube the index of its
    class, its first frame, from 0, the one after its last, and a box x, y, width, height for each
    of its frames, in pixels of 320x240.

    A box reaches from x to x + width, as in all published results on these boxes. They come from
    MATLAB, where x counts from 1, and seem not to have been moved: a pixel at most.

    Args:
      path: the pickle.
      label_names: in the order of the indices; each is also the folder of its videos.

    Raises:
      DatasetError: naming the file, the video and what of it is not as it should be.
    """
    content = pickles.load(path)
    if not isinstance(content, dict) or not content:
        found = 'nothing in it' if isinstance(content, dict) else pickles.describe(content)
        raise DatasetError(f'{path}: found {found}, expected a dictionary of videos')
    return {name: _read_video(content, name, label_names, path) for name in content}


def _read_video(content, name, label_names, path) -> Annotation:
    folder = detection.check_video_name(name, label_names, path)
    where = f'{path}, {name}'
    entry = pickles.get(content, name, dict, where)
    if _label(entry, label_names, where) != folder:
        raise DatasetError(
            f'{where}: found label {entry["label"]}, expected {label_names.index(folder)}'
        )
    tubes = [
        _read_tube(tube, label_names, f'{where}, tube {number}')
        for number, tube in enumerate(pickles.get(entry, 'annotations', list, where))
    ]
    return Annotation(tubes, _HEIGHT, _WIDTH, pickles.get(entry, 'numf', int, where))


def _read_tube(tube, label_names, where) -> Tube:
    label = _label(tube, label_names, where)
    start, end = (pickles.get(tube, key, int, where) for key in ('sf', 'ef'))
    if not 0 <= start <= end <= LAST_FRAME:
        raise DatasetError(
            f'{where}: found the frames {start} to {end}, expected rising ones from 0'
        )
    values = pickles.get(tube, 'boxes', pickles.Array, where).values
    if values.shape != (end - start, 4):
        raise DatasetError(
            f'{where}: found boxes of shape {values.shape}, expected {(end - start, 4)}'
        )
    with np.errstate(invalid='ignore'):  # of NaN, which is refused below
        values = values.astype(np.float64)  # 200 + 100 is 44 in uint8
    if not np.isfinite(values).all():
        raise DatasetError(f'{where}: found a box with NaN or infinity, expected numbers')
    x, y, width, height = values.T
    corners = np.stack([y, x, y + height, x + width], axis=1)
    return Tube(label, np.arange(start, end), corners)


def _label(entry, label_names, where) -> str:
    index = pickles.get(entry, 'label', int, where)
    if not 0 <= index < len(label_names):
        raise DatasetError(f'{where}: found label {index}, expected 0 to {len(label_names) - 1}')
    return label_names[index]
