"""The paper's figures 4 (accuracy against cost), 5 (weights over time), 7 (maps of videos)."""

import dataclasses

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from s3dg.figures.drawing import drawing
from s3dg.figures.label_places import label_points

# Markers of single points, and of more groups than there are colours.
_MARKERS = 'Ds^vPX*o'

_NEUTRAL = '0.15'  # of what belongs to no curve, or to several


@dataclasses.dataclass(frozen=True)
class AccuracyPoint:
    """A network in a picture of accuracy against cost.

    Attributes:
      multiply_adds: of one clip.
      top1: share of videos in [0, 1].
      label: written beside it; None: nothing.
      deviation: standard deviation of `top1` over several trainings, drawn as an error bar; None:
        unknown.
    """

    multiply_adds: float
    top1: float
    label: str | None = None
    deviation: float | None = None


@dataclasses.dataclass(frozen=True)
class AccuracyCurve:
    """A family of networks in a picture of accuracy against cost.

    Attributes:
      label: in the legend.
      colour, line_style: matplotlib's. Figure 4: 'tab:orange' for separable and 'tab:blue' for
        dense convolutions, '-' for top-heavy and ':' for bottom-heavy networks.
      points: `AccuracyPoint`s.
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
      path: PNG file to write.
      title: e.g. the dataset.
    """
    with drawing(path, (8.5, 6)) as figure:
        axes = figure.subplots()
        lines = []
        for curve in curves:
            line = sorted(curve.points, key=lambda point: point.multiply_adds)
            places = _cost_and_accuracy(line)
            style = {'color': curve.colour, 'linestyle': curve.line_style, 'marker': 'o'}
            axes.plot(*places.T, label=curve.label, linewidth=1.8, markersize=5, **style)
            _draw_deviations(axes, line, curve.colour)
            lines.append(places)
        for number, point in enumerate(points):
            place = _cost_and_accuracy([point])
            marker = _MARKERS[number % len(_MARKERS)]
            axes.plot(
                *place.T, marker, color=_NEUTRAL, markersize=9, markeredgecolor='white', zorder=3
            )
            _draw_deviations(axes, [point], _NEUTRAL)
            lines.append(place)
        axes.set(
            title=title, xlabel='multiply-adds of a clip (billions)', ylabel='top-1 accuracy (%)'
        )
        axes.grid(alpha=0.3)
        axes.margins(0.09)  # room for the labels of the outermost points
        if curves:
            # Outside, where it covers no point.
            figure.legend(loc='outside upper center', ncols=len(curves), handlelength=2.8)
        coloured = [(point, curve.colour) for curve in curves for point in curve.points]
        coloured += [(point, _NEUTRAL) for point in points]
        lines += _deviation_lines(point for point, _ in coloured)
        label_points(axes, _labels(coloured), lines)


def _cost_and_accuracy(points):
    """Points as (points, 2): billions, percent."""
    return np.array([(point.multiply_adds / 1e9, 100 * point.top1) for point in points])


def _draw_deviations(axes, points, colour):
    known = [point for point in points if point.deviation is not None]
    if known:
        deviations = [100 * point.deviation for point in known]
        style = {'fmt': 'none', 'ecolor': colour, 'elinewidth': 1, 'capsize': 2.5, 'alpha': 0.6}
        axes.errorbar(*_cost_and_accuracy(known).T, deviations, **style)


def _labels(coloured):
    """Labels as `label_points` takes them, of points given as (point, colour)."""
    # One label where several curves meet, in none's colour.
    colours = {}
    for point, colour in coloured:
        if point.label:
            key = (point.label, *_cost_and_accuracy([point])[0])
            colours[key] = colour if colours.get(key, colour) == colour else _NEUTRAL
    return [(*key, colour) for key, colour in colours.items()]


def _deviation_lines(points):
    return [
        np.array([(x, y - 100 * point.deviation), (x, y + 100 * point.deviation)])
        for point in points
        if point.deviation is not None
        for x, y in _cost_and_accuracy([point])
    ]


