"""The paper's figures: that they are drawn, and that what they show is in them."""

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from s3dg.figures import paper_plots


def _families():
    """Four curves of eight points that meet at both ends; three points lie close together."""
    ends = [
        paper_plots.AccuracyPoint(37e9, 0.70, 'I2D'),
        paper_plots.AccuracyPoint(110e9, 0.78, 'I3D', 0.005),
    ]
    costs = [38e9, 38.5e9, 40e9, 52e9, 60e9, 85e9]
    curves = []
    for number, (colour, style) in enumerate(
        [('tab:blue', '-'), ('tab:blue', ':'), ('tab:orange', '-'), ('tab:orange', ':')]
    ):
        inner = [
            paper_plots.AccuracyPoint(
                cost, 0.71 + 0.008 * i + 0.005 * number, f'{number}{"abcdef"[i]}', 0.004
            )
            for i, cost in enumerate(costs)
        ]
        # Not by rising cost: the curve has to see to that.
        curves.append(paper_plots.AccuracyCurve(f'family {number}', colour, style, (*ends, *inner)))
    return curves


def test_accuracy_against_cost_is_in_percent_and_billions(tmp_path, figures):
    singles = [paper_plots.AccuracyPoint(45e9, 0.80, 'Fast-S3D', 0.01)]
    paper_plots.accuracy_against_cost(_families(), singles, tmp_path / 'a.png', 'some dataset')
    (axes,) = figures[0].axes
    lines = {line.get_label(): line for line in axes.lines}
    for number, (colour, style) in enumerate(
        [('tab:blue', '-'), ('tab:blue', ':'), ('tab:orange', '-'), ('tab:orange', ':')]
    ):
        line = lines[f'family {number}']
        assert (line.get_color(), line.get_linestyle()) == (colour, style)
        np.testing.assert_allclose(line.get_xdata(), [37, 38, 38.5, 40, 52, 60, 85, 110])
        assert line.get_ydata()[0] == pytest.approx(70)
    (single,) = [line for line in axes.lines if line.get_marker() == 'D']
    assert list(single.get_xdata()) == [45]
    assert list(single.get_ydata()) == [80]
    heights = {
        round(float(np.ptp(segment[:, 1])), 6): segment
        for bars in axes.collections
        for segment in bars.get_segments()
    }
    assert set(heights) == {0.8, 1.0, 2.0}  # twice the deviation, in percent
    assert heights[2.0][:, 1].tolist() == pytest.approx([79, 81])
    assert axes.get_title() == 'some dataset'


def test_labels_of_accuracy_points_are_all_there_once_and_apart(tmp_path, figures):
    singles = [
        paper_plots.AccuracyPoint(45e9, 0.80, 'Fast-S3D'),
        paper_plots.AccuracyPoint(70e9, 0.79),
    ]
    paper_plots.accuracy_against_cost(_families(), singles, tmp_path / 'a.png')
    figures[0].draw_without_rendering()  # after saving in another resolution
    (axes,) = figures[0].axes
    inner = {f'{number}{letter}' for number in range(4) for letter in 'abcdef'}
    assert {t.get_text() for t in axes.texts} == inner | {'I2D', 'I3D', 'Fast-S3D'}
    assert len(axes.texts) == len(inner) + 3
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert (colours['0a'], colours['2a']) == ('tab:blue', 'tab:orange')
    assert colours['I2D'] == colours['Fast-S3D']  # of several curves, of none
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i]), axes.texts[i]
        assert axes.bbox.contains(*box.min)
        assert axes.bbox.contains(*box.max)
    for text, box in zip(axes.texts, boxes, strict=True):
        far = np.abs(np.mean(box.get_points(), axis=0) - axes.transData.transform(text.xy)).max()
        assert far < 80, text
    height, width = cv2.imread(str(tmp_path / 'a.png')).shape[:2]
    assert 600 < width < 1200
    assert 400 < height < 900


def test_curves_without_labels_or_single_points_are_drawn(tmp_path, figures):
    curve = paper_plots.AccuracyCurve(
        'one', 'tab:blue', '-', (paper_plots.AccuracyPoint(1e9, 0.5),)
    )
    paper_plots.accuracy_against_cost([curve], [], tmp_path / 'a.png')
    paper_plots.accuracy_against_cost(
        [], [paper_plots.AccuracyPoint(1e9, 0.5, 'x')], tmp_path / 'b.png'
    )
    assert [len(figure.axes[0].texts) for figure in figures] == [0, 1]
    assert (tmp_path / 'b.png').stat().st_size > 0


