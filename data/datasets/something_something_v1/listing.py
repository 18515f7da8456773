"""What both releases of Something-Something share: where their files lie, and lists into videos."""

import dataclasses
import os
import pathlib
import re
import reprlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

from data.datasets import lists
from data.errors import DatasetError
from data.listing import Video

# Frames a second of release 1's images and of release 2's videos; the paper keeps them.
FRAMES_PER_SECOND = 12.0

# Where the lists lie: beside the folder of videos, in the folder of release 2's own archive, or
# where other tools put them.
_LIST_FOLDERS = ('', 'labels/', 'annotations/')


@dataclasses.dataclass(frozen=True)
class Entry:
    """A video as a list names it."""

    where: str  # the list, and the line or entry of it, for error messages
    id: str  # as published, a number in digits
    label: str | None  # name of its class; None where it is not published


def find_list(folder: str, *names: str) -> pathlib.Path:
    """The first of `names` among the lists of a dataset's folder.

    Raises:
      DatasetError: if none is there.
    """
    return lists.find(folder, *(inner + name for inner in _LIST_FOLDERS for name in names))


def find_optional_list(folder: str, *names: str) -> pathlib.Path | None:
    """As `find_list`; None if there is no such list."""
    try:
        return find_list(folder, *names)
    except DatasetError:
        return None


def read_splits(
    folder: str, names: Sequence[str], read: Callable[[pathlib.Path, bool], list[Entry]]
) -> dict[str, list[Entry]]:
    """The lists of a dataset: 'train', 'validation' and, if it is there, 'test'.

    Args:
      folder: of the dataset.
      names: that a list may have, with "{}" for the split.
      read: reads a list, told whether labels are expected in it.

    Raises:
      DatasetError: if a list is missing or empty, or names a video that was named before.
    """
    splits, seen = {}, {}
    for split in ('train', 'validation', 'test'):
        find = find_optional_list if split == 'test' else find_list
        path = find(folder, *(name.format(split) for name in names))
        if path is None:
            continue
        splits[split] = read(path, split != 'test')
        if not splits[split]:
            raise DatasetError(f'{path}: found no videos, expected at least one')
        for entry in splits[split]:
            if entry.id in seen:
                raise DatasetError(
                    f'{entry.where}: found the id {entry.id}, which is also in {seen[entry.id]},'
                    ' expected every video once'
                )
            seen[entry.id] = entry.where
    return splits


def to_videos(
    splits: dict[str, list[Entry]],
    labels: Collection[str],
    source: str,
    folder: str,
    video_folders: Sequence[str],
    suffix: str = '',
) -> dict[str, list[Video]]:
    """The videos that the lists name, in their order.

    Args:
      splits: of `read_splits`.
      labels: all that there are.
      source: where they come from, for the error message.
      folder: of the dataset.
      video_folders: of the videos, relative to it; the first one that holds any of them is taken.
      suffix: of the video files.

    Raises:
      DatasetError: if a label is unknown, or no video is where one was expected.
    """
    labels = frozenset(labels)
    for entries in splits.values():
        for entry in entries:
            if entry.label is not None and entry.label not in labels:
                raise DatasetError(
                    f'{entry.where}: found the label {entry.label!r}, expected one of {source}'
                )
    names = [entry.id + suffix for entries in splits.values() for entry in entries]
    for inner in video_folders:
        parent = os.path.normpath(os.path.join(folder, inner))
        if os.path.isdir(parent) and any(os.path.exists(f'{parent}/{name}') for name in names):
            break
    else:
        raise DatasetError(
            f'{folder}: found none of the {len(names)} videos listed, expected {names[0]} and so on'
            f' in {" or ".join(video_folders)}'
        )
    return {
        split: [Video(entry.id, f'{parent}/{entry.id}{suffix}', entry.label) for entry in entries]
        for split, entries in splits.items()
    }


def check_id(value: Any, where: str) -> str:
    """The id of a video, which becomes a name in the folder of videos.

    Raises:
      DatasetError: if it is anything but a number.
    """
    if not isinstance(value, str | int) or not re.fullmatch('[0-9]{1,20}', str(value)):
        raise DatasetError(f'{where}: found the id {reprlib.repr(value)}, expected a number')
    return str(value)


def check_label(value: Any, where: str) -> str:
    """The name of a class without blanks around it.

    Raises:
      DatasetError: if it is not a line of text.
    """
    label = value.strip() if isinstance(value, str) else ''
    if not label or not label.isprintable():  # the dataset's list of labels has a line for each
        raise DatasetError(
            f'{where}: found the label {reprlib.repr(value)}, expected a line of text'
        )
    return label
