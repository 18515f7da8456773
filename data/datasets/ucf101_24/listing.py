"""Finds the videos of UCF101-24, and the split that a list of UCF-101 says."""

import os
import pathlib
from collections.abc import Iterable

from data.datasets import lists
from data.errors import DatasetError

# Folders of folders of frames, CLASS/VIDEO/00001.jpg; where there are both, the boxes were drawn on
# these, not on the frames of a decoder of today.
FRAMES = ('rgb-images', 'Frames')
VIDEOS = 'UCF-101'


def find_videos(manual_dir: str | os.PathLike, names: Iterable[str]) -> dict[str, str]:
    """Paths of videos, by name "CLASS/VIDEO".

    A video is found by its own name, whatever the case of letters; of several, the one in a folder
    of its class is taken. One that is not there has the path where it was expected.

    Raises:
      DatasetError: if there is no folder of videos.
    """
    root = lists.find(manual_dir, *FRAMES, VIDEOS)
    in_frames = root.name in FRAMES
    found = {}
    for relative in _frame_folders(root) if in_frames else lists.list_files(root):
        base = os.path.basename(relative)
        name = base if in_frames else os.path.splitext(base)[0]
        found.setdefault(name.casefold(), []).append(relative)
    paths = {}
    for name in names:
        class_name, video = name.split('/')
        expected = name if in_frames else f'{name}.avi'
        files = found.get(video.casefold(), [expected])
        best = min(files, key=lambda file: (not _is_in(file, class_name), file))
        paths[name] = os.path.join(root, best)
    return paths


def read_test_names(path: str | os.PathLike) -> set[str]:
    """The videos of a list like `testlist01.txt`, "CLASS/VIDEO" or "CLASS/VIDEO.avi", casefolded.

    Raises:
      DatasetError: naming the file and the line at fault.
    """
    names = set()
    for number, line in lists.read_lines(path):
        name = lists.check_name(line, path, number).casefold().removesuffix('.avi')
        if name.count('/') != 1:
            raise DatasetError(f'{path}, line {number}: found {line!r}, expected CLASS/VIDEO.avi')
        names.add(name)
    return names


def _frame_folders(root: pathlib.Path) -> list[str]:
    return [
        folder.relative_to(root).as_posix()
        for folder in sorted(root.glob('*/*'))
        if folder.is_dir()
    ]


def _is_in(file: str, class_name: str) -> bool:
    return os.path.basename(os.path.dirname(file)).casefold() == class_name.casefold()
