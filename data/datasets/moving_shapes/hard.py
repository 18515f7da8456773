"""Draws the harder videos of moving_shapes: longer stories, in clutter.

As in `shapes`, of every pair of classes only one is drawn and the other is its reversal, so single
frames, sets of frames and lengths tell nothing of which of the two it is. The pairs are of three
kinds. What one local movement tells: a shape moves, grows or turns. What the order of two movements
tells: a shape goes along two legs with a corner between them, and no leg is of one class alone.
What the order of two things tells that are apart in space and time: one shape is shown, then
another one, somewhere else.
"""

import cv2
import numpy as np

from data.datasets.moving_shapes import drawing, shapes

# (drawn, its mirror image in time)
PAIRS = (
    ('move_right', 'move_left'),
    ('move_down', 'move_up'),
    ('grow', 'shrink'),
    ('turn_clockwise', 'turn_anticlockwise'),
    ('right_then_down', 'up_then_left'),
    ('right_then_up', 'down_then_left'),
    ('left_then_down', 'up_then_right'),
    ('left_then_up', 'down_then_right'),
    ('circle_then_bar', 'bar_then_circle'),
    ('bar_then_arrow', 'arrow_then_bar'),
    ('arrow_then_circle', 'circle_then_arrow'),
)
CLASSES = tuple(name for pair in PAIRS for name in pair)

_SIZE = shapes.FRAME_SIZE
_DIRECTIONS = {'right': (1, 0), 'left': (-1, 0), 'down': (0, 1), 'up': (0, -1)}  # x, y
_LEG = (28, 44)  # pixels
_SHAKE = 0.5  # pixels, the most that the camera is off in either direction
_DRIFT = 0.4  # pixels per frame, the most that the background moves
_NOISE = 4.0  # standard deviation of the noise, of 0-255
_FLICKER = 0.02  # standard deviation of a frame's brightness
_DISTRACTORS = (0, 1)  # how many shapes swing to and fro beside what happens
_OPACITY = (0.9, 1.0)


def video(split: str, class_name: str, index: int, seed: int = 0) -> np.ndarray:
    """Draws one video: as `shapes.video`, of the classes here."""
    return shapes.drawn(f'hard/{split}', class_name, index, seed, PAIRS, _draw)


def _draw(class_name, rng):
    steps = shapes.progress(rng)
    actors = _story(class_name, rng, steps)
    actors += [
        _swinging(rng, len(steps)) for _ in range(rng.integers(*_DISTRACTORS, endpoint=True))
    ]
    # A margin on all sides, for what drifts in.
    margin = int(np.ceil(_DRIFT * len(steps) / 2 + _SHAKE)) + 1
    background, colours = drawing.colours(rng, _SIZE + 2 * margin, _SIZE + 2 * margin, len(actors))
    drift = rng.uniform(-_DRIFT, _DRIFT, size=2)
    opacities = rng.uniform(*_OPACITY, size=len(actors))
    frames = []
    for number in range(len(steps)):
        shake = rng.uniform(-_SHAKE, _SHAKE, size=2)
        offset = margin + drift * (number - (len(steps) - 1) / 2) + shake
        moved = np.float32([[1, 0, -offset[0]], [0, 1, -offset[1]]])
        frame = cv2.warpAffine(background, moved, (_SIZE, _SIZE))
        for actor, colour, opacity in zip(actors, colours, opacities, strict=True):
            outline, centre, radius, angle, shown = actor[number]
            drawing.draw(
                frame,
                colour,
                drawing.corners(outline, centre - shake, radius, angle),
                opacity * shown,
            )
        frame *= 1 + rng.normal(0, _FLICKER)
        frame += rng.normal(0, _NOISE, size=(_SIZE, _SIZE, 1))
        frames.append(np.rint(frame.clip(0, 255)).astype(np.uint8))
    return np.stack(frames)


def _story(class_name, rng, steps):
    """The shapes that make the class; each a list of (outline, centre, ...) per frame."""
    if class_name in shapes.MOVEMENTS:
        return [list(zip(*shapes.MOVEMENTS[class_name](rng, steps), strict=True))]
    first, second = class_name.split('_then_')
    if first in _DIRECTIONS:
        return [_two_legs(rng, steps, _DIRECTIONS[first], _DIRECTIONS[second])]
    return _two_shapes(rng, steps, first, second)


def _two_legs(rng, steps, first, second):
    radius = rng.uniform(9, 13)
    lengths = rng.uniform(*_LEG, size=2)
    bend = rng.uniform(0.4, 0.6)
    along = np.stack([np.minimum(steps / bend, 1), np.maximum((steps - bend) / (1 - bend), 0)])
    path = along.T @ (np.array([first, second]) * lengths[:, None])  # (time, 2)
    low = shapes.MARGIN + radius - path.min(axis=0)
    high = _SIZE - shapes.MARGIN - radius - path.max(axis=0)
    centres = path + rng.uniform(low, high)
    outline = shapes.any_outline(rng)
    angle = rng.uniform(0, 2 * np.pi)
    return [(outline, centre, radius, angle, 1.0) for centre in centres]


def _two_shapes(rng, steps, first, second):
    gone, back = rng.uniform(0.25, 0.4), rng.uniform(0.6, 0.75)
    actors = []
    while True:
        places = rng.uniform(shapes.MARGIN + 17, _SIZE - shapes.MARGIN - 17, size=(2, 2))
        if np.linalg.norm(places[1] - places[0]) >= 34:
            break
    for name, place, shown in (
        (first, places[0], steps <= gone),
        (second, places[1], steps >= back),
    ):
        radius = rng.uniform(12, 17)
        angle = rng.uniform(-0.4, 0.4)
        outline = drawing.OUTLINES[name]
        actors.append([(outline, place, radius, angle, float(one)) for one in shown])
    return actors


def _swinging(rng, frames):
    """A shape that swings to and fro, which looks the same in either direction of time."""
    radius = rng.uniform(4, 7)
    middle = rng.uniform(shapes.MARGIN + radius, _SIZE - shapes.MARGIN - radius, size=2)
    swing = rng.uniform(-8, 8, size=2)
    phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(6, 14)
    angle = rng.uniform(0, 2 * np.pi)
    outline = shapes.any_outline(rng)
    return [
        (outline, middle + swing * np.sin(phase + 2 * np.pi * number / period), radius, angle, 1.0)
        for number in range(frames)
    ]
