"""A user's own videos, from files of all kinds to named classes, by the programs themselves."""

import csv
import json

import cv2
import numpy as np
import pytest

from data import catalog
from data.records.decode import stored_videos
from experiments import convert, train
from s3dg.commands import classify, export
from s3dg.saving.export import ExportedNetwork
from s3dg.training.evaluation import Predictions
from s3dg.video.writing import write_video
from tests import in_process, programs
from tests.closeness import assert_close

# Name, codec, frames a second, height, width, seconds. OpenCV writes no H.264; it reads it alike.
KINDS = {
    'portrait.mp4': ('mp4v', 30, 640, 360, 1.2),
    'full_hd.mp4': ('mp4v', 30, 1080, 1920, 0.8),
    'old.avi': ('MJPG', 25, 240, 320, 1.0),
    'slow.avi': ('MJPG', 6, 240, 320, 2.0),
    'web.webm': ('VP80', 28, 180, 320, 1.0),
}
CLASSES = ('dim', 'bright')
TINY = (
    '--network=fast_s3d',
    '--preset=tiny',
    '--frames=8',
    '--evaluation_frames=16',
    '--crop=32',
    '--set=width=0.1',
)


def _write(path, codec, rate, height, width, seconds, level):
    def frames():
        x = np.linspace(0, 40, width)
        for k in range(round(rate * seconds)):
            row = (20 * np.sin(x + k / 3) + 40 + 150 * level).astype('uint8')
            yield np.broadcast_to(row[None, :, None], (height, width, 3)).copy()

    write_video(path, frames(), rate, codec)


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """A folder per class, with broken files among the good ones."""
    folder = tmp_path_factory.mktemp('videos')
    for level, name in enumerate(CLASSES):
        for file, kind in KINDS.items():
            _write(folder / name / file, *kind, level)
    (folder / 'dim' / 'empty.mp4').write_bytes(b'')
    whole = (folder / 'dim' / 'portrait.mp4').read_bytes()
    (folder / 'dim' / 'truncated.mp4').write_bytes(whole[: len(whole) // 2])
    (folder / 'bright' / 'text.mp4').write_text('this is no video')
    _write(
        folder / 'bright' / 'one_frame.avi', 'MJPG', 100, 120, 160, 0.01, 1
    )  # less than one at 25
    return folder


@pytest.fixture(scope='module')
def work(videos, tmp_path_factory):
    """Converts, trains, evaluates, exports; the folder that holds what each left."""
    work = tmp_path_factory.mktemp('work')
    dataset = ('--dataset=video_folder', '--config=mine', f'--data_dir={work / "data"}')
    programs.run(
        'convert',
        *dataset,
        f'--manual_dir={videos}',
        f'--workdir={work / "convert"}',
        '--frame_size=40',
        '--validation_fraction=0.4',
        '--split_seed=26',  # holds out one of each kind, and nothing broken
    )
    programs.run(
        'train',
        *dataset,
        *TINY,
        f'--workdir={work / "train"}',
        '--steps=12',
        '--batch_size=4',
        '--learning_rate=0.02',
        '--evaluate_every=6',
    )
    model = f'--model={work / "train" / "model.keras"}'
    programs.run('evaluate', *dataset, model, f'--workdir={work / "evaluate"}')
    output = f'--output={work / "saved_model"}'
    programs.run('export', model, output, f'--workdir={work / "export"}')
    return work


def _results(work, name):
    return json.loads((work / name / 'results.json').read_text())


def test_good_videos_are_converted_and_broken_ones_listed(work):
    results = _results(work, 'convert')
    assert results['found'] == 14
    assert sum(results['examples'].values()) == 10
    assert results['skipped'] == 4
    assert results['frames_per_second'] > 0
    with open(f'{results["data_path"]}/skipped.csv', newline='') as file:
        reasons = {row['id']: row['reason'] for row in csv.DictReader(file)}
    assert reasons.keys() == {
        'dim/empty.mp4',
        'dim/truncated.mp4',
        'bright/text.mp4',
        'bright/one_frame.avi',
    }
    assert 'empty' in reasons['dim/empty.mp4']
    assert all(reasons.values())
    report = (work / 'convert' / 'report.md').read_text()
    assert all(reason in report for reason in reasons.values())


def test_lengths_are_the_durations_at_25_frames_a_second(work):
    builder = catalog.open_dataset('video_folder', 'mine', work / 'data')
    found = {}
    for split in builder.info.splits:
        for example in stored_videos(builder, split):
            found[example['id']] = len(example['video'])
            assert example['video'].shape[1:] == (40, 40, 3)
    expected = {name: round(25 * kind[-1]) for name, kind in KINDS.items()}
    assert found == {f'{c}/{name}': n for c in CLASSES for name, n in expected.items()}


def test_training_leaves_what_it_should(work):
    results = _results(work, 'train')
    assert results['step'] == 12
    videos = _results(work, 'convert')['examples']['validation']
    assert results['videos_seen'] == results['videos_expected'] == videos
    assert results['clips_per_second'] > 0
    assert results['per_class'].keys() == set(CLASSES)
    left = {path.name for path in (work / 'train').iterdir()}
    assert left >= {
        'config.json',
        'results.json',
        'report.md',
        'curves.png',
        'confusion.png',
        'predictions.npz',
        'model.keras',
        'history.csv',
        'checkpoints',
        'tensorboard',
    }
    assert cv2.imread(str(work / 'train' / 'curves.png')).std() > 0
    history = (work / 'train' / 'history.csv').read_text().splitlines()
    assert history[0].startswith('step,loss,accuracy')
    assert [line.split(',')[0] for line in history[1:]] == ['6', '12']


def test_evaluation_repeats_the_training_s(work):
    trained = Predictions.load(work / 'train' / 'predictions.npz')
    evaluated = Predictions.load(work / 'evaluate' / 'predictions.npz')
    assert evaluated.ids.tolist() == trained.ids.tolist()
    assert_close(evaluated.logits, trained.logits, 1e-4)
    assert _results(work, 'evaluate')['top1'] == _results(work, 'train')['top1']


def _probabilities(logits):
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def test_the_saved_model_gives_the_evaluation_s_predictions_on_stored_frames(work):
    """Whole videos of any length go in; windows, looping and the crop happen inside."""
    exported = ExportedNetwork(work / 'saved_model')
    predictions = Predictions.load(work / 'evaluate' / 'predictions.npz')
    expected = dict(zip(predictions.ids, _probabilities(predictions.logits), strict=True))
    builder = catalog.open_dataset('video_folder', 'mine', work / 'data')
    lengths = set()
    for example in stored_videos(builder, 'validation'):
        lengths.add(len(example['video']))
        served = exported.serve(example['video'][None])['probabilities'][0]
        np.testing.assert_allclose(served, expected[example['id']], atol=1e-4)
    assert len(lengths) > 1
    assert max(lengths) > 16  # several windows
    assert _results(work, 'export')['max_difference'] <= 1e-4


def test_classify_names_video_files_and_says_what_it_cannot_read(work, videos):
    predictions = Predictions.load(work / 'evaluate' / 'predictions.npz')
    paths = [videos / video for video in predictions.ids]
    done = programs.run(
        'classify',
        f'--model={work / "saved_model"}',
        '--json',
        *paths,
        videos / 'dim' / 'empty.mp4',
        code=1,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line['video'] for line in lines] == [str(path) for path in paths]
    for line, probabilities in zip(lines, _probabilities(predictions.logits), strict=True):
        named = {entry['class']: entry['probability'] for entry in line['classes']}
        assert list(named)[0] == sorted(CLASSES)[probabilities.argmax()]
        found = [named[name] for name in sorted(CLASSES)]
        np.testing.assert_allclose(found, probabilities, atol=0.05)
    errors = [line for line in done.stderr.splitlines() if line.startswith('error:')]
    assert len(errors) == 1
    assert 'empty.mp4' in errors[0]


def test_a_second_call_redoes_nothing_and_other_settings_are_refused(work):
    dataset = ('--dataset=video_folder', '--config=mine', f'--data_dir={work / "data"}')
    flags = (
        *dataset,
        *TINY,
        f'--workdir={work / "train"}',
        '--batch_size=4',
        '--learning_rate=0.02',
    )
    before = (work / 'train' / 'results.json').stat().st_mtime_ns
    done = programs.run('train', *flags, '--steps=12', '--evaluate_every=6')
    assert 'finished already' in done.stdout
    assert (work / 'train' / 'results.json').stat().st_mtime_ns == before
    done = programs.run('train', *flags, '--steps=13', code=2)
    assert 'training.schedule.steps was 12 and is now 13' in done.stderr.splitlines()[-1]


def test_fine_tuning_from_the_model_keeps_the_classifier_of_the_same_classes(work):
    dataset = ('--dataset=video_folder', '--config=mine', f'--data_dir={work / "data"}')
    done = programs.run(
        'train',
        *dataset,
        '--preset=tiny',
        '--frames=8',
        '--evaluation_frames=16',
        '--crop=32',
        '--steps=1',
        '--batch_size=4',
        '--learning_rate=1e-9',
        '--freeze_batch_norm',
        '--freeze_until=logits',
        f'--init={work / "train" / "model.keras"}',
        f'--workdir={work / "tuned"}',
    )
    assert 'classifier of 2 classes kept' in done.stdout
    tuned = Predictions.load(work / 'tuned' / 'predictions.npz')
    trained = Predictions.load(work / 'train' / 'predictions.npz')
    assert_close(tuned.logits, trained.logits, 1e-4)


@pytest.mark.slow
def test_a_network_inflated_from_the_model_starts_with_its_answers(work):
    """2D convolutions become separable ones with an identity over time, the others are copied."""
    source = work / 'train' / 'model.keras'
    done = programs.run(
        'train',
        '--dataset=video_folder',
        '--config=mine',
        f'--data_dir={work / "data"}',
        *TINY,
        '--network=s3d',
        '--steps=1',
        '--batch_size=4',
        '--learning_rate=1e-9',
        '--freeze_batch_norm',
        f'--inflate_from={source}',
        f'--workdir={work / "inflated"}',
    )
    assert 'model.keras: inflated, all layers' in done.stdout
    inflated = Predictions.load(work / 'inflated' / 'predictions.npz')
    trained = Predictions.load(work / 'train' / 'predictions.npz')
    assert_close(inflated.logits, trained.logits, 1e-4)
    flags = ('--dataset=video_folder', '--config=mine', f'--data_dir={work / "data"}')
    both = (f'--init={source}', f'--inflate_from={source}')
    done = programs.run('train', *flags, *both, f'--workdir={work / "both"}', code=2)
    assert '--init and --inflate_from: a network starts from one file' in done.stderr


def test_a_split_that_is_not_there_is_noticed_before_training(work):
    flags = ('--dataset=video_folder', '--config=mine', f'--data_dir={work / "data"}', *TINY)
    workdir = f'--workdir={work / "unsplit"}'
    done = programs.run('train', *flags, workdir, '--eval_split=test', code=2)
    assert "has no split 'test'; its splits are train, validation" in done.stderr.splitlines()[-1]
    assert not (work / 'unsplit').exists()


@pytest.mark.parametrize(
    ('program', 'flags', 'code', 'message'),
    [
        (convert, ('--dataset=video_folder', '--manual_dir=/nowhere'), 1, '/nowhere'),
        (train, ('--dataset=video_folder', '--config=none'), 1, 'convert it first'),
        (classify, ('--model=/nowhere', 'x.mp4'), 2, 'found /nowhere, which is not there'),
        (export, ('--model=/nowhere.keras', '--output=x'), 2, 'expected a .keras file'),
    ],
)
def test_mistakes_end_in_one_line(program, flags, code, message, tmp_path, capsys):
    extra = () if program is classify else (f'--workdir={tmp_path / "run"}',)
    if program in (convert, train):
        extra += (f'--data_dir={tmp_path}',)
    assert in_process.call(program, *flags, *extra) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
