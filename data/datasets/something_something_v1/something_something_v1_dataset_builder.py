"""Builder of something_something_v1."""

import functools
import pathlib

from data.datasets import lists
from data.datasets.builder import VideoBuilder, modality_configs
from data.datasets.facts import Published
from data.datasets.something_something_v1 import listing
from data.errors import DatasetError
from data.listing import Video

_VIDEOS = '20bn-something-something-v1'
_LIST = 'something-something-v1-{}.csv'
_LABELS = _LIST.format('labels')


class Builder(VideoBuilder, skip_registration=True):
    """Something-Something, release 1; labels are sorted, as the indices of release 2 are."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
    From the makers of the dataset (Twenty Billion Neurons, now Qualcomm) or a mirror, side by side
    in the manual folder:
    - {_VIDEOS}/ID/00001.jpg, 00002.jpg, ... (of the parts {_VIDEOS}-00 and so on, put together by
      `cat {_VIDEOS}-?? | tar zx`; the folders ID may also lie in a second {_VIDEOS} within the
      first, in `frames` or in the manual folder itself);
    - {_LIST.format('train')}, {_LIST.format('validation')}, {_LIST.format('test')} (may be
      left out) and {_LABELS} (may be left out); also in `labels` or `annotations`.
    """
    BUILDER_CONFIGS = modality_configs(frames_per_second=listing.FRAMES_PER_SECOND)
    FLIP_LEFT_RIGHT = False
    FOLDER_FRAMES_PER_SECOND = listing.FRAMES_PER_SECOND
    PUBLISHED = Published(
        classes=174,
        videos={'train': 86_017, 'validation': 11_522, 'test': 10_960},
        seconds=4.03,
        source='Goyal et al. 2017',
        source_height=100,
    )

    def label_names(self) -> list[str]:
        path = self._labels_file
        if path is None:
            return sorted({entry.label for entry in self._lists['train']})
        names = set()
        for number, line in lists.read_lines(path):
            name = listing.check_label(line, f'{path}, line {number}')
            if name in names:
                raise DatasetError(
                    f'{path}, line {number}: found the label {name!r} again,'
                    ' expected every label once'
                )
            names.add(name)
        if not names:
            raise DatasetError(f'{path}: found no labels, expected one in each line')
        return sorted(names)

    def split_videos(self) -> dict[str, list[Video]]:
        source = self._labels_file or 'the labels of the training list'
        folders = (_VIDEOS, f'{_VIDEOS}/{_VIDEOS}', 'frames', '.')
        return listing.to_videos(
            self._lists, self.label_names(), str(source), self.manual_dir, folders
        )

    @functools.cached_property
    def _labels_file(self) -> pathlib.Path | None:
        return listing.find_optional_list(self.manual_dir, _LABELS)

    @functools.cached_property
    def _lists(self) -> dict[str, list[listing.Entry]]:
        return listing.read_splits(self.manual_dir, (_LIST,), _read_list)


def _read_list(path, has_labels) -> list[listing.Entry]:
    entries = []
    for number, line in lists.read_lines(path):
        where = f'{path}, line {number}'
        # Labels hold commas, and nothing is quoted.
        video_id, separator, label = line.partition(';')
        if bool(separator) != has_labels:
            expected = 'ID;LABEL' if has_labels else 'an ID and no label'
            raise DatasetError(f'{where}: found {line!r}, expected {expected}')
        video_id = listing.check_id(video_id.strip(), where)
        label = listing.check_label(label, where) if has_labels else None
        entries.append(listing.Entry(where, video_id, label))
    return entries
