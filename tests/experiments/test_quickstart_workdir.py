"""What the quickstart refuses before it trains: as `train` does, by the same function."""

import fcntl

import pytest

import s3dg
from data import catalog
from data.conversion.convert import convert_dataset
from experiments import quickstart, train
from tests import in_process


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    builder = catalog.make_builder(
        'moving_shapes', 'rgb', folder, train_per_class=2, validation_per_class=1
    )
    convert_dataset(builder, processes=0)
    return folder


def words(program, data_dir, work):
    dataset = ('--dataset=moving_shapes',) if program is train else ()
    return (*dataset, f'--data_dir={data_dir}', f'--workdir={work}', '--steps=1')


@pytest.mark.parametrize('program', [train, quickstart])
def test_a_workdir_where_another_process_is_at_work(program, data_dir, tmp_path, capsys):
    work = tmp_path / 'work'
    with (tmp_path / '.work.lock').open('a') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert in_process.call(program, *words(program, data_dir, work)) == 1
    assert f'--workdir: another process is at work in {work}' in capsys.readouterr().err
    assert not work.exists()


@pytest.mark.parametrize('program', [train, quickstart])
@pytest.mark.parametrize('flag', ['--init', '--inflate_from'])
def test_overwriting_deletes_no_network_to_start_from(program, flag, data_dir, tmp_path, capsys):
    work = tmp_path / 'work'
    work.mkdir()
    name = program.__name__.rpartition('.')[2]
    (work / 'config.json').write_text(f'{{"program": "{name}"}}')
    model = work / 'model.keras'
    s3dg.build('i2d', 10, width=0.1).save(model)
    flags = (*words(program, data_dir, work), f'{flag}={model}', '--overwrite')
    assert in_process.call(program, *flags) == 2
    assert f'{flag}: {model} lies in --workdir, which --overwrite' in capsys.readouterr().err
    assert model.exists()
