"""Builder of jhmdb."""

import dataclasses
import functools
import os
import pathlib
import re
from collections.abc import Callable

from data import boxes
from data.datasets import act_tubes, detection, lists
from data.datasets.divided import DividedBuilder
from data.datasets.facts import Published
from data.datasets.jhmdb import masks
from data.errors import DatasetError, Report
from data.listing import Video

_FRAMES = ('Rename_Images', 'Frames')
_MASKS = 'puppet_mask'
_SPLITS = 'splits'
_ACT = 'JHMDB-GT.pkl'

_LABELS = (
    'brush_hair',
    'catch',
    'clap',
    'climb_stairs',
    'golf',
    'jump',
    'kick_ball',
    'pick',
    'pour',
    'pullup',
    'push',
    'run',
    'shoot_ball',
    'shoot_bow',
    'shoot_gun',
    'sit',
    'stand',
    'swing_baseball',
    'throw',
    'walk',
    'wave',
)

_ENTRY = re.compile(r'(.+)\.avi\s+([12])', re.IGNORECASE)


@dataclasses.dataclass
class JhmdbConfig(detection.DetectionConfig):
    """Which of the three splits, and whose boxes.

    Attributes:
      annotations: "masks": the extents of the published puppet masks; "act": the boxes of the ACT
        detector's JHMDB-GT.pkl, whose splits are used too.
    """

    ANNOTATIONS = ('masks', 'act')


class Builder(DividedBuilder, skip_registration=True):
    """JHMDB, with the boxes of the actors."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
    From http://jhmdb.is.tue.mpg.de, unpacked side by side into the manual folder:
    - {_FRAMES[0]}/CLASS/VIDEO/00001.png, ... (Rename_Images.tar.gz; the same pictures as published
      with the ACT detector may lie in {_FRAMES[1]}/ instead);
    - {_MASKS}/CLASS/VIDEO/puppet_mask.mat (puppet_mask.zip);
    - {_SPLITS}/CLASS_test_split1.txt, ...2.txt, ...3.txt (splits.zip).
    The configurations with "act" in their names take boxes and splits from {_ACT} of
    https://github.com/vkalogeiton/caffe/tree/act-detector instead of the last two.
    """
    CONFIG_CLASS = JhmdbConfig
    BUILDER_CONFIGS = detection.detection_configs((1, 2, 3), JhmdbConfig)
    FOLDER_FRAMES_PER_SECOND = 25.0
    PUBLISHED = Published(
        classes=len(_LABELS),
        videos={1: {'train': 660, 'test': 268}},
        seconds=31_838 / 928 / 25,
        source='Jhuang et al. 2013: 31,838 frames',
        source_height=240,
    )
    BOX_PICTURE = (240, 320)

    def label_names(self) -> list[str]:
        return list(_LABELS)

    def prepare_videos(self, report: Report | None = None) -> None:
        if report is not None and self._act is not None:
            for line in detection.remarks(self._act.annotations):
                report(f'{self.name}: {line}')

    def division_videos(self) -> dict[str, list[Video]]:
        frames = lists.find(self.manual_dir, *_FRAMES)
        names = self._listed_names() if self._act is None else self._act.splits
        return {
            split: [
                Video(name, os.path.join(frames, name), name.split('/')[0], self._annotation(name))
                for name in names[split]
            ]
            for split in ('train', 'test')
        }

    def extra_features(self) -> dict:
        return boxes.features(self.label_names())

    def annotation_reader(self) -> Callable[[str], masks.Extents] | None:
        return masks.read if self._act is None else None

    def annotate(self, item: Video, frames: int, annotation: masks.Extents | None) -> dict:
        if annotation is None:
            return detection.example(self._act.annotations[item.id], frames)
        tube = detection.Tube(item.label, annotation.frames, annotation.corners)
        found = detection.Annotation([tube], annotation.height, annotation.width, annotation.count)
        return detection.example(found, frames)

    @functools.cached_property
    def _act(self) -> detection.GroundTruth | None:
        if self.builder_config.annotations != 'act':
            return None
        path = lists.find(self.manual_dir, _ACT)
        number = self.builder_config.split_number
        numbers = self.divisions() if number is None else [number]
        found = [act_tubes.read(path, one, self.label_names()) for one in numbers]
        annotations = {name: tubes for one in found for name, tubes in one.annotations.items()}
        return dataclasses.replace(found[0], annotations=annotations)

    def _annotation(self, name: str) -> str:
        if self._act is not None:
            return os.path.join(self.manual_dir, _ACT)
        return os.path.join(self._masks, name, 'puppet_mask.mat')

    @functools.cached_property
    def _masks(self) -> pathlib.Path:
        return lists.find(self.manual_dir, _MASKS)

    def _listed_names(self) -> dict[str, list[str]]:
        folder = lists.find(self.manual_dir, _SPLITS)
        splits = {'train': [], 'test': []}
        for label in _LABELS:
            path = folder / f'{label}_test_split{self.builder_config.split_number}.txt'
            listed = set()
            for number, line in lists.read_lines(path):
                name, split = _parse(path, number, line)
                if name in listed:
                    raise DatasetError(
                        f'{path}, line {number}: found {name!r} again, expected every video once'
                    )
                listed.add(name)
                splits[split].append(f'{label}/{name}')
        return splits


def _parse(path, number, line) -> tuple[str, str]:
    """Name and split of a video, from a line like "name.avi 1"."""
    match = _ENTRY.fullmatch(line)
    if match is None:
        raise DatasetError(
            f'{path}, line {number}: found {line!r}, expected NAME.avi and 1 (training) or 2 (test)'
        )
    name = lists.check_name(match[1], path, number)
    return name, {'1': 'train', '2': 'test'}[match[2]]
