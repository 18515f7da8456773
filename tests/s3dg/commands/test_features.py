"""Files of features: whose, how named and written, and the program that makes them."""

import json
import os
import resource
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from s3dg import network as networks
from s3dg.analysis.extraction import Times
from s3dg.commands import feature_file, features, inputs
from s3dg.config import VideoFormat
from s3dg.errors import VideoError
from s3dg.files.disk import DiskError
from s3dg.video import reading
from s3dg.video.writing import write_video
from tests import fuzzing, in_process, programs
from tests.closeness import assert_close
from tests.s3dg.feature_videos import (
    FORMAT,
    LONG,
    LONG_STARTS,
    RATE,
    SHORT,
    SHORT_STARTS,
    clips_at,
    create_network,
    write,
)

TIMES = Times(25.0, np.arange(14.0).reshape(7, 2), np.arange(7.0))


@pytest.fixture(scope='module')
def network():
    return create_network()


def _videos(root, *names):
    """Files of different sizes, given one by one."""
    for size, name in enumerate(names, 1):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes(size))
    return inputs.find_videos([root / name for name in names])


def _mark_done(target):
    sink = feature_file.NpzSink(target, {}, lambda *_: None)
    sink.append({'rgb': np.zeros((1, 1, 1), 'f4')})
    sink.finish(TIMES, '')


def _names(targets, folder):
    return [(target.path.relative_to(folder).as_posix(), target.is_done) for target in targets]


def test_videos_of_one_name_get_folders_of_their_paths(tmp_path):
    folder = tmp_path / 'features'
    videos = _videos(tmp_path, 'x/a.mp4', 'y/x/a.mp4', 'y/a.mp4', 'z/x/a.mp4', 'z/x/a.avi')
    targets = feature_file.choose_targets(videos, folder)
    expected = ['a.mp4', 'x/a.mp4', 'y/a.mp4', 'z/x/a.mp4', 'a.avi']
    assert _names(targets, folder) == [(f'{name}.npz', False) for name in expected]
    # Below a given folder, the path from there.
    found = inputs.find_videos([tmp_path / 'y'])
    targets = feature_file.choose_targets(found, folder)
    assert _names(targets, folder) == [('a.mp4.npz', False), ('x/a.mp4.npz', False)]


def test_a_name_stays_the_video_s_that_has_it(tmp_path):
    folder = tmp_path / 'features'
    first, second = _videos(tmp_path, 'x/a.mp4', 'y/a.mp4')
    for video, name in ((second, 'a.mp4.npz'), (first, 'x/a.mp4.npz')):
        (target,) = feature_file.choose_targets([video], folder)
        assert _names([target], folder) == [(name, False)]
        _mark_done(target)
    targets = feature_file.choose_targets([first, second], folder)
    assert _names(targets, folder) == [('x/a.mp4.npz', True), ('a.mp4.npz', True)]


