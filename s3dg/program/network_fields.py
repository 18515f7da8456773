"""FIELD=VALUE words of the command line as fields of `NetworkConfig`."""

import ast
import dataclasses

from s3dg.config import NetworkConfig
from s3dg.program.entry import UsageError


def parse_fields(words):
    """The fields that words such as 'width=0.5', 'gating=none', 'input_scale=1,1,2' set.

    Args:
      words: FIELD=VALUE each. 'none', 'true' and 'false' in any case, numbers, and tuples of
        numbers are taken as such, anything else as text.

    Returns:
      dict from field to value; whether a value fits is for `NetworkConfig` to say.

    Raises:
      UsageError: for a word without '=', an unknown or a doubled field.
    """
    known = [field.name for field in dataclasses.fields(NetworkConfig)]
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
