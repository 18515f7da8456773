"""Which windows of a video that plays are answered, of frames that come when the test says so."""

import queue
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from s3dg.analysis import live
from s3dg.errors import VideoError


class _Frames:
    """Frames numbered from 0; each is shown at ten times its number."""

    def __init__(self):
        self._coming, self.taken = queue.SimpleQueue(), 0
        self.time = self.shown = 0.0
        self._is_read = False

    def __iter__(self):
        self._is_read = True
        while (number := self._coming.get()) is not None:
            if isinstance(number, Exception):
                raise number
            self.time, self.shown = number / 25, 10.0 * number
            self.taken = number + 1
            yield np.full((4, 4, 3), number, 'uint8')

    def come(self, *numbers, end=False):
        """Frames come, and have been taken where anybody takes them."""
        for number in numbers:
            self._coming.put(number)
        if end is not False:
            self._coming.put(end)
        deadline = time.monotonic() + 10
        while self._is_read and numbers and self.taken <= numbers[-1]:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(0.05)  # from the source to the window


class _Model:
    """Class 1 is as probable as the window's last frame is late; notes what it saw."""

    video_format = SimpleNamespace(crop_size=(4, 4))

    def __init__(self):
        self.seen = []

    def serve(self, video):
        self.seen.append(video[0, :, 0, 0, 0].tolist())
        return {'logits': tf.constant([[0.0, np.log(3.0)]], 'float32')}


@pytest.fixture
def case():
    return _Frames(), _Model()


def test_the_newest_window_is_answered_and_those_before_are_counted(case):
    """Windows of 4, one every 2 frames; the test stands for an answer that takes long."""
    frames, model = case
    frames.come(0, 1, 2, 3)
    told = live.answers(model, frames, 4, 2)
    first = next(told)
    assert (first.time, first.shown, first.left_out) == (3 / 25, 30.0, 0)
    np.testing.assert_allclose(first.probabilities, [0.25, 0.75], rtol=1e-6)
    frames.come(*range(4, 11))  # windows to 5, 7, 9 were due, and 10 is the newest
    second = next(told)
    assert (second.time, second.shown, second.left_out) == (10 / 25, 100.0, 2)
    frames.come(11, 12)
    assert next(told).left_out == 0
    frames.come(end=None)
    assert list(told) == []
    assert model.seen == [[0, 1, 2, 3], [7, 8, 9, 10], [9, 10, 11, 12]]


def test_a_short_video_is_looped_and_one_without_frames_is_refused(case):
    frames, model = case
    frames.come(0, 1, 2, end=None)
    (only,) = live.answers(model, frames, 8, 2)
    assert model.seen == [[0, 1, 2, 0, 1, 2, 0, 1]]
    assert (only.time, only.shown, only.left_out) == (2 / 25, 20.0, 0)
    empty = _Frames()
    empty.come(end=None)
    with pytest.raises(VideoError, match='it has no frames'):
        list(live.answers(model, empty, 8, 2))


def test_an_error_comes_after_the_answers_before_it(case):
    frames, model = case
    frames.come(*range(4), end=VideoError('it broke off'))
    told = live.answers(model, frames, 4, 2)
    assert next(told).left_out == 0
    with pytest.raises(VideoError, match='it broke off'):
        next(told)
    short = _Frames()
    short.come(0, end=VideoError('it broke off'))
    with pytest.raises(VideoError, match='it broke off'):
        next(live.answers(model, short, 4, 2))
    assert len(model.seen) == 1


def test_a_network_is_warmed_up_on_what_it_will_see(case):
    _, model = case
    live.warm_up(model, 6)
    assert model.seen == [[0] * 6]


def test_delays_in_words():
    delays = live.Delays()
    assert delays.summary() == 'no answers'
    late = [0.1, 0.2, 0.3, 0.4, 0.5]
    for number, seconds in enumerate(late):
        answer = live.Answer(0.0, 100.0 + number, number % 2, np.zeros(2))
        assert delays.add(answer, 100.0 + number + seconds) == pytest.approx(seconds)
    # The 95th percentile lies four fifths of the way from the fourth to the fifth.
    assert delays.summary() == (
        '5 answers, one every 1.100 s; delay 0.300 s in the median, 0.480 s at the 95th percentile;'
        ' 2 windows left out'
    )
