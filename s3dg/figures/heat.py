"""Pictures of heat: over the frames of a video, and as a filmstrip.

Frames are uint8 (height, width, 3), RGB; heat is float32 (height, width) from 0 to 1.
"""

import cv2
import numpy as np

from s3dg.figures.plots import drawing

STRIP_FRAMES = 8
STRIP_HEIGHT = 216  # pixels of a frame in a filmstrip

_MOST_OPAQUE = 0.85  # of the hottest place: the frame is to be seen under it
_COLOUR_LEFT = 0.25  # of a frame's colour, which is the heat's

# From magenta over orange to yellow, the lighter the hotter, for the colour-blind and in grey print
# too. The map's dark half would look like shadows.
_COLOUR_MAP = cv2.COLORMAP_INFERNO
_FIRST_LEVEL = 110


def blend(frame, heat):
    """A frame, turned nearly grey, under heat: the hotter, the lighter and the more opaque.

    Returns:
      A new frame of the same size.
    """
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[:, :, None].astype('float32')
    below = grey + _COLOUR_LEFT * (frame - grey)
    levels = np.rint(_FIRST_LEVEL + (255 - _FIRST_LEVEL) * heat).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, _COLOUR_MAP), cv2.COLOR_BGR2RGB)
    opacity = _MOST_OPAQUE * heat[:, :, None] ** 0.7  # weak heat is to be seen too
    return np.rint(below + opacity * (colours - below)).astype(np.uint8)


def strip_numbers(count):
    """Which of `count` frames a filmstrip shows, at even times: rising, at most STRIP_FRAMES."""
    return np.linspace(0, count - 1, min(count, STRIP_FRAMES)).round().astype(int).tolist()


def reduced(frame):
    """A frame for a filmstrip, no higher than STRIP_HEIGHT."""
    height, width = frame.shape[:2]
    if height <= STRIP_HEIGHT:
        return frame
    size = (max(1, round(width * STRIP_HEIGHT / height)), STRIP_HEIGHT)
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def filmstrip(frames, heated, seconds, title, path):
    """Draws frames above the same frames under heat, with their times.

    Args:
      frames, heated: of one size.
      seconds: the time of each.
      title: written above.
      path: of the PNG file.
    """
    height, width = frames[0].shape[:2]
    side = 1.5 * np.sqrt(width / height)  # inches: wide frames are wider, and less high
    size = (len(frames) * side, 2 * side * height / width + 0.5)
    with drawing(path, size) as figure:
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        panels = figure.subplots(2, len(frames), squeeze=False)
        for row, pictures in zip(panels, (frames, heated), strict=True):
            for axes, picture in zip(row, pictures, strict=True):
                axes.imshow(picture)
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
        for axes, second in zip(panels[1], seconds, strict=True):
            axes.set_xlabel(f'{second:.2f} s', fontsize=8)
        figure.suptitle(title, fontsize=10, parse_math=False)  # classes may have any name
