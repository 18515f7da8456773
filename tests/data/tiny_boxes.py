"""A small dataset with boxes: three videos of four frames, one without boxes, and a bare split."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

from data import boxes
from data.conversion.convert import convert_dataset
from data.datasets import detection
from data.datasets.builder import VideoBuilder, VideoConfig, modality_configs
from data.listing import Video

HEIGHT, WIDTH = 20, 30
CORNERS = (2.0, 3.0, 10.0, 12.0)  # ymin, xmin, ymax, xmax in pixels


class TinyBoxes(VideoBuilder, skip_registration=True):
    """Of 'with', one actor has a box on every frame, another one on frame 2."""

    BUILDER_CONFIGS = modality_configs()

    def label_names(self):
        return ['jump', 'run']

    def split_videos(self):
        def item(name, label):
            return Video(name, str(pathlib.Path(self.manual_dir) / f'{name}.avi'), label)

        return {
            'train': [item('with', 'run'), item('without', 'jump')],
            'test': [item('unlabelled', None)],
        }

    def extra_features(self):
        return boxes.features(self.label_names())

    def annotate(self, item, frames, annotation):
        actors = []
        if item.id == 'with':
            first = np.tile(np.array(CORNERS), (frames, 1))
            actors = [
                detection.Tube('run', np.arange(frames), first),
                detection.Tube('jump', np.array([2]), first[:1] + 8.0),
            ]
        return detection.example(detection.Annotation(actors, HEIGHT, WIDTH, frames), frames)


def convert(root: pathlib.Path, write_video_file, numbered, modality='rgb'):
    """Makes the videos and the dataset; opened."""
    for name in ('with', 'without', 'unlabelled'):
        write_video_file(root / f'{name}.avi', numbered(4, HEIGHT, WIDTH), 25)
    config = VideoConfig(
        name=modality,
        modality=modality,
        flow_algorithm='dis',
        frame_size=(HEIGHT, WIDTH),
        manual_dir=str(root),
    )
    builder = TinyBoxes(config=config, data_dir=str(root / 'data'))
    convert_dataset(builder, processes=0)
    return tfds.builder_from_directory(builder.data_dir)
