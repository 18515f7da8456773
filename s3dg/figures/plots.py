"""Pictures of a run and of networks, written to PNG files: curves, confusion, clips, costs."""

import contextlib
import math

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from s3dg import files

_SHEET_COLUMNS, _STRIP_FRAMES = 2, 8


@contextlib.contextmanager
def drawing(path, size):
    """A matplotlib figure that is written to a file when the block is left.

    There is no pyplot in it: no global state, and no window system is ever looked for. `size` is
    (width, height) in inches.
    """
    figure = Figure(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)
    yield figure
    with files.unfinished(path) as temporary:
        figure.savefig(temporary, dpi=110, bbox_inches='tight', pad_inches=0.1)


def training_curves(rows, path):
    """Draws loss, accuracy and learning rate over the steps, from the rows of a `history.csv`."""
    steps = [row['step'] for row in rows]
    evaluated = [(row['step'], row['top1']) for row in rows if row['top1'] is not None]
    with drawing(path, (11, 3.2)) as figure:
        loss, accuracy, rate = figure.subplots(1, 3)
        loss.plot(steps, [row['loss'] for row in rows], color='tab:blue')
        loss.set(title='training loss', xlabel='step', yscale='log')
        accuracy.plot(steps, [row['accuracy'] for row in rows], label='training clips')
        if evaluated:
            accuracy.plot(*np.transpose(evaluated), 'o-', label='held-out videos')
        accuracy.set(title='top-1 accuracy', xlabel='step', ylim=(0, 1.02))
        accuracy.legend(loc='lower right')
        rate.plot(steps, [row['learning_rate'] for row in rows], color='tab:green')
        rate.set(title='learning rate', xlabel='step', ylim=(0, None))
        for axes in (loss, accuracy, rate):
            axes.grid(alpha=0.3)


def learning_curves(histories, path):
    """Draws how networks learn: loss and accuracy on training clips over the steps.

    Args:
      histories: dict from a network to the rows of the `history.csv` of each of its trainings, a
        list of lists. A line is their mean, a band reaches from the lowest to the highest; of
        trainings of different lengths, or logged at other steps, each has a line of its own.
      path: of the PNG file.
    """
    with drawing(path, (9, 3.6)) as figure:
        loss, accuracy = figure.subplots(1, 2)
        for number, (name, trainings) in enumerate(histories.items()):
            for axes, key in ((loss, 'loss'), (accuracy, 'accuracy')):
                _draw_trainings(axes, trainings, key, name, f'C{number}')
        loss.set(title='training loss', xlabel='step', yscale='log')
        accuracy.set(title='top-1 accuracy, training clips', xlabel='step', ylim=(0, 1.02))
        accuracy.legend(loc='lower right')
        for axes in (loss, accuracy):
            axes.grid(alpha=0.3)


def _draw_trainings(axes, trainings, key, name, colour):
    lines = [([row['step'] for row in rows], [row[key] for row in rows]) for rows in trainings]
    if all(steps == lines[0][0] for steps, _ in lines):
        steps, values = lines[0][0], np.array([values for _, values in lines])
        axes.fill_between(steps, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2)
        lines = [(steps, values.mean(axis=0))]
    for number, (steps, values) in enumerate(lines):
        axes.plot(steps, values, color=colour, label=name if number == 0 else None)


def loss_curves(rows, names, path):
    """Draws losses by their names, and the learning rate, from the rows of a `history.csv`."""
    steps = [row['step'] for row in rows]
    with drawing(path, (8, 3.2)) as figure:
        losses, rate = figure.subplots(1, 2)
        for name in names:
            losses.plot(steps, [row[name] for row in rows], label=name)
        losses.set(title='training losses', xlabel='step', yscale='log')
        losses.legend()
        rate.plot(steps, [row['learning_rate'] for row in rows], color='tab:green')
        rate.set(title='learning rate', xlabel='step', ylim=(0, None))
        for axes in (losses, rate):
            axes.grid(alpha=0.3)


def confusion_matrices(confusions, class_names, path):
    """Draws confusion matrices by title, rows: true class, side by side, as shares of that class.

    Up to 30 classes have names, and counts in the cells.
    """
    side = 3.0 + 0.22 * min(len(class_names), 30)
    with drawing(path, (side * len(confusions), side)) as figure:
        panels = figure.subplots(1, len(confusions), squeeze=False)[0]
        for axes, (title, confusion) in zip(panels, confusions.items(), strict=True):
            _draw_confusion(axes, np.asarray(confusion), class_names)
            axes.set(xlabel='predicted', ylabel='true', title=title)


def _draw_confusion(axes, confusion, class_names):
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    if len(class_names) > 30:
        return
    axes.set_xticks(range(len(class_names)), class_names, rotation=60, ha='right', fontsize=8)
    axes.set_yticks(range(len(class_names)), class_names, fontsize=8)
    for row, column in zip(*np.nonzero(confusion), strict=True):
        colour = 'white' if shares[row, column] > 0.5 else 'black'
        text = str(confusion[row, column])
        axes.text(column, row, text, ha='center', va='center', color=colour, fontsize=7)


def contact_sheet(clips, titles, path):
    """Draws clips, uint8 (time, height, width, 3), as strips of evenly spaced frames."""
    rows = math.ceil(len(clips) / _SHEET_COLUMNS)
    with drawing(path, (_SHEET_COLUMNS * _STRIP_FRAMES * 0.72, rows * 0.98)) as figure:
        panels = figure.subplots(rows, _SHEET_COLUMNS, squeeze=False).ravel()
        for axes in panels:
            axes.axis('off')
        for axes, clip, title in zip(panels, clips, titles, strict=False):
            chosen = np.linspace(0, len(clip) - 1, _STRIP_FRAMES).round().astype(int)
            strip = [np.pad(clip[i], ((0, 0), (1, 1), (0, 0)), constant_values=255) for i in chosen]
            axes.imshow(np.concatenate(strip, axis=1))
            axes.set_title(title, fontsize=9, loc='left')


def cost_per_endpoint(costs, path):
    """Draws what networks cost at each of their endpoints, as bars side by side.

    Args:
      costs: dict from network name to dict from endpoint to `s3dg.cost.Cost`, all with the same
        endpoints.
    """
    endpoints = list(next(iter(costs.values())))
    thickness = 0.84 / len(costs)
    with drawing(path, (11, 7)) as figure:
        cost, size = figure.subplots(2, 1, sharex=True)
        for number, (name, by_endpoint) in enumerate(costs.items()):
            places = np.arange(len(endpoints)) + (number - (len(costs) - 1) / 2) * thickness
            rows = [by_endpoint[endpoint] for endpoint in endpoints]
            cost.bar(places, [row.multiply_adds / 1e9 for row in rows], thickness, label=name)
            size.bar(places, [row.parameters / 1e6 for row in rows], thickness, label=name)
        cost.set(title='cost of one clip', ylabel='multiply-adds (billions)')
        cost.legend(loc='upper right')
        size.set(title='size', ylabel='trainable parameters (millions)')
        size.set_xticks(range(len(endpoints)), endpoints, rotation=30, ha='right')
        for axes in (cost, size):
            axes.grid(axis='y', alpha=0.3)
            axes.set_axisbelow(True)
            axes.margins(x=0.01)