def filter_boxes(statistics, path):
    """Draws the weights at each temporal offset: a panel per layer, a box per offset (Figure 5).

    Boxes reach from quartile to quartile, whiskers to the outermost weight within 1.5 times that;
    weights beyond are not drawn.

    Args:
      statistics: dict from title, e.g. 'step 0' and 'trained', to what `filter_statistics`
        returned, all with the same layers. Boxes of several titles are side by side.
      path: PNG file to write.
    """
    layers = list(next(iter(statistics.values())))
    thickness = 0.8 / len(statistics)
    with drawing(path, (2.9 * len(layers), 3.4)) as figure:
        panels = figure.subplots(1, len(layers), squeeze=False)[0]
        for axes, layer in zip(panels, layers, strict=True):
            for number, by_layer in enumerate(statistics.values()):
                offsets = list(by_layer[layer])
                shift = (number - (len(statistics) - 1) / 2) * thickness
                _draw_boxes(axes, by_layer[layer], shift, 0.85 * thickness, f'C{number}')
            axes.axhline(0, color='0.6', linewidth=0.6, zorder=0)
            axes.set_xticks(range(len(offsets)), [_signed(offset) for offset in offsets])
            axes.set_title(layer, fontsize=10)
            axes.set_xlabel('temporal offset')
            axes.ticklabel_format(axis='y', scilimits=(-3, 4))
            axes.grid(axis='y', alpha=0.3)
        panels[0].set_ylabel('weight')
        if len(statistics) > 1:
            keys = [
                Patch(facecolor=f'C{n}', edgecolor='0.2', alpha=0.6) for n in range(len(statistics))
            ]
            figure.legend(keys, statistics, loc='outside lower center', ncols=len(keys))


def _draw_boxes(axes, by_offset, shift, width, colour):
    boxes = [
        {
            'med': box['median'],
            'q1': box['q1'],
            'q3': box['q3'],
            'whislo': box['whisker_low'],
            'whishi': box['whisker_high'],
        }
        for box in by_offset.values()
    ]
    axes.bxp(
        boxes,
        positions=np.arange(len(boxes)) + shift,
        widths=width,
        showfliers=False,
        manage_ticks=False,
        patch_artist=True,
        boxprops={'facecolor': colour, 'edgecolor': '0.2', 'alpha': 0.6},
        medianprops={'color': '0.1', 'linewidth': 1.5},
        whiskerprops={'color': '0.3'},
        capprops={'color': '0.3'},
    )


def _signed(offset):
    return offset if int(offset) <= 0 else f'+{offset}'


@dataclasses.dataclass(frozen=True)
class Embedding:
    """A map of videos.

    Attributes:
      title: above it, e.g. the endpoint and its agreement.
      coordinates: (videos, 2).
      groups: int (videos,), places in the list of group names.
    """

    title: str
    coordinates: np.ndarray
    groups: np.ndarray


def embeddings(rows, group_names, path):
    """Draws maps of videos, coloured by group, with one legend (Figure 7).

    Args:
      rows: dict from the title of a row to its `Embedding`s; rows may differ in length.
      group_names: one string per group; ten groups differ in colour, further ones in marker.
      path: PNG file to write.
    """
    columns = max(len(row) for row in rows.values())
    with drawing(path, (2.5 * columns, 2.8 * len(rows) + 0.6)) as figure:
        panels = figure.subplots(len(rows), columns, squeeze=False)
        for line, (title, row) in zip(panels, rows.items(), strict=True):
            line[0].set_ylabel(title, fontsize=11)
            for axes in line[len(row) :]:
                axes.axis('off')
            for axes, embedding in zip(line, row, strict=False):
                _draw_embedding(axes, embedding)
        keys = [
            Line2D([], [], color=f'C{group % 10}', marker=_group_marker(group), linestyle='none')
            for group in range(len(group_names))
        ]
        names = list(group_names)
        figure.legend(keys, names, loc='outside lower center', ncols=min(5, len(names)), fontsize=9)


def _draw_embedding(axes, embedding):
    coordinates, groups = np.asarray(embedding.coordinates), np.asarray(embedding.groups)
    # In an order of their own: else the last group of a sorted list would hide the others.
    order = np.random.default_rng(0).permutation(len(groups))
    coordinates, groups = coordinates[order], groups[order]
    size = min(30, max(4, 4000 / len(groups)))
    markers = np.array([_group_marker(group) for group in groups])
    for marker in np.unique(markers):
        those = markers == marker
        colours = [f'C{group % 10}' for group in groups[those]]
        axes.scatter(
            *coordinates[those].T, s=size, c=colours, marker=marker, alpha=0.75, linewidths=0
        )
    axes.set_title(embedding.title, fontsize=10)
    axes.set(xticks=[], yticks=[])


def _group_marker(group):
    return 'o' if group < 10 else _MARKERS[(group // 10 - 1) % len(_MARKERS)]
