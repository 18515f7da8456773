"""Charts of what there is in a dataset: videos per class, and lengths."""

import os
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from s3dg import files

MOST_NAMED_CLASSES = 60  # more are drawn without their names

_LONGEST_NAME = 40
_BINS = 40


def draw_class_counts(
    counts: Mapping[str, np.ndarray], names: list[str], path: str | os.PathLike
) -> None:
    """Draws how many videos the classes have, in a panel per split.

    Up to `MOST_NAMED_CLASSES` are drawn in their order and with their names; more of them from the
    most frequent one to the rarest.

    Args:
      counts: int (classes,) of every split.
      names: of the classes.
      path: PNG file to write.
    """
    named = len(names) <= MOST_NAMED_CLASSES
    size = (3.2 + 3.2 * len(counts), 1.0 + 0.2 * len(names)) if named else (9, 2.6 * len(counts))
    figure = Figure(figsize=size, layout='constrained')
    rows, columns = (1, len(counts)) if named else (len(counts), 1)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=named).ravel()
    for axes, (split, values) in zip(panels, counts.items(), strict=True):
        if named:
            axes.barh(range(len(names)), values, color='tab:blue')
            labels = [_shortened(name) for name in names]
            axes.set_yticks(range(len(names)), labels, fontsize=8, parse_math=False)
            right = 1.15 * max(values.max(), 1)  # with room for the numbers
            axes.set(xlim=(0, right), ylim=(len(names) - 0.4, -0.6), xlabel='videos')
            for place, value in enumerate(values):
                axes.text(value, place, f' {value}', va='center', fontsize=7)
        else:
            axes.bar(range(len(names)), np.sort(values)[::-1], 1.0, color='tab:blue')
            axes.set(xlabel=f'the {len(names)} classes, by frequency', ylabel='videos')
            axes.margins(x=0.005)
        (axes.xaxis if named else axes.yaxis).get_major_locator().set_params(integer=True)
        axes.set_title(split, parse_math=False)
        axes.grid(axis='x' if named else 'y', alpha=0.3)
        axes.set_axisbelow(True)
    with files.unfinished(path) as temporary:
        figure.savefig(temporary, dpi=110)


def draw_lengths(
    lengths: Mapping[str, Mapping[int, int]],
    frames_per_second: float | None,
    path: str | os.PathLike,
) -> None:
    """Draws how long videos are, in a panel per split.

    Args:
      lengths: {number of frames: number of videos} of every split.
      frames_per_second: rate of the videos; None: not known, then lengths are drawn in frames.
      path: PNG file to write.
    """
    scale = 1 if frames_per_second is None else 1 / frames_per_second
    unit = 'frames' if frames_per_second is None else 'seconds'
    every = [length for counts in lengths.values() for length in counts]
    # Bins of whole frames, so that none of them holds more lengths than another.
    width = max(-(-(max(every) - min(every) + 1) // _BINS), 1)
    edges = np.arange(min(every), max(every) + width + 1, width) - 0.5
    figure = Figure(figsize=(1 + 4 * len(lengths), 2.8), layout='constrained')
    panels = figure.subplots(1, len(lengths), squeeze=False, sharex=True)[0]
    style = {'color': 'tab:green', 'edgecolor': 'white', 'linewidth': 0.5}
    for axes, (split, counts) in zip(panels, lengths.items(), strict=True):
        values = np.array(list(counts)) * scale
        axes.hist(values, edges * scale, weights=list(counts.values()), **style)
        axes.set(xlabel=unit, ylabel='videos')
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.set_title(split, parse_math=False)
        axes.grid(axis='y', alpha=0.3)
        axes.set_axisbelow(True)
    with files.unfinished(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _shortened(name: str) -> str:
    name = ''.join(c if c.isprintable() else '?' for c in name)
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f'{name[:half]}…{name[-half:]}'
