"""Features of videos, against endpoints called by hand on clips cut by hand from the frames."""

import keras
import numpy as np
import pytest

from s3dg import features
from s3dg import network as networks
from s3dg.answers import NonFiniteAnswerError
from s3dg.config import ConfigError
from s3dg.video import ahead, reading
from tests.closeness import assert_close
from tests.s3dg.feature_videos import (
    FORMAT,
    LONG,
    LONG_STARTS,
    SHORT,
    clips_at,
    create_network,
    write,
)


@pytest.fixture(scope='module')
def network():
    return create_network()


@pytest.fixture(scope='module')
def long_video(tmp_path_factory):
    path = tmp_path_factory.mktemp('long') / 'long.avi'
    return path, write(path, LONG, 0)


def _extract(network, path, endpoint, pool, window=8, stride=6, **options):
    return features.Extractor(network, endpoint, pool, window, **options).of_video(path, stride)


@pytest.mark.parametrize(
    ('endpoint', 'pool', 'axes', 'shape'),
    [
        ('Mixed_3b', 'none', (), (4, 2, 2)),
        ('Mixed_3b', 'space', (2, 3), (4,)),
        ('Mixed_3b', 'all', (1, 2, 3), ()),
        ('Conv2d_1a_7x7', 'none', (), (4, 8, 8)),
        ('AvgPool_0a_7x7', 'space', (), (1,)),
        ('AvgPool_0a_7x7', 'all', (1,), ()),
        ('logits', 'none', (), ()),
    ],
)
def test_features_are_the_endpoints_of_the_windows(
    network, long_video, endpoint, pool, axes, shape
):
    path, frames = long_video
    # Batches of 3: the last is filled up.
    found = _extract(network, path, endpoint, pool, batch_size=3).read()
    model = network if endpoint == 'logits' else network.endpoint(endpoint)
    activations = model(clips_at(frames, LONG_STARTS), training=False).numpy()
    expected = activations.mean(axes) if axes else activations
    assert found.dtype == np.float32
    assert found.shape[:-1] == (4, *shape)
    assert expected.std(axis=0).max() > 0.01 * np.abs(expected).max()  # windows differ
    assert_close(found, expected, 1e-5)


def test_times_of_frames_and_features(network, long_video):
    path, _ = long_video
    found = _extract(network, path, 'Mixed_3b', 'space')
    found.read()
    assert found.frames_per_second == 10
    assert found.frame_times.dtype == found.feature_times.dtype == np.float64
    tenths = [range(start, start + 8) for start in LONG_STARTS]
    np.testing.assert_allclose(10 * found.frame_times, tenths)
    # Four steps of two frames each.
    middles = [[start + k + 0.5 for k in (0, 2, 4, 6)] for start in LONG_STARTS]
    np.testing.assert_allclose(10 * found.feature_times, middles)
    for endpoint in ('Mixed_3b', 'logits'):
        found = _extract(network, path, endpoint, 'all')
        found.read()
        np.testing.assert_allclose(10 * found.feature_times, [start + 3.5 for start in LONG_STARTS])


def test_a_video_is_decoded_once(network, long_video, monkeypatch):
    opened, open_file = [], reading._open
    monkeypatch.setattr(reading, '_open', lambda path: opened.append(path) or open_file(path))
    _extract(network, long_video[0], 'Conv2d_1a_7x7', 'all').read()
    assert opened == [long_video[0]]


@pytest.mark.parametrize('length', [1, 7, 8, 9, 14, 15, 16, 17, 20])
def test_features_of_another_process_s_frames(network, tmp_path, length):
    path = tmp_path / 'v.avi'
    frames = write(path, length, length)
    extractor = features.Extractor(network, 'Conv2d_1a_7x7', 'all', 8, batch_size=2)
    with ahead.Reader() as reader:
        (found,) = [
            (one, one.read())
            for video in reader.videos([path], 3, **extractor.reading)
            for one in [extractor.of_video(path, 6, frames=video)]
        ]
    starts = [k for k in range(0, length - 8, 6)] + [max(length - 8, 0)]
    expected = network.endpoint('Conv2d_1a_7x7')(clips_at(frames, starts), training=False)
    assert_close(found[1], expected.numpy().mean((1, 2, 3)), 1e-5)
    tenths = [[(start + k) % length for k in range(8)] for start in starts]
    np.testing.assert_allclose(10 * found[0].frame_times, tenths)


