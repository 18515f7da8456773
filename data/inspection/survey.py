"""What there is in a converted dataset: videos, classes, lengths, and a few videos to look at."""

import bisect
import collections
import dataclasses
import hashlib
import itertools
import pathlib
import re

import tensorflow_datasets as tfds

from data import boxes
from data.errors import DatasetError, Report
from data.example import LABEL, UNKNOWN_LABEL
from data.records import outcomes
from data.records.heads import ADVICE, Head, read_heads
from s3dg.progress import ProgressLine


@dataclasses.dataclass
class BoxCounts:
    """How much is annotated in a split."""

    boxes: int = 0
    tubes: int = 0  # actors with boxes, of all videos
    annotated_frames: int = 0
    annotated_videos: int = 0


@dataclasses.dataclass
class SplitSurvey:
    """What there is in a split."""

    # Number of videos of every class, by its index, which is -1 where it is unknown.
    labels: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    # Number of videos of every number of frames.
    lengths: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    bytes: int = 0  # of its shards
    boxes: BoxCounts | None = None  # None where the dataset has no such feature
    chosen: list[Head] = dataclasses.field(default_factory=list)  # some videos, by class and id

    @property
    def videos(self) -> int:
        return sum(self.labels.values())

    @property
    def frames(self) -> int:
        return sum(length * count for length, count in self.lengths.items())

    @property
    def median_length(self) -> float:
        """Of the frames of a video."""
        lengths = sorted(self.lengths)
        upto = list(itertools.accumulate(self.lengths[length] for length in lengths))
        middle = (upto[-1] - 1) // 2, upto[-1] // 2
        return sum(lengths[bisect.bisect_right(upto, place)] for place in middle) / 2


def survey(
    opened: tfds.core.DatasetBuilder,
    splits: list[str],
    videos_per_split: int,
    seed: int,
    report: Report,
) -> dict[str, SplitSurvey]:
    """Goes through a dataset without reading its frames.

    Args:
      opened: as `catalog.open_dataset` returns it.
      splits: names of the splits wanted.
      videos_per_split: how many videos to choose of each, by chance and of as many classes as there
        are.
      seed: of the choice, which depends on it, the ids and the classes alone.
      report: called with a line every few seconds.

    Raises:
      DatasetError: if the dataset is damaged.
    """
    folder = pathlib.Path(opened.data_dir)
    lengths = _read_outcomes(folder).frames
    total = sum(opened.info.splits[split].num_examples for split in splits)
    progress = ProgressLine(f'reading {opened.info.full_name}', 'videos', report, total)
    sound = _Soundness(opened.info)
    found, done = {}, 0
    for split in splits:
        info = opened.info.splits[split]
        has_boxes = boxes.BOXES in opened.info.features
        found[split] = one = SplitSurvey(boxes=BoxCounts() if has_boxes else None)
        choice = _Choice(videos_per_split, seed)
        for path, expected in zip(info.filepaths, info.shard_lengths, strict=True):
            if not expected:
                continue
            before = one.videos
            for head in read_heads(path, lengths):
                sound.check(head)
                _count(one, head)
                choice.offer(head)
                done += 1
                progress(done)
            if one.videos - before != expected:
                raise DatasetError(
                    f'{path}: found {one.videos - before} records, expected {expected}; {ADVICE}'
                )
            one.bytes += pathlib.Path(path).stat().st_size
        one.chosen = choice.result()
    return found


def count_reasons(folder: str | pathlib.Path) -> list[tuple[str, int]]:
    """Why videos were skipped, and how many, the most frequent reason first.

    Reasons that differ in their numbers alone are one, with N in place of the numbers.
    """
    groups = collections.defaultdict(collections.Counter)
    for row in _read_outcomes(pathlib.Path(folder)).skipped.values():
        groups[re.sub(r'\d[\d,]*(\.\d+)?', 'N', row.reason)][row.reason] += 1
    counted = [
        (next(iter(reasons)) if len(reasons) == 1 else pattern, reasons.total())
        for pattern, reasons in groups.items()
    ]
    return sorted(counted, key=lambda pair: (-pair[1], pair[0]))


class _Choice:
    """Chooses videos of as many classes as there are, by hashes; holds a few of each class."""

    def __init__(self, count: int, seed: int):
        self._count, self._seed = count, seed
        self._lowest = collections.defaultdict(list)

    def offer(self, head: Head) -> None:
        lowest = self._lowest[head.label]
        bisect.insort(lowest, (self._hash(head.id), head), key=lambda pair: pair[0])
        del lowest[self._count :]

    def result(self) -> list[Head]:
        classes = sorted(self._lowest, key=lambda label: self._hash(f'class {label}'))
        rounds = itertools.zip_longest(*(self._lowest[label] for label in classes))
        drawn = [pair[1] for one_each in rounds for pair in one_each if pair is not None]
        return sorted(drawn[: self._count], key=lambda head: (head.label, head.id))

    def _hash(self, word: str) -> bytes:
        return hashlib.sha256(f'{self._seed}/{word}'.encode()).digest()


class _Soundness:
    """Whether what a record says can be; all that is counted or drawn relies on it."""

    def __init__(self, info: tfds.core.DatasetInfo):
        self._classes = info.features[LABEL].num_classes
        self._box_classes = 0
        if boxes.BOXES in info.features:
            self._box_classes = info.features[boxes.BOXES][boxes.LABEL].num_classes

    def check(self, head: Head) -> None:
        columns = head.boxes
        count = len(columns[boxes.FRAME])
        labels = columns[boxes.LABEL]
        sound = (
            head.frames > 0
            and (0 <= head.label < self._classes or head.label == UNKNOWN_LABEL)
            and len(columns[boxes.BOX]) == 4 * count
            and len(labels) == len(columns[boxes.TUBE]) == count
            and ((labels >= 0) & (labels < self._box_classes)).all()
        )
        if not sound:
            raise DatasetError(
                f'{head.path}: {head.id!r} has no frames, or labels or boxes that cannot be;'
                f' {ADVICE}'
            )


def _count(one: SplitSurvey, head: Head) -> None:
    one.labels[head.label] += 1
    one.lengths[head.frames] += 1
    if len(head.boxes[boxes.FRAME]):
        one.boxes.boxes += len(head.boxes[boxes.FRAME])
        one.boxes.tubes += len(set(head.boxes[boxes.TUBE].tolist()))
        one.boxes.annotated_frames += len(set(head.boxes[boxes.FRAME].tolist()))
        one.boxes.annotated_videos += 1


def _read_outcomes(folder: pathlib.Path) -> outcomes.Outcomes:
    try:
        return outcomes.Outcomes(folder)
    except ValueError as error:
        raise DatasetError(
            f'{folder}: {outcomes.STORED_FILE} or {outcomes.SKIPPED_FILE} cannot be read: {error}'
        ) from None
