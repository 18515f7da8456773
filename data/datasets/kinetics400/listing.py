"""Kinetics-400's CSVs, and the files of its videos; Mini-Kinetics-200 is made from both."""

import collections
import dataclasses
import os
import pathlib
import re
from collections.abc import Iterable, Sequence

from data.datasets import lists
from data.errors import DatasetError
from data.listing import Video
from s3dg import files

# Words for a split in the names of its CSV and of its folder of videos; the first one is that of
# the published files.
SPLIT_WORDS = {
    'train': ('train',),
    'validation': ('val', 'validate', 'validation'),
    'test': ('test',),
}
# What stands before the word in the names of CSVs, and where the CSVs lie.
_CSV_PREFIXES = ('', 'kinetics_', 'kinetics-400_', 'kinetics400_', 'k400_')
_CSV_FOLDERS = ('', 'annotations')

# Whole videos for those that are broken in the published archives.
REPLACEMENTS = 'replacement_for_corrupted_k400'

# Mean length of a video.
SECONDS = 10.0
SECONDS_SOURCE = 'an upper bound: the lists cut ten seconds from every video'

_ID_LENGTH = 11


@dataclasses.dataclass(frozen=True, slots=True)
class Clip:
    """A row of the CSVs: some seconds of a YouTube video."""

    youtube_id: str  # of the video; 11 letters, digits, "-" and "_"
    # Of the clip's file as published, without suffix; unique, also where two clips come from one
    # video.
    name: str
    label: str | None  # None where it is not published
    split: str  # of Kinetics-400, a key of SPLIT_WORDS


@dataclasses.dataclass(frozen=True)
class Listing:
    """The videos of every split."""

    splits: dict[str, list[Video]]  # the videos, in the order of the clips
    files: dict[str, int]  # number of videos of every split whose file is there
    # Files that were taken although their names tell of other seconds of the video, relative to the
    # folder.
    other_seconds: list[str]

    def describe(self) -> str:
        """How many files were found, in a line."""
        counts = ', '.join(
            f'{self.files[split]} of {len(videos)} {split}' for split, videos in self.splits.items()
        )
        line = f'found the files of {counts} videos'
        if self.other_seconds:
            line += (
                f'; {len(self.other_seconds)} of them are named after other seconds than the CSVs'
                f' say, for example {files.readable(self.other_seconds[0])}'
            )
        return line


def read_clips(
    folder: str | os.PathLike, splits: Iterable[str] = tuple(SPLIT_WORDS)
) -> dict[str, list[Clip]]:
    """Reads the CSVs of a folder; splits without one are left out.

    Args:
      folder: the CSVs are in it or in its folder `annotations`.
      splits: which ones to read, keys of SPLIT_WORDS.

    Raises:
      DatasetError: if there is no CSV with labels, a split has two CSVs, or a row does not serve:
        naming the file, the line and what was found.
    """
    paths = {split: path for split in splits if (path := _find_csv(folder, split))}
    clips, first = {}, {}
    for split, path in paths.items():
        known = {None, *label_names(clips)}
        clips[split] = []
        for number, clip in _read_csv(path, split):
            where = f'{path}, line {number}'
            if clip.name in first:
                raise DatasetError(
                    f'{where}: found {clip.name} again, after {first[clip.name]},'
                    ' expected every clip once'
                )
            if split == 'test' and clips.keys() != {'test'} and clip.label not in known:
                raise DatasetError(
                    f'{where}: found the label {clip.label!r}, expected one of the other CSVs'
                )
            first[clip.name] = where
            clips[split].append(clip)
    if not label_names(clips):
        expected = ' or '.join(f'{SPLIT_WORDS[split][0]}.csv' for split in splits)
        found = ', '.join(path.name for path in paths.values()) or 'none'
        raise DatasetError(
            f'{folder}: found {found}, expected a Kinetics-400 CSV with labels: {expected},'
            ' here or in annotations/'
        )
    return clips


def check_id(text: str, where: str) -> str:
    """Gives `text` back if it is the id of a YouTube video.

    Raises:
      DatasetError: saying where it was found.
    """
    if not re.fullmatch(rf'[A-Za-z0-9_-]{{{_ID_LENGTH}}}', text):
        raise DatasetError(
            f"{where}: found the YouTube id {text!r}, expected 11 letters, digits, '-' and '_'"
        )
    return text


