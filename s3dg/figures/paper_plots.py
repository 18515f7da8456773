"""The paper's figures 4 (accuracy against cost), 5 (weights over time), 7 (maps of videos).

`path` is the PNG file to write.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from s3dg.figures.filter_statistics import BOX_FIELDS
from s3dg.figures.label_places import label_points
from s3dg.figures.plots import drawing

# The first of curves and of ten groups; the others of single points and of further groups.
_MARKERS = 'oDs^vPX*'

_NEUTRAL = '0.15'  # of what belongs to no curve, or to several


class AccuracyPoint(NamedTuple):
    """A network in a picture of accuracy against cost.

    Attributes:
      multiply_adds, top1: of one clip; share of videos in [0, 1].
      label: written beside it.
      deviation: standard deviation of `top1` over several trainings, drawn as an error bar.
    """

    multiply_adds: float
    top1: float
    label: str | None = None
    deviation: float | None = None


class AccuracyCurve(NamedTuple):
    """A family of networks in a picture of accuracy against cost.

    In Figure 4 separable convolutions are 'tab:orange' and dense ones 'tab:blue'; top-heavy
    networks are '-' and bottom-heavy ones ':'.
    """

    label: str
    colour: str
    line_style: str
    points: tuple[AccuracyPoint, ...]


def accuracy_against_cost(curves, points, path, title=''):
    """Draws top-1 accuracy against multiply-adds (Figure 4).

    Args:
      curves: `AccuracyCurve`s; a curve goes through its points by rising cost. Points of several
        curves at the same place with the same label are labelled once.
      points: further `AccuracyPoint`s, each with a marker of its own.
    """
    with drawing(path, (8.5, 6)) as figure:
        axes = figure.subplots()
        drawn, colours = [], {}
        for label, colour, line_style, members in curves:
            style = {'label': label, 'linestyle': line_style, 'linewidth': 1.8, 'markersize': 5}
            _draw_points(axes, members, colour, {'marker': 'o', **style}, drawn, colours)
        for number, point in enumerate(points, start=1):
            style = {'linestyle': 'none', 'marker': _MARKERS[number % len(_MARKERS)]}
            style.update(markersize=9, markeredgecolor='white', zorder=3)
            _draw_points(axes, [point], _NEUTRAL, style, drawn, colours)
        axes.set(
            title=title, xlabel='multiply-adds of a clip (billions)', ylabel='top-1 accuracy (%)'
        )
        axes.grid(alpha=0.3)
        axes.margins(0.09)  # room for the labels of the outermost points
        if curves:
            # Outside, where it covers no point.
            figure.legend(loc='outside upper center', ncols=len(curves), handlelength=2.8)
        label_points(axes, [(*label, colour) for label, colour in colours.items()], drawn)


def _draw_points(axes, points, colour, style, drawn, colours):
    """Draws points and a line through them, and notes down what the labels have to know.

    `drawn` gets what they are not to cover, and `colours` theirs by (text, x, y).
    """
    places = np.array([(point.multiply_adds / 1e9, 100 * point.top1) for point in points])
    line = places[places[:, 0].argsort(kind='stable')]
    axes.plot(*line.T, color=colour, **style)
    drawn.append(line)
    bars = {'fmt': 'none', 'ecolor': colour, 'elinewidth': 1, 'capsize': 2.5, 'alpha': 0.6}
    for point, (x, y) in zip(points, places, strict=True):
        if point.deviation is not None:
            reach = 100 * point.deviation
            axes.errorbar(x, y, reach, **bars)
            drawn.append(np.array([(x, y - reach), (x, y + reach)]))
        if point.label:
            label = (point.label, x, y)
            where_curves_meet = colours.get(label, colour) != colour
            colours[label] = _NEUTRAL if where_curves_meet else colour


def filter_boxes(statistics, path):
    """Draws the weights at each temporal offset: a panel per layer, a box per offset (Figure 5).

    Boxes reach from quartile to quartile, whiskers to the outermost weight within 1.5 times that;
    weights beyond are not drawn.

    Args:
      statistics: dict from title, e.g. 'step 0' and 'trained', to what `filter_statistics`
        returned, all with the same layers. Boxes of several titles are side by side.
    """
    layers = list(next(iter(statistics.values())))
    thickness = 0.8 / len(statistics)
    with drawing(path, (2.9 * len(layers), 3.4)) as figure:
        panels = figure.subplots(1, len(layers), squeeze=False)[0]
        for axes, layer in zip(panels, layers, strict=True):
            for number, by_layer in enumerate(statistics.values()):
                shift = (number - (len(statistics) - 1) / 2) * thickness
                _draw_boxes(axes, by_layer[layer].values(), shift, 0.85 * thickness, f'C{number}')
            offsets = [f'+{offset}' if int(offset) > 0 else offset for offset in by_layer[layer]]
            axes.axhline(0, color='0.6', linewidth=0.6, zorder=0)
            axes.set_xticks(range(len(offsets)), offsets)
            axes.set_title(layer, fontsize=10)
            axes.set_xlabel('temporal offset')
            axes.ticklabel_format(axis='y', scilimits=(-3, 4))
            axes.grid(axis='y', alpha=0.3)
        panels[0].set_ylabel('weight')
        if len(statistics) > 1:
            styles = [_box_style(f'C{number}') for number in range(len(statistics))]
            keys = [Patch(**style) for style in styles]
            figure.legend(keys, statistics, loc='outside lower center', ncols=len(keys))


def _draw_boxes(axes, boxes, shift, width, colour):
    axes.bxp(
        [{theirs: box[ours] for ours, theirs in BOX_FIELDS.items()} for box in boxes],
        positions=np.arange(len(boxes)) + shift,
        widths=width,
        showfliers=False,
        manage_ticks=False,
        patch_artist=True,
        boxprops=_box_style(colour),
        medianprops={'color': '0.1', 'linewidth': 1.5},
        whiskerprops={'color': '0.3'},
        capprops={'color': '0.3'},
    )


def _box_style(colour):
    return {'facecolor': colour, 'edgecolor': '0.2', 'alpha': 0.6}


def embeddings(rows, groups, group_names, path):
    """Draws maps of videos, coloured by group, with one legend (Figure 7).

    Args:
      rows: dict from the title of a row to a dict from the title of a map, e.g. the endpoint, to
        its coordinates (videos, 2); rows may differ in length.
      groups: int (videos,), places in `group_names`.
      group_names: one string per group; ten groups differ in colour, further ones in marker.
    """
    styles = [(f'C{n % 10}', _MARKERS[n // 10 % len(_MARKERS)]) for n in range(len(group_names))]
    columns = max(len(row) for row in rows.values())
    with drawing(path, (2.5 * columns, 2.8 * len(rows) + 0.6)) as figure:
        panels = figure.subplots(len(rows), columns, squeeze=False)
        for line, (row_title, row) in zip(panels, rows.items(), strict=True):
            line[0].set_ylabel(row_title, fontsize=11)
            for axes in line[len(row) :]:
                axes.axis('off')
            for axes, (title, coordinates) in zip(line, row.items(), strict=False):
                _draw_map(axes, np.asarray(coordinates), [styles[group] for group in groups])
                axes.set_title(title, fontsize=10)
                axes.set(xticks=[], yticks=[])
        keys = [Line2D([], [], color=c, marker=marker, linestyle='none') for c, marker in styles]
        place = {'loc': 'outside lower center', 'ncols': min(5, len(keys))}
        figure.legend(keys, group_names, fontsize=9, **place)


def _draw_map(axes, coordinates, styles):
    """Draws points (videos, 2), each with its (colour, marker)."""
    colours, markers = np.array(styles).T
    # In an order of their own: else the last group of a sorted list would hide the others.
    order = np.random.default_rng(0).permutation(len(styles))
    size = min(30, max(4, 4000 / len(styles)))
    for marker in np.unique(markers):
        those = order[markers[order] == marker]
        style = {'s': size, 'c': colours[those], 'alpha': 0.75, 'linewidths': 0}
        axes.scatter(*coordinates[those].T, marker=marker, **style)
