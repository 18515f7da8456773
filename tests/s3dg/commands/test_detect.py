"""What `detect` makes of videos; a stand-in for a detector finds what the test knows."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import s3dg
from s3dg.answers import NonFiniteAnswerError
from s3dg.commands import detect
from s3dg.detection.rows import read_rows
from s3dg.figures.detections import colour_of
from s3dg.video import reading
from s3dg.video.writing import write_video
from tests import in_process

HEIGHT, WIDTH = 96, 160  # of the videos; the detector sees them half as large
FORMAT = s3dg.VideoFormat(
    frames_per_second=None,
    frame_size=(48, 80),
    crop_size=(48, 80),
    clip_frames=4,
    evaluation_frames=4,
)


def stand_in(score=0.9):
    """Finds a box whose left side is the level of the key frame's pixels, 10 for each frame."""
    seen = []

    def find(inputs):
        clip = inputs['clip']
        assert clip.dtype == np.uint8
        assert clip.shape[1:] == (4, 48, 80, 3)
        levels = np.rint(clip.mean((2, 3, 4)) / 10)
        seen.extend(levels.tolist())
        count = len(clip)
        boxes = np.zeros((count, 3, 4), np.float32)
        boxes[:, 0] = [[5, number, 25, number + 20] for number in levels[:, 2]]
        boxes[:, 1] = [10, 40, 20, 50]
        scores = np.tile(np.float32([score, 0.2, 0]), (count, 1))
        return {
            'boxes': boxes,
            'scores': scores,
            'labels': np.tile(np.int32([1, 0, 0]), (count, 1)),
            'is_box': np.tile([True, True, False], (count, 1)),
        }

    return SimpleNamespace(
        class_names=('jump', 'run'), video_format=FORMAT, inputs=('clip',), detect=find, seen=seen
    )


def video(path, count=7):
    frames = [np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8) for number in range(count)]
    write_video(path, frames, 10, 'FFV1')
    return path


@pytest.fixture
def detector(monkeypatch, tmp_path):
    (tmp_path / 'any.keras').write_bytes(b'weights')
    found = stand_in()
    monkeypatch.setattr(detect, 'load_detector', lambda *_: found)
    return found


def call(tmp_path, *words):
    words = (f'--model={tmp_path / "any.keras"}', f'--workdir={tmp_path / "out"}', *words)
    return in_process.call(detect, *words)


def test_boxes_rows_and_drawing(detector, tmp_path):
    path = video(tmp_path / 'holiday.avi')
    assert call(tmp_path, path) == 0
    out = tmp_path / 'out' / 'detections'
    rows, names = read_rows(out / 'holiday.csv')
    assert names == [('holiday.avi', number) for number in range(7)]
    # In pixels of the video, which has twice the size; the box below --least_score is left out.
    expected = [[10, 2 * number, 50, 2 * number + 40] for number in range(7)]
    assert rows.box == pytest.approx(np.array(expected), abs=1e-4)
    assert rows.label.tolist() == [1] * 7
    found = json.loads((out / 'holiday.json').read_text())
    assert found['frames_per_second'] == pytest.approx(10)
    assert [one['frame'] for one in found['detections']] == list(range(7))
    assert [one['seconds'] for one in found['detections']] == pytest.approx(np.arange(7) / 10)
    assert {one['label'] for one in found['detections']} == {'run'}
    assert found['detections'][3]['box'] == pytest.approx([6, 10, 46, 50])
    drawn = list(reading.read_frames(out / 'holiday.mp4'))
    assert len(drawn) == 7
    for number, frame in enumerate(drawn):
        assert frame.shape == (HEIGHT, WIDTH, 3)
        left = frame[20:45, 2 * number].astype(float).mean(0)
        assert np.abs(left - colour_of(1)).max() < 60  # of a compressed video
        assert np.abs(frame[60:, 100:].astype(float) - 10 * number).mean() < 6
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert results['videos'][str(path)]['boxes'] == 7


def test_between_key_frames_the_boxes_stay(detector, tmp_path):
    call(tmp_path, video(tmp_path / 'v.avi'), '--stride=3', '--batch_size=2')
    assert [levels[2] for levels in detector.seen] == [0, 3, 6]
    found = json.loads((tmp_path / 'out' / 'detections' / 'v.json').read_text())
    assert [one['frame'] for one in found['detections']] == [0, 3, 6]
    drawn = list(reading.read_frames(tmp_path / 'out' / 'detections' / 'v.mp4'))
    assert len(drawn) == 7
    for number, frame in enumerate(drawn):
        left = frame[20:45, 2 * (number - number % 3)].astype(float).mean(0)
        assert np.abs(left - colour_of(1)).max() < 60


