"""The Fréchet video distance, against frames resized by hand, the network on them, and SciPy."""

import dataclasses
import functools
import json
import re
import shutil
import tracemalloc
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from s3dg import network as networks
from s3dg.analysis import frechet
from s3dg.answers import NonFiniteAnswerError
from s3dg.commands import fvd, fvd_clips, fvd_statistics
from s3dg.errors import VideoError
from s3dg.video.writing import write_video
from tests import fuzzing, in_process
from tests.closeness import assert_close
from tests.s3dg.feature_videos import FORMAT, create_network
from tests.s3dg.small import randomized

SIZE = (32, 36)  # in place of 224x224
CLIP = 16
# The quickest features, for what does not depend on them.
QUICK = ('--endpoint=Conv2d_1a_7x7', '--frames=10')


@pytest.fixture(scope='module', autouse=True)
def small_protocols():
    with pytest.MonkeyPatch.context() as patch:
        for name, protocol in fvd_clips.PROTOCOLS.items():
            small = dataclasses.replace(protocol, size=SIZE)
            patch.setitem(fvd_clips.PROTOCOLS, name, small)
        patch.setattr(fvd, 'load_network', functools.cache(fvd.load_network))
        yield


def random_frames(length, seed, height=20, width=24):
    """Noise about a colour of its own for each seed."""
    generator = np.random.default_rng(seed)
    colour = generator.integers(32, 224, 3)
    noise = generator.integers(-32, 32, (length, height, width, 3))
    return (colour + noise).astype('uint8')


def shares_by_hand(old, new, half_pixel_centers):
    """Of each of `old` pixels in each of `new` ones, (new, old): a line through two neighbours."""
    shares = np.zeros((new, old))
    for index in range(new):
        place = (index + 0.5) * old / new - 0.5 if half_pixel_centers else index * old / new
        place = min(max(place, 0.0), old - 1.0)
        low = int(place)
        shares[index, low] += 1 - (place - low)
        shares[index, min(low + 1, old - 1)] += place - low
    return shares


def resized_by_hand(frames, size, half_pixel_centers):
    """Frames (..., height, width, 3) as float64 (..., *size, 3): lines across, then down."""
    rows, columns = (
        shares_by_hand(old, new, half_pixel_centers)
        for old, new in zip(frames.shape[-3:-1], size, strict=True)
    )
    return np.einsum('rh,cw,...hwk->...rck', rows, columns, frames, optimize=True)


