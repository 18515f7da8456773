"""Draws the videos of moving_shapes: a pure function from (seed, split, class, index) to frames.

Of every pair of classes only one is ever drawn. A video of the other class is a video drawn for the
first, with its frames in reverse order and random numbers of its own. So the two classes have
exactly the same distribution of single frames, of sets of frames and of lengths, and nothing but
the order of the frames tells them apart.
"""

import hashlib
from collections.abc import Callable

import numpy as np

from data.datasets.moving_shapes import drawing

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
MARGIN = 6  # pixels; what moves stays this far from the border, inside every training crop's reach
LENGTHS = (16, 20)  # frames, both included
LONGEST_HOLD = 6  # frames for which the first state, and the last one, may be held
SHORTEST_MOVEMENT = 8  # frames
FIRST_ANGLE = (-30, 30)  # degrees from upright, of a clockwise turn
TURN = (80, 120)  # degrees


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
    return drawn(split, class_name, index, seed, PAIRS, _draw)


def drawn(split, class_name, index, seed, pairs, draw) -> np.ndarray:
    """A video of a class that `draw` draws, or the reversal of one.

    Args:
      split, class_name, index, seed: as of `video`.
      pairs: of class names; of the second one of each, videos of the first one are reversed.
      draw: a function from the first name of a pair and a `np.random.Generator` to frames.

    Raises:
      ValueError: if the class is in none of the pairs.
    """
    key = f'moving_shapes/{seed}/{split}/{class_name}/{index}'
    entropy = int.from_bytes(hashlib.sha256(key.encode()).digest(), 'big')
    rng = np.random.default_rng(entropy)
    for first, mirrored in pairs:
        if class_name in (first, mirrored):
            frames = draw(first, rng)
            return frames if class_name == first else np.ascontiguousarray(frames[::-1])
    known = ', '.join(name for pair in pairs for name in pair)
    raise ValueError(f'class_name: found {class_name!r}, expected one of {known}')


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


def _draw(class_name: str, rng: np.random.Generator) -> np.ndarray:
    steps = progress(rng)
    background, (colour,) = drawing.colours(rng, FRAME_SIZE, FRAME_SIZE)
    frames = np.tile(background, (len(steps), 1, 1, 1))
    states = zip(*MOVEMENTS[class_name](rng, steps), strict=True)
    for frame, (outline, centre, radius, angle, opacity) in zip(frames, states, strict=True):
        drawing.draw(frame, colour, drawing.corners(outline, centre, radius, angle), opacity)
    return np.rint(frames).astype(np.uint8)


# A movement returns outline, centre (x, y), radius, angle and opacity of the shape in every frame.


def _constant(value, steps):
    return [value] * len(steps)


def any_outline(rng, names=tuple(drawing.OUTLINES)):
    return drawing.OUTLINES[names[rng.integers(len(names))]]


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
            _constant(any_outline(rng), steps),
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
        _constant(any_outline(rng), steps),
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
        _constant(any_outline(rng, drawing.TURNING), steps),
        _constant(_still_centre(rng, radius), steps),
        _constant(radius, steps),
        angles,
        _constant(1.0, steps),
    )


def _appear(rng, steps):
    radius = rng.uniform(12, 24)
    return (
        _constant(any_outline(rng), steps),
        _constant(_still_centre(rng, radius), steps),
        _constant(radius, steps),
        _constant(rng.uniform(0, 2 * np.pi), steps),
        steps,
    )


MOVEMENTS = {
    'move_right': _move(axis=0),
    'move_down': _move(axis=1),
    'grow': _grow,
    'turn_clockwise': _turn,
    'appear': _appear,
}
