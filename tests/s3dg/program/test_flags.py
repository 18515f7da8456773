"""Words of --set."""

import pytest

from s3dg.program.entry import UsageError
from s3dg.program.flags import parse_fields


def test_words_become_fields():
    words = [
        'width=0.5',
        'gating=none',
        'separable=False',
        'temporal_from=Mixed_4b',
        'input_scale=1,2',
    ]
    assert parse_fields(words) == {
        'width': 0.5,
        'gating': None,
        'separable': False,
        'temporal_from': 'Mixed_4b',
        'input_scale': (1, 2),
    }


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['width'], "expected FIELD=VALUE, found 'width'"),
        (['wdth=1'], "no field 'wdth'; the fields are num_classes"),
        (['width=1', 'width=2'], 'width is set twice'),
        (['width={[]:1}', 'width=1'], 'width is set twice'),
    ],
)
def test_words_that_cannot_be(words, message):
    with pytest.raises(UsageError, match=message):
        parse_fields(words)
