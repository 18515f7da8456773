"""Draws shapes on backgrounds: outlines, colours that stand out, patterns."""

import cv2
import numpy as np

CONTRAST = 80  # least difference in brightness (0-255) between a shape and its whole background


# The shapes: corners in units of their radius, x to the right and y down, inside the unit circle.


def _circle() -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


OUTLINES = {
    'circle': _circle(),
    'square': np.array([(-0.7, -0.7), (0.7, -0.7), (0.7, 0.7), (-0.7, 0.7)]),
    'triangle': np.array([(0, -1), (0.6, 0.75), (-0.6, 0.75)]),
    'bar': np.array([(-0.28, -0.95), (0.28, -0.95), (0.28, 0.95), (-0.28, 0.95)]),
    'arrow': np.array(
        [
            (0, -1),
            (0.65, -0.2),
            (0.25, -0.2),
            (0.25, 0.9),
            (-0.25, 0.9),
            (-0.25, -0.2),
            (-0.65, -0.2),
        ]
    ),
    'corner': np.array(
        [(-0.6, -0.75), (-0.1, -0.75), (-0.1, 0.3), (0.6, 0.3), (0.6, 0.75), (-0.6, 0.75)]
    ),
}
# Shapes on which such a turn can be followed by eye from frame to frame.
TURNING = ('triangle', 'bar', 'arrow', 'corner')


def corners(outline, centre, radius, angle) -> np.ndarray:
    """Corners (n, 2) of a shape, x and y in pixels: `centre` (x, y), `angle` in radians."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return centre + radius * outline @ turn


def draw(picture, colour, corners, opacity=1.0) -> None:
    """Draws a shape.

    Args:
      picture: float32 (height, width, 3) of 0-255, which is changed.
      colour: of the shape, 3 values of 0-255.
      corners: as the function of that name returns.
      opacity: of the shape, 0 to 1.
    """
    # 8 bits of sub-pixel position; without them slow movements jump from pixel to pixel. OpenCV's
    # coordinates are those of pixel centres.
    fixed_point = np.rint((corners - 0.5) * 256).astype(np.int32)
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [fixed_point], 255, cv2.LINE_AA, shift=8)
    # Only around the shape is there anything to mix.
    left, top, width, height = cv2.boundingRect(mask)
    touched = np.s_[top : top + height, left : left + width]
    cover = mask[touched].astype(np.float32)[:, :, None] * np.float32(opacity / 255)
    picture[touched] += (colour - picture[touched]) * cover


def colours(rng, height, width, count=1) -> tuple[np.ndarray, list[np.ndarray]]:
    """A background float32 (height, width, 3), and colours (3,) that stand out from all of it."""
    dark_background = rng.random() < 0.5
    low, high = (20, 110) if dark_background else (145, 235)
    first, second = (_colour(rng, low, high) for _ in range(2))
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))](rng, height, width)
    background = first + (second - first) * pattern.astype(np.float32)[:, :, None]
    brightness = [_brightness(first), _brightness(second)]
    if dark_background:
        darkest, brightest = max(brightness) + CONTRAST, 255
    else:
        darkest, brightest = 0, min(brightness) - CONTRAST
    return background, [_colour(rng, darkest, brightest) for _ in range(count)]


def _brightness(colour) -> float:
    return float(np.dot(colour, (0.299, 0.587, 0.114)))  # ITU-R BT.601, what JPEG uses


def _colour(rng, darkest: float, brightest: float) -> np.ndarray:
    """A random colour whose brightness lies between the two."""
    while True:
        colour = rng.uniform(0, 255, size=3)
        if darkest <= _brightness(colour) <= brightest:
            return colour.astype(np.float32)


# Backgrounds: how much of the second colour there is at every point, (height, width)
# between 0 and 1.


def _position(rng, height, width) -> np.ndarray:
    """Position of every point along a random direction, in pixels from the middle."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:height, :width]
    x, y = x - (width - 1) / 2, y - (height - 1) / 2
    return x * np.cos(angle) + y * np.sin(angle)


def _plain(rng, height, width):
    return np.full((height, width), rng.random())


def _gradient(rng, height, width):
    position = _position(rng, height, width)
    return (position - position.min()) / (position.max() - position.min())


def _stripes(rng, height, width):
    phase = rng.uniform(0, 2 * np.pi)
    return 0.5 + 0.5 * np.sin(
        2 * np.pi * _position(rng, height, width) / rng.uniform(10, 30) + phase
    )


def _texture(rng, height, width):
    noise = cv2.GaussianBlur(rng.random((height, width)), (0, 0), rng.uniform(1.5, 5))
    return (noise - noise.min()) / (noise.max() - noise.min())


_PATTERNS = (_plain, _gradient, _stripes, _texture)
