"""Builder of hmdb51."""

import functools
import os
import pathlib
import re
from collections.abc import Iterator

from data.datasets import lists
from data.datasets.divided import DividedBuilder, split_configs
from data.datasets.facts import Published
from data.errors import DatasetError
from data.listing import Video

_LISTS = 'testTrainMulti_7030_splits'
_ARCHIVE = 'test_train_splits'  # of the lists
_VIDEOS = 'hmdb51_org'

_LIST = re.compile(r'(.+)_test_split([0-9]+)\.txt')
_ENTRY = re.compile(r'(([^/]+)\.avi)\s+([012])', re.IGNORECASE)
_SPLITS = {'1': 'train', '2': 'test'}  # 0: in neither


class Builder(DividedBuilder, skip_registration=True):
    """HMDB-51, with sorted labels."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
    From https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database, unpacked into
    the manual folder:
    - {_VIDEOS}/CLASS/*.avi ({_VIDEOS}.rar, and the .rar of every class in it);
    - {_LISTS}/CLASS_test_split1.txt, ..._test_split2.txt, ..._test_split3.txt ({_ARCHIVE}.rar;
      {_ARCHIVE}/{_LISTS}/ does as well).
    """
    BUILDER_CONFIGS = split_configs((1, 2, 3))
    PUBLISHED = Published(
        classes=51,
        videos={number: {'train': 3570, 'test': 1530} for number in (1, 2, 3)},
        seconds=3.1,
        source='an estimate, of some 95 frames at 30 a second',
        source_height=240,
        pool=6766,
    )

    def label_names(self) -> list[str]:
        return sorted({class_name for class_name, _ in self._lists})

    def division_videos(self) -> dict[str, list[Video]]:
        folder = lists.find(self.manual_dir, _VIDEOS)
        number = str(self.builder_config.split_number)
        splits = {'train': [], 'test': []}
        for class_name in self.label_names():
            if (class_name, number) not in self._lists:
                raise DatasetError(
                    f'{self._list_folder}: found no {class_name}_test_split{number}.txt, expected'
                    ' one for every class'
                )
            path = self._lists[class_name, number]
            for video_id, name, use in _read_list(path, class_name):
                if use in _SPLITS:
                    item = Video(video_id, os.path.join(folder, class_name, name), class_name)
                    splits[_SPLITS[use]].append(item)
        return splits

    @functools.cached_property
    def _list_folder(self) -> pathlib.Path:
        return lists.find(self.manual_dir, _LISTS, _ARCHIVE)

    @functools.cached_property
    def _lists(self) -> dict[tuple[str, str], pathlib.Path]:
        """The list of every (class, number)."""
        found = {}
        for file in lists.list_files(self._list_folder, ('.txt',)):
            path = self._list_folder / file
            match = _LIST.fullmatch(path.name)
            if match is None:  # a note, say
                continue
            class_name, number = match.groups()
            lists.check_name(class_name, self._list_folder)
            if (class_name, number) in found:
                raise DatasetError(
                    f'{path}: found a list that is also in {found[class_name, number].parent},'
                    ' expected one of them'
                )
            found[class_name, number] = path
        if not found:
            raise DatasetError(
                f'{self._list_folder}: found no lists, expected CLASS_test_split1.txt and so on'
            )
        return found


def _read_list(path, class_name) -> Iterator[tuple[str, str, str]]:
    """Yields (id, file name, number that says what it is for) of the videos of a class."""
    listed = {}
    for number, line in lists.read_lines(path):
        lists.check_name(line.rsplit(maxsplit=1)[0], path, number)
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise DatasetError(
                f'{path}, line {number}: found {line!r}, expected NAME.avi and 0, 1 or 2'
            )
        name, stem, use = match.groups()
        # Also refused: names that differ in the case of their suffix, which would share an id.
        if stem in listed:
            raise DatasetError(
                f'{path}, line {number}: found {name!r}, which is also in line {listed[stem]},'
                ' expected every video once'
            )
        listed[stem] = number
        yield f'{class_name}/{stem}', name, use
