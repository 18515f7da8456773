"""Reading and writing of video files, against files made by OpenCV directly and arithmetic on
fractions."""

import fractions
import math
import os

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data import motion_jpeg
from s3dg.errors import VideoError
from s3dg.video import reading, writing

WANTED = 25  # frames a second


def shown_frames(count: int, source: int, wanted: int) -> list[int]:
    """Numbers of the frames on the screen in the middle of each wanted frame, in exact
    arithmetic."""
    duration = fractions.Fraction(count, source)
    wanted_count = math.floor(duration * wanted + fractions.Fraction(1, 2))
    moments = [(k + fractions.Fraction(1, 2)) / wanted for k in range(wanted_count)]
    return [min(math.floor(moment * source), count - 1) for moment in moments]


@pytest.mark.parametrize(
    ('source', 'count'), [(25, 30), (50, 60), (30, 60), (28, 56), (6, 12), (24, 37), (12, 25)]
)
def test_resampling_takes_the_frame_on_the_screen(
    tmp_path, write_video_file, numbered, source, count
):
    write_video_file(tmp_path / 'v.avi', numbered(count), source)
    found = [frame[0, 0, 0] for frame in reading.read_frames(tmp_path / 'v.avi', WANTED)]
    assert found == shown_frames(count, source, WANTED)


def test_some_resamplings_by_hand(tmp_path, write_video_file, numbered):
    expected = {
        (50, 10): [1, 3, 5, 7, 9],
        (25, 5): [0, 1, 2, 3, 4],
        (5, 2): [0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
        (30, 6): [0, 1, 3, 4, 5],  # moments 0.6, 1.8, 3.0, 4.2, 5.4 in source frames
    }
    for (source, count), numbers in expected.items():
        path = tmp_path / f'{source}.avi'
        write_video_file(path, numbered(count), source)
        assert [frame[0, 0, 0] for frame in reading.read_frames(path, WANTED)] == numbers


def test_lossless_frames_come_back_exactly(tmp_path, write_video_file):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (7, 30, 50, 3), dtype=np.uint8)
    write_video_file(tmp_path / 'v.avi', list(frames), 11)
    np.testing.assert_array_equal(list(reading.read_frames(tmp_path / 'v.avi')), frames)
    assert reading.source_frames_per_second(tmp_path / 'v.avi') == 11


class FakeCapture:
    """Gives frames with the time stamps of a list, as a container with a broken clock would."""

    def __init__(self, stamps, rate, stated=None):
        self._stamps = stamps
        self._values = {
            cv2.CAP_PROP_FPS: rate,
            cv2.CAP_PROP_FRAME_COUNT: len(stamps) if stated is None else stated,
        }
        self._next = 0

    def get(self, name):
        if name == cv2.CAP_PROP_POS_MSEC:
            return 1000 * self._stamps[self._next - 1]
        return self._values[name]

    def read(self):
        if self._next == len(self._stamps):
            return False, None
        self._next += 1
        return True, np.full((4, 4, 3), self._next - 1, np.uint8)

    def release(self):
        pass


def numbers_shown(monkeypatch, capture, rate):
    monkeypatch.setattr(reading, '_open', lambda path: capture)
    return [frame[0, 0, 0] for frame in reading.read_frames('v', rate)]


def test_uneven_time_stamps_decide(monkeypatch):
    # Frames on the screen from 0, 0.1, 0.5 and 0.6 s on, the last one for a nominal 0.1 s; sampled
    # at 0.05, 0.15, ...
    capture = FakeCapture([0, 0.1, 0.5, 0.6], 10)
    assert numbers_shown(monkeypatch, capture, 10) == [0, 1, 1, 1, 1, 2, 3]


@pytest.mark.parametrize('stamps', [[0, 0, 0, 0], [5, 5.1, 5.1, 5.0]])
def test_nominal_rate_carries_on_where_stamps_do_not_increase(monkeypatch, stamps):
    assert numbers_shown(monkeypatch, FakeCapture(stamps, 10), 20) == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ('capture', 'reason'),
    [
        (FakeCapture([0, 0], 0), 'frame 2 has no time stamp and the header states no frame rate'),
        (FakeCapture([0, 0.04, 9999], 25), 'time stamps jump by 9999 seconds at frame 3'),
        (FakeCapture([0, 0.002], 480), 'lasts 0.004 seconds, less than one frame at 25 a second'),
        (FakeCapture([0, 0.04, 0.08], 25, stated=4), 'truncated: 3 of 4 frames can be decoded'),
        (FakeCapture([], 25), 'no frames can be decoded'),
    ],
)
def test_unusable_clocks_and_counts(monkeypatch, capture, reason):
    with pytest.raises(VideoError) as error:
        numbers_shown(monkeypatch, capture, 25)
    assert str(error.value) == reason


