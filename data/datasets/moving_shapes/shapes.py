"""Draws the videos of moving_shapes: a pure function from (seed, split, class, index) to frames.

Of every pair of classes only one is ever drawn. A video of the other class is a video drawn for the
first, with its frames in reverse order and random numbers of its own. So the two classes have
exactly the same distribution of single frames, of sets of frames and of lengths, and nothing but
the order of the frames tells them apart.
"""

import hashlib
from collections.abc import Callable

import cv2
import numpy as np

# (drawn, its mirror image in time)
PAIRS = (
    ('move_right', 'move_left'),
    ('move_down', 'move_up'),
    ('grow', 'shrink'),
    ('turn_clockwise', 'turn_anticlockwise'),
    ('appear', 'disappear'),
)
CLASSES = tuple(name for pair in PAIRS for name in pair)

FRAME_SIZE = 96  # pixels, height and width
FRAMES_PER_SECOND = 25
MARGIN = 6  # pixels; what moves stays this far from the border, inside every training crop's reach
LENGTHS = (16, 20)  # frames, both included
LONGEST_HOLD = 6  # frames for which the first state, and the last one, may be held
SHORTEST_MOVEMENT = 8  # frames
FIRST_ANGLE = (-30, 30)  # degrees from upright, of a clockwise turn
TURN = (80, 120)  # degrees
CONTRAST = 80  # least difference in brightness (0-255) between a shape and its whole background


def video(split: str, class_name: str, index: int, seed: int = 0) -> np.ndarray:
    """Draws one video.

    Args:
      split: any name; videos of different splits share no random numbers ("train", "validation",
        "new").
      class_name: one of CLASSES.
      index: number of the video within its split and class.
      seed: of the whole dataset.

    Returns:
      uint8 array (time, 96, 96, 3), RGB, of 16 to 20 frames.

    Raises:
      ValueError: if the class is unknown.
    """
    if class_name not in CLASSES:
        raise ValueError(f'class_name: found {class_name!r}, expected one of {", ".join(CLASSES)}')
    key = f'moving_shapes/{seed}/{split}/{class_name}/{index}'
    entropy = int.from_bytes(hashlib.sha256(key.encode()).digest(), 'big')
    rng = np.random.default_rng(entropy)
    for drawn, mirrored in PAIRS:
        if class_name in (drawn, mirrored):
            frames = _draw(_MOVEMENTS[drawn], rng)
            return frames if class_name == drawn else np.ascontiguousarray(frames[::-1])
    raise AssertionError(class_name)


def progress(rng: np.random.Generator) -> np.ndarray:
    """How far the movement has come at each frame: 0 while held, then evenly up to 1, then 1 while
    held.

    Returns:
      float array (time,) of 16 to 20 values, of which the two holds and the movement are drawn at
      random, the holds from one distribution, so that a reversed sequence is as likely as the
      sequence itself.
    """
    while True:
        length = rng.integers(LENGTHS[0], LENGTHS[1] + 1)
        before, after = rng.integers(0, LONGEST_HOLD + 1, size=2)
        moving = length - before - after
        if moving >= SHORTEST_MOVEMENT:
            return np.concatenate([np.zeros(before), np.linspace(0, 1, moving), np.ones(after)])


# The shapes: corners in units of their radius, x to the right and y down, inside the unit circle.


def _circle() -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


