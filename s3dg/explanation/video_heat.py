"""The heat of all windows of a video: where it is there, and how it looks over each frame."""

import numpy as np

from s3dg.explanation import cells
from s3dg.video import sampling


class VideoHeat:
    """Heat of a class in a video.

    Of frames that are in two windows, and of those that a looped video repeats, it is the mean.
    Between the middles of cells it is interpolated, over time too.

    Attributes:
      cells: where the middles of the cells are, a dict: 'times', float64 (windows, t), when the
        frame begins that is in the middle of what a cell sees, as `frame_times`; 'rows' and
        'columns', float64 (h,) and (w,), in pixels of the video.

    Args:
      heat: float32 (windows, t, h, w), of windows that begin at `sampling.window_starts`.
      video_format: the `VideoFormat` by which they were made; its evaluation_frames are theirs.
      centres: of the cells in a window, as of `cells.centres`.
      frame_times: float64 (frames,), of the video.
      size: (height, width) of the video's frames.
    """

    def __init__(self, heat, video_format, centres, frame_times, size):
        count, window = len(frame_times), video_format.evaluation_frames
        starts = sampling.window_starts(count, window)
        numbers = sampling.frame_numbers(count, starts, window)
        time, *space = centres
        middles = np.clip(time.astype(int), 0, window - 1)
        sides = zip(size, *_crop(video_format, size), strict=True)
        sides = [cells.Crop(*side) for side in sides]
        rows, columns = (side.in_video(one) for side, one in zip(sides, space, strict=True))
        self.cells = {'times': frame_times[numbers[:, middles]], 'rows': rows, 'columns': columns}
        self._heat = heat
        self._weights = [side.weights(one) for side, one in zip(sides, space, strict=True)]
        self._maps = np.zeros((count, *heat.shape[2:]), 'float32')  # of frames
        weights = cells.interpolation(time, np.arange(window) + 0.5)
        for one, frames in zip(heat, numbers, strict=True):
            np.add.at(self._maps, frames, np.tensordot(weights, one, 1))
        self._maps /= np.bincount(numbers.ravel())[:, None, None]
        self._maps /= heat.max() or 1.0

    @property
    def peak(self):
        """The middle of the hottest cell, float64 (seconds, x, y); NaN where there is no heat."""
        if not self._heat.max() > 0:
            return np.full(3, np.nan)
        window, step, row, column = np.unravel_index(self._heat.argmax(), self._heat.shape)
        places = self.cells
        return np.array(
            [places['times'][window, step], places['columns'][column], places['rows'][row]]
        )

    def over(self, number):
        """Heat over a frame, float32 (height, width); 1 is the hottest cell of the video."""
        rows, columns = self._weights
        return np.clip(rows @ self._maps[number] @ columns.T, 0, 1)


def _crop(video_format, size):
    """(height, width) that frames are resized to, and rows and columns of the crop in those."""
    resized = video_format.frame_size or size
    if video_format.short_side is not None:
        resized = sampling.short_side_size(*size, video_format.short_side)
    return resized, sampling.centre(resized, video_format.crop_size)
