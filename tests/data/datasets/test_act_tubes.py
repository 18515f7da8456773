"""Boxes of the ACT detector's pickles, good ones and others."""

import numpy as np
import pytest

from data.datasets import act_tubes, detection
from data.errors import DatasetError
from s3dg.errors import VideoError
from tests.data import old_pickles

LABELS = ['jump', 'run', 'wave']


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
    found = detection.example(truth.annotations['run/a'], 40)['boxes']
    # Tubes in the order of the classes' indices, frames from 0, corners and the pixels after them;
    # in uint8, 255 + 1 would be 0, and the box is cut at 240.
    np.testing.assert_array_equal(found['frame'], [0, 4, 38, 39])
    np.testing.assert_array_equal(found['tube'], [2, 0, 1, 1])
    assert found['label'] == ['run', 'wave', 'run', 'run']
    pixels = found['box'] * [240, 320, 240, 320]
    expected = [[0, 250, 240, 256], [20, 10.5, 21, 12.5], [0, 0, 240, 320], [24, 32, 48, 64]]
    np.testing.assert_allclose(pixels, expected, atol=1e-4)
    assert len(detection.example(truth.annotations['wave/c'], 3)['boxes']['frame']) == 0
    with pytest.raises(VideoError, match='39 frames, but its boxes go on to the 40th'):
        detection.example(truth.annotations['run/a'], 39)


def test_act_overlaps_are_those_of_its_own_code(read_act):
    """Width and height of an overlap there are min(x2) + 1 - max(x1)."""
    first, second = [1, 10, 20, 59, 79], [1, 40, 50, 89, 99]
    both = [np.array([first], np.float32), np.array([second], np.float32)]
    truth = read_act(act(gttubes={'run/a': {1: both}, 'wave/c': {}}))
    one, other = detection.example(truth.annotations['run/a'], 40)['boxes']['box'].astype(
        np.float64
    )
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