def test_a_short_video_is_looped(network, tmp_path):
    frames = write(tmp_path / 'short.avi', SHORT, 1)
    found = _extract(network, tmp_path / 'short.avi', 'Mixed_3b', 'space')
    expected = network.endpoint('Mixed_3b')(clips_at(frames, [0]), training=False).numpy()
    assert_close(found.read(), expected.mean((2, 3)), 1e-5)
    np.testing.assert_allclose(10 * found.frame_times, [[0, 1, 2, 3, 4, 0, 1, 2]])
    np.testing.assert_allclose(10 * found.feature_times, [[0.5, 2.5, 2, 1.5]])


@pytest.mark.parametrize(
    ('frames', 'steps', 'positions', 'expected'),
    [
        (4, 2, 2, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]),
        # Two of three positions averaged, as the head does.
        (3, 2, 3, [[0.5, 0.5, 0], [0, 0.5, 0.5]]),
        # Five thirds of a frame each.
        (5, 3, 3, [[0.6, 0.4, 0, 0, 0], [0, 0.2, 0.6, 0.2, 0], [0, 0, 0, 0.4, 0.6]]),
        (1, 1, 1, [[1]]),
    ],
)
def test_frames_are_shared_out_among_the_steps(frames, steps, positions, expected):
    found = features.step_weights(frames, steps, positions)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_head_s_steps_stand_between_the_positions_that_it_averages(network):
    # 32 frames make 4 positions at Mixed_5c, in the middle of frames 3|4, 11|12, 19|20, 27|28.
    extractor = features.Extractor(network, 'AvgPool_0a_7x7', 'space', 32)
    np.testing.assert_allclose(extractor.time_weights @ np.arange(32), [7.5, 15.5, 23.5])


def test_features_are_float32_in_any_precision(network, long_video):
    path, _ = long_video
    exact = _extract(network, path, 'Mixed_3b', 'all').read()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy('mixed_bfloat16')
    try:
        rough = networks.Network(network.config, video_format=FORMAT)
    finally:
        keras.config.set_dtype_policy(before)
    networks.copy_weights(network, rough)
    found = _extract(rough, path, 'Mixed_3b', 'all').read()
    assert found.dtype == np.float32
    difference = np.abs(found - exact).max()
    assert 0 < difference < 0.05 * exact.max()


def test_videos_without_a_rate_wanted_keep_their_own(network, tmp_path):
    write(tmp_path / 'v.avi', 6, 2)
    own = networks.Network(network.config, video_format=FORMAT.replace(frames_per_second=None))
    found = _extract(own, tmp_path / 'v.avi', 'Conv2d_1a_7x7', 'all')
    found.read()
    assert found.frames_per_second == 20
    np.testing.assert_allclose(20 * found.frame_times, [range(8), range(4, 12)])


def test_windows_too_short_for_the_network_are_refused():
    # Without padding MaxPool_5a drops the only position that 4 frames leave.
    network = networks.build('s3d', 3, width=0.1, pool_padding='symmetric', video_format=FORMAT)
    for endpoint in ('Mixed_5c', 'AvgPool_0a_7x7', 'logits'):
        with pytest.raises(ConfigError, match=f'^window: 4 frames .* nothing at {endpoint}'):
            features.Extractor(network, endpoint, 'all', 4)
    assert features.Extractor(network, 'Mixed_4f', 'space', 4).shape[0] == 1


def test_batches_too_large_for_the_memory_are_refused(network):
    with pytest.raises(
        ConfigError, match='^batch_size: 50000 windows of 8 frames of 16x16 are 102,400,000'
    ):
        features.Extractor(network, 'Mixed_3b', 'all', 8, 50_000)


def test_windows_follow_each_other_where_nothing_else_is_asked_for(network, long_video):
    found = features.Extractor(network, 'Conv2d_1a_7x7').of_video(long_video[0])
    shape = found.read().shape
    starts = np.array([0, 8, 15])
    np.testing.assert_allclose(10 * found.frame_times, starts[:, None] + np.arange(8))
    assert found.shape == shape == (3, 16)


def test_answers_that_are_no_numbers_are_refused(network):
    broken = networks.Network(network.config, video_format=FORMAT)
    broken.get_layer('logits').bias.assign([0, np.nan, 0])
    with pytest.raises(NonFiniteAnswerError, match='features: 2 of 6 numbers are NaN or infinite'):
        features.Extractor(broken, 'logits', 'all', 8, 2)(np.zeros((2, 8, 16, 16, 3), 'uint8'))
