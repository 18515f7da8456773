"""Builder of something_something_v2."""

import functools
import pathlib
import re
import reprlib
from typing import Any

from data.datasets import lists
from data.datasets.builder import VideoBuilder, modality_configs
from data.datasets.facts import Published
from data.datasets.something_something_v1 import listing
from data.errors import DatasetError
from data.listing import Video

_VIDEOS = '20bn-something-something-v2'
_PREFIX = 'something-something-v2-'


class Builder(VideoBuilder, skip_registration=True):
    """Something-Something, release 2; labels are in the order of the published indices."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
    From https://developer.qualcomm.com/software/ai-datasets/something-something, side by side in
    the manual folder:
    - {_VIDEOS}/ID.webm (of the parts {_VIDEOS}-00 and so on, put together by
      `cat {_VIDEOS}-?? | tar zx`; the videos may also lie in a second {_VIDEOS} within the first,
      in `something-something-v2`, in `videos` or in the manual folder itself);
    - train.json, validation.json, test.json (may be left out) and labels.json, or the same with
      {_PREFIX} before their names; also in `labels` or `annotations`.
    """
    BUILDER_CONFIGS = modality_configs(frames_per_second=listing.FRAMES_PER_SECOND)
    FLIP_LEFT_RIGHT = False
    PUBLISHED = Published(
        classes=174,
        videos={'train': 168_913, 'validation': 24_777, 'test': 27_157},
        seconds=4.03,
        source='taken over from release 1',
        source_height=240,
    )

    def label_names(self) -> list[str]:
        return _read_labels(self._labels_file)

    def split_videos(self) -> dict[str, list[Video]]:
        names = (f'{_PREFIX}{{}}.json', '{}.json')
        splits = listing.read_splits(self.manual_dir, names, _read_list)
        folders = (
            _VIDEOS,
            f'{_VIDEOS}/{_VIDEOS}',
            'something-something-v2',
            'videos',
            f'videos/{_VIDEOS}',
            '.',
        )
        return listing.to_videos(
            splits, self.label_names(), str(self._labels_file), self.manual_dir, folders, '.webm'
        )

    @functools.cached_property
    def _labels_file(self) -> pathlib.Path:
        return listing.find_list(self.manual_dir, f'{_PREFIX}labels.json', 'labels.json')


def _read_labels(path) -> list[str]:
    """The names of a file `{"name": "index"}` in the order of the indices."""
    content = lists.read_json(path)
    if not isinstance(content, dict) or not content:
        raise DatasetError(
            f'{path}: found {reprlib.repr(content)}, expected the index of each label by its name'
        )
    names = {}
    for key, index in content.items():
        name = listing.check_label(key, str(path))
        if not isinstance(index, str | int) or not re.fullmatch('[0-9]{1,9}', str(index)):
            raise DatasetError(
                f'{path}: found the index {reprlib.repr(index)} of {name!r}, expected a number'
            )
        if name in names.values():  # they differ in blanks
            raise DatasetError(f'{path}: found the label {name!r} again, expected every label once')
        names.setdefault(int(index), name)
    missing = set(range(len(content))) - set(names)
    if missing:  # which it also is where an index comes twice
        raise DatasetError(
            f'{path}: found {len(content)} labels but none of index {min(missing)},'
            f' expected each of 0 to {len(content) - 1} once'
        )
    return [names[index] for index in range(len(content))]


def _read_list(path, has_labels) -> list[listing.Entry]:
    content = lists.read_json(path)
    if not isinstance(content, list):
        raise DatasetError(f'{path}: found {reprlib.repr(content)}, expected a list of videos')
    entries = []
    for number, item in enumerate(content, start=1):
        where = f'{path}, entry {number}'
        video_id = listing.check_id(_field(item, 'id', where), where)
        # The template is the label with brackets around what the video's own words stand for.
        label = None
        if has_labels:
            template = listing.check_label(_field(item, 'template', where), where)
            label = template.replace('[', '').replace(']', '')
        entries.append(listing.Entry(where, video_id, label))
    return entries


def _field(item: Any, name: str, where: str) -> Any:
    if not isinstance(item, dict) or name not in item:
        raise DatasetError(f'{where}: found {reprlib.repr(item)}, expected a field {name!r}')
    return item[name]
