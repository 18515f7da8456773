"""Flags that several programs share."""

import dataclasses

from absl import flags

from s3dg.program.entry import UsageError
from s3dg.program.number_flags import MOST_SEED, define_count

DTYPES = ('float32', 'mixed_bfloat16', 'mixed_float16')
PRESETS = ('paper', 'tiny')
_MOST_LOGICAL_CPUS = 16  # each has a copy of the network; 64 take minutes to build one

_ANEW = 'Start anew, deleting the whole workdir.'


def define_workdir_flags(name, overwrite=_ANEW):
    """Flags of every program that leaves a folder behind; `overwrite` says what that flag does."""
    flags.DEFINE_string('workdir', f'runs/{name}', 'Folder for what the run leaves.')
    flags.DEFINE_bool('overwrite', False, overwrite)


def define_dataset_flags(dataset=None):
    """Flags that name a converted dataset."""
    flags.DEFINE_string('dataset', dataset, 'Dataset, e.g. moving_shapes or video_folder.')
    flags.DEFINE_string('config', None, 'Configuration of the dataset; default its first.')
    define_data_dir_flag()


def define_data_dir_flag():
    flags.DEFINE_string('data_dir', '~/tensorflow_datasets', 'Folder of the converted datasets.')


def define_runtime_flags():
    """Flags of programs that run networks: where, and in which precision."""
    define_count('seed', 0, 'Seed of all random choices.', MOST_SEED, least=0)
    flags.DEFINE_enum(
        'strategy',
        'auto',
        ['auto', 'one', 'mirrored'],
        'Devices: all GPUs or logical CPUs (mirrored), one of them (one), or what fits (auto).',
    )
    define_count(
        'logical_cpus',
        0,
        'Split the CPU into this many devices, to try several replicas.',
        _MOST_LOGICAL_CPUS,
        least=0,
    )
    flags.DEFINE_enum('dtype', 'float32', DTYPES, 'Keras dtype policy of the network.')
    flags.DEFINE_bool(
        'deterministic', False, 'Same result to the last bit in every run, at some speed.'
    )


def read(options_class, values):
    """What the flags say, as a dataclass whose fields have the names of flags.

    Args:
      options_class: the dataclass.
      values: the parsed `flags.FlagValues`.
    """
    names = [field.name for field in dataclasses.fields(options_class)]
    return options_class(**{name: values[name].value for name in names})


def required(name, value):
    """Returns the value of flag `name`, which has to be given.

    Raises:
      UsageError: where it was not given.
    """
    if value is None or value == '':
        raise UsageError(f'--{name} is needed.')
    return value
