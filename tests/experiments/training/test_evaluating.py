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
from s3dg.training.evaluation import Predictions
from s3dg.video.sampling import window_starts
from tests.closeness import assert_close
from tests.s3dg.small import randomized


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


@pytest.fixture(scope='module')
def network():
    """One that tells time's directions apart."""
    video_format = VideoFormat(
        frame_size=(72, 72), crop_size=(32, 32), clip_frames=8, evaluation_frames=8
    )
    return randomized(s3dg.build('s3d', 10, width=0.1, video_format=video_format))


@pytest.mark.parametrize(('most', 'reverse'), [(None, False), (12, False), (None, True)])
def test_the_videos_of_a_split_are_seen_as_asked(builder, network, most, reverse):
    lines = []
    found = evaluating.predict_split(
        network,
        builder,
        'validation',
        strategy=create_strategy('one'),
        most_frames=most,
        most_windows=4,
        reverse=reverse,
        report=lines.append,
    )
    told = 'of every video of moving_shapes the first 12 frames are evaluated'
    assert (told in lines) == (most is not None)
    example = max(stored_videos(builder, 'validation'), key=lambda e: len(e['video']))
    assert len(example['video']) > 16
    frames = np.stack(example['video'][:most])[:, 20:52, 20:52]
    windows = [frames[k : k + 8] for k in window_starts(len(frames), 8)]
    windows = [window[::-1] if reverse else window for window in windows]
    expected = np.mean([network(window[None]) for window in windows], axis=0)[0]
    logits = dict(zip(found.ids.tolist(), found.logits, strict=True))
    assert_close(logits[example['id']], expected, 1e-4)


def test_videos_that_were_not_seen_are_counted(builder, network, monkeypatch):
    logits = np.eye(10, dtype='float32')[:3]
    seen = Predictions(np.array(['a', 'b', 'c']), np.int32([0, 1, 2]), logits)
    monkeypatch.setattr(evaluating, 'predict_split', lambda *_, **options: seen)
    metrics, predictions = evaluating.evaluate_split(network, builder, 'validation')
    assert predictions is seen
    assert (metrics.videos_expected, metrics.videos_seen) == (10, 3)
