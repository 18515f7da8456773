"""What is said of two lists of classes that differ."""

from types import SimpleNamespace

import pytest

from experiments import evaluate, optical_flow
from s3dg.errors import one_line
from s3dg.program.class_lists import describe_difference
from s3dg.program.entry import UsageError


@pytest.mark.parametrize(
    ('found', 'expected', 'said'),
    [
        (
            'abc',
            'abd',
            "3 classes, expected 3; 1 places differ: class 2 is 'c', expected 'd'; "
            '2 names are in both',
        ),
        (
            'ab',
            'ba',
            "2 classes, expected 2; 2 places differ: class 0 is 'a', expected 'b'; "
            "class 1 is 'b', expected 'a'; 2 names are in both",
        ),
        (
            'a',
            'abcdef',
            "1 classes, expected 6; 5 places differ: class 1 is not there, expected 'b'; "
            "class 2 is not there, expected 'c'; class 3 is not there, expected 'd'; "
            '1 names are in both',
        ),
        (
            'ab',
            'a',
            "2 classes, expected 1; 1 places differ: class 1 is 'b', expected none; "
            '1 names are in both',
        ),
    ],
)
def test_the_first_differences_are_named(found, expected, said):
    assert describe_difference(tuple(found), list(expected)) == said


def test_long_names_leave_room_for_the_rest():
    said = describe_difference(['x' * 5000] * 9, ['y'])
    assert len(said) < 800
    assert said == one_line(said, 800)


@pytest.fixture
def named(monkeypatch):
    """Something with class names, for whoever asks for those of a dataset."""
    for program in (evaluate, optical_flow):
        monkeypatch.setattr(program, 'class_names', lambda builder: builder.names)

    def make(*names):
        info = SimpleNamespace(full_name='mine/rgb/1.0.0')
        return SimpleNamespace(names=names, info=info)

    return make


def test_an_evaluation_on_other_classes_says_which(named):
    network = SimpleNamespace(class_names=('run', 'walk', 'fly'))
    with pytest.raises(UsageError) as error:
        evaluate.check_same_classes(network, named('run', 'jump', 'fly'))
    assert str(error.value) == (
        '--model: the network knows other classes than mine/rgb/1.0.0: 3 classes, expected 3; '
        "1 places differ: class 1 is 'walk', expected 'jump'; 2 names are in both; train on this "
        'dataset with --init first.'
    )


def test_two_streams_of_other_classes_say_which(named):
    builders = {'rgb': named('a', 'b'), 'flow': named('a', 'c')}
    study = SimpleNamespace(builder=lambda dataset, modality: builders[modality])
    with pytest.raises(UsageError, match="has other classes .*class 1 is 'c', expected 'b'"):
        optical_flow.check_same_videos(study, 'kinetics400')
