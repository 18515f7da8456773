"""What the two streams of a network see of a video: its frames, and the flow between them."""

import itertools
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from s3dg.video import optical_flow

RGB, FLOW = 'rgb', 'flow'

# The level that stands for no motion: 0 pixels among 0 to 255 for -20 to 20.
NO_MOTION = 128


def flow_of(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yields the TV-L1 flow from each frame to the next as datasets store it.

    Args:
      frames: uint8 (height, width, 3), RGB, of one size.

    Yields:
      uint8 (height, width, 2): x and y, 0 to 255 for -20 to 20 pixels; one fewer than frames.

    Raises:
      FlowError, VideoError: as `optical_flow.flow_fields`.
    """
    gray = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    for field in optical_flow.flow_fields(gray):
        image = optical_flow.to_image(field)
        yield np.stack(np.split(image, 2, axis=1), axis=-1)


def of_video(
    frames: Iterable[np.ndarray], names: tuple[str, ...], leaves_last: bool = False
) -> Iterator[dict[str, np.ndarray]]:
    """Yields what each stream sees at each frame of a video, by the stream's name.

    Args:
      frames: as of `flow_of`.
      names: of the streams, `RGB`, `FLOW` or both.
      leaves_last: whether the last frame is left out, of which no flow leads on; else there is no
        motion in it.
    """
    if FLOW not in names:
        held = None
        for frame in frames:
            if held is not None or not leaves_last:
                yield {RGB: held if leaves_last else frame}
            held = frame
        return
    seen, shown = itertools.tee(frames)
    fields = flow_of(seen)
    for frame in shown:
        field = next(fields, None)
        if field is None:
            if leaves_last:
                return
            field = blank(frame[..., :2], FLOW)
        both = {RGB: frame, FLOW: field}
        yield {name: both[name] for name in names}


def blank(frame: np.ndarray, name: str) -> np.ndarray:
    """What a stream sees where there is no frame: black, or no motion."""
    return np.full_like(frame, NO_MOTION if name == FLOW else 0)