def test_stated_count_is_advisory(monkeypatch):
    capture = FakeCapture([k / 25 for k in range(19)], 25, stated=20)
    assert len(numbers_shown(monkeypatch, capture, 25)) == 19


@pytest.fixture
def broken(tmp_path, write_video_file, numbered):
    """Unusable files by the reason they should be given."""
    write_video_file(tmp_path / 'whole.mp4', numbered(40, 96, 96), 25, 'mp4v')
    write_video_file(tmp_path / 'whole.avi', numbered(40), 25)
    write_video_file(tmp_path / 'single.avi', numbered(1), 25)
    (tmp_path / 'empty.mp4').touch()
    (tmp_path / 'text.mp4').write_text('not a video at all\n' * 200)
    whole = (tmp_path / 'whole.mp4').read_bytes()
    assert whole.index(b'moov') > len(whole) // 2  # OpenCV puts the index last
    (tmp_path / 'cut.mp4').write_bytes(whole[: len(whole) // 2])
    whole = (tmp_path / 'whole.avi').read_bytes()
    (tmp_path / 'cut.avi').write_bytes(whole[: len(whole) // 2])
    (tmp_path / 'folder.mp4').mkdir()
    return {
        'missing.mp4': 'file not found',
        'folder.mp4': 'a folder, not a file',
        'empty.mp4': 'empty file (0 bytes)',
        'text.mp4': 'not a video: OpenCV cannot open it',
        'cut.mp4': 'truncated mp4: its index ("moov" atom) is missing',
        'single.avi': 'only one frame',
        'cut.avi': 'truncated: ',
    }


def test_broken_files_give_their_reason_and_nothing_else(tmp_path, broken, capfd):
    for name, reason in broken.items():
        with pytest.raises(VideoError) as error:
            list(reading.read_frames(tmp_path / name, WANTED, (32, 32)))
        assert str(error.value).startswith(reason), name
        assert '\n' not in str(error.value)
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('size', [(36, 64), (64, 36), (50, 50)])
@pytest.mark.parametrize('wanted', [(40, 40), (20, 72)])
def test_resizing_equals_tensorflow(tmp_path, write_video_file, size, wanted):
    coarse = np.random.default_rng(1).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    frames = [cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC) for frame in coarse]
    write_video_file(tmp_path / 'v.avi', frames, 25)
    found = np.stack(list(reading.read_frames(tmp_path / 'v.avi', WANTED, wanted)))
    assert found.shape == (2, *wanted, 3)
    expected = tf.image.resize(np.stack(frames), wanted, 'bilinear', antialias=False).numpy()
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize(
    ('size', 'expected'), [((36, 64), (18, 32)), ((64, 36), (32, 18)), ((30, 52), (18, 31))]
)
def test_short_side_keeps_the_shape(tmp_path, write_video_file, numbered, size, expected):
    write_video_file(tmp_path / 'v.avi', numbered(3, *size), 25)
    frames = list(reading.read_frames(tmp_path / 'v.avi', short_side=18))
    assert [frame.shape for frame in frames] == [(*expected, 3)] * 3


def test_rotation_in_the_header_is_applied(tmp_path):
    frames = np.zeros((4, 48, 96, 3), np.uint8)
    frames[:, :, :48] = 200  # bright on the left
    motion_jpeg.write_motion_jpeg(tmp_path / 'level.mp4', frames, 25)
    content = (tmp_path / 'level.mp4').read_bytes()
    level = b''.join(int(value).to_bytes(4, 'big') for value in (1 << 16, 0, 0, 0, 1 << 16, 0))
    quarter_turn = [0, 1 << 16, 0, (1 << 32) - (1 << 16), 0, 0]
    turned = b''.join(value.to_bytes(4, 'big') for value in quarter_turn)
    track = content.index(b'tkhd')
    content = content[:track] + content[track:].replace(level, turned, 1)
    (tmp_path / 'turned.mp4').write_bytes(content)
    upright = np.stack(list(reading.read_frames(tmp_path / 'turned.mp4', WANTED)))
    assert upright.shape == (4, 96, 48, 3)
    # Turned clockwise by a quarter, left becomes top.
    assert upright[:, :40].mean() > 190
    assert upright[:, 56:].mean() < 10


@pytest.mark.parametrize(
    'arguments',
    [
        {'frame_size': (4, 4), 'short_side': 4},
        {'frames_per_second': 0},
        {'frame_size': (0, 4)},
        {'short_side': 0},
    ],
)
def test_senseless_arguments_are_refused(tmp_path, arguments):
    with pytest.raises(ValueError, match='found'):
        next(reading.read_frames(tmp_path / 'v.avi', **arguments))


def test_changing_frame_size_needs_a_stated_one(monkeypatch):
    shapes = iter([(4, 6, 3), (4, 6, 3), (8, 6, 3)])

    class Growing(FakeCapture):
        def read(self):
            decoded, _ = super().read()
            return decoded, np.zeros(next(shapes), np.uint8) if decoded else None

    with pytest.raises(VideoError, match='frame size changes from 6x4 to 6x8'):
        numbers_shown(monkeypatch, Growing([0, 0.04, 0.08], 25), 25)


@pytest.mark.parametrize(('name', 'codec'), [('v.mp4', 'mp4v'), ('v.avi', 'FFV1')])
def test_written_videos_can_be_read(tmp_path, name, codec):
    frames = [np.full((32, 48, 3), 20 * k, np.uint8) for k in range(10)]
    path = tmp_path / 'deep' / 'er' / name
    writing.write_video(path, iter(frames), 25, codec)
    found = list(reading.read_frames(path, WANTED))
    assert np.abs(np.stack(found).astype(int) - np.stack(frames)).max() <= 6
    assert [entry.name for entry in path.parent.iterdir()] == [name]


@pytest.mark.parametrize(
    ('frames', 'name', 'codec', 'reason'),
    [
        ([], 'v.mp4', 'mp4v', 'no frames'),
        (numbered := [np.zeros((8, 8, 3), np.uint8)] * 2, 'v.mp4', 'FFV9', 'cannot write codec'),
        ([*numbered, np.zeros((8, 10, 3), np.uint8)], 'v.mp4', 'mp4v', 'found a frame'),
    ],
)
def test_failed_writing_leaves_nothing(tmp_path, frames, name, codec, reason):
    with pytest.raises(VideoError, match=reason):
        writing.write_video(tmp_path / name, frames, 25, codec)
    assert list(tmp_path.iterdir()) == []


def test_jpeg_is_what_opencv_reads_back():
    rng = np.random.default_rng(2)
    frame = cv2.resize(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8), (40, 32))
    decoded = cv2.imdecode(np.frombuffer(writing.encode_jpeg(frame, 100), np.uint8), 1)[:, :, ::-1]
    assert np.abs(decoded.astype(int) - frame).mean() < 2
    gray = writing.encode_jpeg(frame[:, :, 0], 100)
    decoded = cv2.imdecode(np.frombuffer(gray, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded.shape == (32, 40)
    assert np.abs(decoded.astype(int) - frame[:, :, 0]).max() <= 2
    with pytest.raises(ValueError, match='float64'):
        writing.encode_jpeg(frame / 255.0)


def test_motion_jpeg_reads_the_same_backwards(tmp_path):
    """What mp4v cannot do: the file of the reversed frames holds exactly the reversed pictures."""
    rng = np.random.default_rng(3)
    frames = [cv2.resize(p, (96, 64)) for p in rng.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)]
    motion_jpeg.write_motion_jpeg(tmp_path / 'forward.mp4', frames, 25)
    motion_jpeg.write_motion_jpeg(tmp_path / 'backward.mp4', frames[::-1], 25)
    forward = np.stack(list(reading.read_frames(tmp_path / 'forward.mp4', WANTED)))
    backward = np.stack(list(reading.read_frames(tmp_path / 'backward.mp4', WANTED)))
    np.testing.assert_array_equal(backward[::-1], forward)
    assert np.abs(forward.astype(int) - np.stack(frames)).mean() < 6
    assert reading.source_frames_per_second(tmp_path / 'forward.mp4') == 25
    with pytest.raises(VideoError, match='no frames'):
        motion_jpeg.write_motion_jpeg(tmp_path / 'none.mp4', [], 25)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'x.avi')
    with pytest.raises(VideoError, match='not a regular file'):
        list(reading.read_frames(tmp_path / 'x.avi'))


def test_a_list_of_other_files_is_no_video(tmp_path):
    """FFmpeg would read those."""
    writing.write_video(tmp_path / 'a.mp4', [np.zeros((32, 32, 3), np.uint8)] * 5, 25)
    (tmp_path / 'b.mp4').write_text('ffconcat version 1.0\nfile a.mp4\nfile a.mp4\n')
    with pytest.raises(VideoError, match='a list of other files'):
        list(reading.read_frames(tmp_path / 'b.mp4'))


def test_an_endless_rate_is_refused(tmp_path):
    with pytest.raises(ValueError, match='frames_per_second: found inf'):
        list(reading.read_frames(tmp_path / 'x.mp4', math.inf))
