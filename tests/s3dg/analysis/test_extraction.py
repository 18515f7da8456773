"""Windows of many videos in common batches, and what becomes of videos that fail."""

import keras
import numpy as np
import pytest

from s3dg import network as networks
from s3dg.analysis.extraction import Extraction, extract
from s3dg.answers import NonFiniteAnswerError
from s3dg.errors import VideoError
from s3dg.features import Extractor
from s3dg.video import crops
from s3dg.video.windows import Cut
from tests.closeness import assert_close
from tests.s3dg.feature_videos import FORMAT, clips_at, create_network


class _Frames:
    """Random frames of 16x16 like a video's, of which the last one may be an error."""

    def __init__(self, length, seed, error=None, size=(16, 16)):
        rng = np.random.default_rng(seed)
        self.all = rng.integers(0, 256, (length, *size, 3), np.uint8)
        self.error, self.time, self.faults, self.given = error, 0.0, 'a fault', 0

    def __iter__(self):
        for number, frame in enumerate(self.all):
            self.time, self.given = number / 10, number + 1
            yield frame
        if self.error:
            raise self.error


class _Sink:
    def __init__(self):
        self.rows, self.times, self.error, self.faults = [], None, 'none', None

    def append(self, rows):
        self.rows.append(rows['rgb'])

    def finish(self, times, faults):
        self.times, self.faults = times, faults

    def fail(self, error):
        self.error = error

    @property
    def features(self):
        return np.concatenate(self.rows)


@pytest.fixture(scope='module')
def network():
    return create_network()


def _extraction(network, cut, batch_size=4, **options):
    extractor = Extractor(network, 'Mixed_3b', 'all', cut.frames, batch_size)
    return Extraction({'rgb': extractor}, cut, **options)


def _features(network, frames, starts):
    return network.endpoint('Mixed_3b')(clips_at(frames, starts)).numpy().mean((1, 2, 3))


def test_batches_hold_windows_of_several_videos(network):
    videos = [_Frames(length, length) for length in (5, 8, 23, 9)]
    sinks = [_Sink() for _ in videos]
    extraction = _extraction(network, Cut(8, 6))
    sizes, rows = [], extraction.rows
    extraction.rows = lambda windows: sizes.append(len(windows)) or rows(windows)
    extract(extraction, zip(sinks, videos, strict=True))
    assert sizes == [4, 4]  # of 1, 1, 4 and 2 windows
    for sink, video, starts in zip(sinks, videos, ([0], [0], [0, 6, 12, 15], [0, 1]), strict=True):
        assert_close(sink.features[:, 0], _features(network, video.all, starts), 1e-5)
        length = len(video.all)
        shown = [[(start + k) % length / 10 for k in range(8)] for start in starts]
        np.testing.assert_allclose(sink.times.frame_times, shown)
        np.testing.assert_allclose(sink.times.feature_times, np.mean(shown, axis=1))
        assert (sink.times.frames_per_second, sink.faults, sink.error) == (10, 'a fault', 'none')


def test_a_video_that_fails_leaves_the_others_whole(network):
    broken = VideoError('cut off')
    videos = [_Frames(9, 1), _Frames(20, 2, broken), _Frames(3, 3), _Frames(8, 4)]
    sinks = [_Sink() for _ in videos]
    extract(_extraction(network, Cut(8, 8, 'drop')), zip(sinks, videos, strict=True))
    assert sinks[1].error is broken
    assert sinks[1].times is None
    assert str(sinks[2].error) == '3 frames, expected at least a window of 8'
    for number, starts in ((0, [0]), (3, [0])):
        expected = _features(network, videos[number].all, starts)
        assert_close(sinks[number].features[:, 0], expected, 1e-5)


