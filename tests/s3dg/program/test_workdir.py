"""The folder of a run: what is kept, reused, replaced and refused."""

import json
import subprocess
import sys

import pytest

from s3dg.program.entry import UsageError
from s3dg.program.workdir import Run, home_path, read_settings
from tests import fuzzing, programs
from tests.kills import contents, hidden_contents, killed_at


def test_a_run_writes_its_settings_and_is_finished_by_its_results(tmp_path):
    settings = {'network': {'width': 0.5, 'input_scale': (1, 2)}, 'seed': 3}
    this = Run('train', tmp_path / 'run', settings)
    assert this.results is None
    saved = json.loads((tmp_path / 'run' / 'config.json').read_text())
    assert saved == {
        'program': 'train',
        'network': {'width': 0.5, 'input_scale': [1, 2]},
        'seed': 3,
    }
    this.finish({'top1': 0.5}, '# report')
    assert Run('train', tmp_path / 'run', settings).results == {'top1': 0.5}


def test_other_settings_are_refused_and_overwrite_starts_anew(tmp_path):
    Run('train', tmp_path, {'a': {'b': 1}, 'log': 1}).finish({}, '')
    with pytest.raises(UsageError, match='a.b was 1 and is now 2. Give another --workdir'):
        Run('train', tmp_path, {'a': {'b': 2}, 'log': 1})
    for overwrite in (False, True):  # one program does not delete what another has left
        with pytest.raises(UsageError, match='holds a run of train; give another one'):
            Run('export', tmp_path, {'a': {'b': 1}, 'log': 1}, overwrite)
    assert Run('train', tmp_path, {'a': {'b': 1}, 'log': 2}, free=('log',)).results == {}
    assert Run('train', tmp_path, {'a': {'b': 2}}, overwrite=True).results is None


def test_what_is_replaced_keeps_all_but_its_results(tmp_path):
    Run('kinetics', tmp_path, {'a': 1}).finish({'top1': 0.5}, '')
    (tmp_path / 'data').mkdir()
    assert Run('kinetics', tmp_path, {'a': 1}, replaces=True).results == {'top1': 0.5}
    again = Run('kinetics', tmp_path, {'a': 1}, overwrite=True, replaces=True)
    assert again.results is None
    assert (tmp_path / 'data').is_dir()


@pytest.mark.parametrize('below', ['', 'run', 'deep/er'])
def test_a_file_is_no_workdir(tmp_path, below):
    (tmp_path / 'file').write_text('of the user')
    with pytest.raises(UsageError, match='^--workdir: .*/file is a file, expected a folder.$'):
        Run('train', tmp_path / 'file' / below, {})
    assert (tmp_path / 'file').read_text() == 'of the user'


def test_what_is_read_is_not_deleted(tmp_path):
    work, elsewhere = tmp_path / 'work', tmp_path / 'elsewhere.mp4'
    Run('train', work, {'a': 1})
    (work / 'videos').mkdir()
    inputs = [('--init', None), ('video', elsewhere), ('--data_dir', work / 'videos')]
    with pytest.raises(UsageError, match='--data_dir: .*/videos lies in --workdir'):
        Run('train', work, {'a': 1}, overwrite=True, inputs=inputs)
    assert (work / 'videos').is_dir()
    Run('train', work, {'a': 1}, overwrite=True, inputs=inputs[:2])
    assert not (work / 'videos').exists()


def test_a_finished_run_keeps_the_settings_it_was_made_with(tmp_path):
    Run('train', tmp_path, {'a': 1, 'log': 1}, free=('log',))
    Run('train', tmp_path, {'a': 1, 'log': 2}, free=('log',)).finish({}, '')
    Run('train', tmp_path, {'a': 1, 'log': 3}, free=('log',))
    Run('train', tmp_path, {'a': 1, 'log': {'every': 3}}, free=('log',))
    with pytest.raises(UsageError, match='logs was None and is now 3'):
        Run('train', tmp_path, {'a': 1, 'log': 2, 'logs': 3}, free=('log',))
    assert read_settings(tmp_path / 'config.json')['log'] == 2


@pytest.mark.parametrize(
    'name',
    [
        'results.json',
        'checkpoints',
        'report.md',
        'model.keras',
        'features',
        'curves.png',
        'confusion.png',
        'predictions.npz',
        'predictions_reversed.npz',
        'samples.png',
        'new_videos',
        'saved_model',
        'networks.csv',
    ],
)
def test_what_is_left_of_a_run_is_not_taken_for_another(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match=f'holds {name} and no config.json'):
        Run('train', tmp_path, {})


