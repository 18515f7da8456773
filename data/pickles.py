"""Reads pickles of strangers: plain values and arrays of numbers, and nothing that runs.

A pickle is a program: it calls what it names, with what it likes. Here a handful of names mean something,
each a function of this module; any other is refused before it is looked up. NumPy's own functions are
not among them, for they believe what a pickle says of an array's memory.
"""

import math
import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from data.video_builder import DatasetError

# Types of the arrays that are read, as NumPy abbreviates them; objects and text are not among them.
_TYPES = ('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8')
_LATIN_1 = ('latin1', 'latin-1', 'iso-8859-1')
_MOST_DIMENSIONS = 32
_LONGEST = 100  # characters of what a file says, in a message


class Array:
    """An array of numbers in a pickle.

    Attributes:
      values: a NumPy array, which cannot be written to.
    """

    __slots__ = ('values',)

    def __init__(self):
        self.values = np.empty(0, np.int8)

    def __setstate__(self, state):
        _, shape, kind, fortran, content = state
        # Anything else may be endless to multiply or to write in a message.
        if not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS:
            raise pickle.UnpicklingError('an array without a shape')
        if not all(type(length) is int and 0 <= length < 2**63 for length in shape):
            raise pickle.UnpicklingError('an array without a shape')
        content = _to_bytes(content)
        dtype = _to_dtype(kind)
        if math.prod(shape) * dtype.itemsize != len(content):
            raise pickle.UnpicklingError(f'{len(content)} bytes for an array {dtype} {shape}')
        self.values = np.frombuffer(content, dtype).reshape(shape, order='F' if fortran else 'C')


class _Dtype:
    """What `numpy.dtype` makes in a pickle: a type of numbers, and then their byte order."""

    __slots__ = ('kind', 'order')

    def __init__(self, kind, *flags):
        del flags  # alignment and copying
        if kind not in _TYPES:
            found = repr(kind) if isinstance(kind, str) else describe(kind)
            raise pickle.UnpicklingError(f'arrays of type {found}')
        self.kind, self.order = kind, '='

    def __setstate__(self, state):
        _, self.order, *parts = state
        if self.order not in ('<', '>', '=', '|') or parts[:3] != [None, None, None]:
            raise pickle.UnpicklingError('arrays of a structured type')


class _Name:
    """What a name stands for in a pickle. A pickle can set nothing on it."""

    __slots__ = ('_call',)

    def __init__(self, call: Callable):
        self._call = call

    def __call__(self, *arguments):
        return self._call(*arguments)

    def __setstate__(self, state):
        raise pickle.UnpicklingError('a state for a function')


class _RefusedName(pickle.UnpicklingError):
    pass


def _with_simple_keys(load, only_last=False):
    """`load`, an instruction that fills a dictionary from the stack, for simple keys.

    A tuple of twice the same tuple of twice the same tuple, and so on, takes for ever to be hashed.
    """

    def checked(unpickler):
        items = unpickler.stack[-2:] if only_last else unpickler.stack
        if not all(isinstance(key, str | int) for key in items[::2]):
            raise pickle.UnpicklingError('a key that is neither text nor a whole number')
        load(unpickler)

    return checked


# The one written in Python: the other takes memory for the largest number that a pickle mentions, 32
# GiB for one of nine bytes.
class _Unpickler(pickle._Unpickler):
    # Instructions by their code; without those that make sets.
    dispatch = {
        code: load
        for code, load in pickle._Unpickler.dispatch.items()
        if code not in (pickle.EMPTY_SET[0], pickle.FROZENSET[0], pickle.ADDITEMS[0])
    } | {
        pickle.SETITEM[0]: _with_simple_keys(pickle._Unpickler.load_setitem, only_last=True),
        pickle.SETITEMS[0]: _with_simple_keys(pickle._Unpickler.load_setitems),
        pickle.DICT[0]: _with_simple_keys(pickle._Unpickler.load_dict),
    }

    def find_class(self, module, name):
        found = _NAMES.get((module, name))
        if found is None:
            raise _RefusedName(f'{module}.{name}')
        return found


