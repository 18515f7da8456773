"""What the detection sets share: their configurations, and the names of their videos."""

import pytest

from data.datasets import detection
from data.errors import DatasetError

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
