"""The page of all runs, where there are none; tests/experiments/test_experiments.py has one of finished runs."""

from experiments import report
from tests.experiments import in_process


def test_report_without_runs(tmp_path, capsys):
    assert in_process.call(report, f'--runs_dir={tmp_path / "no"}', f'--workdir={tmp_path}') == 2
    assert '--runs_dir' in capsys.readouterr().err
    (tmp_path / 'runs').mkdir()
    flags = (f'--runs_dir={tmp_path / "runs"}', f'--workdir={tmp_path / "page"}')
    assert in_process.call(report, *flags) is None
    text = (tmp_path / 'page' / 'report.md').read_text()
    for section in report.SECTIONS:
        assert f'python -m experiments.{section.program}' in text
