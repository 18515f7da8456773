"""Submission files: by hand, and of a whole `something_something`."""

import os

import numpy as np
import pytest

from experiments import something_something
from experiments.paper import submission
from s3dg.training.evaluation import EvaluationError, Predictions
from tests import in_process
from tests.data import something_frames

NAMES = [
    'Approaching something with your camera',
    'Attaching something to something',
    "Failing to put something into something because something doesn't fit",
    'Putting something, something and something on the table',
    'Squeezing something',
    'Zooming, with an é',
]
# Numbers whose order as text is another one: '1000' before '88' before '9'.
IDS = np.array(['1000', '88', '9'])
LOGITS = np.float32(
    [
        [0, 1, 2, 3, 4, 5],  # 5 4 3 2 1
        [-1, -9, 3, 2.5, -2, -1.5],  # 2 3 0 5 4
        [1, 7, 1, 7.5, -1, 1],  # 3 1, and three that are equal
    ]
)


def _write(tmp_path, dataset, ids=IDS, logits=LOGITS, names=NAMES):
    path = tmp_path / 'submission.csv'
    count = submission.write_submission(path, ids, logits, names, submission.ROWS[dataset])
    assert list(tmp_path.iterdir()) == [path]
    assert count == len(ids)
    return path.read_bytes().decode('utf-8')


def test_release_2_has_five_indices(tmp_path):
    assert _write(tmp_path, 'something_something_v2') == (
        '9;3;1;0;2;5\n88;2;3;0;5;4\n1000;5;4;3;2;1\n'
    )


def test_release_1_has_the_label(tmp_path):
    assert _write(tmp_path, 'something_something_v1') == (
        '9;Putting something, something and something on the table\n'
        "88;Failing to put something into something because something doesn't fit\n"
        '1000;Zooming, with an é\n'
    )


def test_an_earlier_file_is_replaced(tmp_path):
    (tmp_path / 'submission.csv').write_text('from before\n' * 100)
    assert _write(tmp_path, 'something_something_v2', IDS[:1], LOGITS[:1]) == '1000;5;4;3;2;1\n'


def test_a_file_that_cannot_be_finished_leaves_the_earlier_one(tmp_path, monkeypatch):
    path = tmp_path / 'submission.csv'
    path.write_text('from before')

    def full(*arguments, **options):
        raise OSError('no space left')

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError, match='no space left'):
        _write(tmp_path, 'something_something_v2')
    assert path.read_text() == 'from before'


def test_of_many_equal_logits_the_first_indices_are_taken(tmp_path):
    names = [f'class {number}' for number in range(174)]
    text = _write(tmp_path, 'something_something_v2', ['1'], np.zeros((1, 174)), names)
    assert text == '1;0;1;2;3;4\n'


@pytest.mark.parametrize(
    ('ids', 'logits', 'names', 'message'),
    [
        (['1', 'a/2', '3'], LOGITS, NAMES, "found the video id 'a/2', expected a number"),
        (['1', '', '3'], LOGITS, NAMES, "found the video id '', expected a number"),
        (['1', '3', '3'], LOGITS, NAMES, 'video 3 comes twice'),
        (['1', '3', '03'], LOGITS, NAMES, 'video 03 comes twice'),
        (IDS, LOGITS + [[0], [np.nan], [0]], NAMES, 'the logits of video 88 are not finite'),
        (IDS[:2], LOGITS, NAMES, r'found 2 videos, 6 classes and logits of shape \(3, 6\)'),
        (IDS, LOGITS[:, :5], NAMES, r'found 3 videos, 6 classes and logits of shape \(3, 5\)'),
        ([], LOGITS[:0], NAMES, 'found 0 videos'),
        (IDS, LOGITS, [*NAMES[:5], 'a;b'], "found the class 'a;b'"),
    ],
)
def test_what_cannot_be_submitted(tmp_path, ids, logits, names, message):
    path = tmp_path / 'submission.csv'
    path.write_text('from before')
    row = submission.ROWS['something_something_v1']
    with pytest.raises(EvaluationError, match=message) as error:
        submission.write_submission(path, ids, logits, names, row)
    assert str(error.value).startswith(f'{path}: ')
    assert path.read_text() == 'from before'
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture(scope='module')
def something(tmp_path_factory):
    return something_frames.convert(tmp_path_factory.mktemp('something'))


def test_submission_for_the_test_split(something, tmp_path, monkeypatch):
    monkeypatch.setattr(something_something.SomethingSomething, 'networks', ('i2d',))
    left_out = ('--preset=', '--pretraining_steps=')
    flags = [word for word in in_process.TINY if not word.startswith(left_out)]
    words = (f'--data_dir={something}', f'--workdir={tmp_path / "table_3"}')
    assert in_process.call(something_something, '--from_scratch', *flags, *words) is None
    (network,) = (tmp_path / 'networks').glob('i2d-*')
    predictions = Predictions.load(network / 'predictions_test_normal.npz')
    names = ('Holding something', 'Pulling something', 'Something falling')
    expected = {
        video: names[row.argmax()]
        for video, row in zip(predictions.ids.tolist(), predictions.logits, strict=True)
    }
    assert set(expected) == {'7', '8', '9'}
    text = (tmp_path / 'table_3' / 'submission_i2d.csv').read_text()
    assert [line.split(';', 1) for line in text.splitlines()] == [[k, expected[k]] for k in '789']
    assert 'submission_i2d.csv' in (tmp_path / 'table_3' / 'report.md').read_text()
