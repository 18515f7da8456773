"""What `classify` makes of a video and of a model."""

import fcntl
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import s3dg
from s3dg.analysis import classification
from s3dg.answers import NonFiniteAnswerError
from s3dg.commands import classify
from s3dg.commands import export as export_program
from s3dg.errors import LONGEST_LINE, VideoError
from s3dg.files import locks
from s3dg.program import loading
from s3dg.saving import export
from s3dg.video import ahead, reading
from s3dg.video.writing import write_video
from tests import in_process, video_files


def test_frames_smaller_than_the_crop_are_refused(tmp_path):
    path = tmp_path / 'small.mp4'
    write_video(path, np.zeros((9, 48, 64, 3), 'uint8'), 25)
    video_format = s3dg.VideoFormat(frame_size=None, crop_size=(56, 56), evaluation_frames=8)
    model = SimpleNamespace(video_format=video_format)
    with pytest.raises(VideoError, match='frames of 48x64 .* at least the crop of 56x56'):
        classification.video_probabilities(model, reading.read_frames(path))


def test_every_window_counts_and_frames_come_at_the_network_s_rate(tmp_path):
    """Twelve frames at 10 a second are six at 5, in windows of four: those from 0 and from 2."""
    levels = np.arange(12) * 20
    frames = np.broadcast_to(levels[:, None, None, None], (12, 32, 32, 3)).astype('uint8')
    write_video(tmp_path / 'video.avi', frames, 10, 'FFV1')
    seen = []

    def serve(video):
        seen.append(np.round(video.mean((0, 2, 3, 4)) / 20))
        return {'logits': tf.constant([[0.0, 2.0 * len(seen)]])}

    video_format = s3dg.VideoFormat(
        frames_per_second=5.0, frame_size=None, crop_size=(32, 32), evaluation_frames=4
    )
    model = SimpleNamespace(video_format=video_format, serve=serve)
    frames = reading.read_frames(tmp_path / 'video.avi', **video_format.reading)
    found = classification.video_probabilities(model, frames)
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[0][2:], seen[1][:2])
    assert [np.diff(one).tolist() for one in seen] == [[2, 2, 2]] * 2
    # The mean of the logits (0, 2) and (0, 4).
    np.testing.assert_allclose(found, [1 / (1 + np.exp(3)), 1 / (1 + np.exp(-3))], rtol=1e-5)


def test_the_most_probable_classes_come_first():
    probabilities = np.float32([0.125, 0.5, 0.25, 0.125])
    named = SimpleNamespace(class_names=('a', 'b', 'c', 'd'))
    expected = [('b', 0.5), ('c', 0.25), ('a', 0.125)]
    assert classification.most_probable(named, probabilities, 3) == expected
    unnamed = SimpleNamespace(class_names=None)
    assert classification.most_probable(unnamed, probabilities, 1) == [('class 1', 0.5)]


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """A small network as a `.keras` file and as a SavedModel."""
    folder = tmp_path_factory.mktemp('models')
    video_format = s3dg.VideoFormat(
        frame_size=None, short_side=48, crop_size=(32, 40), clip_frames=8, evaluation_frames=8
    )
    config = s3dg.named_config('s3d_g', num_classes=3, width=0.1, kernel_initializer='he_normal')
    network = s3dg.Network(config, ('a', 'b', 'c'), video_format)
    network.save(folder / 'model.keras')
    export.export(network, folder / 'saved_model')
    return folder / 'model.keras', folder / 'saved_model'


def _frames(model, path):
    return reading.read_frames(path, **model.video_format.reading)


@pytest.mark.parametrize('frames', [5, 8, 21])
def test_a_saved_network_answers_as_its_saved_model(models, frames, tmp_path):
    video = np.random.default_rng(frames).integers(0, 256, (frames, 50, 70, 3)).astype('uint8')
    write_video(tmp_path / 'video.mp4', video, 25)
    one, other = (
        classification.video_probabilities(model, _frames(model, tmp_path / 'video.mp4'))
        for model in map(loading.load_model, models)
    )
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert one.sum() == pytest.approx(1)


def test_the_program_takes_either(models, tmp_path, capsys):
    write_video(tmp_path / 'video.mp4', np.zeros((9, 50, 70, 3), 'uint8'), 25)
    told = []
    for path in models:
        words = [f'--model={path}', '--top=2', tmp_path / 'video.mp4', 'x' * 5000]
        assert in_process.call(classify, *words) == 1
        out, errors = capsys.readouterr()
        assert errors.startswith('error: xxx')
        assert errors.count('\n') == 1
        assert len(errors) <= LONGEST_LINE + len('error: \n')
        told.append(out.splitlines()[1:])
    assert [line.split()[1] for line in told[0]] == [line.split()[1] for line in told[1]]
    assert in_process.call(classify, f'--model={tmp_path / "no.keras"}') == 2


