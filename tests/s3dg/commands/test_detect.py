"""What `detect` makes of videos; a stand-in for a detector finds what the test knows."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import s3dg
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
def detector(monkeypatch):
    found = stand_in()
    monkeypatch.setattr(detect, 'load_detector', lambda *_: found)
    return found


def call(tmp_path, *words):
    return in_process.call(detect, '--model=any.keras', f'--workdir={tmp_path / "out"}', *words)


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
    video(first, 4)  # changed since
    call(tmp_path, first, other)
    assert len(detector.seen) == before + 2 + 4


def test_answers_that_are_no_numbers_are_no_detections(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(detect, 'load_detector', lambda *_: stand_in(np.nan))
    assert call(tmp_path, video(tmp_path / 'v.avi', 2)) == 1
    assert 'The boxes of frame 0 are not finite' in capsys.readouterr().err
    assert list((tmp_path / 'out' / 'detections').iterdir()) == []


def test_a_model_that_is_none_is_named(tmp_path, capsys):
    (tmp_path / 'x.keras').write_bytes(b'nothing')
    words = (f'--model={tmp_path / "x.keras"}', f'--workdir={tmp_path / "out"}', 'v.avi')
    assert in_process.call(detect, *words) == 2
    assert f'--model: {tmp_path / "x.keras"}: it is no .keras file' in capsys.readouterr().err
