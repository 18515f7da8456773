"""Builder of moving_shapes_boxes: writes its videos as .avi files, to be stored as any others."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from data import boxes
from data.datasets import detection, generated
from data.datasets.builder import modality_configs
from data.datasets.facts import Published
from data.datasets.generated import GeneratedBuilder, GeneratedConfig
from data.datasets.moving_shapes_boxes import scenes
from data.listing import Video


@dataclasses.dataclass
class MovingShapesBoxesConfig(GeneratedConfig):
    """Size and seed of the dataset (ours)."""

    frame_size: tuple[int, int] | None = (scenes.HEIGHT, scenes.WIDTH)
    train: int = 400  # training videos
    test: int = 60  # test videos


class Builder(GeneratedBuilder, skip_registration=True):
    """One to three moving shapes in a video, and the boxes of each in every frame."""

    CONFIG_CLASS = MovingShapesBoxesConfig
    BUILDER_CONFIGS = modality_configs(MovingShapesBoxesConfig)
    FLIP_LEFT_RIGHT = False  # move_right and move_left
    BOX_PICTURE = (scenes.HEIGHT, scenes.WIDTH)

    @classmethod
    def published(cls, config: MovingShapesBoxesConfig) -> Published:
        return Published(
            classes=len(scenes.CLASSES),
            videos={'train': config.train, 'test': config.test},
            # Lengths are drawn evenly.
            seconds=sum(scenes.LENGTHS) / len(scenes.LENGTHS) / generated.FRAMES_PER_SECOND,
            source='as generated',
            source_height=scenes.HEIGHT,
        )

    def label_names(self) -> list[str]:
        return list(scenes.CLASSES)

    def drawings(self) -> Iterator[generated.Drawing]:
        config = self.builder_config
        for split in ('train', 'test'):
            for index in range(getattr(config, split)):
                arguments = (split, index, config.seed)
                # A video has one class in a record: that of its first object.
                label = scenes.layout(*arguments)[0].label
                yield generated.Drawing(
                    split, f'{split}/{index:05d}', label, scenes.video, arguments
                )

    def extra_features(self) -> dict:
        return boxes.features(self.label_names())

    def annotate(self, item: Video, frames: int, annotation: None) -> dict:
        split, index = item.id.split('/')
        tubes = [
            detection.Tube(one.label, np.arange(frames), one.boxes)
            for one in scenes.layout(split, int(index), self.builder_config.seed)
        ]
        annotated = detection.Annotation(tubes, scenes.HEIGHT, scenes.WIDTH, frames)
        return detection.example(annotated, frames)
