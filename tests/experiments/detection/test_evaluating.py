"""A detector seen on a split: video by video, resumable; a stand-in finds what the test knows."""

import types

import numpy as np
import pytest
import tensorflow as tf

import s3dg
from data import catalog
from experiments.detection import evaluating
from s3dg.detection.proposals import Boxes
from s3dg.training.devices import create_strategy
from tests.data import annotated_ramps
from tests.data.annotated_ramps import ANNOTATED, HEIGHT, LENGTHS, WIDTH, corners

VIDEOS = ['a', 'b', 'c', 'one']  # those with boxes
FRAMES = sum(LENGTHS[name] for name in VIDEOS)


@pytest.fixture(scope='module')
def rgb(tmp_path_factory, write_video_file):
    return annotated_ramps.convert(tmp_path_factory.mktemp('evaluated'), write_video_file)[0]


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """The ramps are a dataset with boxes of pictures twice as large as the stored frames."""
    builder = types.SimpleNamespace(BOX_PICTURE=(2 * HEIGHT, 2 * WIDTH))
    monkeypatch.setattr(catalog, 'builder_class', lambda name: builder)


PLAN = types.SimpleNamespace(
    dataset='annotated_ramps',
    splits=('train', 'train'),
    most_boxes=3,
    video_format=s3dg.VideoFormat(
        frame_size=(HEIGHT, WIDTH), crop_size=(HEIGHT, WIDTH), clip_frames=4, evaluation_frames=4
    ),
)


class StandIn:
    """Reads the number of the key frame from its blue level and finds the first true box there."""

    bodies = {'clip': None}

    def __init__(self, fails_after=None):
        self.seen, self.fails_after = [], fails_after

    def __call__(self, batch, chunk):
        assert chunk == 7
        return Boxes(*tf.numpy_function(self.find, [batch['key'], batch['clip']], BOXES))

    def find(self, key, clip):
        numbers = np.rint((key[..., 2].mean((1, 2)) - 5) / 15).astype(int)
        self.seen += numbers[key.any((1, 2, 3))].tolist()  # without what fills up a batch
        if self.fails_after is not None and len(self.seen) > self.fails_after:
            raise RuntimeError('killed')
        self.clips = np.rint((clip[..., 2].mean((2, 3)) - 5) / 15).astype(int).tolist()
        boxes = np.array([[corners(number, 0), np.zeros(4)] for number in numbers], np.float32)
        count = len(numbers)
        return (
            boxes,
            np.tile(np.float32([0.5, 0]), (count, 1)),
            np.zeros((count, 2), np.int32),
            np.tile([True, False], (count, 1)),
        )


BOXES = [tf.float32, tf.float32, tf.int32, tf.bool]


def evaluate(rgb, detector, folder, **options):
    strategy = create_strategy('one')
    return evaluating.evaluate(
        detector, [rgb], PLAN, strategy, folder, lambda line: None, chunk=7, **options
    )


def boxes_of(found):
    """What was found, and what is true, in all videos: dicts of columns."""
    parts = [found.boxes(number) for number in range(len(found.videos))]
    return [
        {
            name: np.concatenate([getattr(one, name) for one in of_kind])
            for name in ('frame', 'label', 'box')
        }
        for of_kind in zip(*parts, strict=True)
    ]


def test_every_frame_of_videos_with_boxes(rgb, tmp_path):
    found = evaluate(rgb, StandIn(), tmp_path)
    assert found.names == [(name, frame) for name in VIDEOS for frame in range(LENGTHS[name])]
    detections, true = boxes_of(found)
    assert detections['frame'].tolist() == list(range(FRAMES))
    expected = [2 * corners(frame, 0) for _, frame in found.names]  # of larger pictures
    assert detections['box'] == pytest.approx(np.array(expected), abs=1e-3)
    truth = [
        (found.names.index((name, frame)), *(2 * corners(frame, k)))
        for name, frames in ANNOTATED.items()
        for frame, count in frames.items()
        for k in range(count)
    ]
    assert np.column_stack([true['frame'], true['box']]) == pytest.approx(np.array(truth), abs=1e-3)
    assert found.videos_expected == len(LENGTHS)
    assert len(found.videos) == len(VIDEOS)
    assert found.starts[-1] == FRAMES


def test_figures(rgb, tmp_path):
    """One detection in each of 29 frames, all of class 0, of which 8 have a true box of it."""
    figures = evaluate(rgb, StandIn(), tmp_path).figures(4)
    annotated = sum(map(len, ANNOTATED.values()))
    pascal = figures['pascal']
    assert pascal['annotated'].per_class[0] == pytest.approx(1.0)
    # All scores are equal, so frames count in their order.
    hits = [frame in ANNOTATED[name] for name in VIDEOS for frame in range(LENGTHS[name])]
    precision = np.cumsum(hits) / np.arange(1, FRAMES + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    assert pascal['all'].per_class[0] == pytest.approx(envelope[hits].sum() / annotated)
    assert pascal['all'].per_class[1:].tolist() == [0.0] * 3  # classes that are never found
    assert set(figures) == {'pascal', 'act'}


def test_an_evaluation_goes_on_video_by_video(rgb, tmp_path):
    first = StandIn(fails_after=LENGTHS['a'] + LENGTHS['b'] + 3)
    with pytest.raises(Exception, match='killed'):
        evaluate(rgb, first, tmp_path)
    assert len(list(tmp_path.glob('*.npz'))) == 2
    again = StandIn()
    found = evaluate(rgb, again, tmp_path)
    assert len(again.seen) == LENGTHS['c'] + LENGTHS['one']
    whole = evaluate(rgb, StandIn(), tmp_path / 'other')
    for one, other in zip(boxes_of(found), boxes_of(whole), strict=True):
        for name, values in one.items():
            assert np.array_equal(values, other[name])
    third = StandIn()
    evaluate(rgb, third, tmp_path)
    assert third.seen == []


def test_clips_are_played_backwards(rgb, tmp_path):
    forward, backward = StandIn(), StandIn()
    evaluate(rgb, forward, tmp_path / 'a')
    evaluate(rgb, backward, tmp_path / 'b', reverse=True)
    assert forward.seen == backward.seen  # the key frame stays
    assert forward.clips == [one[::-1] for one in backward.clips]


def test_damaged_detections_are_named(rgb, tmp_path):
    evaluate(rgb, StandIn(), tmp_path)
    (tmp_path / '00001.npz').write_bytes(b'no archive')
    found = evaluate(rgb, StandIn(), tmp_path)
    with pytest.raises(evaluating.EvaluationError, match='00001.npz is damaged'):
        found.figures(4)
