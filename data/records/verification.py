"""Re-reads a converted dataset and names whatever is wrong with it.

It reads every record, compares its checksum, and decodes every frame. It holds what is stored
against the dataset's own description, against `videos.csv` and `skipped.csv` beside it, and against
the list of videos that the dataset was made from, if it is given one.
"""

import collections
import contextlib
import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator

import tensorflow as tf
import tensorflow_datasets as tfds

from data import workers
from data.errors import Report
from data.example import LABEL, UNKNOWN_LABEL
from data.listing import Video
from data.records import checks, outcomes, pictures, tfrecord
from s3dg.progress import ProgressLine

FRAMES_PER_JOB = 8


@dataclasses.dataclass(frozen=True)
class Verification:
    """What was found."""

    examples: dict[str, int]  # whole records of every split
    frames: int  # of all of them
    problems: list[str]  # each: split, file, id or record (from 0, as frames are) and fault


def verify(
    opened: tfds.core.DatasetBuilder,
    listing: dict[str, list[Video]] | None = None,
    report: Report | None = None,
    processes: int | None = None,
) -> Verification:
    """Checks a dataset that was opened by `catalog.open_dataset`.

    Memory holds the ids, and no more than a few records.

    Args:
      opened: the dataset.
      listing: the videos of every split, as its builder lists them. Each must be stored, in its
        split and with its label, or be in `skipped.csv`, and no other video may be there.
      report: called with a line every few seconds.
      processes: how many of them decode frames; by default one per processor core. 0: this process
        does, for frames of our own making.

    Raises:
      DatasetError: if the dataset does not say what its frames are.
    """
    verifier = _Verifier(opened, listing)
    splits = opened.info.splits
    total = sum(info.num_examples for info in splits.values())
    label = f'verifying {opened.info.full_name}'
    progress = ProgressLine(label, 'videos', report or (lambda line: None), total)
    records = verifier.read_splits(splits)
    for _ in _check_frames(verifier, records, processes, progress):
        pass
    verifier.check_whole()
    return Verification(dict(verifier.examples), verifier.frames, verifier.problems)


def first_problem(
    opened: tfds.core.DatasetBuilder, split: str, report: Report | None = None
) -> str | None:
    """What is wrong with the first faulty record of a split, as `verify` says it; None without one.

    The shards are read up to the one with the fault. Raises DatasetError as `verify`.
    """
    verifier = _Verifier(opened, None)
    verifier.problems.clear()  # of the files beside the records
    info = opened.info.splits[split]
    label = f'looking for the fault in {opened.info.full_name}'
    progress = ProgressLine(label, 'videos', report or (lambda line: None), info.num_examples)
    checked = _check_frames(verifier, verifier.read_splits([split]), None, progress)
    with contextlib.closing(checked):
        for _ in checked:
            if verifier.problems:
                break
    return next(iter(verifier.problems), None)


def _jobs(records: Iterator[tuple[str, list[bytes]]]) -> Iterator[pictures.Job]:
    for number, (place, frames) in enumerate(records):
        for first in range(0, max(len(frames), 1), FRAMES_PER_JOB):
            yield pictures.Job(number, place, frames[first : first + FRAMES_PER_JOB])


def _check_frames(verifier, records, processes, progress) -> Iterator[None]:
    """Has the frames of records decoded in other processes; yields when those of one are checked.

    Only a few jobs at a time are taken from the records.
    """
    processes = os.cpu_count() or 1 if processes is None else processes
    decoded = workers.in_order(pictures.shapes, _jobs(records), processes, lambda: None)
    by_record = itertools.groupby(decoded, key=lambda pair: pair[0].record)
    with contextlib.closing(decoded):
        for done, (_, parts) in enumerate(by_record, start=1):
            shapes = []
            for job, found in parts:
                deadly = ['is among some of which one kills what decodes it'] * len(job.frames)
                shapes += deadly if found is None else found
            verifier.check_frames(job.place, shapes)
            progress(done, lambda: f'{len(verifier.problems)} problems')
            yield


