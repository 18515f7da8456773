"""Layouts of features: the files that their consumers read, of windows cut by hand."""

import json

import keras
import numpy as np
import pytest

from s3dg import network as networks
from s3dg.commands import features, layouts
from s3dg.commands.inputs import Video
from s3dg.program.entry import UsageError
from s3dg.video import ahead
from s3dg.video.writing import write_video
from tests import in_process
from tests.closeness import assert_close
from tests.s3dg.feature_videos import FORMAT
from tests.s3dg.video.test_streams import flow_by_hand

LENGTH = 46
CHANNELS = 108  # of Mixed_5c at a tenth of the width


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    """A folder with networks of both streams, an S3D, and a video; and what they are."""
    work = tmp_path_factory.mktemp('layouts')
    keras.utils.set_random_seed(0)
    found = {}
    for file, name, channels in (('rgb', 'i3d', 3), ('flow', 'i3d', 2), ('s3d', 's3d', 3)):
        found[file] = networks.build(
            name,
            3,
            width=0.1,
            channels=channels,
            kernel_initializer='he_normal',
            video_format=FORMAT,
        )
        found[file].save(work / f'{file}.keras')
    frames = np.random.default_rng(0).integers(0, 256, (LENGTH, 20, 24, 3), dtype=np.uint8)
    write_video(work / 'Abuse001_x264.avi', frames, 20, 'FFV1')
    return work, found, frames


def _run(work, workdir, *flags, videos=('Abuse001_x264.avi',), code=0):
    workdir = work / workdir
    arguments = [f'--workdir={workdir}', *flags, *(str(work / video) for video in videos)]
    assert in_process.call(features, *arguments) == code
    folder = workdir / 'features'
    return {
        path.relative_to(folder).as_posix(): np.load(path)
        for path in sorted(folder.rglob('*.np[yz]'))
    }


def _flags(work, *streams):
    names = {'rgb': 'model', 'flow': 'flow_model', 's3d': 'model'}
    return [f'--{names[stream]}={work / f"{stream}.keras"}' for stream in streams]


def _features(network, frames, starts, window):
    clips = np.stack([frames[start : start + window] for start in starts])
    return network.endpoint('AvgPool_0a_7x7')(clips).numpy().mean(1)