def _box(centre, reach):
    names = ('whisker_low', 'q1', 'median', 'q3', 'whisker_high')
    numbers = {name: centre + reach * i for name, i in zip(names, (-3, -1, 0, 1, 3), strict=True)}
    return {**numbers, 'min': -9.0, 'max': 9.0, 'mean': centre, 'std': reach}


def _extents(axes):
    """(left, right, bottom, top) of the boxes of a panel, from left to right."""
    corners = [patch.get_path().get_extents() for patch in axes.patches]
    return sorted((box.x0, box.x1, box.y0, box.y1) for box in corners)


def test_filter_boxes_reach_from_quartile_to_quartile(tmp_path, figures):
    offsets = {'-1': _box(0.1, 0.01), '0': _box(0, 0.05), '1': _box(-0.1, 0.02)}
    wide = {str(offset): _box(0, 1) for offset in range(-3, 4)}
    paper_plots.filter_boxes({'I3D': {'low': offsets, 'stem': wide}}, tmp_path / 'boxes.png')
    low, stem = figures[0].axes
    assert (low.get_title(), stem.get_title()) == ('low', 'stem')
    assert [label.get_text() for label in low.get_xticklabels()] == ['-1', '0', '+1']
    assert len(stem.patches) == 7
    found = [(bottom, top) for _, _, bottom, top in _extents(low)]
    np.testing.assert_allclose(found, [(0.09, 0.11), (-0.05, 0.05), (-0.12, -0.08)])
    drawn = np.concatenate([line.get_ydata() for line in low.lines])
    assert drawn.max() == pytest.approx(0.15)  # whiskers; nothing is drawn at 'max'
    assert drawn.min() == pytest.approx(-0.16)
    assert not figures[0].legends
    height, width = cv2.imread(str(tmp_path / 'boxes.png')).shape[:2]
    assert width > 1.3 * height > 300


def test_filter_boxes_of_two_moments_are_side_by_side(tmp_path, figures):
    before = {layer: {o: _box(0, 1) for o in ('-1', '0', '1')} for layer in ('low', 'high')}
    after = {layer: {o: _box(5, 2) for o in ('-1', '0', '1')} for layer in ('low', 'high')}
    paper_plots.filter_boxes({'step 0': before, 'trained': after}, tmp_path / 'boxes.png')
    assert [text.get_text() for text in figures[0].legends[0].get_texts()] == ['step 0', 'trained']
    for axes in figures[0].axes:
        found = _extents(axes)
        np.testing.assert_allclose([box[2:] for box in found], [(-1, 1), (3, 7)] * 3)
        for left, right in zip(found[:-1], found[1:], strict=True):
            assert left[1] < right[0]
        ticks = axes.get_xticks()
        middles = [(found[i][0] + found[i + 1][1]) / 2 for i in (0, 2, 4)]
        np.testing.assert_allclose(middles, ticks)


def test_embeddings_show_every_video_in_the_colour_of_its_group(tmp_path, figures):
    generator = np.random.default_rng(0)
    groups = np.arange(24) % 12
    maps = [(f'map {i}', generator.normal(size=(24, 2)).astype('float32')) for i in range(5)]
    names = [f'group {i}' for i in range(12)]
    rows = {'upper': dict(maps[:3]), 'lower': dict(maps[3:])}
    paper_plots.embeddings(rows, groups, names, tmp_path / 'maps.png')
    (figure,) = figures
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in panels] == [f'map {i}' for i in range(5)]
    assert [axes.get_ylabel() for axes in panels] == ['upper', '', '', 'lower', '']
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    keys = [(to_rgba(h.get_color()), h.get_marker()) for h in figure.legends[0].legend_handles]
    assert len(set(keys)) == 12
    assert keys[0][0] == keys[10][0]
    for axes, (_, coordinates) in zip(panels, maps, strict=True):
        shown = {}
        for part in axes.collections:
            for place, colour in zip(part.get_offsets(), part.get_facecolors(), strict=True):
                shown[tuple(np.float32(place))] = tuple(colour[:3])
        assert len(shown) == 24
        for place, group in zip(coordinates, groups, strict=True):
            assert shown[tuple(place)] == keys[group][0][:3]
        assert len(axes.collections) == 2  # two markers: groups 10 and 11 have another
    height, width = cv2.imread(str(tmp_path / 'maps.png')).shape[:2]
    assert 500 < width < 1200
    assert 400 < height < 1000