class _Verifier:
    """What has been seen of a dataset, and what is wrong with it."""

    def __init__(self, opened, listing):
        self.examples = dict.fromkeys(opened.info.splits, 0)
        self.frames = 0
        self.problems = []
        self._folder = pathlib.Path(opened.data_dir)
        self._splits = opened.info.splits
        self._label_names = dict(enumerate(opened.info.features[LABEL].names))
        self._label_names[UNKNOWN_LABEL] = None
        self._parser = checks.Parser(opened.info)
        self._picture = checks.Picture(opened.info)
        self._listing = listing
        self._listed = {
            item.id: (split, item.label)
            for split, videos in (listing or {}).items()
            for item in videos
        }
        self._lengths, self._skipped = self._read_outcomes()
        self._stored = {}  # {id: (split, file)}
        self._unlabelled = collections.Counter()
        self._first_unlabelled = {}

    def _problem(self, *parts) -> None:
        self.problems.append(': '.join(parts))

    def _read_outcomes(self):
        """({id: frames} of videos.csv or None, ids of skipped.csv)."""
        try:
            known = outcomes.Outcomes(self._folder)
        except outcomes.OutcomesError as error:
            self._problem(str(error))
            return None, {}
        if not (self._folder / outcomes.STORED_FILE).exists():
            # One made by TFDS alone has none.
            if (self._folder / outcomes.PLAN_FILE).exists():
                self._problem(outcomes.STORED_FILE, 'not there, expected it beside the records')
            return None, known.skipped
        return known.frames, known.skipped

    # Shards and records.

    def read_splits(self, splits: Iterable[str]) -> Iterator[tuple[str, list[bytes]]]:
        """Checks shards and records; yields a record's place, for messages, and its frames."""
        for split in splits:
            info = self._splits[split]
            for path, declared in zip(info.filepaths, info.shard_lengths, strict=True):
                yield from self._read_shard(split, pathlib.Path(path), declared)

    def _read_shard(self, split, path, declared):
        if not path.exists():
            if declared:
                self._problem(split, path.name, f'not there, expected {declared} records')
            return
        found = 0
        try:
            for record in tfrecord.read_all(path):
                yield from self._check_record(split, path.name, found, record)
                found += 1
        except (OSError, tf.errors.OpError) as error:
            message = ' '.join(str(error).split())
            self._problem(split, path.name, f'cannot be read after {found} records: {message}')
        if found != declared:
            self._problem(split, path.name, f'found {found} records, expected {declared}')

    def _check_record(self, split, file, number, record):
        if isinstance(record, tfrecord.Damage):
            self._problem(split, file, f'record {number}', record.fault)
            return
        try:
            content = self._parser.parse(record)
        except checks.RecordError as error:
            self._problem(split, file, f'record {number}', str(error))
            return
        self.examples[split] += 1
        self.frames += len(content.frames)
        place = f'{split}: {file}: {content.id!r}'
        for fault in content.faults:
            self._problem(place, fault)
        self._check_files_beside(split, file, place, content)
        self._check_label(split, place, content)
        yield place, content.frames

    def check_frames(self, place: str, decoded: list) -> None:
        """Notes the faults of a record's decoded frames."""
        faults = self._picture.faults(decoded)
        if faults:
            self._problem(place, checks.summary('frame', faults, len(decoded)))

    def _check_files_beside(self, split, file, place, content):
        video_id = content.id
        if video_id in self._stored:
            before_split, before_file = self._stored[video_id]
            self._problem(place, f'stored before, in split {before_split!r}, {before_file}')
        self._stored[video_id] = (split, file)
        if video_id in self._skipped:
            self._problem(place, f'stored, but in {outcomes.SKIPPED_FILE} too')
        if self._lengths is None:
            return
        length = self._lengths.get(video_id)
        if length is None:
            self._problem(place, f'stored, but not in {outcomes.STORED_FILE}')
        elif length != len(content.frames):
            found = f'has {len(content.frames)} frames'
            self._problem(place, f'{found}, expected the {length} of {outcomes.STORED_FILE}')

    def _check_label(self, split, place, content):
        if content.label == UNKNOWN_LABEL:
            self._unlabelled[split] += 1
            self._first_unlabelled.setdefault(split, place)
        if self._listing is None:
            return
        if content.id not in self._listed:
            self._problem(place, 'stored, but not listed')
            return
        listed_split, listed_label = self._listed[content.id]
        if split != listed_split:
            self._problem(place, f'listed in split {listed_split!r}')
        name = self._label_names.get(content.label, content.label)
        if content.label is not None and name != listed_label:
            self._problem(place, f'has label {name!r}, listed with {listed_label!r}')

    # The whole.

    def check_whole(self) -> None:
        """What shows only when everything has been read."""
        for split, place in self._first_unlabelled.items():
            count = self._unlabelled[split]
            labelled = self.examples[split] - count
            if labelled:
                others = f' (as have {count - 1} others)' if count > 1 else ''
                self._problem(place, f'has no label (-1){others}, but {labelled} of its split have')
        for video_id, (split, _) in sorted(self._listed.items()):
            if video_id not in self._stored and video_id not in self._skipped:
                fault = f'listed, but neither stored nor in {outcomes.SKIPPED_FILE}'
                self._problem(split, repr(video_id), fault)
        for video_id in self._lengths or ():
            if video_id not in self._stored and video_id not in self._listed:
                self._problem(outcomes.STORED_FILE, repr(video_id), 'stored nowhere')
        if self._listing is not None:
            for video_id in self._skipped:
                if video_id not in self._listed:
                    self._problem(outcomes.SKIPPED_FILE, repr(video_id), 'not listed')
        # Readers do not see shards that belong to no split.
        declared = {path.name for info in self._splits.values() for path in info.filepaths}
        for path in sorted(self._folder.iterdir()):
            if '.tfrecord' in path.name and path.name not in declared:
                self._problem(path.name, 'belongs to no split')