def test_overwriting_through_a_link_keeps_the_link(tmp_path):
    real, link = tmp_path / 'real', tmp_path / 'link'
    Run('train', real, {'a': 1}).finish({}, '')
    link.symlink_to(real)
    (tmp_path / '.real.deleted').mkdir()  # somebody's
    assert Run('train', link, {'a': 2}, overwrite=True).results is None
    assert link.is_symlink()
    assert read_settings(real / 'config.json')['a'] == 2
    left = ['.real.deleted', '.real.lock', 'link', 'real']
    assert sorted(path.name for path in tmp_path.iterdir()) == left


@pytest.mark.parametrize('overwrite', [True, False])
def test_folders_that_are_no_workdir(tmp_path, monkeypatch, overwrite):
    """Not even with a run's files in it, as the programs left them there when they still did."""
    work = tmp_path / 'work'
    Run('train', work, {'a': 1}).finish({}, '')
    (tmp_path / 'link').symlink_to(work)
    (work / 'notes.txt').write_text('mine')
    before = sorted(work.iterdir())
    monkeypatch.chdir(work)
    monkeypatch.setenv('HOME', str(tmp_path))
    for path in ('.', '..', '/', '~', work, tmp_path / 'link', programs.ROOT):
        with pytest.raises(UsageError, match='^--workdir: .* or holds it, expected a folder for'):
            Run('train', path, {'a': 1}, overwrite)
    with pytest.raises(UsageError, match='--workdir is empty, expected the name of a folder'):
        Run('train', '', {'a': 1}, overwrite)
    assert sorted(work.iterdir()) == before


def test_files_of_others_are_not_deleted(tmp_path):
    work = tmp_path / 'work'
    this = Run('train', work, {'a': 1})
    this.finish({}, '')
    for name in ('checkpoints/ckpt-5.index', 'saved_model/variables/variables.index', 'curves.png'):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).touch()
    (work / 'checkpoints' / 'best.odt').write_text('mine')
    with pytest.raises(
        UsageError,
        match='--workdir: .*work: holds checkpoints/best.odt, which this program did',
    ):
        Run('train', work, {'a': 2}, overwrite=True)
    assert (work / 'curves.png').exists()
    (work / 'checkpoints' / 'best.odt').unlink()
    Run('train', work, {'a': 2}, overwrite=True)
    assert [path.name for path in work.iterdir()] == ['config.json']


@pytest.mark.parametrize('exchanges', [True, False])
def test_an_overwriting_killed_at_every_step(tmp_path, exchanges):
    step, killed = 0, True
    while killed:
        step += 1
        work = tmp_path / str(step) / 'work'
        Run('train', work, {'a': 1}).finish({'top1': 0.5}, 'report')
        for name in ('checkpoints/ckpt-5.index', 'checkpoints/ckpt-5.data-00000-of-00001'):
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_bytes(b'weights')
        old = contents(work)
        killed = killed_at(
            step, lambda work=work: Run('train', work, {'a': 2}, overwrite=True), exchanges
        )
        if work.exists():
            new = json.loads((work / 'config.json').read_text())['a'] == 2
            assert list(contents(work)) == ['config.json'] if new else contents(work) == old
        else:  # between the two renames of a system that cannot exchange
            assert not exchanges
            assert old in hidden_contents(work)
        assert Run('train', work, {'a': 2}, overwrite=True).results is None
        assert read_settings(work / 'config.json') == {'program': 'train', 'a': 2}
        assert sorted(path.name for path in work.iterdir()) == ['config.json']
        assert sorted(path.name for path in work.parent.iterdir()) == ['.work.lock', 'work']
    assert step > 20


