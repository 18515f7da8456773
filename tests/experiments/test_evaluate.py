"""What `evaluate` says and refuses before it evaluates."""

from types import SimpleNamespace

import pytest

import s3dg
from experiments import evaluate
from s3dg.program.entry import UsageError
from s3dg.program.loading import require_classes


def _builder(rate):
    info = SimpleNamespace(full_name='video_folder/mine', metadata={'frames_per_second': rate})
    return SimpleNamespace(info=info)


@pytest.mark.parametrize(('stored', 'said'), [(25.0, True), (15.0, False)])
def test_another_frame_rate_is_mentioned(stored, said, capsys):
    video_format = s3dg.VideoFormat(frames_per_second=15.0)
    evaluate.report_other_rate(SimpleNamespace(video_format=video_format), _builder(stored))
    line = 'video_folder/mine is stored at 25.0 frames a second, the network was made for 15.0'
    assert (line in capsys.readouterr().out) == said


def test_an_embedding_is_refused():
    model = SimpleNamespace(config=s3dg.named_config('s3d_slim', num_classes=512, head='embedding'))
    with pytest.raises(UsageError, match='net.keras returns an embedding of 512 dimensions'):
        require_classes(model, 'net.keras')


def test_an_evaluation_on_other_classes_says_which(monkeypatch):
    network = SimpleNamespace(class_names=('run', 'walk', 'fly'))
    monkeypatch.setattr(evaluate, 'class_names', lambda builder: ('run', 'jump', 'fly'))
    builder = SimpleNamespace(info=SimpleNamespace(full_name='mine/rgb/1.0.0'))
    with pytest.raises(UsageError) as error:
        evaluate.check_same_classes(network, builder)
    assert str(error.value) == (
        '--model: the network knows other classes than mine/rgb/1.0.0: 3 classes, expected 3; '
        "1 places differ: class 1 is 'walk', expected 'jump'; 2 names are in both; train on this "
        'dataset with --init first.'
    )