def test_what_is_there_must_be_whole_and_of_the_video_as_it_is(tmp_path):
    folder = tmp_path / 'features'
    videos = _videos(tmp_path, 'a.mp4', 'b.mp4', 'c.mp4', 'd.mp4')
    targets = feature_file.choose_targets(videos, folder)
    for target in targets:
        _mark_done(target)
    (tmp_path / 'a.mp4').write_bytes(b'other video')
    content = targets[1].path.read_bytes()
    targets[1].path.write_bytes(content[: len(content) // 2])
    targets[2].path.write_bytes(b'')
    found = feature_file.choose_targets(videos, folder)
    assert [target.path for target in found] == [target.path for target in targets]
    assert [target.is_done for target in found] == [False, False, False, True]


@pytest.mark.parametrize(
    'examples', [fuzzing.FEW, pytest.param(fuzzing.MANY, marks=pytest.mark.slow)]
)
def test_damaged_features_are_of_no_video_or_of_the_right_kind(tmp_path, examples):
    source = {'path': '/videos/a.mp4', 'bytes': 3, 'changed': 4.5}

    def read(path):
        found = feature_file.read_source(path)
        assert found is None or list(map(type, found.values())) == [str, int, float]

    path = tmp_path / 'a.mp4.npz'
    _mark_done(SimpleNamespace(source=source, path=path))
    fuzzing.check(read, path.read_bytes(), path, examples)


def _target(path):
    return SimpleNamespace(source={'path': '/a.mp4', 'bytes': 3, 'changed': 4.5}, path=path)


def test_a_large_array_is_written_row_by_row(tmp_path):
    rows = np.random.default_rng(0).normal(size=(7, 1, 2, 3)).astype('f4')
    path, told = tmp_path / 'deep' / 'a.npz', []
    path.parent.mkdir()
    path.with_name('.s3dg-unfinished-abcdefgh.npz').write_bytes(b'left by a kill' * 1000)
    sink = feature_file.NpzSink(
        _target(path), {'endpoint': 'Mixed_5c'}, lambda *one: told.append(one)
    )
    for i in range(0, 7, 3):
        sink.append({'rgb': rows[i : i + 3]})
    sink.finish(TIMES, 'a fault')
    assert told == [(3,), (6,), (7,), (7, 'a fault')]
    assert zipfile.ZipFile(path).testzip() is None
    with np.load(path) as file:
        np.testing.assert_array_equal(file['features'], rows[:, 0])
        assert file['features'].dtype == np.float32
        assert file['frame_times'].tolist() == TIMES.frame_times.tolist()
        assert (str(file['endpoint']), float(file['frames_per_second'])) == ('Mixed_5c', 25)
    assert list(path.parent.iterdir()) == [path]


def test_streams_are_joined_and_crops_kept(tmp_path):
    rgb, flow = (np.full((2, 5, 3), value, 'f4') for value in (1, 2))
    sink = feature_file.NpzSink(_target(tmp_path / 'a.npz'), {}, lambda *_: None)
    sink.append({'rgb': rgb, 'flow': flow})
    sink.finish(TIMES, '')
    with np.load(tmp_path / 'a.npz') as file:
        assert file['features'].shape == (2, 5, 6)
        assert file['features'][0, 0].tolist() == [1, 1, 1, 2, 2, 2]


def test_a_file_that_cannot_be_completed_is_not_there(tmp_path):
    sink = feature_file.NpzSink(_target(tmp_path / 'a.npz'), {}, lambda *_: None)
    sink.append({'rgb': np.zeros((2, 1, 3), 'f4')})
    sink.fail(VideoError('truncated'))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_named_and_what_was_written_is_kept(tmp_path):
    """A limit on the size of files stands for the disk."""
    tell = lambda *_: None  # noqa: E731
    first = feature_file.NpzSink(_target(tmp_path / 'a.npz'), {}, tell)
    first.append({'rgb': np.zeros((1, 1, 1000), 'f4')})
    first.finish(TIMES, '')
    target = _target(tmp_path / 'b.npz')
    target.video = SimpleNamespace(path=tmp_path / 'b.mp4')
    sink = features._Named(feature_file.NpzSink(target, {}, tell), target, {})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(DiskError, match='b.npz: .*; the files of features before it are kept'):
            sink.append({'rgb': np.zeros((100, 1, 1000), 'f4')})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    sink.fail(None)
    assert list(tmp_path.iterdir()) == [tmp_path / 'a.npz']


@pytest.fixture(scope='module')
def work(network, tmp_path_factory):
    """The program's flags for three videos, two of one name, and a broken one; its first run."""
    work = tmp_path_factory.mktemp('work')
    network.save(work / 'model.keras')
    crops = {
        name: write(work / name, length, seed)
        for seed, (name, length) in enumerate(
            (('given/a.avi', LONG), ('given/deep/a.avi', SHORT), ('other/a.avi', 12))
        )
    }
    (work / 'given' / 'broken.mp4').write_text('this is no video')
    flags = (
        f'--model={work / "model.keras"}',
        f'--workdir={work / "run"}',
        '--endpoint=Mixed_3b',
        '--pool=space',
        '--stride=6',
    )
    done = programs.run('features', *flags, work / 'given', work / 'other' / 'a.avi', code=1)
    return work, flags, crops, done


# The second file called a.avi is named after its folder too.
FILES = {
    'given/a.avi': ('a.avi.npz', LONG_STARTS),
    'given/deep/a.avi': ('deep/a.avi.npz', SHORT_STARTS),
    'other/a.avi': ('other/a.avi.npz', (0, 4)),
}


def _check_features(network, file, crops, starts):
    activations = network.endpoint('Mixed_3b')(clips_at(crops, starts), training=False).numpy()
    with np.load(file) as found:
        expected = activations.mean((2, 3))
        assert_close(found['features'], expected, 1e-5)


def test_every_video_has_its_file_and_the_broken_one_its_reason(network, work):
    work, _, crops, done = work
    for name, (file, starts) in FILES.items():
        path = work / 'run' / 'features' / file
        _check_features(network, path, crops[name], starts)
        with np.load(path) as found:
            assert str(found['video']) == str(work / name)
            tenths = [[(start + k) % len(crops[name]) for k in range(8)] for start in starts]
            assert found['frame_times'].dtype == found['feature_times'].dtype == np.float64
            np.testing.assert_allclose(10 * found['frame_times'], tenths)
            pairs = 10 * found['frame_times'].reshape(-1, 4, 2)  # four steps of two frames
            np.testing.assert_allclose(10 * found['feature_times'], pairs.mean(2))
            assert found['frames_per_second'] == RATE
            assert str(found['endpoint']) == 'Mixed_3b'
            assert str(found['model']) == str(work / 'model.keras')
    results = json.loads((work / 'run' / 'results.json').read_text())
    assert (results['videos'], results['skipped'], results['done_before']) == (3, 1, 0)
    assert results['windows'] == 7
    broken = str(work / 'given' / 'broken.mp4')
    reason = 'not a video: FFmpeg cannot open it'
    assert results['skipped_videos'] == [{'video': broken, 'reason': reason}]
    assert results['files'] == {
        str(work / name): str(work / 'run' / 'features' / file) for name, (file, _) in FILES.items()
    }
    errors = [line for line in done.stderr.splitlines() if line.startswith('error:')]
    assert errors == [f'error: {broken}: {reason}']
    report = (work / 'run' / 'report.md').read_text()
    assert broken in report
    assert 'deep/a.avi.npz' in report


def test_more_videos_may_follow_and_what_is_there_stays(network, work):
    work, flags, _, _ = work
    features = work / 'run' / 'features'
    before = {file: (features / file).stat().st_mtime_ns for file, _ in FILES.values()}
    crops = write(work / 'more' / 'b.avi', 30, 7)
    done = programs.run(
        'features',
        *flags,
        # Neither decides the features; five windows in two batches of four.
        '--logical_cpus=2',
        '--batch_size=2',
        *(work / name for name in FILES),
        work / 'more' / 'b.avi',
    )
    assert '3 of 4 videos are done already' in done.stdout
    assert {file: (features / file).stat().st_mtime_ns for file in before} == before
    _check_features(network, features / 'b.avi.npz', crops, (0, 6, 12, 18, 22))
    results = json.loads((work / 'run' / 'results.json').read_text())
    assert (results['videos'], results['done_before'], results['skipped']) == (4, 3, 0)


def test_mistakes_end_in_one_line(work, capsys):
    work, flags, _, _ = work
    flow = networks.build('s3d', 3, width=0.1, channels=2, video_format=FORMAT)
    flow.save(work / 'flow.keras')
    video = work / 'other' / 'a.avi'
    for arguments, message in (
        ((*flags, '--stride=5', video), 'stride was 6 and is now 5'),
        ((f'--model={work / "flow.keras"}', video), 'takes 2 channels, video files have 3'),
        ((*flags, '--batch_size=50000', video), '--batch_size: 50000 windows of 8 frames of 16x16'),
    ):
        assert in_process.call(features, *arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


# Started by a small process of its own: a child inherits the peak of the process that starts it.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def _peak_memory(program, *flags):
    """Peak resident memory of a program, in bytes."""
    done = subprocess.run(
        [sys.executable, '-c', _MEASURE, *programs.command(program, *flags)],
        cwd=programs.ROOT,
        env=programs.ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout) * 1024


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(tmp_path):
    """Ten minutes against ten seconds, whose features are kept whole: 442 and 8 megabytes."""
    video_format = VideoFormat(5, None, None, (96, 96), clip_frames=8)
    networks.build('fast_s3d', 2, width=0.5, video_format=video_format).save(
        tmp_path / 'model.keras'
    )
    picture = np.zeros((96, 96, 3), np.uint8)
    peaks = []
    for seconds, windows in ((10, 7), (600, 375)):
        write_video(tmp_path / f'{seconds}.mp4', [picture] * 5 * seconds, 5)
        workdir = tmp_path / str(seconds)
        flags = (f'--model={tmp_path / "model.keras"}', f'--workdir={workdir}')
        flags += ('--endpoint=Conv2d_1a_7x7', '--pool=none', tmp_path / f'{seconds}.mp4')
        peaks.append(_peak_memory('features', *flags))
        file = workdir / 'features' / f'{seconds}.mp4.npz'
        assert file.stat().st_size > windows * 4 * 48 * 48 * 32 * 4
        os.remove(file)
    assert peaks[1] - peaks[0] < 256 * 2**20


def test_a_name_too_long_for_its_features_is_shortened_and_stays_its_own(tmp_path):
    long = [tmp_path / (letter * 250 + '.mp4') for letter in 'ab']
    same_start = tmp_path / ('a' * 249 + 'b.mp4')
    wide = tmp_path / ('\u00e9' * 125 + '.mp4')
    for path in (*long, same_start, wide, tmp_path / 'c.mp4'):
        path.touch()
    nowhere = 'x' * 5000 + '.mp4'
    found = inputs.find_videos([*map(str, long), str(same_start), str(wide), nowhere])
    targets = feature_file.choose_targets(found, tmp_path / 'features')
    names = [target.path.name for target in targets]
    assert len(set(names)) == 5
    for name in names:
        assert len(os.fsencode(name)) <= 255
        assert name.endswith('.npz')
    assert names == [
        target.path.name for target in feature_file.choose_targets(found, tmp_path / 'features')
    ]
    with pytest.raises(VideoError):
        next(reading.read_frames(found[-1].path))
