"""The table of costs: what is compared with what, and the files of a whole run."""

import csv
import json

import cv2
import numpy as np
import pytest

import s3dg
from experiments.paper import cost_report, costs
from experiments.paper import results as paper_results
from s3dg import cost
from s3dg.config import NETWORKS, SPATIO_TEMPORAL_ENDPOINTS
from s3dg.cost import Cost
from s3dg.figures import plots
from s3dg.program.entry import UsageError
from tests import programs

COLOURS = ((180, 119, 31), (14, 127, 255))  # BGR of matplotlib's first two


def test_figures_stand_beside_the_papers():
    # Table 2: I3D has 12.06 M parameters and takes 107.89 G multiply-adds.
    row = costs.beside_paper('i3d', Cost(6_030_000, 7_000_000, 215_780_000_000, 97_101_000_000))
    assert row['parameters_total'] == 7_000_000
    assert row['paper_network'] == 'I3D'
    assert (row['paper_parameters'], row['paper_multiply_adds']) == (12_060_000, 107_890_000_000)
    assert row['relative_difference_parameters'] == -0.5
    assert row['relative_difference_multiply_adds'] == 1.0
    assert row['relative_difference_multiply_adds_inside'] == pytest.approx(-0.1)  # of 107.89


@pytest.mark.parametrize(
    ('name', 'compared', 'multiply_adds'),
    [('fast_s3d', True, 43_470_000_000), ('i2d', True, None), ('i3d', False, None)],
)
def test_figures_that_the_paper_does_not_give_are_left_empty(name, compared, multiply_adds):
    row = costs.beside_paper(name, Cost(1, 2, 3, 4), compared)
    assert row['paper_parameters'] is row['relative_difference_parameters'] is None
    assert row['paper_multiply_adds'] == multiply_adds
    assert (row['relative_difference_multiply_adds'] is None) == (multiply_adds is None)


def _table(multiply_adds, compared=True):
    """The rows of the whole table; networks cost the same unless `multiply_adds` names them."""
    variants = costs.find_variants(num_classes=400)
    counted = {
        v.name: [Cost(8_770_000, 1, *2 * [multiply_adds.get(v.name, 10**9)])] for v in variants
    }
    return costs.table_rows(variants, counted, compared)


def test_the_papers_figures_are_scaled_by_the_ratio_of_i3d():
    # Twice the paper's I3D: its S3D of 66.38 becomes 132.76, its S3D-G 142.76.
    networks = _table({'i3d': 215_780_000_000, 's3d': 132_760_000_000, 's3d_g': 71_380_000_000})
    scaled = costs.scaled_paper(networks)
    assert scaled['ratio'] == 0.5
    rows = {row['network']: row for row in scaled['networks']}
    assert 'i3d' not in rows
    assert rows['s3d']['scaled'] == rows['s3d_slim']['scaled'] == 132_760_000_000
    assert rows['s3d']['relative_difference'] == 0.0
    assert rows['s3d_g']['relative_difference'] == -0.5
    searched = {
        'configurations': 1386,
        'found': [
            {
                'paper_network': 'Fast-S3D',
                'count': 'multiply_adds_inside',
                'multiply_adds': 43_472_000_000,
                'stem': '3x7x7',
                'kind': 'separable',
                'temporal_from': 'Mixed_5b',
                'temporal_until': 'Mixed_5c',
            }
        ],
    }
    report = cost_report.write_report(networks, (64, 224, 224), 400, scaled, searched)
    assert 'counter reads I3D 50.0% lower than ours' in report
    assert 'scaled by that one ratio, 0.5000, within 1% of theirs are: s3d. Not' in report
    assert 'Not explained by it: S3D-G, Fast-S3D.' in report
    differences = '66.38 | 132.76 | +100.0% | 132.76 | +100.0% |'
    assert f'| s3d | 8.770 | 8.770 | +0.0% | {differences}' in report
    assert '| i2d | - | 8.770 | - | - | 1.00 | - | 1.00 | - |' in report
    assert 'Of 1,386 configurations' in report
    assert '| Fast-S3D | inside | 43.47 | 3x7x7 | separable | Mixed_5b | Mixed_5c |' in report
    # Table 2's figures, and ours: 71.38 of 215.78.
    figures = '33.8% fewer, 1 / 1.51 | 66.9% fewer, 1 / 3.02 | 66.9% fewer, 1 / 3.02 |'
    assert f'| s3d_g | 34 % fewer | arXiv v1, abstract | {figures}' in report


def test_other_clips_are_not_compared_with_the_paper():
    report = cost_report.write_report(_table({}, compared=False), (16, 64, 64), 5, None, None)
    assert 'one clip of 16x64x64, and trainable parameters with 5 classes' in report
    assert '| i3d | 8.770 | 1.00 | 1.00 |' in report
    assert 'paper' not in report


def test_families_switch_at_every_endpoint():
    variants = {v.name: v for v in costs.find_variants(num_classes=7)}
    families = {name: v for name, v in variants.items() if v.family is not None}
    assert len(families) == 6 * len(SPATIO_TEMPORAL_ENDPOINTS) == 66
    assert set(NETWORKS) < set(variants) - set(families)
    for name in ('top_heavy_i3d', 'top_heavy_s3d', 'bottom_heavy_i3d', 'bottom_heavy_s3d'):
        assert variants[f'{name}/Mixed_4b'].config == NETWORKS[name].replace(num_classes=7)
    for family in ('top_heavy_s3d', 'bottom_heavy_s3d'):
        two = variants[f'{family}_two_branches/Mixed_5b'].config
        assert two == variants[f'{family}/Mixed_5b'].config.replace(temporal_branches=2)
    top, bottom = variants['top_heavy_i3d/Mixed_3c'], variants['bottom_heavy_i3d/Mixed_3c']
    assert (top.config.temporal_from, top.config.temporal_until) == ('Mixed_3c', 'Mixed_5c')
    assert (bottom.config.temporal_from, bottom.config.temporal_until) == (
        'Conv2d_1a_7x7',
        'Mixed_3c',
    )


