"""A video, whatever it comes as: a file, a folder of numbered frames, or one that plays."""

import os

from s3dg.video import frame_folder, live, reading

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


def frame_rate(path: str | os.PathLike, folder_rate: float = FOLDER_RATE) -> float:
    """Frames a second that a video file states; `folder_rate` of a folder, or where it does not.

    Raises:
      VideoError: as `reading.read_frames`.
    """
    if os.path.isdir(path):
        return folder_rate
    return reading.nominal_rate(path) or folder_rate
