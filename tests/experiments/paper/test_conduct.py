"""Where the report of an experiment goes, and what a dry run counts; no network is trained."""

import json

import pytest

from data import catalog
from data.conversion.convert import convert_dataset
from experiments import kinetics, transfer
from experiments.paper import conduct
from experiments.paper.starts import single_frames
from experiments.paper.study import Study
from experiments.training.start import How, Start
from s3dg.training.loop import create_strategy
from tests import in_process


class ReachedRun(Exception):
    pass


@pytest.mark.parametrize(
    ('words', 'workdir', 'networks'),
    [
        (['--preset=paper', '--from_scratch'], 'runs/kinetics', 'runs/networks'),
        (['--preset=tiny'], 'runs/kinetics_tiny', 'runs/networks'),
        (['--preset=tiny', '--workdir=a/b'], 'a/b', 'a/networks'),
    ],
)
def test_presets_have_workdirs_of_their_own(monkeypatch, tmp_path, words, workdir, networks):
    """One would find the other's run there and refuse it; the networks they share do not meet."""
    seen = []

    def run(name, workdir, *_, **__):
        assert name == 'kinetics'
        seen.append(workdir)
        raise ReachedRun

    def plans(study, *_):
        seen.append(study.networks_dir)
        return {}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(conduct, 'Run', run)
    monkeypatch.setattr(Study, 'plans', plans)
    with pytest.raises(ReachedRun):
        in_process.call(kinetics, *words)
    assert [path.as_posix() for path in seen] == [networks, workdir]


@pytest.fixture
def data_dir(tmp_path):
    for config in ('hard_rgb', 'rgb', 'half_rgb', 'split1_rgb'):
        per_class = 2 if config == 'split1_rgb' else 1
        builder = catalog.make_builder(
            'moving_shapes',
            config,
            tmp_path / 'data',
            train_per_class=per_class,
            validation_per_class=1,
        )
        convert_dataset(builder, processes=0)
    return tmp_path / 'data'


def leave_finished(study, recipe, name):
    """A folder as a finished training leaves it, as far as anybody looks."""
    folder = study.networks_dir / name
    folder.mkdir(parents=True)
    settings = {'program': 'train', **study.plan(recipe, 0).to_dict()}
    (folder / 'config.json').write_text(json.dumps(settings))
    (folder / 'results.json').write_text('{}')
    (folder / 'model.keras').touch()
    return folder


def told(capsys):
    """(labels of the trainings that are counted, their steps, the lines) of a dry run."""
    lines = capsys.readouterr().out.splitlines()
    table = lines[: lines.index(next(line for line in lines if line.startswith('Trainings:')))]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table if '|' in line]
    counted = {row[0]: row[2] for row in rows[2:] if row[0]}
    return [label for label in counted if label != 'sum'], counted['sum'], lines


def test_a_dry_run_counts_what_is_still_to_be_trained(data_dir, tmp_path, capsys):
    networks = tmp_path / 'networks'
    words = ('--preset=tiny', '--dry_run', f'--data_dir={data_dir}', f'--networks_dir={networks}')
    assert in_process.call(kinetics, *words) is None
    assert told(capsys)[:2] == (['i2d on single frames', 'i3d', 's3d', 's3d_g'], '5,800')
    study = Study(networks, data_dir, create_strategy('one'), print)
    start = Start(single_frames(), How.IMAGES)
    recipes = kinetics.Kinetics('tiny', start).recipes()[:1]
    leave_finished(study, single_frames(), 'images')
    folder = leave_finished(study, *recipes, 'finished')
    assert in_process.call(kinetics, *words) is None
    labels, steps, lines = told(capsys)
    assert (labels, steps) == (['s3d', 's3d_g'], '3,200')
    assert f'i3d is finished, and not counted: {folder}' in lines
    # Another seed, another network.
    assert in_process.call(kinetics, *words, '--seeds=2') is None
    # i3d, s3d and s3d_g, and what they and the two before start from.
    assert len(told(capsys)[0]) == 6
    # What is left of a training is no network.
    (folder / 'model.keras').unlink()
    assert in_process.call(kinetics, *words) is None
    assert len(told(capsys)[0]) == 3


def test_a_dry_run_counts_no_network_twice_that_others_start_from(
    data_dir, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(transfer, 'SPLITS', ('split1',))
    networks = tmp_path / 'networks'
    words = ('--preset=tiny', '--dry_run', f'--data_dir={data_dir}', f'--networks_dir={networks}')
    assert in_process.call(transfer, *words) is None
    assert told(capsys)[:2] == (
        [
            'i2d on single frames',
            's3d_g',
            'moving_shapes/split1',
            'moving_shapes/split1/from_scratch',
        ],
        '1,700',  # 1,000, 500 and 2 x 100
    )
    study = Study(networks, data_dir, create_strategy('one'), print)
    experiment = transfer.Transfer(
        'tiny', Start(single_frames('rgb'), How.IMAGES), 's3d_g', None, compare_scratch=False
    )
    (tuned,) = experiment.recipes()
    leave_finished(study, single_frames('rgb'), 'images')
    leave_finished(study, tuned.start.recipe, 'start')
    leave_finished(study, tuned, 'tuned')
    assert in_process.call(transfer, *words) is None
    assert told(capsys)[:2] == (['moving_shapes/split1/from_scratch'], '100')