def label_names(clips: dict[str, list[Clip]]) -> list[str]:
    """The classes of some clips, sorted as the published list of the 400 is: capitals first."""
    labels = {clip.label for some in clips.values() for clip in some}
    return sorted(labels - {None})


def find_videos(folder: str | os.PathLike, splits: dict[str, list[Clip]]) -> Listing:
    """Finds the file of every clip, anywhere in a folder.

    A file belongs to a video if its name without suffix is the id, or begins with the id and "_".
    (Ids hold "_" and "-" themselves, so the name cannot be taken apart; all are of one length.) Of
    several, one that replaces a broken video is preferred, then one with the name as published,
    then one in a folder named after the clip's split, then the first one. Where several clips come
    from one video, only the name as published tells them apart, and no other is taken.

    Args:
      folder: searched to any depth.
      splits: clips; the keys are those of the listing.
    """
    clips_of = collections.Counter(clip.youtube_id for clips in splits.values() for clip in clips)
    files_of = _files_by_id(folder, clips_of)
    videos, files, other_seconds = {}, dict.fromkeys(splits, 0), []
    for split, clips in splits.items():
        videos[split] = []
        for clip in clips:
            candidates = files_of.get(clip.youtube_id, ())
            if clips_of[clip.youtube_id] > 1:
                candidates = [path for path in candidates if _stem(path) == clip.name]
            if candidates:
                path = _preferred(candidates, clip)
                files[split] += 1
                stem = _stem(path)
                if stem != clip.youtube_id and not stem.startswith(clip.name):
                    other_seconds.append(path)
            else:
                path = f'{SPLIT_WORDS[clip.split][0]}/{clip.name}.mp4'
            videos[split].append(Video(clip.name, os.path.join(folder, path), clip.label))
    return Listing(videos, files, other_seconds)


def _find_csv(folder, split) -> pathlib.Path | None:
    found = [
        path
        for csv_folder in _CSV_FOLDERS
        for prefix in _CSV_PREFIXES
        for word in SPLIT_WORDS[split]
        if (path := pathlib.Path(folder, csv_folder, f'{prefix}{word}.csv')).exists()
    ]
    if len(found) > 1:
        raise DatasetError(f'{found[0]}: found {found[1]} too, expected one CSV of this split')
    return found[0] if found else None


def _read_csv(path, split) -> Iterable[tuple[int, Clip]]:
    required, optional = ['youtube_id', 'time_start', 'time_end'], []
    (optional if split == 'test' else required).append('label')
    for number, row in lists.read_csv(path, required, optional):
        where = f'{path}, line {number}'
        youtube_id = check_id(row['youtube_id'], where)
        start, end = (_seconds(row[column], column, where) for column in required[1:3])
        label = row['label'] or None
        if (label is None and split != 'test') or not (label or '').isprintable():
            raise DatasetError(f'{where}: found the label {row["label"]!r}, expected a class')
        yield number, Clip(youtube_id, f'{youtube_id}_{start:06d}_{end:06d}', label, split)


def _seconds(text, column, where) -> int:
    match = re.fullmatch(r'([0-9]{1,6})(\.0*)?', text)  # "12.0" is what data frames write
    if match is None:
        raise DatasetError(f'{where}: found {column} {text!r}, expected whole seconds')
    return int(match[1])


def _files_by_id(folder, ids) -> dict[str, list[str]]:
    files = {}
    for path in lists.list_files(folder):
        stem = _stem(path)
        youtube_id = stem[:_ID_LENGTH]
        if youtube_id in ids and stem[_ID_LENGTH : _ID_LENGTH + 1] in ('', '_'):
            files.setdefault(youtube_id, []).append(path)
    return files


def _preferred(paths: Sequence[str], clip: Clip) -> str:
    """The file to take of several, which are sorted."""

    def rank(path):
        folders = path.split('/')[:-1]
        words = {word for name in folders for word in re.split('[^a-z]+', name.lower())}
        return (
            REPLACEMENTS not in folders,
            _stem(path) != clip.name,
            words.isdisjoint(SPLIT_WORDS[clip.split]),
        )

    return min(paths, key=rank) if len(paths) > 1 else paths[0]


def _stem(path: str) -> str:
    return os.path.splitext(path.rpartition('/')[2])[0]