def test_the_least_score_decides(detector, tmp_path):
    call(tmp_path, video(tmp_path / 'v.avi', 2), '--least_score=0.1')
    found = json.loads((tmp_path / 'out' / 'detections' / 'v.json').read_text())
    assert [one['label'] for one in found['detections']] == ['run', 'jump'] * 2


def test_what_cannot_be_read_is_named_and_the_rest_done(detector, tmp_path, capsys):
    good = video(tmp_path / 'good.avi', 3)
    (tmp_path / 'broken.avi').write_bytes(b'no video')
    code = call(tmp_path, tmp_path / 'broken.avi', tmp_path / 'absent.avi', good)
    assert code == 1
    said = capsys.readouterr().err
    assert 'broken.avi: ' in said
    assert 'absent.avi: ' in said
    names = sorted(path.name for path in (tmp_path / 'out' / 'detections').iterdir())
    assert names == ['good.csv', 'good.json', 'good.mp4']


def test_the_same_command_does_what_is_missing(detector, tmp_path):
    first = video(tmp_path / 'a.avi', 3)
    call(tmp_path, first)
    before = len(detector.seen)
    (tmp_path / 'other').mkdir()
    other = video(tmp_path / 'other' / 'a.avi', 2)
    call(tmp_path, first, other)
    assert len(detector.seen) == before + 2  # of the other one alone
    names = sorted(path.name for path in (tmp_path / 'out' / 'detections').glob('*.json'))
    assert names == ['a-2.json', 'a.json']
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert [one['boxes'] for one in results['videos'].values()] == [3, 2]  # of both
    video(first, 4)  # changed since
    call(tmp_path, first, other)
    assert len(detector.seen) == before + 2 + 4


def test_answers_that_are_no_numbers_are_no_detections(detector, tmp_path, capsys):
    def find(inputs):
        raise NonFiniteAnswerError('The scores of its boxes are not finite.')

    detector.detect = find
    assert call(tmp_path, video(tmp_path / 'v.avi', 2)) == 1
    assert 'The scores of its boxes are not finite' in capsys.readouterr().err
    assert list((tmp_path / 'out' / 'detections').iterdir()) == []


def test_a_model_that_is_none_is_named(tmp_path, capsys):
    (tmp_path / 'x.keras').write_bytes(b'nothing')
    words = (f'--model={tmp_path / "x.keras"}', f'--workdir={tmp_path / "out"}', 'v.avi')
    assert in_process.call(detect, *words) == 2
    assert f'--model: {tmp_path / "x.keras"}: it is no .keras file' in capsys.readouterr().err


def test_no_video_of_the_user_s_is_written_over(detector, tmp_path):
    """Where they lie among the results, and have the names that results would have."""
    call(tmp_path, video(tmp_path / 'first.avi', 2))
    folder = tmp_path / 'out' / 'detections'
    frames = [np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8) for number in range(3)]
    for name in ('own.mp4', 'other.mp4'):
        write_video(folder / name, frames, 10)
    before = {path: path.read_bytes() for path in folder.glob('o*.mp4')}
    (tmp_path / 'elsewhere').mkdir()
    outside = video(tmp_path / 'elsewhere' / 'other.avi', 3)
    assert call(tmp_path, folder / 'own.mp4', outside) == 0
    assert {path: path.read_bytes() for path in before} == before
    names = sorted(path.name for path in folder.glob('o*.json'))
    assert names == ['other-2.json', 'own-2.json']


def test_another_model_is_another_run(detector, tmp_path, capsys):
    path = video(tmp_path / 'v.avi', 2)
    assert call(tmp_path, path) == 0
    (tmp_path / 'any.keras').write_bytes(b'other weights')
    assert call(tmp_path, path) == 2
    assert 'holds a run with other settings: model.' in capsys.readouterr().err


@pytest.mark.parametrize('stride', [1, 50])
def test_few_frames_wait(stride, detector, tmp_path):
    """Between what is decoded and what is drawn: half a clip, whatever the stride."""
    decoded = 0

    class Frames:
        time, faults = 0.0, ''

        def __iter__(self):
            return self

        def __next__(self):
            nonlocal decoded
            if decoded == 400:
                raise StopIteration
            decoded += 1
            self.time += 0.1
            return np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    most = 0

    def progress(done):
        nonlocal most
        most = max(most, decoded - done)

    options = {'stride': stride, 'least_score': 0.3, 'batch_size': 1}
    targets = [tmp_path / f'v{suffix}' for suffix in ('.mp4', '.csv', '.json')]
    detect.detect_video(detector, Frames(), targets, 'v', {}, options, progress)
    assert decoded == 400
    assert most <= 32  # the first frames, whose times give the rate
