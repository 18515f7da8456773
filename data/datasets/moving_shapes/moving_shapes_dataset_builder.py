"""Builder of moving_shapes: writes its videos as .avi files, to be stored as any others."""

import dataclasses
from collections.abc import Iterator
from types import ModuleType
from typing import ClassVar

import tensorflow_datasets as tfds

from data.datasets import generated
from data.datasets.facts import Published
from data.datasets.generated import GeneratedBuilder, GeneratedConfig
from data.datasets.moving_shapes import hard, shapes
from data.errors import DatasetError

# Two halves of the classes, for transfer from the one to the other. Of the five pairs each half has
# two whole ones, so in both the order of frames is needed.
HALF = ('move_right', 'move_left', 'grow', 'shrink', 'appear')
OTHER_HALF = ('move_down', 'move_up', 'turn_clockwise', 'turn_anticlockwise', 'disappear')

# As of UCF-101 and HMDB-51, three divisions of one pool of videos.
SPLIT_NUMBERS = (1, 2, 3)
POOL = 'pool'


@dataclasses.dataclass
class MovingShapesConfig(GeneratedConfig):
    """Size and seed of the dataset, stored at 72x72 for training crops of 64x64 (ours)."""

    DRAWN_BY: ClassVar[ModuleType] = shapes  # what draws the videos
    FOLDER: ClassVar[str] = ''  # of these videos among the files and ids, with its slash

    frame_size: tuple[int, int] | None = (72, 72)
    train_per_class: int = 160  # training videos of each class
    validation_per_class: int = 40  # validation videos of each class
    # Names of classes, in the order of their labels; None: all there are.
    classes: tuple[str, ...] | None = None
    # None: the videos of `train` and `validation` are drawn apart. 1, 2 or 3: both are of one pool,
    # which no other configuration draws from; split k validates on every third video, from number
    # k - 1 on, and trains on the others, of which there are twice as many.
    split_number: int | None = None

    def __post_init__(self):
        super().__post_init__()
        every = self.DRAWN_BY.CLASSES
        self.classes = tuple(every if self.classes is None else self.classes)
        known = set(every)
        allowed = (
            (
                'classes',
                self.classes and len(known & set(self.classes)) == len(self.classes),
                f'one or more of {", ".join(every)}, each once',
            ),
            (
                'split_number',
                self.split_number is None or self.split_number in SPLIT_NUMBERS,
                f'one of {", ".join(map(str, SPLIT_NUMBERS))}, or None',
            ),
            (
                'train_per_class',
                self.split_number is None or self.train_per_class == 2 * self.validation_per_class,
                f'{2 * self.validation_per_class}, twice validation_per_class, with a split_number',
            ),
        )
        for field, fits, expected in allowed:
            if not fits:
                raise DatasetError(
                    f'config {self.name!r}: found {field}={getattr(self, field)!r},'
                    f' expected {expected}'
                )


@dataclasses.dataclass
class HardConfig(MovingShapesConfig):
    """Of the harder videos. More of them are held out, for smaller differences to show."""

    DRAWN_BY = hard
    FOLDER = 'hard/'

    train_per_class: int = 100
    validation_per_class: int = 40


class Builder(GeneratedBuilder, skip_registration=True):
    """Classes in pairs that are mirror images of each other in time: ten, or 22 harder ones."""

    VERSION = tfds.core.Version('2.0.0')
    RELEASE_NOTES = {
        '2.0.0': 'Videos are lossless.',
        '1.0.0': 'Videos are Motion JPEG.',
    }
    CONFIG_CLASS = MovingShapesConfig
    BUILDER_CONFIGS = [
        MovingShapesConfig(name='rgb', description='The videos as they are.'),
        MovingShapesConfig(
            name='flow', description='Optical flow of the same videos.', modality='flow'
        ),
        *(
            HardConfig(name=f'hard_{modality}', description=description, modality=modality)
            for modality, description in (
                ('rgb', 'Longer stories of more classes, in clutter.'),
                ('flow', 'Optical flow of the same videos.'),
            )
        ),
        MovingShapesConfig(
            name='half_rgb', description='The videos of five of the classes.', classes=HALF
        ),
        *(
            MovingShapesConfig(
                name=f'split{number}_rgb',
                description=f'The other five classes, division {number} of three.',
                classes=OTHER_HALF,
                split_number=number,
                train_per_class=40,
                validation_per_class=20,
            )
            for number in SPLIT_NUMBERS
        ),
    ]
    FLIP_LEFT_RIGHT = False  # move_right and move_left, turn_clockwise and turn_anticlockwise

    @classmethod
    def published(cls, config: MovingShapesConfig) -> Published:
        classes = len(config.classes)
        return Published(
            classes=classes,
            videos={
                'train': config.train_per_class * classes,
                'validation': config.validation_per_class * classes,
            },
            # Lengths are drawn evenly.
            seconds=sum(shapes.LENGTHS) / len(shapes.LENGTHS) / generated.FRAMES_PER_SECOND,
            source='as generated',
            source_height=shapes.FRAME_SIZE,
        )

    def label_names(self) -> list[str]:
        return list(self.builder_config.classes)

    def drawings(self) -> Iterator[generated.Drawing]:
        config = self.builder_config
        for split, drawn_as, index in self._numbers():
            for name in config.classes:
                yield generated.Drawing(
                    split,
                    f'{config.FOLDER}{drawn_as}/{name}/{index:05d}',
                    name,
                    config.DRAWN_BY.video,
                    (drawn_as, name, index, config.seed),
                )

    def _numbers(self):
        """Yields (split, split under which it is drawn, index) of every video of a class."""
        config = self.builder_config
        train, validation = config.train_per_class, config.validation_per_class
        if config.split_number is None:
            for split, count in (('train', train), ('validation', validation)):
                for index in range(count):
                    yield split, split, index
        else:
            for split in ('train', 'validation'):
                for index in range(train + validation):
                    held_out = index % len(SPLIT_NUMBERS) == config.split_number - 1
                    if held_out == (split == 'validation'):
                        yield split, POOL, index
