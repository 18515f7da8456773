"""What the streams see at each frame."""

import cv2
import numpy as np
import pytest

from s3dg.video import streams

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 20, 24, 3), np.uint8)


def flow_by_hand(frames):
    """TV-L1 flow between frames, uint8 (frames - 1, height, width, 2), by OpenCV alone."""
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    fields = [
        cv2.optflow.DualTVL1OpticalFlow_create().calc(before, after, None)
        for before, after in zip(gray, gray[1:], strict=False)
    ]
    return np.round((np.clip(fields, -20, 20) + 20) / 40 * 255).astype(np.uint8)


@pytest.mark.parametrize('leaves_last', [False, True])
@pytest.mark.parametrize('names', [('rgb',), ('flow',), ('rgb', 'flow')])
def test_flow_stands_beside_the_frame_that_it_leads_from(names, leaves_last):
    found = list(streams.of_video(iter(FRAMES), names, leaves_last))
    assert [tuple(one) for one in found] == [names] * (4 if leaves_last else 5)
    if 'rgb' in names:
        np.testing.assert_array_equal([one['rgb'] for one in found], FRAMES[: len(found)])
    if 'flow' in names:
        expected = flow_by_hand(FRAMES)
        if not leaves_last:
            expected = np.concatenate([expected, np.full((1, 20, 24, 2), 128, np.uint8)])
        np.testing.assert_array_equal([one['flow'] for one in found], expected)


def test_a_single_frame_has_no_flow():
    assert list(streams.of_video(iter(FRAMES[:1]), ('rgb', 'flow'), True)) == []
    (only,) = streams.of_video(iter(FRAMES[:1]), ('flow',), False)
    assert (only['flow'] == 128).all()


def test_a_frame_is_read_when_it_is_wanted():
    frames = iter(FRAMES)
    next(streams.of_video(frames, ('rgb', 'flow'), True))
    assert len(list(frames)) == 3