def load(path: str | os.PathLike) -> Any:
    """Reads a pickle of any protocol that holds plain values and arrays of numbers.

    Text and bytes of Python 2 come as ISO 8859-1 text. Arrays come as `Array`, single numbers of
    NumPy as Python's.

    Raises:
      DatasetError: if there is no such file, it is no whole pickle, or one that asks for anything
        else. Nothing that it names has run then.
    """
    try:
        if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
            raise DatasetError(f'{path}: found no regular file, expected a pickle')  # a pipe waits
        with open(path, 'rb') as file:
            return _Unpickler(file, encoding='iso-8859-1').load()
    except FileNotFoundError:
        raise DatasetError(f'{path}: found nothing, expected this file') from None
    except IsADirectoryError:
        raise DatasetError(f'{path}: found a folder, expected a pickle') from None
    except PermissionError:
        raise DatasetError(f'{path}: no permission to read it') from None
    except _RefusedName as error:
        raise DatasetError(
            f'{path}: found a pickle that asks for {_short(repr(str(error)))}, expected plain values'
            ' and arrays of numbers; it was not read'
        ) from None
    except DatasetError:
        raise
    # What is no pickle can fail in every way: bytes are obeyed as they come.
    except Exception as error:  # noqa: BLE001
        found = _short(f'{type(error).__name__}: {error}')
        raise DatasetError(
            f'{path}: found no whole pickle of plain values and arrays of numbers ({found})'
        ) from None


def get(container: Any, key: Any, kind: type, where: str) -> Any:
    """An entry of a dictionary that came from a pickle.

    Args:
      container: should be a dictionary.
      key: of the entry.
      kind: type of the entry: dict, list, tuple, int or Array. Whole numbers have at most 64 bits; an
        array of one is one too.
      where: file and part of it, for the message.

    Raises:
      DatasetError: if it is no dictionary, lacks the entry, or has another type there.
    """
    if not isinstance(container, dict):
        raise DatasetError(f'{where}: found {describe(container)}, expected a dictionary')
    if key not in container:
        raise DatasetError(f'{where}: found no entry {_short(repr(key))}, expected one')
    value = container[key]
    if kind is int and isinstance(value, Array) and value.values.size == 1:
        value = value.values.item()
    if not isinstance(value, kind) or (kind is int and not -(2**63) <= value < 2**63):
        raise DatasetError(
            f'{where}: found {describe(value)} as {_short(repr(key))}, expected {_KINDS[kind]}'
        )
    return value


def describe(value: Any) -> str:
    """What a value is, in words for a message: not the value, which may be of any length."""
    if isinstance(value, Array):
        return f'an array {value.values.dtype} {value.values.shape}'
    return _KINDS.get(type(value), f'a value of type {type(value).__name__}')


_KINDS = {
    dict: 'a dictionary',
    list: 'a list',
    tuple: 'a tuple',
    str: 'text',
    int: 'a whole number',
    float: 'a number',
    Array: 'an array',
}


def _reconstruct(*arguments) -> Array:
    del arguments  # an empty array's; its state follows
    return Array()


def _scalar(kind, content) -> int | float | bool:
    content = _to_bytes(content)
    dtype = _to_dtype(kind)
    if len(content) != dtype.itemsize:
        raise pickle.UnpicklingError(f'{len(content)} bytes for a number {dtype}')
    return np.frombuffer(content, dtype)[0].item()


def _encode(text, encoding='latin1') -> bytes:
    """How Python 3 writes bytes into old protocols."""
    if encoding not in _LATIN_1:
        raise pickle.UnpicklingError('bytes in another encoding than ISO 8859-1')
    return text.encode('latin-1')


def _no_call(*arguments):
    raise pickle.UnpicklingError('an array without its content')


def _to_bytes(content) -> bytes:
    """Bytes, which Python 2 wrote as text."""
    return content.encode('latin-1') if isinstance(content, str) else bytes(memoryview(content))


def _to_dtype(kind) -> np.dtype:
    if not isinstance(kind, _Dtype):
        raise pickle.UnpicklingError(f'{type(kind).__name__} for a type of numbers')
    return np.dtype(kind.order + kind.kind)


def _short(text: str) -> str:
    """Text in one line of printable characters, cut where it is long."""
    text = ''.join(character if character.isprintable() else '?' for character in text[:1000])
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'


# NumPy 2 gave its modules other names.
_NAMES = {
    ('_codecs', 'encode'): _Name(_encode),
    ('numpy', 'dtype'): _Name(_Dtype),
    ('numpy', 'ndarray'): _Name(_no_call),
    **{
        (module, name): _Name(call)
        for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
        for name, call in (('_reconstruct', _reconstruct), ('scalar', _scalar))
    },
}
