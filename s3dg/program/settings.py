"""What a run was made with, as its `config.json` keeps it, and whether another one may go on."""

from s3dg.files.readers import read_json
from s3dg.program.entry import UsageError

# Programs by the names that they had before; their workdirs are still taken.
_FORMER_NAMES = {'extract_features': 'features', 'import_weights': 'import-weights'}


def read_settings(path):
    """What a run has written to its `config.json`.

    Raises:
      UsageError: where the file is not one of this project.
    """
    remedy = 'give another folder, or delete this one'
    settings = read_json(path, UsageError, remedy)
    program = settings.get('program')
    if not isinstance(program, str):
        raise UsageError(f'{path} was not written by this project, or is damaged; {remedy}')
    return {**settings, 'program': _FORMER_NAMES.get(program, program)}


def flatten(values, prefix=''):
    """Nested dicts as one, with keys like 'training.log_every'."""
    if not isinstance(values, dict):
        return {prefix: values}
    pairs = ((f'{prefix}.{name}' if prefix else name, value) for name, value in values.items())
    return {key: leaf for name, value in pairs for key, leaf in flatten(value, name).items()}


def check_same(folder, before, now, free=()):
    """Refuses settings that are not those of the run in a folder.

    Args:
      folder: the run's, for the message.
      before, now: the settings, nested dicts.
      free: settings, named 'training.log_every' and the like, or whole dicts of them, that may
        differ.

    Raises:
      UsageError: naming the first setting that differs.
    """
    flat_before, flat_now = flatten(before), flatten(now)
    free = tuple(f'{name}.' for name in free)
    for name in sorted({*flat_before, *flat_now}):
        old, new = flat_before.get(name), flat_now.get(name)
        if old != new and not f'{name}.'.startswith(free):
            raise UsageError(
                f'{folder} holds a run with other settings: {name} was {old!r} and is now {new!r}. '
                f'Give another --workdir, or --overwrite to start anew.'
            )