_OUTLINES = {
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
_TURNING = ('triangle', 'bar', 'arrow', 'corner')


def _draw(movement: Callable, rng: np.random.Generator) -> np.ndarray:
    steps = progress(rng)
    background, colour = _colours(rng)
    states = movement(rng, steps)
    return np.stack([_frame(background, colour, *state) for state in zip(*states, strict=True)])


# A movement returns outline, centre (x, y), radius, angle and opacity of the shape in every frame.


def _constant(value, steps):
    return [value] * len(steps)


def _any_outline(rng, names=tuple(_OUTLINES)):
    return _OUTLINES[names[rng.integers(len(names))]]


def _move(axis: int) -> Callable:
    def movement(rng, steps):
        radius = rng.uniform(9, 14)
        least, most = MARGIN + radius, FRAME_SIZE - MARGIN - radius
        distance = rng.uniform(0.35 * FRAME_SIZE, most - least)
        start = rng.uniform(least, most - distance)
        centres = np.empty((len(steps), 2))
        centres[:, axis] = start + distance * steps
        centres[:, 1 - axis] = rng.uniform(least, most)
        return (
            _constant(_any_outline(rng), steps),
            centres,
            _constant(radius, steps),
            _constant(rng.uniform(0, 2 * np.pi), steps),
            _constant(1.0, steps),
        )

    return movement


def _still_centre(rng, radius):
    return rng.uniform(MARGIN + radius, FRAME_SIZE - MARGIN - radius, size=2)


def _grow(rng, steps):
    small = rng.uniform(6, 10)
    large = small * rng.uniform(2.2, 3)
    return (
        _constant(_any_outline(rng), steps),
        _constant(_still_centre(rng, large), steps),
        small + (large - small) * steps,
        _constant(rng.uniform(0, 2 * np.pi), steps),
        _constant(1.0, steps),
    )


def _turn(rng, steps):
    radius = rng.uniform(20, 32)
    # Clockwise, roughly from upright to lying: what comes first tells it from its reversal, as in
    # the other pairs. From any angle to any other it was not learnt in a thousand steps. y points
    # down, so a growing angle turns clockwise on the screen.
    first = rng.uniform(*FIRST_ANGLE)
    angles = np.deg2rad(first + rng.uniform(*TURN) * steps)
    return (
        _constant(_any_outline(rng, _TURNING), steps),
        _constant(_still_centre(rng, radius), steps),
        _constant(radius, steps),
        angles,
        _constant(1.0, steps),
    )


def _appear(rng, steps):
    radius = rng.uniform(12, 24)
    return (
        _constant(_any_outline(rng), steps),
        _constant(_still_centre(rng, radius), steps),
        _constant(radius, steps),
        _constant(rng.uniform(0, 2 * np.pi), steps),
        steps,
    )


_MOVEMENTS = {
    'move_right': _move(axis=0),
    'move_down': _move(axis=1),
    'grow': _grow,
    'turn_clockwise': _turn,
    'appear': _appear,
}


def _frame(background, colour, outline, centre, radius, angle, opacity) -> np.ndarray:
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = centre + radius * outline @ turn
    # 8 bits of sub-pixel position; without them slow movements jump from pixel to pixel. OpenCV's
    # coordinates are those of pixel centres.
    fixed_point = np.rint((corners - 0.5) * 256).astype(np.int32)
    mask = np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)
    cv2.fillPoly(mask, [fixed_point], 255, cv2.LINE_AA, shift=8)
    # Only around the shape is there anything to mix.
    left, top, width, height = cv2.boundingRect(mask)
    touched = np.s_[top : top + height, left : left + width]
    cover = mask[touched].astype(np.float32)[:, :, None] * np.float32(opacity / 255)
    frame = np.rint(background).astype(np.uint8)
    frame[touched] = np.rint(background[touched] + (colour - background[touched]) * cover)
    return frame


def _colours(rng) -> tuple[np.ndarray, np.ndarray]:
    """A background float32 (96, 96, 3) and a colour (3,) that stands out from all of it."""
    dark_background = rng.random() < 0.5
    low, high = (20, 110) if dark_background else (145, 235)
    first, second = (_colour(rng, low, high) for _ in range(2))
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))](rng).astype(np.float32)[:, :, None]
    background = first + (second - first) * pattern
    brightness = [_brightness(first), _brightness(second)]
    if dark_background:
        return background, _colour(rng, max(brightness) + CONTRAST, 255)
    return background, _colour(rng, 0, min(brightness) - CONTRAST)


def _brightness(colour) -> float:
    return float(np.dot(colour, (0.299, 0.587, 0.114)))  # ITU-R BT.601, what JPEG uses


def _colour(rng, darkest: float, brightest: float) -> np.ndarray:
    """A random colour whose brightness lies between the two."""
    while True:
        colour = rng.uniform(0, 255, size=3)
        if darkest <= _brightness(colour) <= brightest:
            return colour.astype(np.float32)


# Backgrounds: how much of the second colour there is at every point, (96, 96) between 0 and 1.


def _position(rng) -> np.ndarray:
    """Position of every point along a random direction, in pixels from the middle."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:FRAME_SIZE, :FRAME_SIZE] - (FRAME_SIZE - 1) / 2
    return x * np.cos(angle) + y * np.sin(angle)


def _plain(rng):
    return np.full((FRAME_SIZE, FRAME_SIZE), rng.random())


def _gradient(rng):
    position = _position(rng)
    return (position - position.min()) / (position.max() - position.min())


def _stripes(rng):
    phase = rng.uniform(0, 2 * np.pi)
    return 0.5 + 0.5 * np.sin(2 * np.pi * _position(rng) / rng.uniform(10, 30) + phase)


def _texture(rng):
    noise = cv2.GaussianBlur(rng.random((FRAME_SIZE, FRAME_SIZE)), (0, 0), rng.uniform(1.5, 5))
    return (noise - noise.min()) / (noise.max() - noise.min())


_PATTERNS = (_plain, _gradient, _stripes, _texture)