def test_actionformer(work):
    folder, found, frames = work
    files = _run(folder, 'actionformer', '--layout=actionformer', *_flags(folder, 'rgb', 'flow'))
    assert list(files) == ['Abuse001_x264.npy']
    array = files['Abuse001_x264.npy']
    count = (LENGTH - 1 - 16) // 4 + 1  # flow has a field fewer
    assert (array.shape, array.dtype) == ((count, 2 * CHANNELS), np.float32)
    starts = range(0, 4 * count, 4)
    rgb = _features(found['rgb'], frames[:, 2:18, 4:20], starts, 16)
    flow = _features(found['flow'], flow_by_hand(frames)[:, 2:18, 4:20], starts, 16)
    assert_close(array[:, :CHANNELS], rgb, 1e-5)
    assert_close(array[:, CHANNELS:], flow, 1e-5)
    only = _run(folder, 'rgb', '--layout=actionformer', '--streams=rgb', *_flags(folder, 'rgb'))[
        'Abuse001_x264.npy'
    ]
    assert only.shape == ((LENGTH - 16) // 4 + 1, CHANNELS)
    assert_close(only[:count], rgb, 1e-5)


def test_ms_tcn(work):
    folder, found, frames = work
    files = _run(folder, 'ms_tcn', '--layout=ms_tcn', *_flags(folder, 'rgb', 'flow'))
    array = files['Abuse001_x264.npy']
    assert (array.shape, array.dtype) == ((2 * CHANNELS, LENGTH), np.float32)
    black, still = np.zeros((10, 16, 16, 3), np.uint8), np.full((11, 16, 16, 2), 128, np.uint8)
    seen = np.concatenate([black, frames[:, 2:18, 4:20], black])
    flow = np.concatenate([still[:10], flow_by_hand(frames)[:, 2:18, 4:20], still])
    for column in (0, 7, 30, LENGTH - 1):
        assert_close(array[:CHANNELS, column], _features(found['rgb'], seen, [column], 21)[0], 1e-5)
        expected = _features(found['flow'], flow, [column], 21)[0]
        assert_close(array[CHANNELS:, column], expected, 1e-5)


def test_anomaly(work):
    """Ten files that a loader of UCF-Crime's lists finds; the ramp of test_crops tells them."""
    folder, _, _ = work
    files = _run(folder, 'anomaly', '--layout=anomaly', *_flags(folder, 'rgb'))
    assert list(files) == [f'Abuse001_x264__{number}.npy' for number in range(10)]
    together = np.stack(list(files.values()))
    assert (together.shape, together.dtype) == ((10, 3, CHANNELS), np.float32)
    for one in range(10):
        for other in range(one):
            assert np.abs(together[one] - together[other]).max() > 1e-3
    results = json.loads((folder / 'anomaly' / 'results.json').read_text())
    assert (results['layout'], results['frames_per_second']) == ('anomaly', None)
    (digest,) = results['models'].values()
    assert len(digest) == 64


def test_xd_violence_of_both_streams(work):
    folder, _, _ = work
    flags = ('--layout=xd_violence', '--streams=both', '--stride=32', '--short_side=20')
    files = _run(folder, 'xd', *flags, *_flags(folder, 'rgb', 'flow'))
    names = [
        f'{stream}/Abuse001_x264__{number}.npy' for stream in ('Flow', 'RGB') for number in range(5)
    ]
    assert list(files) == names
    assert {array.shape for array in files.values()} == {(2, CHANNELS)}


def test_video_features(work):
    folder, found, frames = work
    flags = ('--layout=video_features', '--window=16', '--stride=8', '--short_side=20')
    files = _run(folder, 'i3d', *flags, *_flags(folder, 'rgb', 'flow'))
    stem = 'i3d/Abuse001_x264_'
    assert list(files) == [f'{stem}{key}.npy' for key in ('flow', 'fps', 'rgb', 'timestamps_ms')]
    starts = [0, 8, 16, 24]  # a window takes one frame more
    expected = _features(found['rgb'], frames[:, 2:18, 4:20], starts, 16)
    assert_close(files[f'{stem}rgb.npy'], expected, 1e-5)
    assert files[f'{stem}flow.npy'].shape == (4, CHANNELS)
    assert (files[f'{stem}fps.npy'].shape, float(files[f'{stem}fps.npy'])) == ((), 20)
    ends = [(start + 16) * 50 for start in starts]
    np.testing.assert_allclose(files[f'{stem}timestamps_ms.npy'], ends)

    files = _run(folder, 's3d', *flags, '--short_side=16', *_flags(folder, 's3d'))
    ((name, array),) = files.items()
    # At 25 frames a second 46 of 20 are 58, of which no window needs one more.
    assert (name, array.shape) == ('s3d/Abuse001_x264_s3d.npy', ((58 - 16) // 8 + 1, CHANNELS))


def test_npz_with_crops_streams_and_another_rate(work):
    folder, _, _ = work
    flags = ('--streams=both', '--crops=5', '--fps=10', '--tail=drop', '--stride=8')
    files = _run(folder, 'npz', *flags, *_flags(folder, 'rgb', 'flow'))
    assert files['Abuse001_x264.avi.npz']['features'].shape == (2, 5, 2 * CHANNELS)
    assert float(files['Abuse001_x264.avi.npz']['frames_per_second']) == 10


@pytest.mark.parametrize('layout', ['actionformer', pytest.param('npz', marks=pytest.mark.slow)])
def test_shards_together_are_the_whole(work, layout):
    folder, _, frames = work
    (folder / 'many').mkdir(exist_ok=True)
    for number in range(5):
        write_video(folder / 'many' / f'v{number}.avi', frames[: 20 + number], 20, 'FFV1')
    (folder / 'many' / 'v5.avi').write_text('no video')
    flags = (f'--layout={layout}', '--streams=rgb', *_flags(folder, 'rgb'))
    whole = _run(folder, f'{layout}_whole', *flags, videos=['many'], code=1)
    assert len(whole) == 5
    seen = []
    for shard, code in (('2/3', 1), ('0/3', 0), ('1/3', 0)):
        before = set(seen)
        seen = _run(
            folder, f'{layout}_shards', *flags, f'--shard={shard}', videos=['many'], code=code
        )
        assert len(seen) == len(before) + (1 if shard == '2/3' else 2)
    assert list(seen) == list(whole)
    for name, array in whole.items():
        if layout == 'npz':
            array, found = array['features'], seen[name]['features']
        else:
            found = seen[name]
        np.testing.assert_array_equal(found, array)
    # Without --shard nothing is left to do but the list.
    _run(folder, f'{layout}_shards', *flags, videos=['many'], code=1)
    results = json.loads((folder / f'{layout}_shards' / 'results.json').read_text())
    assert (results['done_before'], results['skipped'], results['windows']) == (5, 1, 0)


def test_what_is_there_is_not_done_again_and_what_was_changed_is(work, monkeypatch):
    folder, _, frames = work
    write_video(folder / 'again.avi', frames[:20], 20, 'FFV1')
    write_video(folder / 'stays.avi', frames[:20], 20, 'FFV1')
    flags = ('--layout=actionformer', '--streams=rgb', *_flags(folder, 'rgb'))
    _run(folder, 'again', *flags, videos=['again.avi', 'stays.avi'])
    write_video(folder / 'again.avi', frames[:30], 20, 'FFV1')
    asked, videos = [], ahead.Reader.videos

    def read(self, paths, *arguments, **options):
        asked.append([path.name for path in paths])
        return videos(self, paths, *arguments, **options)

    monkeypatch.setattr(ahead.Reader, 'videos', read)
    files = _run(folder, 'again', *flags, videos=['again.avi', 'stays.avi'])
    assert asked == [['again.avi']]
    assert [len(array) for array in files.values()] == [4, 2]
    (folder / 'again' / 'features' / 'stays.npy').unlink()
    _run(folder, 'again', *flags, videos=['again.avi', 'stays.avi'])
    assert asked[1:] == [['stays.avi']]


def test_a_folder_of_frames_is_a_video(work):
    import cv2

    folder, found, frames = work
    (folder / 'frames').mkdir()
    for number, frame in enumerate(frames[:20], 1):
        path = folder / 'frames' / f'img_{number:05d}.png'
        cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    (folder / 'list.csv').write_text('path,name\nframes,one/first\n')
    flags = ('--layout=actionformer', '--streams=rgb', '--folder_fps=20', *_flags(folder, 'rgb'))
    files = _run(folder, 'of_frames', *flags, videos=['list.csv'])
    expected = _features(found['rgb'], frames[:, 2:18, 4:20], [0, 4], 16)
    assert_close(files['one/first.npy'], expected, 1e-5)


def test_mistakes_end_in_one_line(work, capsys):
    folder, _, _ = work
    rgb, flow = _flags(folder, 'rgb', 'flow')
    video = str(folder / 'Abuse001_x264.avi')
    for flags, message in (
        (('--layout=actionformer', rgb), '--flow_model is needed: layout actionformer takes'),
        ((rgb, flow), '--flow_model: given, and the features are of rgb; --streams?'),
        ((rgb, f'--flow_model={folder / "rgb.keras"}', '--streams=both'), 'takes 3 channels'),
        ((rgb, '--layout=ms_tcn', '--streams=rgb', '--crops=5'), 'ms_tcn has one crop, found 5'),
        ((rgb, '--layout=anomaly', '--pool=space'), '--pool: layout anomaly has all, found space'),
        ((rgb, '--layout=ms_tcn', '--streams=rgb', '--tail=drop'), "tail: found 'drop', expected"),
        ((rgb, '--fps=fast'), "--fps: found 'fast', expected 'own' or a number up to 1000"),
        ((rgb, '--shard=3/3'), "--shard: found '3/3', expected K/N with K from 0 to N-1"),
        ((rgb, '--shard=0/2', '--overwrite'), '--overwrite: not with --shard'),
        ((), '--model is needed'),
    ):
        workdir = f'--workdir={folder / "mistakes"}'
        assert in_process.call(features, workdir, *flags, video) == 2, message
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


def test_two_videos_of_one_name_are_refused(tmp_path):
    videos = [Video(tmp_path / 'x' / 'a.mp4'), Video(tmp_path / 'a.avi')]
    with pytest.raises(UsageError, match=r'a.avi: .*named like those of .*x/a.mp4; give each'):
        layouts.ids(videos)
    videos = [videos[0], Video(tmp_path / 'a.avi', name='b')]
    assert list(layouts.ids(videos).values()) == ['a', 'b']
