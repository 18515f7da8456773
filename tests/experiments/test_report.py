"""The page of all runs where there are none; test_experiments.py has one of finished runs."""

import json
import os

from experiments import report
from tests import in_process


def test_report_without_runs(tmp_path, capsys):
    assert in_process.call(report, f'--runs_dir={tmp_path / "no"}', f'--workdir={tmp_path}') == 2
    assert '--runs_dir' in capsys.readouterr().err
    (tmp_path / 'runs').mkdir()
    flags = (f'--runs_dir={tmp_path / "runs"}', f'--workdir={tmp_path / "page"}')
    assert in_process.call(report, *flags) is None
    text = (tmp_path / 'page' / 'report.md').read_text()
    for section in report.SECTIONS:
        assert f'python -m experiments.{section.name}' in text


def leave(folder, **settings):
    """A folder as an experiment leaves it."""
    folder.mkdir(parents=True)
    (folder / 'config.json').write_text(json.dumps({'program': 'kinetics', **settings}))
    (folder / 'results.json').write_text('{}')
    (folder / 'report.md').write_text(f'# All of {folder.name}\n')


def page(tmp_path):
    flags = (f'--runs_dir={tmp_path / "runs"}', f'--workdir={tmp_path / "page"}')
    assert in_process.call(report, *flags) is None
    results = json.loads((tmp_path / 'page' / 'results.json').read_text())
    return (tmp_path / 'page' / 'report.md').read_text(), results['kinetics']


def test_a_run_is_on_the_page_once_whatever_links_lead_to_it(tmp_path):
    leave(tmp_path / 'elsewhere' / 'one', preset='tiny')
    leave(tmp_path / 'runs' / 'two', preset='tiny')
    os.symlink(tmp_path / 'elsewhere', tmp_path / 'runs' / 'linked')
    os.symlink(tmp_path / 'runs' / 'two', tmp_path / 'runs' / 'latest')
    os.symlink(tmp_path / 'runs', tmp_path / 'runs' / 'all')
    text, _ = page(tmp_path)
    assert text.count('### All of one') == text.count('### All of two') == 1


def test_a_run_without_its_report_does_not_stop_the_page(tmp_path):
    leave(tmp_path / 'runs' / 'one', preset='tiny')
    leave(tmp_path / 'runs' / 'two', preset='tiny')
    (tmp_path / 'runs' / 'one' / 'report.md').unlink()
    text, _ = page(tmp_path)
    assert f'`{tmp_path}/runs/one` has no report.md any more' in text
    assert '### All of two' in text


def test_a_run_that_flags_changed_does_not_stand_for_the_papers(tmp_path):
    leave(
        tmp_path / 'runs' / 'short', preset='paper', dataset='kinetics400', overridden={'steps': 9}
    )
    text, results = page(tmp_path)
    assert '| Table 2: Kinetics-Full | paper kinetics400 changed |' in text
    assert 'kinetics400' in results['missing']
    leave(tmp_path / 'runs' / 'whole', preset='paper', dataset='kinetics400')
    assert 'kinetics400' not in page(tmp_path)[1]['missing']
