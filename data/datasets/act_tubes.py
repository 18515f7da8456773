"""Reads the ground truth of the ACT detector (Kalogeiton et al. 2017), published for several sets.

`JHMDB-GT.pkl`, `UCF101-GT.pkl`, `UCF101v2-GT.pkl`: pickles of Python 2, dictionaries of

    labels                       names of the classes
    train_videos, test_videos    a list per split of names "CLASS/VIDEO"
    nframes                      {name: number of frames}
    resolution                   {name: (height, width)}
    gttubes                      {name: {index of the class: [array (n, 5), a row
                                 (frame, x1, y1, x2, y2) per box]}}

Frames count from 1. Corners are numbers of pixels from 0, the last ones included, as the detector's
own code says and computes ("frame number are 1-indexed, coordinates are 0-indexed"; areas of
(x2 - x1 + 1) (y2 - y1 + 1)): a box reaches from x1 to x2 + 1. So the overlaps of boxes read here
are those that the ACT code computes.
"""

import os
from collections.abc import Sequence

import numpy as np

from data.datasets import detection, pickles
from data.datasets.detection import LAST_FRAME, Annotation, GroundTruth, Tube
from data.errors import DatasetError


def read(path: str | os.PathLike, split_number: int, label_names: Sequence[str]) -> GroundTruth:
    """Reads a split, from 1, of such a pickle, whose labels may be in another order than given.

    Raises DatasetError, naming the file and what of it is not as it should be.
    """
    content = pickles.load(path)
    labels = pickles.get(content, 'labels', list, f'{path}')
    for label in labels:
        if label not in label_names:
            found = repr(label)[:100] if isinstance(label, str) else pickles.describe(label)
            raise DatasetError(
                f'{path}: found the label {found}, expected {", ".join(label_names)}'
            )
    splits = {}
    for split in ('train', 'test'):
        key = f'{split}_videos'
        lists = pickles.get(content, key, list, f'{path}')
        if len(lists) < split_number or not isinstance(lists[split_number - 1], list):
            raise DatasetError(
                f'{path}: found {len(lists)} entries in {key!r}, expected a list of names in number'
                f' {split_number}'
            )
        splits[split] = lists[split_number - 1]
    annotations = {}
    for name in splits['train'] + splits['test']:
        detection.check_video_name(name, label_names, path)
        annotations[name] = _read_video(content, name, labels, path)
    return GroundTruth(splits, annotations)


def _read_video(content, name, labels, path) -> Annotation:
    where = f'{path}, {name}'

    def of_video(key, kind):
        of_all = pickles.get(content, key, dict, f'{path}')
        return pickles.get(of_all, name, kind, f'{path}, {key!r}')

    frames = of_video('nframes', int)
    resolution = of_video('resolution', tuple)
    sizes = [size for size in resolution if isinstance(size, int) and 0 < size < 2**31]
    if len(sizes) != 2 or len(resolution) != 2:
        raise DatasetError(f'{where}: found no resolution, expected (height, width) in pixels')
    groups = of_video('gttubes', dict)
    for index in groups:
        if not isinstance(index, int) or not 0 <= index < len(labels):
            raise DatasetError(
                f'{where}: found tubes of {pickles.describe(index)} that is no index of a class,'
                f' expected 0 to {len(labels) - 1}'
            )
    tubes = []
    for index in sorted(groups):
        group = groups[index]
        if not isinstance(group, list):
            raise DatasetError(
                f'{where}: found {pickles.describe(group)}, expected a list of tubes'
            )
        tubes += [_read_tube(tube, labels[index], where) for tube in group]
    return Annotation(tubes, *sizes, frames)


def _read_tube(tube, label, where) -> Tube:
    if not isinstance(tube, pickles.Array) or tube.values.ndim != 2 or tube.values.shape[1] != 5:
        raise DatasetError(
            f'{where}: found {pickles.describe(tube)} for a tube,'
            ' expected an array (n, 5) of frame, x1, y1, x2, y2'
        )
    with np.errstate(invalid='ignore'):  # of NaN, which is refused below
        values = tube.values.astype(np.float64)
    if not np.isfinite(values).all():
        raise DatasetError(f'{where}: found a tube with NaN or infinity, expected numbers')
    frames, x1, y1, x2, y2 = values.T
    if ((frames != np.round(frames)) | (frames < 1) | (frames > LAST_FRAME)).any():
        raise DatasetError(f'{where}: found a tube whose frames are not whole numbers from 1')
    corners = np.stack([y1, x1, y2 + 1, x2 + 1], axis=1)
    return Tube(label, frames.astype(np.int64) - 1, corners)