def test_the_search_finds_the_networks_that_it_is_told_of(monkeypatch):
    """With costs of named networks as the paper's, it finds those networks, by its own sums."""
    clip = (16, 64, 64)
    wanted = {
        'one': ('fast_s3d', 'multiply_adds_inside', ('3x7x7', 'separable', 'Mixed_5b', 'Mixed_5c')),
        'two': ('top_heavy_i3d', 'multiply_adds', ('1x7x7', 'dense', 'Mixed_4b', 'Mixed_5c')),
    }
    papers = {}
    for name, (network, count, _) in wanted.items():
        whole = cost.network_cost(s3dg.build(network), *clip)
        papers[name] = paper_results.Cost(None, getattr(whole, count) / 1e9, 'here')
    monkeypatch.setattr(paper_results, 'COSTS', papers)
    searched = costs.search(clip)
    assert searched['configurations'] == 7 * 3 * 55
    for name, (_, count, place) in wanted.items():
        found = [
            tuple(row[key] for key in ('stem', 'kind', 'temporal_from', 'temporal_until'))
            for row in searched['found']
            if (row['paper_network'], row['count']) == (name, count)
        ]
        assert place in found


def test_equal_networks_are_built_once():
    config = NETWORKS['i2d'].replace(width=0.1)
    variants = [costs.Variant('one', config), costs.Variant('other', config)]
    counted = costs.count(variants, (8, 32, 32))
    assert counted['one'] is counted['other']
    assert counted['one'][-1].output_shape == (400,)


def test_a_clip_that_is_too_small_is_named_with_its_flags():
    variant = costs.Variant('odd', NETWORKS['i2d'].replace(pool_padding='symmetric', width=0.1))
    message = '--frames, --height, --width: a clip of 1x8x8 is too small for odd: MaxPool_5a_2x2'
    with pytest.raises(UsageError, match=message):
        costs.count([variant], (1, 8, 8))


def test_a_flag_that_cannot_be_ends_in_one_line(tmp_path):
    done = programs.run('cost_table', f'--workdir={tmp_path / "run"}', '--height=0', code=2)
    assert done.stderr.splitlines()[-1] == (
        'error: flag --height=0: 0 is not an integer in the range [1, 8192] '
        '(--helpshort lists the flags)'
    )
    assert not (tmp_path / 'run').exists()


def test_bars_are_as_long_as_the_costs(tmp_path):
    cheap = {name: Cost(10**6, 0, 10**9, 10**9) for name in ('Mixed_3b', 'Mixed_3c', 'logits')}
    dear = {name: Cost(3 * 10**6, 0, 3 * 10**9, 3 * 10**9) for name in cheap}
    plots.cost_per_endpoint({'cheap': cheap, 'dear': dear}, tmp_path / 'costs.png')
    picture = cv2.imread(str(tmp_path / 'costs.png')).astype(int)  # BGR
    for panel in np.array_split(picture, 2):
        blue, orange = ((abs(panel - c).sum(axis=2) < 9).sum() for c in COLOURS)
        assert 2.5 * blue < orange < 3.5 * blue


@pytest.mark.slow
def test_a_whole_run(tmp_path):
    done = programs.run('cost_table', f'--workdir={tmp_path}')
    assert any(line.split()[:3] == ['i3d', '12.060', '12.690'] for line in done.stdout.splitlines())
    results = json.loads((tmp_path / 'results.json').read_text())
    networks = results['networks']
    assert networks['s3d_slim']['parameters'] == 8_299_520
    assert round(networks['s3d_slim']['multiply_adds'] / 1e9, 2) == 64.18
    assert results['paper_scaled']['ratio'] == pytest.approx(107.89 / 111.15, rel=1e-4)
    with (tmp_path / 'networks.csv').open(newline='') as file:
        rows = {row['network']: row for row in csv.DictReader(file)}
    assert {name: int(row['multiply_adds']) for name, row in rows.items()} == {
        name: row['multiply_adds'] for name, row in networks.items()
    }
    with (tmp_path / 'layers.csv').open(newline='') as file:
        layers = [row for row in csv.DictReader(file) if row['network'] == 's3d_g']
    for figure in ('parameters', 'parameters_total', 'multiply_adds'):
        assert sum(int(row[figure]) for row in layers) == networks['s3d_g'][figure]
    assert layers[0]['path'] == 'Conv2d_1a_7x7/convolution'
    assert layers[0]['output_shape'] == '32x112x112x64'
    picture = cv2.imread(str(tmp_path / 'cost_per_endpoint.png'))
    assert picture.shape[1] > picture.shape[0] > 500
    assert (
        '| i3d | 12.060 | 12.690 | +5.2% | 107.89 | 111.15 | +3.0% | 104.40 | -3.2% |'
        in (tmp_path / 'report.md').read_text()
    )
    again = programs.run('cost_table', f'--workdir={tmp_path}')
    assert 'finished already' in again.stdout
