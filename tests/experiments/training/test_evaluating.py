"""How the videos of a split are seen."""

import numpy as np
import pytest

import s3dg
from data import catalog
from data.conversion.convert import convert_dataset
from data.records.decode import stored_videos
from experiments.training import evaluating
from s3dg.config import VideoFormat
from s3dg.training.devices import create_strategy
from s3dg.video.sampling import window_starts
from tests.closeness import assert_close


@pytest.fixture(scope='module')
def builder(tmp_path_factory):
    made = catalog.make_builder(
        'moving_shapes',
        'rgb',
        tmp_path_factory.mktemp('data'),
        train_per_class=1,
        validation_per_class=1,
    )
    convert_dataset(made, processes=0)
    return made


@pytest.mark.parametrize('most', [None, 12])
def test_of_some_datasets_the_first_frames_of_a_video_are_evaluated(builder, most):
    video_format = VideoFormat(
        frame_size=(72, 72), crop_size=(32, 32), clip_frames=8, evaluation_frames=8
    )
    network = s3dg.build('i2d', 10, width=0.1, video_format=video_format)
    lines = []
    found = evaluating.predict_split(
        network,
        builder,
        'validation',
        strategy=create_strategy('one'),
        most_frames=most,
        most_windows=4,
        report=lines.append,
    )
    told = 'of every video of moving_shapes the first 12 frames are evaluated'
    assert (told in lines) == (most is not None)
    example = max(stored_videos(builder, 'validation'), key=lambda e: len(e['video']))
    assert len(example['video']) > 16
    frames = np.stack(example['video'][:most])[:, 20:52, 20:52]
    windows = [frames[k : k + 8] for k in window_starts(len(frames), 8)]
    expected = np.mean([network(window[None]) for window in windows], axis=0)[0]
    logits = dict(zip(found.ids.tolist(), found.logits, strict=True))
    assert_close(logits[example['id']], expected, 1e-4)
