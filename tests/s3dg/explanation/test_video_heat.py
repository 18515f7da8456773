"""Heat of windows over the frames of a video, worked out by hand."""

import numpy as np
import pytest

from s3dg.config import VideoFormat
from s3dg.explanation.video_heat import VideoHeat

FORMAT = VideoFormat(
    frames_per_second=None, frame_size=(4, 8), crop_size=(4, 4), clip_frames=4, evaluation_frames=4
)
# Of windows of four frames of 4x4 pixels, two steps of 2x2 cells, which are even shares.
CENTRES = [np.array([1.0, 3.0]), np.array([1.0, 3.0]), np.array([1.0, 3.0])]
SIZE = (8, 16)  # of the video: twice as large as what it is resized to


def made(heat, count):
    return VideoHeat(np.float32(heat), FORMAT, CENTRES, np.arange(count) / 10, SIZE)


def test_the_peak_is_the_middle_of_the_hottest_cell():
    heat = np.zeros((2, 2, 2, 2))
    heat[1, 0, 1, 0] = 3
    heat[0, 1, 0, 1] = 2
    video = made(heat, 8)
    # The second window begins with frame 4. Columns 2 to 6 of 8 are seen, so 4 to 12 of the video.
    assert video.peak == pytest.approx([0.5, 6, 6])
    np.testing.assert_allclose(video.cells['times'], [[0.1, 0.3], [0.5, 0.7]])
    assert video.cells['rows'].tolist() == [2, 6]
    assert video.cells['columns'].tolist() == [6, 10]


def test_heat_is_interpolated_within_the_crop_and_none_is_beyond():
    heat = np.zeros((1, 2, 2, 2))
    heat[0, 0] = [[4, 0], [0, 0]]
    over = [made(heat, 4).over(number) for number in range(4)]
    assert over[0].shape == SIZE
    assert over[0].dtype == np.float32
    # Steps are in the middle at 1 and 3, frames at 0.5, 1.5, 2.5 and 3.5.
    np.testing.assert_allclose([one.max() for one in over], [1, 0.75, 0.25, 0])
    column = np.array([1, 1, 0.875, 0.625, 0.375, 0.125, 0, 0])
    row = np.zeros(16)
    row[4:12] = column
    np.testing.assert_allclose(over[0], np.outer(column, row), atol=1e-6)


def test_frames_that_are_seen_twice_have_the_mean():
    """Six frames are in two windows, from 0 and from 2."""
    heat = np.zeros((2, 2, 2, 2))
    heat[0], heat[1] = 1, 3
    video = made(heat, 6)
    found = [video.over(number).max() * 3 for number in range(6)]
    np.testing.assert_allclose(found, [1, 1, 2, 2, 3, 3], rtol=1e-6)


def test_a_looped_video_has_the_mean_of_its_repetitions():
    """Of three frames the first one is seen twice, as the first and as the fourth of the window."""
    heat = np.zeros((1, 2, 2, 2))
    heat[0, 0], heat[0, 1] = 1, 2
    video = made(heat, 3)
    found = [video.over(number).max() * 2 for number in range(3)]
    np.testing.assert_allclose(found, [(1 + 2) / 2, 1.25, 1.75], rtol=1e-6)
    assert video.cells['times'].tolist() == [[0.1, 0.0]]
    assert video.peak == pytest.approx([0.0, 6, 2])


def test_where_nothing_speaks_for_the_class_there_is_no_peak():
    video = made(np.zeros((1, 2, 2, 2)), 4)
    assert np.isnan(video.peak).all()
    assert video.over(3).max() == 0


@pytest.mark.parametrize(
    ('fields', 'rows', 'columns'),
    [
        # 30x60 becomes 4x8, of which columns 2 to 6 are seen: 7.5 pixels each.
        ({'frame_size': None, 'short_side': 4}, [7.5, 22.5], [22.5, 37.5]),
        ({'frame_size': None}, [14, 16], [29, 31]),
    ],
)
def test_frames_keep_their_shape_where_the_format_says_so(fields, rows, columns):
    video_format = FORMAT.replace(**fields)
    heat = np.ones((1, 2, 2, 2), 'float32')
    video = VideoHeat(heat, video_format, CENTRES, np.arange(4.0), (30, 60))
    np.testing.assert_allclose(video.cells['rows'], rows)
    np.testing.assert_allclose(video.cells['columns'], columns)
    assert video.over(0).shape == (30, 60)