@pytest.mark.parametrize('name', ['original', 'cd_fvd', 'stylegan_v'])
@pytest.mark.parametrize('size', [(20, 24), (31, 50), (7, 11), (13, 60)])
def test_frames_are_resized_as_by_hand(name, size):
    protocol = dataclasses.replace(fvd_clips.PROTOCOLS[name], size=size)
    (frame,) = random_frames(1, 0)
    found = fvd_clips.resize(frame, protocol)
    assert (found.dtype, found.shape) == (np.float32, (*size, 3))
    expected = resized_by_hand(frame, size, name != 'original')
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize('size', [(31, 50), (7, 11)])
def test_torch_resizes_as_cd_fvd_does(size):
    torch = pytest.importorskip('torch')
    protocol = dataclasses.replace(fvd_clips.PROTOCOLS['cd_fvd'], size=size)
    (frame,) = random_frames(1, 0)
    channels_first = torch.from_numpy(frame.transpose(2, 0, 1)[None].astype('f4'))
    expected = torch.nn.functional.interpolate(
        channels_first, size=size, mode='bilinear', align_corners=False
    )
    expected = expected[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(fvd_clips.resize(frame, protocol), expected, atol=1e-3)


def levels_of_clip(length, most=1000, generator=None, **fields):
    """Which frames of a video of `length` make its clip; frames are their numbers."""
    video = (np.full((4, 5, 3), number, np.uint8) for number in range(length))
    protocol = fvd_clips.Protocol('any', True, size=(2, 2), **fields)
    return fvd_clips.cut_clip(video, protocol, most, generator).mean((1, 2, 3)).tolist()


@pytest.mark.parametrize(
    ('length', 'fields', 'expected'),
    [
        (10, {}, range(10)),
        (37, {}, range(37)),
        (16, {'frames': 16}, range(16)),
        (37, {'frames': 16}, range(16)),
        (128, {'frames': 16, 'stride': 8}, range(0, 128, 8)),
        (200, {'frames': 16, 'stride': 8}, range(0, 128, 8)),
    ],
)
def test_clips_begin_with_their_videos(length, fields, expected):
    assert levels_of_clip(length, **fields) == list(expected)


@pytest.mark.parametrize(
    ('length', 'fields', 'least'),
    [
        (0, {}, 10),
        (9, {}, 10),
        (15, {'frames': 16}, 16),
        (127, {'frames': 16, 'stride': 8}, 128),
    ],
)
@pytest.mark.parametrize('generator', [None, np.random.default_rng(0)])
def test_short_videos_have_no_clip(length, fields, least, generator):
    with pytest.raises(VideoError, match=f'^{length} frames, expected at least {least}$'):
        levels_of_clip(length, generator=generator, **fields)


def test_long_videos_must_fit_into_memory():
    assert levels_of_clip(12, most=12) == list(range(12))
    with pytest.raises(VideoError, match='more than 12 frames, .* --frames=12 takes the first'):
        levels_of_clip(13, most=12)


def test_random_clips_begin_anywhere_with_equal_chances():
    """Seven places of eleven frames (every second of six) in 17; as many are needed, 12, as 6x2."""
    generator = np.random.default_rng(0)
    counts = np.zeros(7)
    for _ in range(420):
        first, *rest = levels_of_clip(17, generator=generator, frames=6, stride=2)
        assert rest == [first + 2 * k for k in range(1, 6)]
        counts[int(first)] += 1
    assert np.abs(counts - 60).max() < 4 * np.sqrt(60)


def test_published_protocols():
    found = {
        name: (
            protocol.name,
            protocol.half_pixel_centers,
            protocol.frames,
            protocol.stride,
            *protocol.videos.values(),
            protocol.random,
        )
        for name, protocol in fvd_clips.PROTOCOLS.items()
    }
    both = ('real', 'generated')
    assert found == {
        'original': ('original', False, None, 1, None, None, ()),
        'cd_fvd': ('cd_fvd', True, 16, 1, None, 2048, both),
        'stylegan_v': ('fvd2048_16f', True, 16, 1, 2048, 2048, ('real',)),
        'fvd2048_16f': ('fvd2048_16f', True, 16, 1, 2048, 2048, ('real',)),
        'fvd2048_128f': ('fvd2048_128f', True, 128, 1, 2048, 2048, ('real',)),
        'fvd2048_128f_subsample8f': (
            *('fvd2048_128f_subsample8f', True, 16, 8, 2048, 2048),
            ('real',),
        ),
    }
    assert fvd_clips.Protocol('any', True).size == (224, 224)


def write_frames(folder, frames):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, 1):
        assert cv2.imwrite(str(folder / f'{number:05d}.png'), frame[:, :, ::-1])


@pytest.fixture(scope='module')
def network():
    """With logits in the hundreds: those of a narrow one differ by thousandths."""
    network = randomized(create_network())
    for variable in network.get_layer('logits').variables:
        variable.assign(1000 * variable)
    return network


@pytest.fixture(scope='module')
def work(network, tmp_path_factory):
    """A folder with the network and two sets of videos; and the frames of those."""
    work = tmp_path_factory.mktemp('work')
    network.save(work / 'model.keras')
    frames = {'real': {}, 'generated': {}}
    for side, count in (('real', 5), ('generated', 6)):
        for number in range(count):
            length = CLIP + 2 * (number % 2)
            one = random_frames(length, (number, count)) // (1 + (side == 'generated'))
            name = f'{"abc"[number % 3]}/{number}.avi'
            write_video(work / side / name, one, 10, 'FFV1')
            frames[side][name] = one
    return work, frames


def call(work, *words, workdir, code=0):
    flags = (f'--model={work / "model.keras"}', f'--workdir={workdir}')
    assert in_process.call(fvd, *words, *flags) == code
    if not (workdir / 'results.json').exists():
        return None
    return json.loads((workdir / 'results.json').read_text())


def features_by_hand(model, frames, half_pixel_centers, length=None):
    """Means over time and space of the network on each video alone, float64 (videos, d)."""
    found = []
    for one in frames.values():
        clip = resized_by_hand(one[:length], SIZE, half_pixel_centers)
        outputs = model(np.float32(clip)[None], training=False).numpy()
        found.append(outputs.reshape(-1, outputs.shape[-1]).mean(0, dtype='float64'))
    return np.array(found)