def test_an_answer_that_is_no_number_is_an_error(tmp_path, monkeypatch, capsys):
    """It was printed as nan%, with exit code 0."""
    paths = []
    for name, level in (('bad.mp4', 255), ('good.mp4', 0)):
        paths.append(tmp_path / name)
        write_video(paths[-1], np.full((9, 48, 64, 3), level, 'uint8'), 25)

    class Model:
        video_format = s3dg.VideoFormat(
            crop_size=(32, 32), frame_size=(40, 40), evaluation_frames=8
        )
        config = SimpleNamespace(head='classifier', channels=3, num_classes=2)
        class_names = ('run', 'jump')

        def __init__(self, path):
            pass

        def serve(self, video):
            if video.mean() > 100:
                raise NonFiniteAnswerError('logits: 2 of 2 numbers are NaN or infinite')
            return {'logits': tf.constant([[0.0, 0.0]])}

    monkeypatch.setattr(classify, 'load_model', Model)
    code = in_process.call(classify, '--model=x', *paths)
    written = capsys.readouterr()
    assert code == 1
    assert written.err == f'error: {paths[0]}: logits: 2 of 2 numbers are NaN or infinite\n'
    assert written.out == f'{paths[1]}\n   50.00%  run\n   50.00%  jump\n'


_CRASHING = """
import os
from s3dg.video import ahead, reading
read, serve = reading.read_frames, ahead.serve
reading.read_frames = lambda path, **how: (
    os.abort() if str(path).endswith("crash.mp4") else read(path, **how)
)
"""


def test_a_crash_of_the_decoder_and_damage_are_told(models, tmp_path, monkeypatch, capfd):
    (tmp_path / 'crashing.py').write_text(_CRASHING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ahead, '__name__', 'crashing')
    paths = [tmp_path / 'crash.mp4', tmp_path / 'damaged.mp4']
    frames = video_files.stepped_frames(30, 50, 70)
    video_files.write_with_ffmpeg(paths[1], frames, 25, options={'g': '5'})
    video_files.damage_packet(paths[1], 12)
    assert in_process.call(classify, f'--model={models[0]}', '--top=1', *paths) == 1
    written = capfd.readouterr()
    crash, damage = f'error: {paths[0]}: its decoder crashed', '1 of 30 packets damaged'
    assert written.err.splitlines() == [crash, f'warning: {paths[1]}: {damage}']
    assert written.out.splitlines()[0] == str(paths[1])


@pytest.mark.slow
def test_a_damaged_export_is_made_again(models, tmp_path):
    """The program says so of a whole one only, also where the run is finished."""
    output = tmp_path / 'saved_model'
    words = [f'--model={models[0]}', f'--output={output}', f'--workdir={tmp_path / "run"}']
    for damage in (False, True):
        if damage:
            (output / 'variables' / 'variables.index').write_bytes(b'cut')
        assert in_process.call(export_program, *words) is None
        assert loading.load_model(output).class_names == ('a', 'b', 'c')


# Answers by colour: how red, green and blue a window is.
COLOURS = ('red', 'green', 'blue')


class _ByColour:
    video_format = s3dg.VideoFormat(
        10.0, (32, 32), crop_size=(24, 24), clip_frames=8, evaluation_frames=16
    )
    config = SimpleNamespace(head='classifier', channels=3, num_classes=3)
    class_names = COLOURS

    def serve(self, video):
        return {'logits': tf.constant(video.mean((1, 2, 3)) / 10, 'float32')}


def _pieces(path, lengths):
    """A video at 20 frames a second with a second or so of each colour."""
    frames = np.zeros((sum(lengths), 32, 32, 3), 'uint8')
    first = 0
    for colour, length in enumerate(lengths):
        frames[first : first + length, ..., colour] = 255
        first += length
    write_video(path, frames, 20, 'FFV1')


@pytest.fixture
def by_colour(monkeypatch, tmp_path):
    monkeypatch.setattr(classify, 'load_model', lambda path: _ByColour())
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'm').touch()
    _pieces(tmp_path / 'three.avi', (50, 34, 61))
    return tmp_path


