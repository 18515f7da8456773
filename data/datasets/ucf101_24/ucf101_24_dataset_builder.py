"""Builder of ucf101_24."""

import dataclasses
import functools
import os
import pathlib

from data import boxes
from data.datasets import act_tubes, detection, lists
from data.datasets.divided import DividedBuilder
from data.datasets.facts import Published
from data.datasets.ucf101_24 import corrected, listing
from data.errors import Report
from data.listing import Video

_FOLDERS = ('', 'splitfiles/', 'ucfTrainTestlist/')  # of the lists and pickles
_CORRECTED = 'pyannot.pkl'
_ACT = ('UCF101v2-GT.pkl', 'UCF101-GT.pkl')
_TEST_LIST = 'testlist01.txt'

_LABELS = (
    'Basketball',
    'BasketballDunk',
    'Biking',
    'CliffDiving',
    'CricketBowling',
    'Diving',
    'Fencing',
    'FloorGymnastics',
    'GolfSwing',
    'HorseRiding',
    'IceDancing',
    'LongJump',
    'PoleVault',
    'RopeClimbing',
    'SalsaSpin',
    'SkateBoarding',
    'Skiing',
    'Skijet',
    'SoccerJuggling',
    'Surfing',
    'TennisSwing',
    'TrampolineJumping',
    'VolleyballSpiking',
    'WalkingWithDog',
)


@dataclasses.dataclass
class Ucf101Config(detection.DetectionConfig):
    """Whose boxes.

    Attributes:
      annotations: "corrected": pyannot.pkl; "act": UCF101v2-GT.pkl as published for the ACT and MOC
        detectors, whose split is used too.
    """

    ANNOTATIONS = ('corrected', 'act')


class Builder(DividedBuilder, skip_registration=True):
    """The 24 classes of UCF-101 with boxes of the actors, split 1."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
    In the manual folder:
    - {_CORRECTED} and {_TEST_LIST} of https://github.com/gurkirt/corrected-UCF101-Annots
      (UCF-101's own {_TEST_LIST} serves as well), in the folder itself, in splitfiles/ or in
      ucfTrainTestlist/;
    - {listing.FRAMES[0]}/CLASS/VIDEO/00001.jpg, ... as published with the corrected annotations
      or with the ACT detector ({listing.FRAMES[1]}/), or else {listing.VIDEOS}/CLASS/VIDEO.avi,
      from https://www.crcv.ucf.edu/data/UCF101.php.
    The configurations with "act" in their names take boxes and split from {_ACT[0]} (or {_ACT[1]})
    of the ACT and MOC detectors instead of the first two.
    """
    CONFIG_CLASS = Ucf101Config
    BUILDER_CONFIGS = detection.detection_configs((1,), Ucf101Config)
    FOLDER_FRAMES_PER_SECOND = 25.0
    PUBLISHED = Published(
        classes=len(_LABELS),
        videos={1: {'train': 2284, 'test': 910}},
        seconds=159_289 / 910 / 25,
        source='the corrected annotations: 159,289 frames of 910 test videos',
        source_height=240,
    )
    BOX_PICTURE = (240, 320)

    def label_names(self) -> list[str]:
        return list(_LABELS)

    def prepare_videos(self, report: Report | None = None) -> None:
        if report is not None:
            for line in detection.remarks(self._truth.annotations):
                report(f'{self.name}: {line}')

    def division_videos(self) -> dict[str, list[Video]]:
        paths = listing.find_videos(self.manual_dir, self._truth.annotations)
        return {
            split: [
                Video(name, paths[name], name.split('/')[0], str(self._pickle)) for name in names
            ]
            for split, names in self._truth.splits.items()
        }

    def extra_features(self) -> dict:
        return boxes.features(self.label_names())

    def annotate(self, item: Video, frames: int, annotation: None) -> dict:
        del annotation
        lost_frames = 0 if os.path.isdir(item.path) else detection.DECODER_FRAMES
        return detection.example(self._truth.annotations[item.id], frames, lost_frames)

    @functools.cached_property
    def _truth(self) -> detection.GroundTruth:
        if self.builder_config.annotations == 'act':
            number = self.builder_config.split_number
            return act_tubes.read(self._pickle, number, self.label_names())
        found = corrected.read(self._pickle, self.label_names())
        in_test = listing.read_test_names(self._find(_TEST_LIST))
        splits = {'train': [], 'test': []}
        for name in sorted(found):
            splits['test' if name.casefold() in in_test else 'train'].append(name)
        return detection.GroundTruth(splits, found)

    @functools.cached_property
    def _pickle(self) -> pathlib.Path:
        return self._find(*(_ACT if self.builder_config.annotations == 'act' else (_CORRECTED,)))

    def _find(self, *names) -> pathlib.Path:
        return lists.find(
            self.manual_dir, *(f'{folder}{name}' for name in names for folder in _FOLDERS)
        )
