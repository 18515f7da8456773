"""Finds the videos of a folder with a folder per class, and splits them."""

import dataclasses
import hashlib
import os
import pathlib

from data.errors import DatasetError
from data.listing import Video
from s3dg import files
from s3dg.video import reading

# A folder holding nothing but these is taken for splits with classes in them, any other for
# classes.
SPLITS = ('train', 'validation', 'test')
# Not accepted, but never taken for classes either.
_OTHER_SPLIT_NAMES = ('val', 'valid', 'dev')


@dataclasses.dataclass(frozen=True)
class Listing:
    """Videos of each split, and the paths (relative, hidden ones left out) that are not videos by
    their names."""

    splits: dict[str, list[Video]]
    ignored: list[str]


def list_videos(
    folder: str | os.PathLike, validation_fraction: float = 0.2, seed: int = 0
) -> Listing:
    """Lists the videos of `folder/CLASS/` or of `folder/{train,validation[,test]}/CLASS/`.

    In the first case every class is split by a hash of the seed and the names:
    `validation_fraction` of its videos, rounded, but at least one for validation and one for
    training where a class has two or more. A class of a single video has it in training.

    Args:
      folder: holds folders, which hold videos; deeper ones are ignored, as are hidden files and
        other suffixes.
      validation_fraction: 0 (then there is no such split) to below 1.
      seed: of the split.

    Returns:
      The splits, "train" first, each sorted by id. Ids are paths relative to `folder`, with "/".

    Raises:
      DatasetError: if the folder is empty or has no class folders, or splits do not fit together.
    """
    folder = pathlib.Path(folder)
    entries = _visible(folder)
    folders = [entry for entry in entries if entry.is_dir()]
    ignored = [_relative(entry, folder) for entry in entries if not entry.is_dir()]
    if not folders:
        videos = [entry for entry in entries if _is_video(entry)]
        found = f'{len(videos)} videos directly in it' if videos else 'no videos'
        raise DatasetError(
            f'{folder}: found {found}, expected one folder per class with videos in it'
        )
    if {entry.name for entry in folders} <= {*SPLITS, *_OTHER_SPLIT_NAMES}:
        splits = _given_splits(folder, folders, ignored)
    else:
        if {'train', 'validation'} <= {entry.name for entry in folders}:
            others = sorted({entry.name for entry in folders} - set(SPLITS))
            raise DatasetError(
                f"{folder}: found {others[0]!r} beside 'train' and 'validation',"
                ' expected either classes or splits'
            )
        splits = _seeded_splits(_classes(folder, folder, ignored), validation_fraction, seed)
        if not splits['train']:
            raise DatasetError(f'{folder}: found no videos in its {len(folders)} class folders')
        if not validation_fraction:
            del splits['validation']
        elif not splits['validation']:
            raise DatasetError(
                f'{folder}: found one video in every class, expected two or more in some,'
                " or 'train' and 'validation' folders"
            )
    return Listing(splits, sorted(ignored))


def _given_splits(folder, folders, ignored) -> dict[str, list[Video]]:
    names = sorted(entry.name for entry in folders)
    if not {'train', 'validation'} <= set(names) <= set(SPLITS):
        raise DatasetError(
            f"{folder}: found {', '.join(names)}, expected the folders 'train' and 'validation'"
            " (and 'test' if you like)"
        )
    splits = {}
    for split in SPLITS:
        if split in names:
            videos = _classes(folder / split, folder, ignored)
            splits[split] = [item for items in videos.values() for item in items]
            if not splits[split]:
                raise DatasetError(
                    f'{folder / split}: found no videos,'
                    ' expected one folder per class with videos in it'
                )
    trained = {item.label for item in splits['train']}
    for split, videos in splits.items():
        unknown = sorted({item.label for item in videos} - trained)
        if unknown:
            raise DatasetError(
                f"{folder / split}: found class {unknown[0]!r}, which has no videos in 'train',"
                f' expected only {", ".join(sorted(trained))}'
            )
    return splits


def _classes(parent, folder, ignored) -> dict[str, list[Video]]:
    classes = {}
    for class_folder in _visible(parent):
        if not class_folder.is_dir():
            if parent != folder:  # those of the root are noted already
                ignored.append(_relative(class_folder, folder))
            continue
        videos = []
        for entry in _visible(class_folder):
            if _is_video(entry):
                videos.append(
                    Video(_relative(entry, folder), str(entry), files.readable(class_folder.name))
                )
            else:
                ignored.append(_relative(entry, folder))
        if videos:
            classes[class_folder.name] = videos
        else:
            ignored.append(_relative(class_folder, folder))
    return classes


def _seeded_splits(classes, validation_fraction, seed) -> dict[str, list[Video]]:
    splits = {'train': [], 'validation': []}
    for videos in classes.values():
        drawn = sorted(
            videos, key=lambda item: hashlib.sha256(f'{seed}/{item.id}'.encode()).digest()
        )
        count = 0
        if validation_fraction and len(videos) > 1:
            count = min(max(round(validation_fraction * len(videos)), 1), len(videos) - 1)
        splits['validation'] += drawn[:count]
        splits['train'] += drawn[count:]
    return {split: sorted(videos, key=lambda item: item.id) for split, videos in splits.items()}


def _visible(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith('.'))


def _is_video(entry: pathlib.Path) -> bool:
    return entry.suffix.lower() in reading.VIDEO_SUFFIXES and not entry.is_dir()


def _relative(entry: pathlib.Path, folder: pathlib.Path) -> str:
    return files.readable(entry.relative_to(folder).as_posix())
