"""Flags that are numbers, each with the least and the most that it may be, as its help says.

What lies outside ends the program in one line before anything is read. The upper bounds are far
above what anybody needs, and below what overflows an integer of TensorFlow's or fills every memory.
"""

import math

from absl import flags

MOST_SEED = 2**32 - 1  # NumPy's
MOST_STEPS = 10**9
MOST_CLIPS = 2**16  # of a step; 56 GPUs with 6 each are the paper's 336
MOST_FRAMES = 10_000  # of a clip, or a window
MOST_BOXES = 10_000  # of a frame
MOST_PIXELS = 8192  # of a frame's height or width
MOST_PROCESSES = 1024
MOST_RATE = 1000.0  # frames a second


class _NumberParser(flags.FloatParser):
    """Of numbers within bounds, which NaN is not."""

    def is_outside_bounds(self, val):
        return math.isnan(val) or super().is_outside_bounds(val)


def define_count(name, default, help, most, least=1):
    """A flag that is an integer from `least` to `most`."""
    flags.DEFINE_integer(name, default, help, lower_bound=least, upper_bound=most)


def define_number(name, default, help, most, least=0.0):
    """A flag that is a number from `least` to `most`."""
    parser = _NumberParser(float(least), float(most))
    flags.DEFINE(parser, name, default, help, serializer=flags.ArgumentSerializer())
