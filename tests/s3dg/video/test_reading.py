"""Reading of video files, against files made by OpenCV directly and arithmetic on fractions."""

import contextlib
import fractions
import math
import os
import types

import av
import cv2
import numpy as np
import pytest
import tensorflow as tf

from s3dg.errors import VideoError
from s3dg.video import reading, truncation, writing
from tests import video_files

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


def numbers_shown(monkeypatch, stamps, frame_rate, wanted, container='matroska,webm', length=None):
    """Numbers of the frames read, at the rate wanted, from a file whose frames carry the given time
    stamps (seconds, or None) and whose header states the given rate, as with a broken clock."""
    tick = fractions.Fraction(1, 1000)
    frames = []
    for number, stamp in enumerate(stamps):
        frame = av.VideoFrame.from_ndarray(np.full((4, 4, 3), number, np.uint8), 'rgb24')
        frame.pts = None if stamp is None else round(1000 * stamp)
        frame.duration = 0 if length is None else round(1000 * length)
        frames.append(frame)
    opened = types.SimpleNamespace(start_time=None, format=types.SimpleNamespace(name=container))
    stream = types.SimpleNamespace(
        average_rate=frame_rate,
        guessed_rate=None,
        time_base=tick,
        metadata={},
        duration=None,
        codec_context=types.SimpleNamespace(width=4),
    )
    monkeypatch.setattr(reading, '_open', lambda path: contextlib.nullcontext(opened))
    monkeypatch.setattr(reading, 'picture_stream', lambda container: stream)
    monkeypatch.setattr(reading.VideoFile, '_decode', lambda *arguments: iter(frames))
    monkeypatch.setattr(truncation, 'measure', lambda *arguments: None)
    return [frame[0, 0, 0] for frame in reading.read_frames('v', wanted)]


def test_uneven_time_stamps_decide(monkeypatch):
    # Frames on the screen from 0, 0.1, 0.5 and 0.6 s on, the last one for a nominal 0.1 s; sampled
    # at 0.05, 0.15, ...
    assert numbers_shown(monkeypatch, [0, 0.1, 0.5, 0.6], 10, 10) == [0, 1, 1, 1, 1, 2, 3]


def test_the_last_frame_lasts_as_long_as_it_says(monkeypatch):
    assert numbers_shown(monkeypatch, [0, 0.1], 10, 10, length=0.3) == [0, 1, 1, 1]


@pytest.mark.parametrize('stamps', [[0, 0, 0, 0], [5, 5.1, 5.1, 5.0], [None] * 4])
def test_nominal_rate_carries_on_where_stamps_do_not_increase(monkeypatch, stamps):
    assert numbers_shown(monkeypatch, stamps, 10, 20) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_average_carries_on_where_there_is_no_nominal_rate(monkeypatch):
    assert numbers_shown(monkeypatch, [0, 0.1, 0.2, None, None], 0, 10) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize('jump', [-95443.7, 20.0, 3000.0])
def test_the_clock_of_a_broadcast_may_start_anew(monkeypatch, jump):
    """As at a cut, or when its 33 bits are full; the frame before lasts as long as any."""
    stamps = [0.0, 0.1, 0.2, 0.3 + jump, 0.4 + jump]
    assert numbers_shown(monkeypatch, stamps, 10, 10, 'mpegts', 0.1) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ('stamps', 'rate', 'reason'),
    [
        ([0, 0], 0, 'frame 2 has no time stamp and the header states no frame rate'),
        ([0, 0.04, 9999], 25, 'time stamps jump by 9999 seconds at frame 3'),
        ([0, 0.002], 480, 'lasts 0.004 seconds, less than one frame at 25 a second'),
        ([], 25, 'no frames can be decoded'),
    ],
)
def test_unusable_clocks_and_counts(monkeypatch, stamps, rate, reason):
    with pytest.raises(VideoError) as error:
        numbers_shown(monkeypatch, stamps, rate, 25)
    assert str(error.value) == reason


@pytest.fixture
def broken(tmp_path, write_video_file, numbered):
    """Unusable files by the reason they should be given."""
    write_video_file(tmp_path / 'whole.mp4', numbered(40, 96, 96), 25, 'mp4v')
    write_video_file(tmp_path / 'whole.avi', numbered(40), 25)
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
        'text.mp4': 'not a video: FFmpeg cannot open it',
        'cut.mp4': 'truncated mp4: its index ("moov" atom) is missing',
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
    writing.write_video(tmp_path / 'level.mp4', frames, 25)
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


def test_changing_frame_size_needs_a_stated_one(tmp_path):
    """A recording whose window was resized: two streams of JPEG, one after the other."""
    for name, height in (('a', 32), ('b', 48)):
        frames = video_files.stepped_frames(3, height, 64)
        video_files.write_with_ffmpeg(
            tmp_path / f'{name}.mjpeg', frames, 25, 'mjpeg', pixels='yuvj420p'
        )
    both = (tmp_path / 'a.mjpeg').read_bytes() + (tmp_path / 'b.mjpeg').read_bytes()
    (tmp_path / 'v.mjpeg').write_bytes(both)
    with pytest.raises(VideoError, match='^frame size changes from 64x32 to 64x48$'):
        list(reading.read_frames(tmp_path / 'v.mjpeg'))
    frames = list(reading.read_frames(tmp_path / 'v.mjpeg', frame_size=(16, 16)))
    assert video_files.steps_of(frames) == [0, 1, 2, 0, 1, 2]


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