def test_answers_that_are_no_numbers_are_those_of_one_video(network):
    broken = networks.Network(network.config, video_format=FORMAT)
    networks.copy_weights(network, broken)
    videos, sinks = [_Frames(8, 1), _Frames(30, 2), _Frames(8, 3)], [_Sink() for _ in range(3)]
    extraction = _extraction(broken, Cut(8, 8), batch_size=2)
    rows = extraction.rows

    def spoilt(windows):
        found = rows(windows)
        for row, window in zip(found['rgb'], windows, strict=True):
            if (window['rgb'][0, 0] == videos[1].all[0]).all():
                row[...] = np.nan
        return found

    extraction.rows = spoilt
    extract(extraction, zip(sinks, videos, strict=True))
    assert isinstance(sinks[1].error, NonFiniteAnswerError)
    assert videos[1].given < 30  # the rest is not read
    for number in (0, 2):
        expected = _features(network, videos[number].all, [0])
        assert_close(sinks[number].features[:, 0], expected, 1e-5)


def test_all_that_are_open_are_told_of_the_end(network):
    class Full(_Sink):
        def append(self, rows):
            raise OSError('full')

    first, second = Full(), Full()
    with pytest.raises(OSError, match='full'):
        extract(_extraction(network, Cut(8, 8)), [(first, _Frames(8, 1)), (second, _Frames(40, 2))])
    assert first.error is None
    assert second.error is None


def test_crops_are_features_of_their_own(network):
    video, sink = _Frames(10, 5, size=(20, 24)), _Sink()
    extraction = _extraction(
        network, Cut(8, 8, 'repeat'), batch_size=10, names=crops.FIVE, mirrored=True
    )
    assert 'crop_size' not in extraction.reading
    extract(extraction, [(sink, video)])
    assert sink.features.shape[:2] == (2, 10)
    frames = video.all[[8, 9, 9, 9, 9, 9, 9, 9]]
    for number, clip in (
        (1, frames[:, :16, 8:]),
        (4, frames[:, 2:18, 4:20]),
        (6, frames[:, :16, :16][:, :, ::-1]),  # top right of the mirrored frame
    ):
        expected = network.endpoint('Mixed_3b')(clip[None]).numpy().mean((1, 2, 3))[0]
        assert_close(sink.features[1, number], expected, 1e-5)


def test_frames_that_are_not_there_have_no_time(network):
    video, sink = _Frames(3, 6), _Sink()
    extract(_extraction(network, Cut(4, 1, 'zero', centred=True)), [(sink, video)])
    black = np.zeros((1, 16, 16, 3), np.uint8)
    frames = np.concatenate([black, black, video.all, black])
    expected = network.endpoint('Mixed_3b')(clips_at(frames, [0, 1, 2], 4)).numpy()
    assert_close(sink.features[:, 0], expected.mean((1, 2, 3)), 1e-5)
    nan = np.nan
    np.testing.assert_allclose(
        sink.times.frame_times, [[nan, nan, 0, 0.1], [nan, 0, 0.1, 0.2], [0, 0.1, 0.2, nan]]
    )
    np.testing.assert_allclose(sink.times.feature_times, [0.05, 0.1, 0.1])


def test_two_streams_see_the_same_frames():
    keras.utils.set_random_seed(1)
    both = {
        name: networks.build('i3d', 3, width=0.1, channels=channels, video_format=FORMAT)
        for name, channels in (('rgb', 3), ('flow', 2))
    }
    extraction = Extraction(
        {name: Extractor(one, 'Mixed_3b', 'all', 8, 2) for name, one in both.items()},
        Cut(8, 8, 'drop'),
        leaves_last=True,
    )
    assert 'crop_size' not in extraction.reading
    windows = list(extraction.windows(video := _Frames(17, 7, size=(20, 24)), []))
    assert [window['rgb'].shape for window in windows] == [(1, 8, 16, 16, 3)] * 2
    assert [window['flow'].shape for window in windows] == [(1, 8, 16, 16, 2)] * 2
    np.testing.assert_array_equal(windows[1]['rgb'][0], video.all[8:16, 2:18, 4:20])
