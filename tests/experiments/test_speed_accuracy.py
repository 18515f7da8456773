"""Figure 4's curves, without training any network."""

import pytest

from experiments import speed_accuracy
from s3dg.figures import paper_plots


def test_families_are_drawn_from_i2d_to_the_network_where_all_is_temporal(monkeypatch, tmp_path):
    drawn = {}

    def capture(curves, points, path, title):
        drawn.update({curve.label: curve for curve in curves}, points=points, title=title)

    monkeypatch.setattr(paper_plots, 'accuracy_against_cost', capture)
    labels = {
        'i2d': None,
        'i3d': None,
        's3d': None,
        'fast_s3d': None,
        **{f'{family}/Mixed_4b': family for family in speed_accuracy.FAMILIES},
    }
    results = {
        label: {
            'family': family,
            'switching_endpoint': 'Mixed_4b' if family else None,
            'top1': number / 10,
            'multiply_adds': number,
        }
        for number, (label, family) in enumerate(labels.items())
    }
    speed_accuracy.draw(results, tmp_path / 'no.png', 'title')
    places = {
        label: [p.multiply_adds for p in drawn[label].points] for label in speed_accuracy.FAMILIES
    }
    assert places == {
        'top_heavy_i3d': [0, 4, 1],
        'bottom_heavy_i3d': [0, 5, 1],
        'top_heavy_s3d': [0, 6, 2],
        'bottom_heavy_s3d': [0, 7, 2],
    }
    styles = {label: (drawn[label].line_style, drawn[label].colour) for label in places}
    assert styles == {
        'top_heavy_i3d': ('-', 'tab:blue'),
        'bottom_heavy_i3d': (':', 'tab:blue'),
        'top_heavy_s3d': ('-', 'tab:orange'),
        'bottom_heavy_s3d': (':', 'tab:orange'),
    }
    (apart,) = drawn['points']
    assert (apart.label, apart.top1) == ('fast_s3d', pytest.approx(0.3))