def distance_by_scipy(one, other):
    linalg = pytest.importorskip('scipy.linalg')
    covariances = np.cov(one.T), np.cov(other.T)
    root = np.real(linalg.sqrtm(covariances[0] @ covariances[1]))
    apart = np.sum((one.mean(0) - other.mean(0)) ** 2)
    return apart + np.trace(sum(covariances) - 2 * root)


@pytest.fixture(scope='module')
def original(work, tmp_path_factory):
    """What the program makes of the two sets, three clips at a time, of two lengths."""
    work, _ = work
    workdir = tmp_path_factory.mktemp('runs') / 'original'
    given = (work / 'real', work / 'generated', '--batch_size=3')
    return call(work, *given, workdir=workdir), workdir


def test_the_distance_is_the_one_computed_by_hand(network, work, original):
    (_, frames), (results, workdir) = work, original
    features = {side: features_by_hand(network, frames[side], False) for side in frames}
    expected = distance_by_scipy(features['real'], features['generated'])
    assert results['fvd'] == pytest.approx(expected, rel=1e-3)
    assert expected > 0.1
    for side, count in (('real', 5), ('generated', 6)):
        with np.load(workdir / f'{side}.npz') as found:
            assert found['count'] == count
            assert_close(found['mean'], features[side].mean(0), 1e-5)
            assert_close(found['covariance'], np.cov(features[side].T), 1e-4)
            assert (int(found['shortest']), int(found['longest'])) == (16, 18)
            assert str(found['model']) == results['model_digest']
        assert results[side]['videos'] == count
    assert (results['protocol'], results['skipped'], results['dimensions']) == ('original', 0, 3)
    report = (workdir / 'report.md').read_text()
    assert f'| fvd | {results["fvd"]:.4f} |' in report
    warning = 'REAL: clips of 16 to 18 frames, and the distance depends on their length'
    assert warning in report
    assert results['warnings'][0].startswith(warning)


def test_protocols_and_endpoints_differ_as_by_hand(network, work, original, tmp_path):
    """Sixteen frames, half-pixel centres, and more channels than videos."""
    work, frames = work
    words = (work / 'real', work / 'generated', '--protocol=stylegan_v', '--endpoint=Mixed_3b')
    results = call(work, *words, workdir=tmp_path / 'run')
    endpoint = network.endpoint('Mixed_3b')
    one, other = (features_by_hand(endpoint, frames[side], True, CLIP) for side in frames)
    linalg = pytest.importorskip('scipy.linalg')
    # Of singular covariances: the eigenvalues of their product, which SciPy has no root of.
    values = linalg.eigvals(np.cov(one.T) @ np.cov(other.T)).real.clip(0)
    spread = np.trace(np.cov(one.T) + np.cov(other.T)) - 2 * np.sqrt(values).sum()
    expected = np.sum((one.mean(0) - other.mean(0)) ** 2) + spread
    assert results['fvd'] == pytest.approx(expected, rel=1e-3)
    assert results['dimensions'] == one.shape[1]
    assert results['dimensions'] > 6
    assert results['fvd'] != original[0]['fvd']
    singular = f'REAL: 5 videos for {one.shape[1]} dimensions: the covariance is singular'
    assert any(line.startswith(singular) for line in results['warnings'])
    assert 'GENERATED: 6 videos, the protocol takes 2,048' in results['warnings']


@pytest.mark.parametrize('flag', ['--endpoint=logits', '--endpoint=Mixed_5c', '--random_clips'])
def test_equal_folders_have_no_distance(work, tmp_path, flag):
    work, _ = work
    shutil.copytree(work / 'real', tmp_path / 'copy')
    words = (work / 'real', tmp_path / 'copy', '--protocol=cd_fvd', flag)
    results = call(work, *words, workdir=tmp_path / 'run')
    assert 0 <= results['fvd'] < 1e-6


def test_folders_of_frames_are_what_their_videos_are(work, original, tmp_path):
    work, frames = work
    for name, one in frames['real'].items():
        write_frames(tmp_path / 'frames' / name, one)
    given = (tmp_path / 'frames', work / 'generated')
    results = call(work, *given, '--batch_size=3', workdir=tmp_path / 'run')
    assert results['fvd'] == pytest.approx(original[0]['fvd'], rel=1e-6)
    with (
        np.load(tmp_path / 'run' / 'real.npz') as found,
        np.load(original[1] / 'real.npz') as known,
    ):
        assert_close(found['covariance'], known['covariance'], 1e-6)


