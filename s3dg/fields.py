"""Frozen records whose fields are checked when they are made, and saved as plain values."""

import dataclasses
from collections.abc import Mapping

from s3dg.errors import S3dgError

LARGEST_NUMBER = 1e30  # in float32


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

    def check(self, name, holds, expected):
        """Raises ConfigError where the field's value is not as `expected`: not `holds`."""
        if not holds:
            found = getattr(self, name)
            raise ConfigError(f'{type(self).__name__}: {name} must be {expected}, got {found!r}.')


def is_number(value):
    """Whether it is a finite number that float32 holds."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= LARGEST_NUMBER  # which NaN is not


def is_count(value, most):
    """Whether it is an integer from 1 to `most`."""
    return is_size(value, most) and value > 0


def is_size(value, most):
    """Whether it is an integer from 0 to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def are_sizes(value, number, most):
    """Whether it is a tuple of `number` integers from 0 to `most`."""
    return (
        isinstance(value, tuple)
        and len(value) == number
        and all(is_size(one, most) for one in value)
    )
