"""What `explain` writes for videos whose frames are known, and what it refuses."""

import json

import cv2
import numpy as np
import pytest

from s3dg import network as networks
from s3dg.analysis import classification
from s3dg.commands import explain
from s3dg.explanation.grad_cam import GradCam
from s3dg.program.entry import UsageError
from s3dg.saving.loaded import LoadedNetwork
from s3dg.video import reading
from tests import in_process
from tests.closeness import assert_close
from tests.s3dg.feature_videos import FORMAT, LONG, RATE, SHORT, clips_at, write

NAMES = ('run', 'jump', 'stand')


def create_network():
    fields = {'class_names': NAMES, 'width': 0.1, 'kernel_initializer': 'he_normal'}
    network = networks.build('s3d_g', len(NAMES), video_format=FORMAT, **fields)
    kernel = network.get_layer('logits').kernel  # so that the classes differ
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    return network


@pytest.fixture(scope='module')
def network():
    return create_network()


@pytest.fixture(scope='module')
def work(network, tmp_path_factory):
    """The program's flags, its videos and their crops, and where its first run has written."""
    work = tmp_path_factory.mktemp('work')
    network.save(work / 'model.keras')
    crops = {
        name: write(work / name, length, seed)
        for seed, (name, length) in enumerate((('long.avi', LONG), ('deep/short.avi', SHORT)))
    }
    (work / 'broken.mp4').write_text('this is no video')
    flags = (f'--model={work / "model.keras"}', f'--workdir={work / "run"}')
    assert in_process.call(explain, *flags, work) == 1
    return work, flags, crops


def _results(work):
    return json.loads((work / 'run' / 'results.json').read_text())


def _load(path):
    with np.load(path) as file:
        return dict(file)


def _drawn_size(path):
    return [frame.shape for frame in reading.read_frames(path)]


@pytest.mark.parametrize(
    ('name', 'starts'), [('long.avi', (0, LONG - 16)), ('deep/short.avi', (0,))]
)
def test_every_video_has_its_files(network, work, name, starts):
    work, _, crops = work
    path = work / 'run' / 'explain' / name
    clips = clips_at(crops[name], starts, 16)
    logits = network(clips, training=False).numpy().mean(0)
    label = int(logits.argmax())
    found = _load(path.with_name(f'{path.name}.npz'))
    assert str(found['class']) == NAMES[label]
    odds = np.exp(logits - logits.max())
    assert found['probability'] == pytest.approx(odds[label] / odds.sum(), rel=1e-4)
    assert str(found['endpoint']) == 'Conv2d_1a_7x7'  # none has sixteen rows
    heat = found['heat']
    assert heat.dtype == np.float32
    assert_close(heat, GradCam(network, 'Conv2d_1a_7x7')(clips, label), 1e-4)
    # The middles of the stem's cells are in frames and pixels 2k + 1; one pixel of the frame, which
    # is 20x24 like the video, is 2 rows further down and 4 columns further right than in the crop.
    steps = [
        [(start + min(2 * k + 1, 15)) % len(crops[name]) for k in range(8)] for start in starts
    ]
    np.testing.assert_allclose(found['times'] * RATE, steps)
    np.testing.assert_allclose(found['rows'], 2 + 1.5 + 2 * np.arange(8))
    np.testing.assert_allclose(found['columns'], 4 + 1.5 + 2 * np.arange(8))
    window, step, row, column = np.unravel_index(heat.argmax(), heat.shape)
    peak = [steps[window][step] / RATE, 5.5 + 2 * column, 3.5 + 2 * row]
    np.testing.assert_allclose(found['peak'], peak)
    told = _results(work)['videos'][str(work / name)]
    assert list(told['peak'].values()) == pytest.approx(peak)
    assert (told['class'], told['mp4']) == (NAMES[label], f'{path}.mp4')
    drawn = list(reading.read_frames(f'{path}.mp4'))
    assert [frame.shape for frame in drawn] == [(20, 24, 3)] * len(crops[name])
    strip = cv2.imread(f'{path}.png')
    assert strip.shape[1] > 500
    assert strip.std() > 20


def test_the_broken_video_is_named(work):
    work, _, _ = work
    (broken,) = _results(work)['skipped_videos']
    assert broken['video'] == str(work / 'broken.mp4')
    assert broken['reason'] == 'not a video: FFmpeg cannot open it'
    names = sorted(path.name for path in (work / 'run' / 'explain').rglob('*.npz'))
    assert names == ['long.avi.npz', 'short.avi.npz']