def test_segments_of_three_known_pieces(by_colour, capsys):
    """Borders at 2.5 and 4.2 seconds, found within a stride of 0.2 seconds."""
    words = ['--model=m', '--segments', '--stride=2', f'--workdir={by_colour / "run"}']
    assert in_process.call(classify, *words, by_colour / 'three.avi') == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in out[1:]] == ['red', 'green', 'blue']
    folder = by_colour / 'run' / 'segments'
    found = json.loads((folder / 'three.json').read_text())
    assert [one['class'] for one in found['segments']] == ['red', 'green', 'blue']
    borders = [(one['start'], one['end']) for one in found['segments']]
    np.testing.assert_allclose(np.ravel(borders), [0, 2.5, 2.5, 4.2, 4.2, 7.25], atol=0.2)
    assert len(found['windows']) == 34  # of 73 frames, the last one ending with the video
    rows = (folder / 'three.csv').read_text().splitlines()
    assert rows[0] == 'video,start,end,class,score'
    assert len(rows) == 4
    (task,) = json.loads((folder / 'three.label_studio.json').read_text())
    ranges = [one['value']['ranges'][0] for one in task['predictions'][0]['result']]
    assert task['data']['frames_per_second'] == 20  # of the file, not of the network
    ends = [one['end'] for one in ranges]
    np.testing.assert_allclose(ends, [50, 84, 145], atol=4)
    assert [one['start'] for one in ranges] == [1, ends[0] + 1, ends[1] + 1]
    assert (folder / 'three.png').stat().st_size > 5000


def test_answers_as_rows(by_colour, capsys):
    (by_colour / 'list.csv').write_text('path\nthree.avi\n')
    assert in_process.call(classify, '--model=m', '--csv', '--top=1', by_colour / 'list.csv') == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == 'video,rank,class,probability'
    assert row.startswith(f'{by_colour / "three.avi"},1,blue,')
    words = ['--model=m', '--csv', '--segments', f'--workdir={by_colour / "run"}']
    assert in_process.call(classify, *words, by_colour / 'three.avi') == 0
    assert capsys.readouterr().out.count('\n') == 4
    assert in_process.call(classify, '--model=m', '--csv', '--json', 'v.mp4') == 2
    assert '--csv: found --json too' in capsys.readouterr().err


def test_folders_of_frames_are_classified(by_colour, capsys):
    import cv2

    (by_colour / 'frames').mkdir()
    for number in range(20):
        frame = np.zeros((32, 32, 3), 'uint8')
        frame[..., 0] = 255  # blue for OpenCV
        cv2.imwrite(str(by_colour / 'frames' / f'{number:03d}.png'), frame)
    assert in_process.call(classify, '--model=m', '--top=1', by_colour / 'frames') == 0
    assert capsys.readouterr().out.split()[-1] == 'blue'


def test_files_of_segments_stay_those_of_their_video(by_colour, capsys):
    """Another video of the same name replaced them."""
    other = by_colour / 'other'
    other.mkdir()
    _pieces(other / 'three.avi', (20, 0, 40))
    words = ['--model=m', '--segments', '--workdir=run']
    assert in_process.call(classify, *words, 'three.avi') == 0
    folder = by_colour / 'run' / 'segments'
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert in_process.call(classify, *words, other / 'three.avi') == 0
    assert {path: path.read_bytes() for path in before} == before
    assert {path.name for path in folder.iterdir()} - {path.name for path in before} == {
        f'three-2.{suffix}' for suffix in ('json', 'csv', 'label_studio.json', 'png')
    }
    # The same video again, with other rules: its own files are replaced, and no others.
    assert in_process.call(classify, *words, '--shortest=2', 'three.avi') == 0
    assert len(list(folder.iterdir())) == 8
    assert len(json.loads((folder / 'three.json').read_text())['segments']) == 2
    assert len(json.loads((folder / 'three-2.json').read_text())['segments']) == 2
    (folder / 'three.csv').write_text('mine')
    (folder / 'three.json').unlink()
    assert in_process.call(classify, *words, 'three.avi') == 0
    assert (folder / 'three.csv').read_text() == 'mine'
    assert (folder / 'three-3.json').exists()
    results = json.loads((by_colour / 'run' / 'results.json').read_text())
    assert results['videos']['three.avi'] == {'segments': 3, 'files': 'run/segments/three-3'}


def test_two_calls_do_not_write_to_one_workdir(by_colour, capsys):
    lock = locks.beside(by_colour / 'run')
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        words = ['--model=m', '--segments', '--workdir=run', 'three.avi']
        assert in_process.call(classify, *words) == 1
    assert '--workdir: another process is at work in run' in capsys.readouterr().err
