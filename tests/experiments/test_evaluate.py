"""What `evaluate` says and refuses before it evaluates."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import s3dg
from data import catalog
from experiments import evaluate
from s3dg.program.entry import UsageError
from s3dg.program.loading import require_classes
from s3dg.training.evaluation import Predictions, compute_metrics
from tests import in_process


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


@pytest.mark.parametrize(
    ('dataset', 'order', 'seen'),
    [('ucf101', 'reversed', (True, 250)), ('kinetics400', 'normal', (False, None))],
)
def test_videos_are_seen_in_the_order_and_as_far_as_is_said(
    tmp_path, monkeypatch, dataset, order, seen
):
    network = s3dg.build('i2d', 2, width=0.1, class_names=('a', 'b'))
    network.save(tmp_path / 'network.keras')
    metadata = {'frames_per_second': 25.0, 'modality': 'rgb'}
    names = {'label': SimpleNamespace(names=['a', 'b'])}
    info = SimpleNamespace(full_name=dataset, config_name='rgb', metadata=metadata, features=names)
    found = []

    def evaluate_split(network, builder, split, **options):
        found.append((options['reverse'], options['most_frames']))
        predictions = Predictions(np.array(['v']), np.int32([1]), np.float32([[0, 1]]))
        return compute_metrics(predictions, 2), predictions

    monkeypatch.setattr(catalog, 'open_dataset', lambda *_: SimpleNamespace(info=info))
    monkeypatch.setattr(evaluate, 'choose_split', lambda *_: 'validation')
    monkeypatch.setattr(evaluate.evaluating, 'evaluate_split', evaluate_split)
    words = [f'--model={tmp_path / "network.keras"}', f'--workdir={tmp_path / "run"}']
    code = in_process.call(evaluate, *words, f'--dataset={dataset}', f'--order={order}')
    assert (code, found) == (None, [seen])
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert (results['videos_expected'], results['videos_seen'], results['top1']) == (2, 1, 1.0)
    assert f'{order} order' in (tmp_path / 'run' / 'report.md').read_text()
