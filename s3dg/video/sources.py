"""A video, whatever it comes as: a file, frames in a folder or an array, or one that plays."""

import os

import numpy as np

from s3dg.errors import VideoError
from s3dg.video import frame_folder, live, reading, sampling

# Frames a second of a folder that nothing else is known of: I3D's, and those of most extractions.
FOLDER_RATE = 25.0


def read_frames(
    path: str | os.PathLike, folder_rate: float = FOLDER_RATE, *, plays: bool = False, **options
):
    """The `reading.Frames` of a video file, or of a folder of frames.

    Args:
      path: the file or the folder.
      folder_rate: frames a second at which the images of a folder were taken from their video.
      plays: whether it comes at its own speed, as of `live.play_frames`; then `path` may also be a
        camera or an address.
      **options: as of `reading.read_frames`.

    Raises:
      VideoError, ValueError: as `reading.read_frames` and `frame_folder.read_frames`.
    """
    if plays:
        return live.play_frames(path, folder_rate, **options)
    if os.path.isdir(path):
        return frame_folder.read_frames(path, folder_rate, **options)
    return reading.read_frames(path, **options)


def array_frames(frames: np.ndarray, rate: float, **options):
    """The `reading.Frames` of a video whose frames are there already.

    Args:
      frames: uint8 (frames, height, width, 3), RGB.
      rate: of them, a second.
      **options: as of `reading.read_frames`, but `bgr`.

    Raises:
      VideoError: for what is no such array, or has no frames.
      ValueError: as `reading.read_frames`.
    """
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
        raise VideoError(
            f'found {frames.dtype} of shape {frames.shape}, expected frames as uint8 (frames, '
            f'height, width, 3)'
        )
    names = 'frames_per_second', 'frame_size', 'short_side'
    wanted = [options.pop(name, None) for name in names]
    sampling.check_arguments(*wanted)
    timed = ((_Array(frame), k / rate, (k + 1) / rate) for k, frame in enumerate(frames))
    return reading.Frames(sampling.sample(timed, *wanted, **options))


class _Array:
    """A frame that is there already, as a `sampling.Picture`."""

    def __init__(self, frame: np.ndarray):
        self._frame, self.shape = frame, frame.shape

    def pixels(self) -> np.ndarray:
        return self._frame


def frame_rate(path: str | os.PathLike, folder_rate: float = FOLDER_RATE) -> float:
    """Frames a second that a video file states; `folder_rate` of a folder, or where it does not.

    Raises:
      VideoError: as `reading.read_frames`.
    """
    if os.path.isdir(path):
        return folder_rate
    return reading.nominal_rate(path) or folder_rate
