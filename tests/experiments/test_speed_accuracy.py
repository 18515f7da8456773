"""Figure 4's curves, held against what the networks cost, without training any."""

import types

import cv2
import numpy as np
import pytest

from experiments import speed_accuracy
from experiments.paper import workload
from experiments.training.start import Start
from s3dg.figures import paper_plots

ENDPOINTS = ('Mixed_3b', 'Mixed_4b', 'Mixed_4e')
FAMILIES = ('top_heavy_i3d', 'bottom_heavy_i3d', 'top_heavy_s3d', 'bottom_heavy_s3d')


@pytest.fixture(scope='module')
def results():
    """Of networks that get more right the more they cost: the percentage is the number of G."""
    experiment = speed_accuracy.SpeedAccuracy('tiny', Start(), 'mini_kinetics200', ENDPOINTS)
    trained = {}
    for recipe in experiment.recipes():
        config = recipe.network_config(num_classes=400, channels=3).replace(width=1.0)
        cost = workload.forward_cost(config, 64, 224, 224)
        run = types.SimpleNamespace(
            figure={'top1': cost.multiply_adds / 1e11, 'top5': 1.0}.__getitem__
        )
        video = types.SimpleNamespace(clip_frames=64, crop_size=(224, 224))
        plan = types.SimpleNamespace(network=config, video_format=video)
        trained[recipe.label] = [types.SimpleNamespace(run=run, plan=plan)]
    return speed_accuracy.figure_results(trained)


def test_networks_cost_what_was_counted_by_hand(results):
    """In G multiply-adds, of a stem without time where the family has none there.

    Top-heavy separable networks keep 3x7x7: 2 x 7 x 7 x 3 x 64 more taps at 32x112x112 places.
    """
    stem = 2 * 49 * 3 * 64 * 32 * 112 * 112 / 1e9
    assert stem == pytest.approx(7.553, abs=1e-3)
    by_hand = {
        'i2d': 36.89,
        'i3d': 111.15,
        's3d': 68.18,
        'fast_s3d': 45.06,
        'top_heavy_i3d/Mixed_3b': 66.30,
        'top_heavy_i3d/Mixed_4b': 48.03,
        'top_heavy_i3d/Mixed_4e': 43.42,
        'top_heavy_s3d/Mixed_3b': 49.53 + stem,
        'top_heavy_s3d/Mixed_4b': 42.83 + stem,
        'top_heavy_s3d/Mixed_4e': 40.38 + stem,
        'bottom_heavy_i3d/Mixed_3b': 87.53,
    }
    found = {label: results[label]['multiply_adds'] / 1e9 for label in by_hand}
    assert found == pytest.approx(by_hand, abs=6e-3)
    assert len(results) == 4 + 4 * len(ENDPOINTS)
    assert results['fast_s3d']['family'] is None
    for family in FAMILIES:
        for endpoint in ENDPOINTS:
            row = results[f'{family}/{endpoint}']
            assert (row['family'], row['switching_endpoint']) == (family, endpoint)


def test_every_curve_goes_from_i2d_to_a_network_where_all_is_temporal(results, monkeypatch):
    drawn = {}

    def capture(curves, points, path, title):
        drawn.update({curve.label: curve for curve in curves}, points=points)

    monkeypatch.setattr(paper_plots, 'accuracy_against_cost', capture)
    speed_accuracy.draw(results, 'no.png', 'title')
    assert set(drawn) == {*FAMILIES, 'points'}
    ends = {'i3d': 111.15, 's3d': 68.18}
    for family in FAMILIES:
        costs = [point.multiply_adds / 1e9 for point in drawn[family].points]
        # Fast-S3D is on the curve of its family.
        assert len(costs) == 2 + len(ENDPOINTS) + (family == 'top_heavy_s3d')
        # What lies between costs more than I2D, and less than where all is temporal.
        assert min(costs) == costs[0] == pytest.approx(36.89, abs=6e-3)
        assert max(costs) == costs[-1] == pytest.approx(ends[family[-3:]], abs=6e-3)
        assert len(set(costs)) == len(costs)
        # At equal cost there would be nothing to compare: top-heavy ones are the cheaper half.
        middle = np.mean(costs[1:-1])
        other = drawn[family.replace('top', 'bottom')].points[1:-1]
        assert family.startswith('bottom') or middle < np.mean(
            [point.multiply_adds / 1e9 for point in other]
        )
    (apart,) = drawn['points']
    assert apart in drawn['top_heavy_s3d'].points
    assert [point.label for point in drawn['top_heavy_i3d'].points] == [
        'i2d',
        *(f'K = {endpoint}' for endpoint in ENDPOINTS),
        'i3d',
    ]
    assert (apart.label, apart.multiply_adds) == ('fast_s3d', pytest.approx(45.06e9, rel=1e-3))


def test_the_picture_has_every_curve_in_its_colour(results, tmp_path):
    speed_accuracy.draw(results, tmp_path / 'figure.png', 'title')
    picture = cv2.imread(str(tmp_path / 'figure.png')).astype(int)
    blue, orange = (180, 119, 31), (14, 127, 255)  # BGR: dense and separable
    right = {}
    for name, colour in (('dense', blue), ('separable', orange)):
        _, columns = np.nonzero(abs(picture[picture.shape[0] // 8 :] - colour).sum(axis=2) < 9)
        assert len(columns) > 500
        right[name] = columns.max()
    # The dense curves end at I3D, far to the right of S3D.
    assert right['dense'] > right['separable'] + picture.shape[1] / 5
