"""Draws the videos of moving_shapes_boxes: a pure function from (seed, split, index) to frames.

Of every pair of classes only one is ever laid out; an object of the other class is one of the first
whose states come in reversed order. So single frames, and sets of frames, have the same
distribution for both, and nothing but the order of the frames tells them apart.
"""

import dataclasses
import functools
import hashlib

import numpy as np

from data.datasets.moving_shapes import drawing

# (laid out, its mirror image in time)
PAIRS = (
    ('move_right', 'move_left'),
    ('move_down', 'move_up'),
    ('grow', 'shrink'),
)
CLASSES = tuple(name for pair in PAIRS for name in pair)

HEIGHT, WIDTH = 96, 128  # pixels of a frame
LENGTHS = (12, 16)  # frames, both included; no state is held
MOST_OBJECTS = 3
SPEED = (2.0, 3.7)  # pixels a frame
_MARGIN = 2  # pixels from what moves to the border
_GAP = 3  # pixels between the boxes of two objects, at least
_RADIUS = (12, 17)  # pixels, of what moves
_GROWN = (20, 28)  # pixels, the largest radius of what grows or shrinks
_GROWTH = (1.7, 2.3)  # by which that is larger than the smallest
_TRIALS = 20  # places for an object before all are laid out anew


@dataclasses.dataclass(frozen=True)
class Object:
    """A shape, and where it is in every frame."""

    label: str  # one of CLASSES
    corners: np.ndarray  # float64 (frames, n, 2), x and y in pixels

    @functools.cached_property
    def boxes(self) -> np.ndarray:
        """float64 (frames, 4), y_min, x_min, y_max, x_max in pixels."""
        low, high = self.corners.min(axis=1), self.corners.max(axis=1)
        return np.concatenate([low[:, ::-1], high[:, ::-1]], axis=1)


@functools.cache
def layout(split: str, index: int, seed: int = 0) -> tuple[Object, ...]:
    """The one to three objects of a video; their boxes never overlap.

    Args:
      split: any name; videos of different splits share no random numbers.
      index: number of the video within its split.
      seed: of the whole dataset.
    """
    return tuple(_lay_out(_random(split, index, seed)))


def video(split: str, index: int, seed: int = 0) -> np.ndarray:
    """The frames of a video: uint8 (12 to 16, 96, 128, 3), RGB; arguments as of `layout`."""
    rng = _random(split, index, seed)
    objects = _lay_out(rng)
    background, colours = drawing.colours(rng, HEIGHT, WIDTH, len(objects))
    frames = np.tile(background, (len(objects[0].corners), 1, 1, 1))
    for number, frame in enumerate(frames):
        for one, colour in zip(objects, colours, strict=True):
            drawing.draw(frame, colour, one.corners[number])
    return np.rint(frames).astype(np.uint8)


def _random(split, index, seed):
    key = f'moving_shapes_boxes/{seed}/{split}/{index}'
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest(), 'big'))


def _lay_out(rng) -> list[Object]:
    count = rng.integers(1, MOST_OBJECTS + 1)
    labels = [CLASSES[rng.integers(len(CLASSES))] for _ in range(count)]
    frames = rng.integers(LENGTHS[0], LENGTHS[1] + 1)
    while True:
        placed = []
        for label in labels:
            trials = (_object(label, frames, rng) for _ in range(_TRIALS))
            placed.append(next((one for one in trials if _fits(one, placed)), None))
            if placed[-1] is None:
                break
        else:
            return placed


def _object(label, frames, rng) -> Object:
    laid_out, mirrored = next(pair for pair in PAIRS if label in pair)
    outline = list(drawing.OUTLINES.values())[rng.integers(len(drawing.OUTLINES))]
    angle = rng.uniform(0, 2 * np.pi)
    steps = np.linspace(0, 1, frames)
    distance = np.zeros(2)
    if laid_out == 'grow':
        radius = rng.uniform(*_GROWN)
        radii = radius * (steps + (1 - steps) / rng.uniform(*_GROWTH))
    else:
        radius = rng.uniform(*_RADIUS)
        radii = np.full(frames, radius)
        axis = 1 if laid_out == 'move_down' else 0
        distance[axis] = rng.uniform(*SPEED) * (frames - 1)
    reach = _MARGIN + radius
    start = rng.uniform(reach, np.array([WIDTH, HEIGHT]) - reach - distance)
    centres = start + steps[:, None] * distance
    corners = drawing.corners(outline, centres[:, None], radii[:, None, None], angle)
    return Object(label, corners[::-1] if label == mirrored else corners)


def _fits(one, placed) -> bool:
    """Whether an object keeps `_GAP` from others in every frame."""
    for other in placed:
        gaps = np.maximum(
            one.boxes[:, :2] - other.boxes[:, 2:], other.boxes[:, :2] - one.boxes[:, 2:]
        )
        if (gaps.max(axis=1) < _GAP).any():
            return False
    return True
