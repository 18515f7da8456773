"""Box annotations in their stored form, and the two files that both detection sets may have."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data import boxes
from data.datasets import act_tubes
from data.errors import DatasetError
from s3dg.errors import VideoError
from tests.data import old_pickles

LABELS = ['jump', 'run', 'wave']


def tube(frames, corners, label='run'):
    return boxes.Tube(label, np.array(frames, np.int64), np.array(corners, np.float64))


def stored(*tubes, size=(100, 200), annotated=5, frames=5):
    return boxes.example(boxes.Annotation(list(tubes), *size, annotated), frames)[boxes.BOXES]


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
    annotation = boxes.Annotation(list(two), 100, 200, 5)
    good = boxes.Annotation([two[0]], 100, 200, 5)
    assert boxes.describe_outside({'good': good, 'bad': annotation, 'other': annotation}) == (
        'left out 10 boxes without area in the picture, of 2 videos, bad for one'
    )
    assert boxes.describe_outside({'good': good}) is None


def test_boxes_of_another_class_are_told_of():
    one, other = (
        boxes.Annotation([tube([0], [[0, 0, 9, 9]], name)], 10, 10, 5) for name in ('run', 'wave')
    )
    assert boxes.describe_other_classes({'run/a': one, 'wave/b': other}) is None
    assert boxes.describe_other_classes({'run/a': one, 'run/b': other, 'run/c': other}) == (
        '2 videos have boxes of another class than their own, run/b for one'
    )


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
    for tubes in ((), (tube([], np.empty((0, 4))),), (tube([2], [[0, 0, 0, 0]]),)):
        found = stored(*tubes)
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
    annotation = boxes.Annotation([one], 10, 10, 9)
    for frames in (9, 8, 7):
        found = boxes.example(annotation, frames, lost_frames=2)['boxes']
        np.testing.assert_array_equal(found['frame'], np.arange(5, frames))
        assert len(found['box']) == len(found['label']) == len(found['tube']) == frames - 5
    with pytest.raises(VideoError, match='6 frames, but its boxes go on to the 9th'):
        boxes.example(annotation, 6, lost_frames=2)


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


class Config(boxes.DetectionConfig):
    ANNOTATIONS = ('drawn', 'act')


def test_configurations():
    found = boxes.detection_configs((1, 3), Config)
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
        boxes.check_video_name(name, LABELS, 'file.pkl')
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 300


def test_the_class_is_the_folder():
    assert boxes.check_video_name('wave/a b (1)', LABELS, 'file.pkl') == 'wave'


# What the ACT detector's pickles look like.


def act(**changes):
    content = {
        'labels': ['wave', 'run'],  # in another order than the set's
        'train_videos': [['run/a'], ['run/b']],
        'test_videos': [['wave/c'], ['run/a', 'wave/c']],
        'nframes': {'run/a': 40, 'run/b': np.int64(2), 'wave/c': 3},
        'resolution': dict.fromkeys(('run/a', 'run/b', 'wave/c'), (240, 320)),
        'gttubes': {
            'run/a': {
                1: [
                    np.array([[39, 0, 0, 319, 239], [40, 32, 24, 63, 47]], np.float32),
                    np.array([[1, 250, 0, 255, 255]], np.uint8),
                ],
                0: [np.array([[5, 10.5, 20, 11.5, 20]])],
            },
            'run/b': {},
            'wave/c': {0: [np.zeros((0, 5))]},
        },
    }
    return content | changes


@pytest.fixture
def read_act(tmp_path):
    def read(content, split_number=1, write=old_pickles.of_python_2):
        path = tmp_path / 'ACT-GT.pkl'
        path.write_bytes(content if isinstance(content, bytes) else write(content))
        return act_tubes.read(path, split_number, LABELS)

    return read


@pytest.mark.parametrize('write', [old_pickles.of_python_2, old_pickles.of_numpy_2])
def test_act_tubes(read_act, write):
    truth = read_act(act(), write=write)
    assert truth.splits == {'train': ['run/a'], 'test': ['wave/c']}
    assert list(truth.annotations) == ['run/a', 'wave/c']
    found = boxes.example(truth.annotations['run/a'], 40)['boxes']
    # Tubes in the order of the classes' indices, frames from 0, corners and the pixels after them;
    # in uint8, 255 + 1 would be 0, and the box is cut at 240.
    np.testing.assert_array_equal(found['frame'], [0, 4, 38, 39])
    np.testing.assert_array_equal(found['tube'], [2, 0, 1, 1])
    assert found['label'] == ['run', 'wave', 'run', 'run']
    pixels = found['box'] * [240, 320, 240, 320]
    expected = [[0, 250, 240, 256], [20, 10.5, 21, 12.5], [0, 0, 240, 320], [24, 32, 48, 64]]
    np.testing.assert_allclose(pixels, expected, atol=1e-4)
    assert len(boxes.example(truth.annotations['wave/c'], 3)['boxes']['frame']) == 0
    with pytest.raises(VideoError, match='39 frames, but its boxes go on to the 40th'):
        boxes.example(truth.annotations['run/a'], 39)


def test_act_overlaps_are_those_of_its_own_code(read_act):
    """Width and height of an overlap there are min(x2) + 1 - max(x1)."""
    first, second = [1, 10, 20, 59, 79], [1, 40, 50, 89, 99]
    tubes = [np.array([first], np.float32), np.array([second], np.float32)]
    truth = read_act(act(gttubes={'run/a': {1: tubes}, 'wave/c': {}}))
    one, other = boxes.example(truth.annotations['run/a'], 40)['boxes']['box'].astype(np.float64)
    common = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    areas = [np.prod(box[2:] - box[:2]) for box in (one, other)]
    found = np.prod(common) / (sum(areas) - np.prod(common))
    overlap = (59 + 1 - 40) * (79 + 1 - 50)
    expected = overlap / (50 * 60 + 50 * 50 - overlap)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_act_splits(read_act):
    assert read_act(act(), 2).splits == {'train': ['run/b'], 'test': ['run/a', 'wave/c']}
    with pytest.raises(DatasetError, match="found 2 entries in 'train_videos', expected a list of"):
        read_act(act(), 3)


def tubes_of(value):
    return {'gttubes': act()['gttubes'] | {'run/a': value}}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'labels': ['run', 'swim']}, "the label 'swim', expected jump, run, wave"),
        ({'labels': 'run'}, "found text as 'labels', expected a list"),
        ({'labels': [['run']]}, 'the label a list, expected jump'),
        (
            {'train_videos': ['run/a']},
            "found 1 entries in 'train_videos', expected a list of names",
        ),
        (
            {'train_videos': [['../../etc/x']]},
            "found the name '../../etc/x', expected one that stays",
        ),
        ({'train_videos': [['swim/a']]}, "found the video 'swim/a', expected one of a class"),
        ({'test_videos': [[3]]}, 'found int for the name of a video'),
        ({'train_videos': [['run/z']]}, "'nframes': found no entry 'run/z', expected one"),
        ({'nframes': {'run/a': 1.5, 'wave/c': 3}}, "found a number as 'run/a', expected a whole"),
        ({'nframes': {'run/a': 10**5000, 'wave/c': 3}}, "as 'run/a', expected a whole number"),
        ({'nframes': []}, "found a list as 'nframes', expected a dictionary"),
        ({'resolution': dict.fromkeys(('run/a', 'wave/c'), (240,))}, 'found no resolution'),
        ({'resolution': dict.fromkeys(('run/a', 'wave/c'), (240, 0))}, 'found no resolution'),
        ({'resolution': dict.fromkeys(('run/a', 'wave/c'), (9, 'x', 9))}, 'found no resolution'),
        ({'resolution': dict.fromkeys(('run/a', 'wave/c'), [2, 3])}, 'found a list as'),
        ({'gttubes': {'run/a': {}}}, "'gttubes': found no entry 'wave/c'"),
        (tubes_of([]), "found a list as 'run/a', expected a dictionary"),
        (tubes_of({2: []}), 'tubes of a whole number that is no index of a class, expected 0 to 1'),
        (tubes_of({-1: []}), 'that is no index of a class'),
        (tubes_of({10**5000: []}), 'that is no index of a class'),
        (tubes_of({'run': []}), 'tubes of text that is no index of a class'),
        (
            tubes_of({0: np.zeros((2, 5))}),
            r'found an array float64 \(2, 5\), expected a list of tubes',
        ),
        (tubes_of({0: [[1, 2, 3, 4, 5]]}), 'found a list for a tube, expected an array'),
        (tubes_of({0: [np.zeros((2, 4))]}), r'found an array float64 \(2, 4\) for a tube'),
        (tubes_of({0: [np.array([1.0, 2, 3, 4, 5])]}), r'found an array float64 \(5,\) for a tube'),
        (tubes_of({0: [np.array([[1, 2, 3, np.nan, 5]])]}), 'found a tube with NaN or infinity'),
        (tubes_of({0: [np.array([[1, 2, 3, np.inf, 5]])]}), 'found a tube with NaN or infinity'),
        (tubes_of({0: [np.array([[0, 2, 3, 4, 5]])]}), 'frames are not whole numbers from 1'),
        (tubes_of({0: [np.array([[1.5, 2, 3, 4, 5]])]}), 'frames are not whole numbers from 1'),
        (tubes_of({0: [np.array([[1e300, 2, 3, 4, 5]])]}), 'frames are not whole numbers from 1'),
        (tubes_of({0: [np.array([[1, 2, 3, 4, None]], object)]}), 'found no whole pickle'),
    ],
)
def test_act_pickles_of_another_shape(read_act, changes, message):
    with pytest.raises(DatasetError, match=message) as error:
        read_act(act(**changes))
    assert 'ACT-GT.pkl' in str(error.value)
    assert str(error.value).isprintable()


def test_act_pickles_that_are_none(read_act):
    with pytest.raises(DatasetError, match='ACT-GT.pkl: found a list, expected a dictionary'):
        read_act([])
    with pytest.raises(DatasetError, match="ACT-GT.pkl: found no entry 'train_videos'"):
        read_act({'labels': []})
    with pytest.raises(DatasetError, match="ACT-GT.pkl: found a pickle that asks for 'os.system'"):
        read_act(b'cos\nsystem\n(Vtrue\ntR.')
