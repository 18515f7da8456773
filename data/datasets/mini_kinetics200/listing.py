"""Mini-Kinetics-200's lists of ids, joined with the CSVs of Kinetics-400."""

import os
import pathlib

from data.datasets import lists
from data.datasets.kinetics400 import listing as kinetics400
from data.datasets.kinetics400.listing import Clip
from data.errors import DatasetError

LISTS = {'train': 'train_ytid_list.txt', 'validation': 'val_ytid_list.txt'}


def read_clips(folder: str | os.PathLike, most_absent: float) -> dict[str, list[Clip]]:
    """Reads the lists of a folder; a split whose list is not there is left out.

    Args:
      folder: of the lists and the CSVs.
      most_absent: share of a list's ids that may be absent from the CSVs. Such a one is a clip
        without a label, whose name is its id.

    Raises:
      DatasetError: if there is no list, a line is not an id or comes twice, an id stands in the
        CSVs with two labels or intervals, or too many are absent; or as
        `kinetics400.listing.read_clips`.
    """
    clips = {}
    for some in kinetics400.read_clips(folder, ('train', 'validation')).values():
        for clip in some:
            clips.setdefault(clip.youtube_id, []).append(clip)
    paths = {
        split: path
        for split, name in LISTS.items()
        if (path := pathlib.Path(folder, name)).exists()
    }
    if not paths:
        raise DatasetError(
            f'{folder}: found no list of Mini-Kinetics-200, expected {" and ".join(LISTS.values())}'
        )
    splits, first = {}, {}
    for split, path in paths.items():
        splits[split], absent = [], []
        for number, line in lists.read_lines(path):
            where = f'{path}, line {number}'
            youtube_id = kinetics400.check_id(line, where)
            if youtube_id in first:
                raise DatasetError(
                    f'{where}: found {youtube_id} again, after {first[youtube_id]},'
                    ' expected every id once'
                )
            first[youtube_id] = where
            found = clips.get(youtube_id, [])
            if len(found) > 1:
                names = ' and '.join(f'{clip.name} ({clip.label})' for clip in found)
                raise DatasetError(
                    f'{where}: found {names} in the Kinetics-400 CSVs, expected one clip of this id'
                )
            if not found:
                absent.append(f'{youtube_id} of line {number}')
            splits[split] += found or [Clip(youtube_id, youtube_id, None, split)]
        if len(absent) > most_absent * len(splits[split]):
            raise DatasetError(
                f'{path}: found {len(absent)} of {len(splits[split])} ids in no Kinetics-400 CSV,'
                f' for example {absent[0]}, expected train.csv and val.csv to hold them'
            )
    return splits