def test_what_cannot_be_used_is_named_and_the_rest_is_kept(work, tmp_path, capsys):
    work, frames = work
    shutil.copytree(work / 'real', tmp_path / 'real')
    (tmp_path / 'real' / 'broken.mp4').write_text('this is no video')
    write_video(tmp_path / 'real' / 'short.avi', random_frames(9, 0), 10, 'FFV1')
    write_frames(tmp_path / 'real' / 'frames', random_frames(20, 1))
    (tmp_path / 'real' / 'frames' / '00007.png').unlink()
    given = (tmp_path / 'real', work / 'generated', *QUICK)
    reasons = {
        'broken.mp4': 'not a video: FFmpeg cannot open it',
        'frames': 'frame 7 is missing: 19 frames are numbered 1 to 20',
        'short.avi': '9 frames, expected at least 10',
    }
    lines = [f'error: {tmp_path / "real" / name}: {why}' for name, why in reasons.items()]
    results = call(work, *given, workdir=tmp_path / 'run', code=1)
    assert capsys.readouterr().err.splitlines() == lines
    assert (results['skipped'], results['real']['videos']) == (3, len(frames['real']))
    assert [row['reason'] for row in results['skipped_videos']] == list(reasons.values())
    assert reasons['short.avi'] in (tmp_path / 'run' / 'report.md').read_text()

    # Again: all is there already, and the same is said.
    files = [tmp_path / 'run' / f'{side}.npz' for side in fvd.SIDES]
    before = [file.stat().st_mtime_ns for file in files]
    again = call(work, *given, workdir=tmp_path / 'run', code=1)
    said = capsys.readouterr()
    assert said.err.splitlines() == lines
    assert 'GENERATED: 6 videos are done already' in said.out
    assert (again['fvd'], again['skipped_videos']) == (results['fvd'], results['skipped_videos'])
    assert [file.stat().st_mtime_ns for file in files] == before

    # The side of which something has changed is made anew.
    (tmp_path / 'real' / 'broken.mp4').unlink()
    files[1].write_bytes(files[1].read_bytes()[:-1])
    fewer = call(work, *given, workdir=tmp_path / 'run', code=1)
    assert [row['reason'] for row in fewer['skipped_videos']] == list(reasons.values())[1:]
    assert fewer['fvd'] == pytest.approx(results['fvd'], rel=1e-6)
    assert all(file.stat().st_mtime_ns > time for file, time in zip(files, before, strict=True))


def test_statistics_stand_for_their_videos(network, work, original, tmp_path, capsys):
    (work, _), (results, workdir) = work, original
    real = workdir / 'real.npz'
    # Their network may have been saved again, elsewhere.
    network.save(tmp_path / 'model.keras')
    words = (real, work / 'generated', '--batch_size=3')
    found = call(tmp_path, *words, workdir=tmp_path / 'run')
    assert found['fvd'] == pytest.approx(results['fvd'], rel=1e-6)
    assert found['real']['statistics'] == str(real)
    assert [path.name for path in (tmp_path / 'run').glob('*.npz')] == ['generated.npz']
    capsys.readouterr()
    other = networks.build('i2d', 3, width=0.1, video_format=FORMAT)
    (tmp_path / 'other').mkdir()
    other.save(tmp_path / 'other' / 'model.keras')
    (tmp_path / 'damaged.npz').write_bytes(real.read_bytes()[:500])
    for model, given, flag, message in (
        (work, real, '--protocol=cd_fvd', r"real.npz: .* protocol 'original', expected 'cd_fvd'"),
        (work, real, '--frames=12', 'real.npz: its statistics are of frames 0, expected 12'),
        (tmp_path / 'other', real, '--frames=16', 'real.npz: its statistics are of model '),
        (work, tmp_path / 'damaged.npz', '--seed=1', 'damaged.npz is damaged, expected a .npz'),
    ):
        words = (given, work / 'generated', flag)
        call(model, *words, workdir=tmp_path / flag, code=2)
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(message, line)


