"""Videos of moving_shapes with the boxes of their shapes, and where heat peaks in them."""

from unittest import mock

import numpy as np

from data.datasets.generated import FRAMES_PER_SECOND
from data.datasets.moving_shapes import drawing, shapes
from s3dg.commands.explain import Explainer
from s3dg.explanation.video_heat import VideoHeat


def video_and_boxes(split, class_name, index):
    """A video, as of `shapes.video`, and the boxes of its shape.

    Boxes are float64 (frames, 4), x_min, y_min, x_max, y_max in pixels of the 96x96 frames.
    """
    with mock.patch.object(drawing, 'draw', wraps=drawing.draw) as draw:
        frames = shapes.video(split, class_name, index)
    corners = [call.args[2] for call in draw.call_args_list]
    boxes = np.array([np.concatenate([one.min(axis=0), one.max(axis=0)]) for one in corners])
    is_reversed = class_name in (mirrored for _, mirrored in shapes.PAIRS)
    return frames, boxes[::-1] if is_reversed else boxes


def find_peaks(network, per_class, endpoint=None, split='explained'):
    """Whether the heat of the true class peaks at the shape, in videos that no network has seen.

    Args:
      network: a `Network` of classes of moving_shapes.
      per_class: videos of each of its classes.
      endpoint, split: as of `Explainer` and `shapes.video`.

    Returns:
      (bool (videos,): whether the hottest cell's middle lies in the shape's box at its time, grown
      by one cell on all sides; float64 (videos,): the share of all cells that do).
    """
    explainer, inside, shares = Explainer(network, endpoint), [], []
    for label, name in enumerate(network.class_names):
        for index in range(per_class):
            frames, boxes = video_and_boxes(split, name, index)
            times = np.arange(len(frames)) / FRAMES_PER_SECOND
            video = VideoHeat(
                explainer.heat(frames, label),
                explainer.video_format,
                explainer.centres,
                times,
                frames.shape[1:3],
            )
            rows, columns = video.cells['rows'], video.cells['columns']
            cell = np.array([columns[1] - columns[0], rows[1] - rows[0]])
            boxes = boxes + np.concatenate([-cell, cell])

            def is_inside(seconds, x, y, boxes=boxes):
                left, top, right, bottom = boxes[round(seconds * FRAMES_PER_SECOND)]
                return (left <= x) & (x <= right) & (top <= y) & (y <= bottom)

            seconds, x, y = video.peak
            inside.append(seconds == seconds and bool(is_inside(seconds, x, y)))
            every = [
                is_inside(time, *np.meshgrid(columns, rows)).mean()
                for time in video.cells['times'].ravel()
            ]
            shares.append(np.mean(every))
    return np.array(inside), np.array(shares)