def test_heat_lies_over_the_frames(work, tmp_path):
    """Lossy as it is, a frame without heat is as it was, and the hottest place of all lighter."""
    work, flags, _ = work
    gray = [np.full((40, 48, 3), 90, np.uint8)] * 8
    gray[4] = gray[4].copy()
    gray[4][16:24, 20:30] = 0
    explain.writing.write_video(tmp_path / 'gray.avi', gray, RATE, 'FFV1')
    words = (flags[0], f'--workdir={tmp_path / "run"}', '--window=8', tmp_path / 'gray.avi')
    assert in_process.call(explain, *words) == 0
    out = tmp_path / 'run' / 'explain'
    peak = _load(out / 'gray.avi.npz')['peak']
    drawn = list(reading.read_frames(out / 'gray.avi.mp4'))
    assert {frame.shape for frame in drawn} == {(40, 48, 3)}
    # The crop is that of rows 4 to 36 and columns 8 to 40: beyond them is no heat.
    for frame, before in zip(drawn, gray, strict=True):
        edge = np.abs(frame[:, :6].astype(int) - before[:, :6])
        assert edge.mean() < 4
    hottest = drawn[round(peak[0] * RATE)][int(peak[2]), int(peak[1])].astype(int)
    assert hottest[0] > 150  # of yellow


def test_the_same_command_does_what_is_missing(work, capsys):
    work, flags, _ = work
    before = {path: path.stat().st_mtime_ns for path in (work / 'run' / 'explain').rglob('*.*')}
    results = _results(work)
    crop = write(work / 'more.avi', 20, 5)
    assert in_process.call(explain, *flags, work) == 1
    said = capsys.readouterr().out
    assert said.count('done already') == 2
    assert 'run/explain: the 2 videos in it are left out' in said
    after = _results(work)['videos']
    assert {name: after[name] for name in results['videos']} == results['videos']
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(_drawn_size(work / 'run' / 'explain' / 'more.avi.mp4')) == len(crop)
    (work / 'run' / 'explain' / 'more.avi.png').unlink()
    assert in_process.call(explain, *flags, work / 'more.avi') == 0
    assert (work / 'run' / 'explain' / 'more.avi.png').exists()


def test_another_class_and_another_endpoint(network, work, tmp_path):
    work, flags, crops = work
    clips = clips_at(crops['deep/short.avi'], (0,), 16)
    model = LoadedNetwork(network)
    frames = reading.read_frames(work / 'deep' / 'short.avi', **FORMAT.reading)
    probabilities = classification.video_probabilities(model, frames)
    words = (flags[0], f'--workdir={tmp_path / "run"}', '--class=2', '--endpoint=Mixed_3b')
    assert in_process.call(explain, *words, work / 'deep' / 'short.avi') == 0
    found = _load(tmp_path / 'run' / 'explain' / 'short.avi.npz')
    assert str(found['class']) == 'stand'
    assert found['probability'] == pytest.approx(probabilities[2], rel=1e-4)
    assert found['heat'].shape == (1, 8, 2, 2)
    assert_close(found['heat'], GradCam(network, 'Mixed_3b')(clips, 2), 1e-4)


@pytest.mark.parametrize(
    ('word', 'message'),
    [
        (
            'jumps',
            "found 'jumps', expected the name of one .* classes like 'jump', or a number fro",
        ),
        ('xyz', 'classes, or a number from 0 to 2'),
        (
            '3',
            "found '3', expected the name of one of the network's classes, or a number from 0 to",
        ),
        ('-1', "found '-1'"),
        ('9' * 50, 'or a number from 0 to 2'),
    ],
)
def test_a_class_that_is_none_is_refused(word, message):
    with pytest.raises(UsageError, match=message):
        explain.find_class(word, NAMES)


def test_a_class_is_found_by_name_then_by_number():
    assert explain.find_class('jump', NAMES) == explain.find_class('1', NAMES) == 1
    assert explain.find_class('1', ('1', '0')) == 0


def test_mistakes_end_in_one_line(work, tmp_path, capsys):
    work, flags, _ = work
    video = work / 'long.avi'
    flow = networks.build('s3d', 3, width=0.1, channels=2, video_format=FORMAT)
    flow.save(tmp_path / 'flow.keras')
    embedding = networks.build('s3d', 3, width=0.1, head='embedding', video_format=FORMAT)
    embedding.save(tmp_path / 'embedding.keras')
    run = f'--workdir={tmp_path / "run"}'
    for words, message in (
        ((*flags, '--class=jumps', video), "--class: found 'jumps'"),
        ((*flags, '--class=jump', video), 'class was None and is now '),
        ((*flags, '--endpoint=Mixed_9x', video), 'Mixed_9x'),
        ((f'--model={tmp_path / "flow.keras"}', run, video), 'takes 2 channels'),
        ((f'--model={tmp_path / "embedding.keras"}', run, video), 'expected classes'),
        ((f'--model={tmp_path / "none.keras"}', run, video), 'which is not there'),
        (flags, 'No video given'),
    ):
        assert in_process.call(explain, *words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
