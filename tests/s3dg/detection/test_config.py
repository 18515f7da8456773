"""The values of a detector."""

import pytest

from s3dg.detection.config import DetectorConfig
from s3dg.fields import ConfigError


def test_the_published_values():
    published = {
        'anchor_base': 256,
        'rpn_positive_from': 0.7,
        'rpn_negative_below': 0.3,
        'rpn_samples': 256,
        'rpn_most_positive': 128,
        'proposal_overlap': 0.7,
        'proposals': 300,
        'positive_from': 0.5,
        'samples': 64,
        'most_positive': 16,
        'detection_overlap': 0.6,
        'detections_per_class': 100,
        'detections': 300,
    }
    ours = {'clip_anchors': False, 'tail_from': 'rgb', 'tail_stride': 2}
    assert DetectorConfig().to_dict() == {**published, **ours}


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'rpn_negative_below': 0.8}, 'rpn_negative_below must be at most rpn_positive_from, 0.7'),
        ({'rpn_most_positive': 300}, 'rpn_most_positive must be at most rpn_samples, 256'),
        ({'most_positive': 65}, 'most_positive must be at most samples, 64'),
        ({'positive_from': 0.0}, r'positive_from must be a number in \(0, 1\]'),
        ({'detections': 0}, 'detections must be an integer from 1'),
    ],
)
def test_values_that_cannot_be(fields, said):
    with pytest.raises(ConfigError, match=said):
        DetectorConfig(**fields)
