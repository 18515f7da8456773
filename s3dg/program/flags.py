"""Flags that several programs share, and how they are read."""

import ast
import dataclasses

from absl import flags

from s3dg.config import NetworkConfig
from s3dg.program.entry import UsageError
from s3dg.program.number_flags import MOST_SEED, define_count

PRESETS = ('paper', 'tiny')
_MOST_LOGICAL_CPUS = 16  # each has a copy of the network; 64 take minutes to build one


def define_workdir_flags(name, overwrite='Start anew, deleting the whole workdir.'):
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
    split = 'Split the CPU into this many devices, to try several replicas.'
    define_count('logical_cpus', 0, split, _MOST_LOGICAL_CPUS, least=0)
    dtypes = ['float32', 'mixed_bfloat16', 'mixed_float16']
    flags.DEFINE_enum('dtype', 'float32', dtypes, 'Keras dtype policy of the network.')
    deterministic = 'Same result to the last bit in every run, at some speed.'
    flags.DEFINE_bool('deterministic', False, deterministic)


def read(options_class, values):
    """What the parsed `flags.FlagValues` say, as a dataclass whose fields have the flags' names."""
    names = [field.name for field in dataclasses.fields(options_class)]
    return options_class(**{name: values[name].value for name in names})


def required(name, value):
    """The value of flag `name`; UsageError where it was not given."""
    if value is None or value == '':
        raise UsageError(f'--{name} is needed.')
    return value


def parse_fields(words, record=NetworkConfig):
    """The fields of `NetworkConfig`, or another `Record`, that --set gives, FIELD=VALUE each.

    'none', 'true' and 'false' in any case, numbers, and tuples of numbers ('input_scale=1,1,2') are
    taken as such, anything else as text. Whether a value fits is for the record to say.

    Raises:
      UsageError: for a word without '=', an unknown or a doubled field.
    """
    known = [field.name for field in dataclasses.fields(record)]
    fields = {}
    for word in words:
        name, separator, text = word.partition('=')
        if not separator:
            raise UsageError(f'--set: expected FIELD=VALUE, found {word!r}.')
        if name not in known:
            raise UsageError(f'--set: no field {name!r}; the fields are {", ".join(known)}.')
        if name in fields:
            raise UsageError(f'--set: {name} is set twice.')
        fields[name] = _parse_value(text.strip())
    return fields


def _parse_value(text):
    words = {'none': None, 'true': True, 'false': False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
