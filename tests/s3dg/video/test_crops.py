"""Crops of windows, on frames whose pixels say where they are."""

import numpy as np
import pytest

from s3dg.errors import VideoError
from s3dg.video import crops


def _ramp(height, width, channels=3):
    """A frame whose first two channels are row and column."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return np.stack([rows, columns, rows * 0][:channels], axis=-1)[None]


def _corners(found):
    return [tuple(one[0, 0, 0, :2].tolist()) for one in found]


def test_crops_of_ucf_crime_stand_where_its_extraction_cuts_them():
    """Rows and columns written in UR-DMU's extraction for frames of 256x340 (here 250 wide)."""
    found = crops.crop_each(_ramp(250, 240), crops.FIVE_OF_UCF_CRIME, (224, 224), mirrored=True)
    assert found.shape == (10, 1, 224, 224, 3)
    assert _corners(found)[:5] == [(0, 0), (0, 16), (13, 8), (26, 0), (26, 16)]
    # Of the mirrored frame, whose first column is the last.
    assert _corners(found)[5:] == [(0, 239), (0, 223), (13, 231), (26, 239), (26, 223)]
    middle = crops.place(crops.CENTRE, (256, 340), (224, 224))
    assert middle == (slice(16, 240), slice(58, 282))


def test_five_crops_are_torchvisions():
    found = crops.crop_each(_ramp(10, 12), crops.FIVE, (4, 6))
    assert _corners(found) == [(0, 0), (0, 6), (6, 0), (6, 6), (3, 3)]


def test_mirrored_flow_turns_round():
    flow = np.zeros((1, 2, 3, 2), np.uint8)
    flow[0, :, 0] = (255, 7)  # fast to the right, at the left edge
    found = crops.mirror(flow)
    assert found[0, 0].tolist() == [[255, 0], [255, 0], [0, 7]]


def test_frames_smaller_than_the_crop_are_refused():
    with pytest.raises(VideoError, match='frames of 4x9'):
        crops.crop_each(_ramp(4, 9), crops.FIVE, (5, 5))