def test_a_second_process_is_refused(tmp_path):
    work = tmp_path / 'work'
    this = Run('train', work, {'a': 1})
    words = [sys.executable, '-c', _SECOND, str(work)]
    done = subprocess.run(words, cwd=programs.ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == (
        f'--workdir: another process is at work in {work}; wait for its end, or give another one.\n'
    )
    this.finish({}, '')
    del this
    done = subprocess.run(words, cwd=programs.ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == '{}\n'


_SECOND = """
import sys
from s3dg.program.workdir import Run
try:
    print(Run('train', sys.argv[1], {'a': 1}).results)
except Exception as error:
    print(error)
"""


def test_a_finished_run_can_be_looked_at_while_another_process_is_there(tmp_path):
    work = tmp_path / 'work'
    Run('train', work, {'a': 1}).finish({'top1': 1}, '')
    extracting = Run('train', work, {'a': 1}, goes_on=True)
    done = subprocess.run(
        [sys.executable, '-c', _SECOND, str(work)],
        cwd=programs.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{'top1': 1}\n"
    assert extracting.results == {'top1': 1}


def test_damaged_results_are_named(tmp_path):
    this = Run('train', tmp_path, {})
    this.finish({'top1': 0.5}, '')
    (tmp_path / 'results.json').write_text('{"top1": ')
    with pytest.raises(UsageError, match='results.json is damaged'):
        _ = this.results


def test_a_folder_with_somebody_elses_config_is_left_alone(tmp_path):
    (tmp_path / 'config.json').write_text('{"mine": 1}')
    with pytest.raises(UsageError, match='was not written by this project'):
        Run('train', tmp_path, {}, overwrite=True)
    assert json.loads((tmp_path / 'config.json').read_text()) == {'mine': 1}


def test_a_report_is_replaced_and_nothing_else_deleted(tmp_path):
    (tmp_path / 'model.ckpt').write_text('mine')
    Run('export', tmp_path, {'a': 1}, replaces=True).finish({'done': 1}, '')
    assert Run('export', tmp_path, {'a': 1}, replaces=True).results == {'done': 1}
    for settings, overwrite in (({'a': 2}, False), ({'a': 2}, True)):
        this = Run('export', tmp_path, settings, overwrite, replaces=True)
        assert this.results is None
        this.finish({'done': 2}, '')
    assert (tmp_path / 'model.ckpt').read_text() == 'mine'
    with pytest.raises(UsageError, match='holds a run of export; give another one'):
        Run('import-weights', tmp_path, {'a': 2}, replaces=True)


@pytest.mark.parametrize(
    ('former', 'name'), [('extract_features', 'features'), ('import_weights', 'import-weights')]
)
def test_a_workdir_of_a_program_that_had_another_name_is_taken(former, name, tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps({'program': former, 'pool': 'all'}))
    with pytest.raises(UsageError, match="pool was 'all' and is now 'none'"):
        Run(name, tmp_path, {'pool': 'none'})
    with pytest.raises(UsageError, match=f'holds a run of {name}; give another one'):
        Run('train', tmp_path, {'pool': 'all'})
    Run(name, tmp_path, {'pool': 'all'}).finish({'windows': 3}, '')
    assert Run(name, tmp_path, {'pool': 'all'}).results == {'windows': 3}


def test_an_unknown_home_stays_as_it_is():
    assert str(home_path('~nobody_of_that_name/x')) == '~nobody_of_that_name/x'
    assert home_path('~/x').is_absolute()


@pytest.mark.parametrize('content', ['{}', '[]', '3', '"top1"', '{"top1": "0.5"}', '[' * 10**5, ''])
def test_results_that_lack_a_figure_are_told_in_a_line(tmp_path, content):
    this = Run('train', tmp_path, {'a': 1})
    this.finish({'top1': 0.5}, '')
    assert this.figure('top1') == 0.5
    (tmp_path / 'results.json').write_text(content)
    with pytest.raises(UsageError, match='results.json is damaged.*; delete it to have it'):
        this.figure('top1')


@pytest.mark.parametrize('content', ['[' * 10**5, '[]', '5', '{}', '{"program": 3}', '{not json'])
def test_settings_of_no_run_are_told_in_a_line(tmp_path, content):
    (tmp_path / 'config.json').write_text(content)
    with pytest.raises(UsageError, match='config.json .* damaged.*; give another folder'):
        Run('train', tmp_path, {'a': 1})


@pytest.mark.parametrize(
    'examples', [fuzzing.FEW, pytest.param(fuzzing.MANY, marks=pytest.mark.slow)]
)
def test_damaged_files_of_a_run_are_told_in_a_line(tmp_path, examples):
    this = Run('train', tmp_path, {'a': {'b': [1, 2]}})
    this.finish({'top1': 0.5, 'per_class': {'x': {'top1': 0.5, 'videos': 2}}}, '')
    config = (tmp_path / 'config.json').read_bytes()
    whole = (tmp_path / 'results.json').read_bytes()
    fuzzing.check(lambda path: this.figure('top1'), whole, tmp_path / 'results.json', examples)
    (tmp_path / 'results.json').unlink()
    fuzzing.check(read_settings, config, tmp_path / 'config.json', examples)
