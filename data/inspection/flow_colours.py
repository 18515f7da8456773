"""Optical flow as colours: the hue is the direction of a motion, the saturation how fast it is."""

import numpy as np
from matplotlib import colors


def to_colours(field: np.ndarray, fastest: float) -> np.ndarray:
    """Colours of a flow field.

    Args:
      field: (..., 2), x (to the right) and y (down) displacement in pixels.
      fastest: length of a displacement, in pixels, whose colour is full; longer ones look the same.

    Returns:
      uint8 (..., 3), RGB: white where nothing moves, red to the right, then by the hues in the
      clockwise direction: yellow-green down, cyan to the left, violet up.
    """
    x, y = field[..., 0], field[..., 1]
    hue = np.arctan2(y, x) / (2 * np.pi) % 1.0
    saturation = np.minimum(np.hypot(x, y) / fastest, 1)
    hsv = np.stack([hue, saturation, np.ones_like(hue)], axis=-1)
    return (colors.hsv_to_rgb(hsv) * 255).round().astype(np.uint8)


def wheel(diameter: int) -> np.ndarray:
    """The legend: uint8 (diameter, diameter, 3), the colour of the motion from the centre to there.

    White outside the circle, at which colours are full.
    """
    places = (np.arange(diameter) + 0.5) / diameter * 2 - 1
    field = np.stack(np.meshgrid(places, places), axis=-1)
    picture = to_colours(field, 1.0)
    picture[np.hypot(*np.moveaxis(field, -1, 0)) > 1] = 255
    return picture


def fastest_of(fields: list[np.ndarray]) -> float:
    """A length, in pixels, for `to_colours`: 99 of 100 displacements stay below it; at least 1."""
    sampled = [np.hypot(field[::4, ::4, 0], field[::4, ::4, 1]).ravel() for field in fields]
    return max(float(np.percentile(np.concatenate(sampled), 99)), 1.0) if sampled else 1.0
