"""The picture of a video's classes over time."""

import cv2
import numpy as np

from s3dg.analysis.classification import OverTime
from s3dg.analysis.segments import Rules, find_segments
from s3dg.figures.timeline import Thumbnails, draw_timeline


def test_thumbnails_are_spread_over_a_video_of_any_length():
    for length in (1, 2, 9, 10, 19, 20, 21, 100, 777):
        found = Thumbnails(10)
        for number in range(length):
            found.note(np.full((40, 60, 3), number % 256, np.uint8), number / 10)
            assert len(found._held) <= 20
        frames = found.frames()
        assert len(frames) == min(length, 10)
        times = [time for time, _ in frames]
        assert times[0] == 0
        assert times == sorted(set(times))
        assert times[-1] >= 0.75 * (length - 1) / 10
        assert all(frame[0, 0, 0] == round(time * 10) % 256 for time, frame in frames)


def test_a_timeline_shows_frames_curves_and_segments(tmp_path):
    probabilities = np.full((6, 400), 0.1 / 399, np.float32)
    for window, label in enumerate((3, 3, 7, 7, 7, 3)):
        probabilities[window, label] = 0.9
    edges = np.arange(7.0)
    answers = OverTime(probabilities, np.stack([edges[:-1], edges[1:]], 1))
    segments = find_segments(answers.probabilities, answers.spans, Rules())
    names = [f'class {i}' for i in range(400)]
    strip = [(float(k), np.full((40, 60, 3), (255, 25 * k, 0), np.uint8)) for k in range(6)]
    draw_timeline(tmp_path / 'a.png', 'a.mp4', names, answers, segments, strip)
    picture = cv2.imread(str(tmp_path / 'a.png'))
    height, width, _ = picture.shape
    assert width > 800
    assert height > 400
    blue = (picture == (180, 119, 31)).all(-1)  # C0: two bars in the lowest part
    rows, columns = np.nonzero(blue[int(0.65 * height) :])
    assert len(rows) > 1000
    assert (np.diff(np.unique(columns)) > 50).sum() == 1
    draw_timeline(tmp_path / 'b.png', 'b.mp4', names, answers, [], [])
    assert (tmp_path / 'b.png').exists()
