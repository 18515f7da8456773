"""A small dataset with boxes, of ramp videos whose pixels say which frame and column they are."""

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data import boxes, encoding
from data.conversion.convert import convert_dataset
from data.datasets import detection
from data.datasets.builder import VideoBuilder, VideoConfig, modality_configs
from data.listing import Video

HEIGHT, WIDTH = 48, 64
# Videos, with the frames that have boxes and how many: the last frame of a video too, of which
# there is no flow, and more boxes than are asked for.
LENGTHS = {'a': 5, 'b': 9, 'c': 14, 'one': 1, 'without': 4}
ANNOTATED = {'a': {0: 1, 4: 2}, 'b': {3: 1, 8: 1}, 'c': {2: 1, 5: 4, 13: 1}, 'one': {0: 1}}


def corners(frame, number):
    """The box, y_min, x_min, y_max, x_max in pixels, of a frame."""
    return np.array([2.0 + number, 4.0 + frame, 30.0 + number, 20.0 + frame])


class AnnotatedRamps(VideoBuilder, skip_registration=True):
    """Boxes as `ANNOTATED` says."""

    BUILDER_CONFIGS = modality_configs()

    def label_names(self):
        return ['jump', 'run', 'sit', 'walk']

    def split_videos(self):
        root = pathlib.Path(self.manual_dir)
        return {'train': [Video(name, str(root / f'{name}.avi'), 'run') for name in LENGTHS]}

    def extra_features(self):
        return boxes.features(self.label_names())

    def annotate(self, item, frames, annotation):
        tubes = [
            detection.Tube(self.label_names()[k], np.array([frame]), corners(frame, k)[None])
            for frame, count in ANNOTATED.get(item.id, {}).items()
            for k in range(count)
        ]
        return detection.example(detection.Annotation(tubes, HEIGHT, WIDTH, frames), frames)


def ramp(count):
    columns = np.tile(np.arange(WIDTH), (HEIGHT, 1))
    return [
        np.stack(
            [3 * columns + 10, np.full_like(columns, 90), np.full_like(columns, 15 * k + 5)], -1
        ).astype(np.uint8)
        for k in range(count)
    ]


def known_fields(frames, algorithm):
    """A stand-in for optical flow: x is the column, y the number."""
    del algorithm
    columns = np.tile(np.arange(WIDTH), (HEIGHT, 1))
    for k in range(len(list(frames)) - 1):
        levels = np.stack([3 * columns + 10, np.full_like(columns, 15 * k + 5)], -1)
        yield (levels / 255 * 40 - 20).astype(np.float32)


def convert(root, write_video_file):
    """The videos as RGB and as flow, opened."""
    for name, length in LENGTHS.items():
        write_video_file(root / f'{name}.avi', ramp(length), 25)
    opened = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding.optical_flow, 'flow_fields', known_fields)
        for modality in ('rgb', 'flow'):
            config = VideoConfig(
                name=modality,
                modality=modality,
                frame_size=(HEIGHT, WIDTH),
                jpeg_quality=100,
                manual_dir=str(root),
            )
            builder = AnnotatedRamps(config=config, data_dir=str(root / 'data'))
            # Of a single frame there is no flow.
            convert_dataset(builder, processes=0, max_skipped_fraction=0.2)
            opened.append(tfds.builder_from_directory(builder.data_dir))
    return opened