def test_mistakes_end_in_one_line(work, tmp_path, capsys):
    work, _ = work
    flow = networks.build('i2d', 3, width=0.1, channels=2, video_format=FORMAT)
    (tmp_path / 'flow').mkdir()
    flow.save(tmp_path / 'flow' / 'model.keras')
    real, generated = work / 'real', work / 'generated'
    one = tmp_path / 'one'
    write_video(one / 'a.avi', random_frames(16, 0), 10, 'FFV1')
    (tmp_path / 'empty').mkdir()
    for model, words, message in (
        (work, (), 'Found 0 arguments, expected two: s3dg fvd REAL GENERATED'),
        (work, (real, generated, real), 'Found 3 arguments, expected two'),
        (work, (real, tmp_path / 'no'), 'GENERATED: expected a folder .* which is not there'),
        (work, (real / 'a' / '0.avi', generated), 'REAL: expected a folder .* which is a file'),
        (work, (real, tmp_path / 'empty'), 'empty: found no videos, expected files of'),
        (
            work,
            (one, generated, *QUICK),
            'REAL: found 1 videos that can be used, expected at least 2',
        ),
        (tmp_path / 'flow', (real, generated), 'takes 2 channels, video files have 3'),
        (work, (real, generated, '--batch_size=50000'), '--batch_size: 50000 clips of 10 frames'),
        (work, (real, generated, '--frames=9'), 'frames'),
        (tmp_path / 'nothing', (real, generated), '--model: expected a .keras file'),
    ):
        call(model, *words, workdir=tmp_path / 'run', code=2)
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(message, line)
        shutil.rmtree(tmp_path / 'run', ignore_errors=True)


def test_as_many_videos_as_wanted_are_taken(tmp_path, capsys):
    """The first that can be used, by their paths; the network is asked for one length at a time."""
    for number, length in enumerate((12, 9, 12, 14, 14, 14, 12)):
        write_video(tmp_path / f'{number}.avi', [*random_frames(length, number)], 10, 'FFV1')
    paths = sorted(tmp_path.iterdir())
    clips = fvd_statistics.Clips('REAL', paths, fvd_clips.PROTOCOLS['original'], 5, 1000)
    asked = []

    def embed(batch):
        asked.append([len(clip) for clip in batch])
        return np.stack([clip.mean((0, 1)) for clip in np.array(batch)])[:, 0]

    embed.batch_size = 2
    statistics = fvd_statistics.measure(clips, embed)
    assert asked == [[12, 12], [14, 14], [14]]
    assert (statistics.count, clips.shortest, clips.longest) == (5, 12, 14)
    assert list(clips.left_out) == [str(paths[1])]
    assert capsys.readouterr().err.count('\n') == 1


def named_clips(number, size=2**18):
    """In place of `Clips`: a megabyte each, one after the other."""
    generator = np.random.default_rng(0)
    clips = ((f'{k}.avi', generator.random((2, size // 2), 'float32')) for k in range(number))
    return SimpleNamespace(label='REAL', read=lambda _: clips)


def test_memory_does_not_grow_with_the_number_of_videos():
    def embed(clips):
        return np.stack([clip[:, :8].ravel() for clip in clips])

    embed.batch_size = 4
    peaks = []
    for number in (20, 200):
        tracemalloc.start()
        assert fvd_statistics.measure(named_clips(number), embed).count == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > 4 * 2**20
    assert peaks[1] < peaks[0] + 2**20


def test_an_answer_that_is_no_number_names_its_video():
    def embed(clips):
        return np.array([[np.nan if number else 0.0] for number in range(len(clips))])

    embed.batch_size = 2
    with pytest.raises(NonFiniteAnswerError, match='^1.avi: features: 1 of 1 numbers are NaN'):
        fvd_statistics.measure(named_clips(2, 4), embed)


@pytest.mark.parametrize(
    'examples', [fuzzing.FEW, pytest.param(fuzzing.MANY, marks=pytest.mark.slow)]
)
def test_damaged_files_are_refused_or_are_statistics(tmp_path, original, examples):
    _, workdir = original
    with np.load(workdir / 'real.npz') as arrays:
        known = {name: arrays[name].item() for name in fvd_statistics._OF}

    def read(path):
        assert isinstance(fvd_statistics.read(path, known, 3).statistics, frechet.Statistics)

    content = (workdir / 'real.npz').read_bytes()
    fuzzing.check(read, content, tmp_path / 'a.npz', examples)
