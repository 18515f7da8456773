"""The clips around the frames of a video, by the rule of the stored datasets."""

import itertools

import numpy as np
import pytest

from s3dg.detection import key_frames as module
from s3dg.detection.key_frames import key_frames


def context(number, frames, stored):
    """Frames from half a clip before on, held to the video (`data.clips.annotated.context`)."""
    return [min(max(number - frames // 2 + k, 0), stored - 1) for k in range(frames)]


def numbered(count):
    return [np.full((4, 6, 3), number, np.uint8) for number in range(count)]


@pytest.mark.parametrize('count', [1, 2, 5, 9, 40])
@pytest.mark.parametrize('frames', [1, 2, 5, 8])
@pytest.mark.parametrize('stride', [1, 3, 11])
def test_clips_are_those_of_training(count, frames, stride):
    found = list(key_frames(iter(numbered(count)), frames, stride))
    assert [one.number for one in found] == list(range(0, count, stride))
    for one in found:
        assert one.clip[:, 0, 0, 0].tolist() == context(one.number, frames, count)
        assert (one.key == one.number).all()
        assert one.flow is None


@pytest.mark.parametrize('count', [2, 5, 9])
@pytest.mark.parametrize('stride', [1, 4])
def test_flow_is_that_of_training(count, stride, monkeypatch):
    """Of N frames there are N - 1 fields, and the last frame has the one before it."""

    def fields(frames):
        for frame, after in itertools.pairwise(frames):
            field = np.zeros((4, 6, 2), np.float32)
            field[..., 0], field[..., 1] = frame, frame.astype(np.float32) - after
            yield field

    monkeypatch.setattr(module.streams.optical_flow, 'flow_fields', fields)
    found = list(key_frames(iter(numbered(count)), 6, stride, with_flow=True))
    assert [one.number for one in found] == list(range(0, count, stride))
    for one in found:
        numbers = context(one.number, 6, count - 1)
        levels = np.round((np.minimum(numbers, 20) + 20) / 40 * 255)
        assert one.flow[:, 2, 3, 0].tolist() == levels.tolist()  # x
        assert set(one.flow[..., 1].flat) == {round(19 / 40 * 255)}  # y, -1 pixel
        assert one.flow.dtype == np.uint8


def test_a_single_frame_has_no_flow():
    assert list(key_frames(iter(numbered(1)), 6, with_flow=True)) == []


def test_few_frames_are_held():
    """Of a video without end: no more are read than the clips need."""
    read = itertools.count()
    endless = (np.full((2, 2, 3), next(read) % 256, np.uint8) for _ in itertools.count())
    for one in itertools.islice(key_frames(endless, 8, 5), 20):
        last = one
    assert last.number == 95
    assert next(read) == 95 + 4  # the key frame and three after it, from 0
