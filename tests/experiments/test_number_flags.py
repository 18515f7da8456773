"""Every number flag of every program, and every field of --set, with values they must refuse."""

import dataclasses
import importlib
import pathlib
import time

import pytest
from absl import flags

import experiments
from experiments import cost_table, kinetics
from s3dg.commands import VERBS
from s3dg.config import NETWORKS, ConfigError, NetworkConfig
from s3dg.errors import LONGEST_LINE, S3dgError
from s3dg.program import number_flags
from s3dg.program.flags import parse_fields
from tests import in_process

FLAGS = flags.FLAGS

FOLDER = pathlib.Path(experiments.__path__[0])
PROGRAMS = sorted(
    f'experiments.{path.stem}'
    for path in FOLDER.glob('*.py')
    if "__name__ == '__main__'" in path.read_text()
) + [verb.module for verb in VERBS.values()]
# Zero is a length or a number of nothing, but for these; some of them refuse it later.
MAY_BE_ZERO = {
    'evaluate_every',
    'frames_per_second',
    'gap',
    'gpu_rate',
    'learning_rate',
    'least_score',
    'logical_cpus',
    'max_skipped_fraction',
    'momentum',
    'seed',
    'shortest',
    'split_seed',
    'threshold',
    'validation_fraction',
    'weight_decay',
}
NONSENSE = ('-1', str(10**12), str(10**30), '9' * 5000, 'nan', 'inf', '-inf', '', 'x', '1e', '1,2')


def test_all_programs_are_tried():
    assert len(PROGRAMS) == 27
    assert {'experiments.train', 'experiments.convert', 's3dg.commands.features'} <= set(PROGRAMS)


def names_of_numbers():
    parsers = (flags.IntegerParser, flags.FloatParser)
    return {name for name in FLAGS if isinstance(FLAGS[name].parser, parsers)}


@pytest.mark.parametrize('name', PROGRAMS)
def test_flags_refuse_what_no_number_may_be(name):
    program = importlib.import_module(name)
    before = names_of_numbers()
    with in_process.flags_of(program):
        for flag in names_of_numbers() - before:
            refused = [*NONSENSE, *([] if flag in MAY_BE_ZERO else ['0'])]
            for value in refused:
                with pytest.raises(flags.IllegalFlagValueError):
                    FLAGS[flag].parse(value)
            if flag in MAY_BE_ZERO:
                FLAGS[flag].parse('0')
            # What it may be is told, by absl, of whatever has bounds.
            assert 'in the range [' in FLAGS[flag].parser.syntactic_help, flag


@pytest.mark.parametrize(
    'word',
    [
        '--window=1000000',
        '--batch_size=99999999999',
        '--logical_cpus=100000',
        f'--stride={"9" * 200_000}',
        f'--endpoint={"x" * 200_000}',
        f'--no_such_flag_{"x" * 200_000}',
        f'--flagfile={"x" * 5000}',
        '--flagfile=/bin/true',
    ],
)
def test_a_flag_that_cannot_be_ends_in_one_line(word, capsys):
    features = importlib.import_module('s3dg.commands.features')
    assert in_process.call(features, word) == 2
    said = capsys.readouterr().err
    assert said.startswith('error: ')
    assert said.count('\n') == 1
    assert len(said) <= LONGEST_LINE + len('error: \n')


def test_the_bounds_themselves_take_no_time(tmp_path, capsys):
    started = time.monotonic()
    most = (f'--batch_size={number_flags.MOST_CLIPS}', f'--steps={number_flags.MOST_STEPS}')
    assert in_process.call(kinetics, '--dry_run', f'--data_dir={tmp_path}', *most) is None
    assert time.monotonic() - started < 60
    assert '1,000,000,000' in capsys.readouterr().out


# Values of NONSENSE, or zero, that a field may have: any number serves as a scale or an offset.
ANY_NUMBER = {'input_scale', 'input_offset'}
FIELDS_THAT_MAY_BE_ZERO = {'batch_norm_decay', 'dropout_rate', *ANY_NUMBER}


@pytest.mark.parametrize('field', [field.name for field in dataclasses.fields(NetworkConfig)])
def test_fields_refuse_what_they_may_not_be(field):
    values = [*NONSENSE, '0', '0.5', '[', '{}', "''", '()', '(1, 2)', '1j', '1' + '0' * 400]
    for value in values:
        may_be = (
            (value == '0' and field in FIELDS_THAT_MAY_BE_ZERO)
            or (value in ('-1', '0.5', str(10**12), str(10**30)) and field in ANY_NUMBER)
            or (
                value == '0.5'
                and field in {*FIELDS_THAT_MAY_BE_ZERO, 'width', 'batch_norm_epsilon'}
            )
            or (value in (str(10**12), str(10**30)) and field == 'batch_norm_epsilon')
        )
        fields = parse_fields([f'{field}={value}'])
        if may_be:
            NETWORKS['s3d_g'].replace(**fields)
            continue
        with pytest.raises(ConfigError) as error:
            NETWORKS['s3d_g'].replace(**fields)
        assert len(str(error.value)) <= LONGEST_LINE


def test_fields_of_a_program_end_in_one_line(tmp_path, capsys):
    for word in ('width=1e9', 'num_classes=' + '9' * 4000, 'stem_spatial_size=1000000'):
        code = in_process.call(cost_table, f'--set={word}', f'--workdir={tmp_path / "run"}')
        assert code in (1, 2)
        assert capsys.readouterr().err.count('\n') == 1
    assert issubclass(ConfigError, S3dgError)
