"""Frozen records whose fields are checked when they are made, and saved as plain values."""

import dataclasses
from collections.abc import Callable, Mapping

from s3dg.errors import S3dgError

_LARGEST_NUMBER = 1e30  # in float32


class ConfigError(S3dgError, ValueError):
    """A wrong value in a configuration; the message has the field, the value and what it may be."""


class Record:
    """What the frozen records share: saving as plain values and reading back."""

    def to_dict(self):
        """The fields as JSON-serialisable values."""
        return {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in dataclasses.fields(self)
            for value in [getattr(self, field.name)]
        }

    @classmethod
    def from_dict(cls, values: Mapping):
        """The record with these fields, the others at their defaults.

        Raises:
          ConfigError: for a field that does not exist, or a value that cannot be.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(
                    f'{cls.__name__} has no field {name!r}; its fields are '
                    f'{", ".join(sorted(known))}.'
                )
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    def replace(self, **fields):
        """A copy with other values in these fields; raises ConfigError as `from_dict` does."""
        return type(self).from_dict({**self.to_dict(), **fields})

    def __post_init__(self):
        for field in dataclasses.fields(self):
            rule = field.metadata['rule']
            self.check(field.name, rule.holds(getattr(self, field.name)), rule.expected)

    def check(self, name, holds, expected):
        """Raises ConfigError where the field's value is not as `expected`: not `holds`."""
        if not holds:
            found = getattr(self, name)
            raise ConfigError(f'{type(self).__name__}: {name} must be {expected}, got {found!r}.')


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a value may be: a test, and the words for it."""

    holds: Callable[[object], bool]
    expected: str


def checked(default, rule):
    """A field of a `Record`."""
    return dataclasses.field(default=default, metadata={'rule': rule})


def one_of(*known):
    return Rule(lambda value: value in known, f'one of {", ".join(map(str, known))}')


def or_none(rule):
    return Rule(lambda value: value is None or rule.holds(value), f'None or {rule.expected}')


def count(most):
    return Rule(lambda value: _is_size(value, most) and value > 0, f'an integer from 1 to {most}')


def number(fits, expected):
    """A finite number that float32 holds, and that `fits`."""
    return Rule(lambda value: is_number(value) and fits(value), expected)


BOOLEAN = Rule(lambda value: isinstance(value, bool), 'True or False')


def is_number(value):
    """Whether it is a finite number that float32 holds."""
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_real and abs(value) <= _LARGEST_NUMBER  # which NaN is not


def are_sizes(value, length, most):
    """Whether it is a tuple of `length` integers from 0 to `most`."""
    is_tuple = isinstance(value, tuple) and len(value) == length
    return is_tuple and all(_is_size(size, most) for size in value)


def _is_size(value, most):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
