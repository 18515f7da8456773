"""What the detection sets share: configurations, names of videos, and boxes as they are stored."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data import boxes
from data.datasets import detection
from data.errors import DatasetError
from s3dg.errors import VideoError

LABELS = ['jump', 'run', 'wave']


class Config(detection.DetectionConfig):
    ANNOTATIONS = ('drawn', 'act')


def test_configurations():
    found = detection.detection_configs((1, 3), Config)
    assert [config.name for config in found] == [
        'split1_rgb',
        'split1_flow',
        'split3_rgb',
        'split3_flow',
        'split1_act_rgb',
        'split1_act_flow',
        'split3_act_rgb',
        'split3_act_flow',
    ]
    assert [config.annotations for config in found] == ['drawn'] * 4 + ['act'] * 4
    assert [config.split_number for config in found] == [1, 1, 3, 3] * 2
    assert [config.modality for config in found] == ['rgb', 'flow'] * 4
    assert {config.frame_size for config in found} == {(320, 400)}
    assert found[0].storage()['annotations'] == 'drawn'
    with pytest.raises(DatasetError, match="annotations='ACT', expected one of drawn, act"):
        Config(name='x', annotations='ACT')
    with pytest.raises(
        DatasetError, match='found frames_per_second=25.0, expected None, for boxes'
    ):
        Config(name='x', frames_per_second=25.0)


@pytest.mark.parametrize(
    'name',
    ['run', 'run/a/b', '/run/a', 'run/../a', '../etc/x', 'swim/a', 'run/a\n', 'run\\a', 'run/', 7]
    + [None, 'run/\ud800', 'x' * 9999 + '\n'],
)
def test_names_of_videos(name):
    with pytest.raises(DatasetError, match='^file.pkl: found') as error:
        detection.check_video_name(name, LABELS, 'file.pkl')
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 300


def test_the_class_is_the_folder():
    assert detection.check_video_name('wave/a b (1)', LABELS, 'file.pkl') == 'wave'


def tube(frames, corners, label='run'):
    return detection.Tube(label, np.array(frames, np.int64), np.array(corners, np.float64))


def stored(*actors, size=(100, 200), annotated=5, frames=5):
    return detection.example(detection.Annotation(list(actors), *size, annotated), frames)[
        boxes.BOXES
    ]


def test_boxes_are_shares_of_the_picture():
    found = stored(tube([1, 2], [[10, 20, 50, 60], [0, 0, 100, 200]]))
    np.testing.assert_array_equal(found['frame'], np.array([1, 2], np.int32), strict=True)
    expected = np.array([[0.1, 0.1, 0.5, 0.3], [0, 0, 1, 1]], np.float32)
    np.testing.assert_allclose(found['box'], expected, rtol=1e-6)
    assert found['box'].dtype == np.float32
    assert found['label'] == ['run', 'run']
    np.testing.assert_array_equal(found['tube'], np.array([0, 0], np.int32), strict=True)


def test_boxes_are_cut_at_the_border_and_empty_ones_left_out():
    inside = [[-10, -20, 50, 100], [50, 100, 170, 260], [99.5, 0, 300, 1]]
    outside = [
        [10, 20, 10, 60],
        [10, 60, 50, 20],
        [-5, 0, 0, 9],
        [0, 200, 9, 210],
        [100, 0, 101, 1],
    ]
    two = (tube(range(3), inside), tube(range(5), outside, 'wave'))
    found = stored(*two)
    np.testing.assert_allclose(
        found['box'], [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.995, 0, 1, 0.005]], rtol=1e-6
    )
    assert found['label'] == ['run'] * 3
    annotation = detection.Annotation([two[0], tube(range(5), outside)], 100, 200, 5)
    good = detection.Annotation([two[0]], 100, 200, 5)
    found = detection.remarks({'run/good': good, 'run/bad': annotation, 'run/other': annotation})
    assert list(found) == [
        'left out 10 boxes without area in the picture, of 2 videos, for example run/bad'
    ]
    assert list(detection.remarks({'run/good': good})) == []


def test_boxes_of_another_class_are_told_of():
    one, other = (
        detection.Annotation([tube([0], [[0, 0, 9, 9]], name)], 10, 10, 5)
        for name in ('run', 'wave')
    )
    assert list(detection.remarks({'run/a': one, 'wave/b': other})) == []
    assert list(detection.remarks({'run/a': one, 'run/b': other, 'run/c': other})) == [
        '2 videos have boxes of another class than their own, for example run/b'
    ]


def test_order_is_that_of_frames_then_of_tubes():
    box = [0, 0, 10, 20]
    found = stored(
        tube([3, 1], [box, box], 'wave'),
        tube([], np.empty((0, 4)), 'jump'),
        tube([0, 1, 3], [box, box, box], 'run'),
    )
    np.testing.assert_array_equal(found['frame'], [0, 1, 1, 3, 3])
    np.testing.assert_array_equal(found['tube'], [2, 0, 2, 0, 2])
    assert found['label'] == ['run', 'wave', 'run', 'wave', 'run']


def test_no_boxes():
    for actors in ((), (tube([], np.empty((0, 4))),), (tube([2], [[0, 0, 0, 0]]),)):
        found = stored(*actors)
        assert [len(found[key]) for key in ('frame', 'box', 'label', 'tube')] == [0] * 4
        assert found['box'].shape == (0, 4)


@pytest.mark.parametrize(
    ('frames', 'annotated', 'reason'),
    [
        (8, 10, '8 frames, but its boxes go on to the 9th'),  # frame 8 has one
        (9, 10, None),
        (9, 11, '9 frames of the 11 that were annotated'),
        (90, 100, None),
        (89, 100, '89 frames of the 100 that were annotated'),
        (500, 10, None),
        (9, 9, None),
    ],
)
def test_frames_that_the_boxes_need(frames, annotated, reason):
    one = tube([7, 8, 300], [[0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 0, 0]])  # the last one is empty
    if reason is None:
        assert stored(one, frames=frames, annotated=annotated)['frame'].max() == 8
    else:
        with pytest.raises(VideoError) as error:
            stored(one, frames=frames, annotated=annotated)
        assert str(error.value) == reason


def test_frames_that_another_decoder_may_lose():
    one = tube([5, 6, 7, 8], [[0, 0, 9, 9]] * 4)
    annotation = detection.Annotation([one], 10, 10, 9)
    for frames in (9, 8, 7):
        found = detection.example(annotation, frames, lost_frames=2)['boxes']
        np.testing.assert_array_equal(found['frame'], np.arange(5, frames))
        assert len(found['box']) == len(found['label']) == len(found['tube']) == frames - 5
    with pytest.raises(VideoError, match='6 frames, but its boxes go on to the 9th'):
        detection.example(annotation, 6, lost_frames=2)


def test_through_records():
    """What is put in comes out, and so does nothing."""
    features = tfds.features.FeaturesDict(boxes.features(LABELS))
    for one in (
        stored(tube([4, 0], [[0, 0, 50, 50], [25, 50, 75, 150]], 'wave')),
        stored(),
    ):
        record = features.serialize_example(features.encode_example({'boxes': one}))
        found = tfds.as_numpy(features.deserialize_example(record))['boxes']
        for key in ('frame', 'box', 'tube'):
            np.testing.assert_array_equal(found[key], one[key], strict=True)
        np.testing.assert_array_equal(found['label'], [2] * len(one['label']))
    assert features['boxes']['label'].names == LABELS
