"""What the detection sets share: their configurations, and the names of videos in their files."""

import dataclasses
import os
from collections.abc import Sequence
from typing import ClassVar

from data.datasets import lists
from data.datasets.builder import SplitConfig, modality_configs
from data.errors import DatasetError


@dataclasses.dataclass
class DetectionConfig(SplitConfig):
    """Defaults are the paper's for action detection (section 5.3): 320x400.

    Attributes:
      ANNOTATIONS: of the dataset; the first one is the default.
      frames_per_second: None, for boxes belong to the video's own frames.
      annotations: whose boxes, one of ANNOTATIONS.
    """

    ANNOTATIONS: ClassVar[tuple[str, ...]] = ()
    frames_per_second: float | None = None
    frame_size: tuple[int, int] | None = (320, 400)
    annotations: str = ''

    def __post_init__(self):
        super().__post_init__()
        self.annotations = self.annotations or self.ANNOTATIONS[0]
        if self.annotations not in self.ANNOTATIONS:
            raise DatasetError(
                f'config {self.name!r}: found annotations={self.annotations!r},'
                f' expected one of {", ".join(self.ANNOTATIONS)}'
            )
        if self.frames_per_second is not None:
            raise DatasetError(
                f'config {self.name!r}: found frames_per_second={self.frames_per_second},'
                " expected None, for boxes belong to the video's own frames"
            )

    def storage(self) -> dict:
        return super().storage() | {'annotations': self.annotations}


def detection_configs(
    numbers: Sequence[int], config_class: type[DetectionConfig]
) -> list[DetectionConfig]:
    """The configurations `split1_rgb`, `split1_flow`, ...

    Those with other annotations than the default are named after them: `split1_act_rgb`, ...
    """
    configs = []
    for kind in config_class.ANNOTATIONS:
        word = '' if kind == config_class.ANNOTATIONS[0] else f'{kind}_'
        for number in numbers:
            configs += modality_configs(
                config_class, f'split{number}_{word}', split_number=number, annotations=kind
            )
    return configs


def check_video_name(name: object, label_names: Sequence[str], path: str | os.PathLike) -> str:
    """The class of a video that an annotation names "CLASS/VIDEO".

    Raises:
      DatasetError: naming the file and the name, if it is not of this form.
    """
    if not isinstance(name, str) or not name.isprintable():
        shown = ascii(name)[:100] if isinstance(name, str) else type(name).__name__
        raise DatasetError(f'{path}: found {shown} for the name of a video, expected CLASS/VIDEO')
    lists.check_name(name, path)
    label, separator, rest = name.partition('/')
    if not separator or '/' in rest:
        raise DatasetError(f'{path}: found the video {name!r}, expected CLASS/VIDEO')
    if label not in label_names:
        raise DatasetError(
            f'{path}: found the video {name!r}, expected one of a class of the set,'
            f' {", ".join(label_names)}'
        )
    return label
