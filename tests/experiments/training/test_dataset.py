"""What is said of two lists of classes that differ."""

import pytest

from experiments.training.dataset import describe_difference
from s3dg.errors import one_line


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
