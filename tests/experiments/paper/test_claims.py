"""What the claims of the paper are judged by; expectations by hand."""

import json
import re

import pytest

from experiments import report
from experiments.paper import claims
from experiments.paper.claims import Claim, Figure
from tests import in_process


def claim(**fields):
    figures = Figure('a', ('one', 'a')), Figure('b', ('one', 'b'), 'other')
    return Claim('a is above b', 'Table 0', '2 and 1', 'kinetics', *figures, **fields)


def results(a, b, seeds=3, costs=(1, 2)):
    """`a` and `b`: (mean, deviation)."""
    found = {}
    for name, key, (mean, deviation), cost in (
        ('a', 'top1', a, costs[0]),
        ('b', 'other', b, costs[1]),
    ):
        found[name] = {key: mean, f'{key}_deviation': deviation, 'seeds': seeds}
        found[name]['multiply_adds'] = cost
    return {'one': found}


@pytest.mark.parametrize(
    ('a', 'b', 'above', 'no_worse'),
    [
        # Of deviations 0.03 and 0.04 and 4 seeds the error is 0.05 / 2: twice that is 0.05.
        ((0.80, 0.03), (0.74, 0.04), claims.SHOWN, claims.SHOWN),
        ((0.80, 0.03), (0.76, 0.04), claims.UNDECIDED, claims.SHOWN),
        ((0.80, 0.03), (0.84, 0.04), claims.UNDECIDED, claims.SHOWN),
        ((0.80, 0.03), (0.86, 0.04), claims.OPPOSITE, claims.OPPOSITE),
        ((0.80, 0.0), (0.80, 0.0), claims.UNDECIDED, claims.SHOWN),
    ],
)
def test_verdicts(a, b, above, no_worse):
    found = results(a, b, seeds=4)
    assert claim().verdict(found) == above
    assert claim(no_worse=True).verdict(found) == no_worse
    # The more seeds, the smaller the error.
    if above == claims.UNDECIDED and a[0] > b[0]:
        assert claim().verdict(results(a, b, seeds=16)) == claims.SHOWN


def test_what_is_said_to_be_cheaper_must_be():
    good = (0.9, 0.01), (0.5, 0.01)
    assert claim(cheaper=True).verdict(results(*good, costs=(1, 2))) == claims.SHOWN
    for costs in ((2, 2), (3, 2)):
        assert claim(cheaper=True).verdict(results(*good, costs=costs)) == claims.DEARER
    assert claim().verdict(results(*good, costs=(3, 2))) == claims.SHOWN


def test_one_seed_is_not_judged():
    found = {'one': {'a': {'top1': 0.9}, 'b': {'other': 0.1}}}
    assert claim().verdict(found) == claims.TOO_FEW


def test_every_claim_is_of_an_experiment_and_says_where():
    programs = {section.name for section in report.SECTIONS}
    assert {one.program for one in claims.CLAIMS} <= programs
    assert len({one.statement for one in claims.CLAIMS}) == len(claims.CLAIMS)
    # Sections, tables and figures of the paper.
    assert all(re.match(r'(section \d|Tables? \d)', one.source) for one in claims.CLAIMS)


def test_a_report_shows_what_the_tiny_runs_do(tmp_path):
    def leave(name, program, preset, contents, **changes):
        folder = tmp_path / 'runs' / name
        folder.mkdir(parents=True)
        settings = {'program': program, 'preset': preset, **changes}
        (folder / 'config.json').write_text(json.dumps(settings))
        (folder / 'results.json').write_text(json.dumps(contents))
        (folder / 'report.md').write_text('# One\n')

    def figures(mean, cost):
        return {'top1': mean, 'top1_deviation': 0.01, 'seeds': 3, 'multiply_adds': cost}

    accurate = {'i3d': figures(0.8, 20), 's3d': figures(0.9, 10), 's3d_g': figures(0.905, 11)}
    leave('tiny', 'kinetics', 'tiny', accurate)
    leave('short', 'kinetics', 'tiny', accurate, overridden={'steps': 9})
    leave('paper', 'kinetics', 'paper', {'i3d': figures(0.1, 20), 's3d': figures(0.2, 10)})
    leave('other', 'feature_embedding', 'tiny', {'i3d': {'Mixed_5c': {'neighbour_agreement': 1}}})
    flags = (f'--runs_dir={tmp_path / "runs"}', f'--workdir={tmp_path / "page"}')
    assert in_process.call(report, *flags) is None
    found = json.loads((tmp_path / 'page' / 'results.json').read_text())['claims']
    verdicts = {row['claim']: row for row in found}
    assert len(verdicts) == len(found) == len(claims.CLAIMS)
    separable = verdicts['separable is no worse than dense, and cheaper']
    assert separable['ours'] == 'S3D 90.0 ± 1.0, I3D 80.0 ± 1.0, at 0.50 of the multiply-adds'
    assert separable['verdict'] == 'shown'
    assert verdicts['gating helps']['verdict'] == 'not shown: within the error'
    assert verdicts['classes separate at higher levels']['verdict'] == 'not run'
    text = (tmp_path / 'page' / 'report.md').read_text()
    row = '| gating helps | section 4.6, Table 2 | 74.7 and 72.2 (Kinetics) | S3D-G 90.5 ± 1.0'
    assert row in text
