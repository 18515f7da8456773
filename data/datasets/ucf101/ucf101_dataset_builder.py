"""Builder of ucf101."""

import functools
import os
import re

from data.datasets import lists
from data.datasets.divided import DividedBuilder, split_configs
from data.datasets.facts import Published
from data.errors import DatasetError
from data.listing import Video

_LISTS = 'ucfTrainTestlist'
_VIDEOS = 'UCF-101'

_CLASS = re.compile(r'([1-9][0-9]{0,5})\s+(\S+)')
_ENTRY = re.compile(r'([^/\s]+)/(([^/\s]+)\.avi)(?:\s+([0-9]{1,6}))?', re.IGNORECASE)


class Builder(DividedBuilder, skip_registration=True):
    """UCF-101, with labels in the order of `classInd.txt`."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
    From https://www.crcv.ucf.edu/data/UCF101.php, unpacked side by side into the manual folder:
    - {_VIDEOS}/CLASS/*.avi (UCF101.rar; the videos may also lie flat);
    - {_LISTS}/classInd.txt, trainlist01.txt to trainlist03.txt, testlist01.txt to
      testlist03.txt (UCF101TrainTestSplits-RecognitionTask.zip; they may also lie in the manual
      folder itself).
    """
    BUILDER_CONFIGS = split_configs((1, 2, 3))
    PUBLISHED = Published(
        classes=101,
        videos={
            1: {'train': 9537, 'test': 3783},
            2: {'train': 9586, 'test': 3734},
            3: {'train': 9624, 'test': 3696},
        },
        seconds=7.21,
        source='Soomro et al. 2012',
        source_height=240,
    )

    def label_names(self) -> list[str]:
        return sorted(self._class_numbers, key=self._class_numbers.get)

    def division_videos(self) -> dict[str, list[Video]]:
        # `folder` is UCF-101, or the manual folder with the videos flat in it.
        folder = lists.find(self.manual_dir, _VIDEOS, '.')
        files = {}
        for file in lists.list_files(folder, ('.avi',)):
            files.setdefault(os.path.basename(file).casefold(), []).append(file)
        splits, listed = {}, {}
        for split in ('train', 'test'):
            path = self._find_list(f'{split}list{self.builder_config.split_number:02d}.txt')
            splits[split] = []
            for number, line in lists.read_lines(path):
                class_name, name, video_id = self._parse(path, number, line)
                key = name.casefold()
                if key in listed:
                    raise DatasetError(
                        f'{path}, line {number}: found {class_name}/{name}, which is also in'
                        f' {listed[key]}, expected every video once'
                    )
                listed[key] = f'{path.name}, line {number}'
                found = _best(files.get(key, ()), class_name) or f'{class_name}/{name}'
                splits[split].append(Video(video_id, os.path.join(folder, found), class_name))
        return splits

    @functools.cached_property
    def _class_numbers(self) -> dict[str, int]:
        path = self._find_list('classInd.txt')
        numbers = {}
        for line_number, line in lists.read_lines(path):
            match = _CLASS.fullmatch(line)
            if match is None:
                raise DatasetError(
                    f'{path}, line {line_number}: found {line!r}, expected a number from 1 and the'
                    ' name of a class'
                )
            number, name = int(match[1]), lists.check_name(match[2], path, line_number)
            if name in numbers or number in numbers.values():
                raise DatasetError(
                    f'{path}, line {line_number}: found {line!r}, whose name or number came before,'
                    ' expected every class once'
                )
            numbers[name] = number
        missing = set(range(1, len(numbers) + 1)) - set(numbers.values())
        if missing or not numbers:
            first = min(missing, default=1)
            raise DatasetError(
                f'{path}: found {len(numbers)} classes but none with number {first}, expected the'
                ' numbers from 1 without gaps'
            )
        return numbers

    def _find_list(self, name):
        return lists.find(self.manual_dir, f'{_LISTS}/{name}', name)

    def _parse(self, path, number, line) -> tuple[str, str, str]:
        """Class, file name and id that a line of a list says."""
        lists.check_name(line.split()[0], path, number)
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise DatasetError(
                f'{path}, line {number}: found {line!r}, expected CLASS/NAME.avi and, in a training'
                ' list, the number of the class'
            )
        class_name, name, video_id, class_number = match.groups()
        if class_name not in self._class_numbers:
            raise DatasetError(
                f'{path}, line {number}: found class {class_name!r}, expected one of classInd.txt'
            )
        if class_number and int(class_number) != self._class_numbers[class_name]:
            raise DatasetError(
                f'{path}, line {number}: found number {class_number} for class {class_name},'
                f' expected {self._class_numbers[class_name]} as in classInd.txt'
            )
        return class_name, name, video_id


def _best(files, class_name) -> str | None:
    """Of several files of one name, the one in a folder of the class."""

    def elsewhere(file):
        return os.path.basename(os.path.dirname(file)).casefold() != class_name.casefold()

    return min(files, key=lambda file: (elsewhere(file), file), default=None)
