"""Reads downloaded pickles: plain values and arrays of numbers, and nothing that runs.

A pickle is a program: it calls what it names, with what it likes. Here a handful of names mean
something, each a function of this module; any other is refused before it is looked up. NumPy's own
functions are not among them, for they believe what a pickle says of an array's memory.

What is read takes no more memory than a few times the file: a pickle can name one long text a
million times over, so the bytes that its calls make are counted.
"""

import io
import math
import os
import pickle
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from data.datasets import lists
from data.errors import DatasetError
from s3dg.errors import one_line, reading

# Types of the arrays that are read, as NumPy abbreviates them; objects are not among them. Texts
# and bytes are read singly: keys of dictionaries are such where a program took them from an array.
_NUMBERS = ('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8')
_LATIN_1 = ('latin1', 'latin-1', 'iso-8859-1')
_WORDS = re.compile('([US])([0-9]{1,9})')
_MOST_DIMENSIONS = 32
# The most bytes that calls make: for each byte of the file, and besides.
_MADE_PER_BYTE, _MADE_BESIDES = 8, 2**20
_LONGEST = 100  # characters of what a file says, in a message


class Array:
    """An array of numbers in a pickle.

    Attributes:
      values: a NumPy array, which cannot be written to.
    """

    __slots__ = ('_made', 'values')

    def __init__(self, made: Callable[[int], None] = lambda size: None):
        self.values, self._made = np.empty(0, np.int8), made

    def __setstate__(self, state):
        _, shape, kind, fortran, content = state
        self.fill(content, kind, shape, 'F' if fortran else 'C')

    def fill(self, content, kind, shape, order: str) -> None:
        """Takes what a pickle says, if it fits together."""
        # Anything else may be endless to multiply or to write in a message.
        is_short = isinstance(shape, tuple) and len(shape) <= _MOST_DIMENSIONS
        if not is_short or not all(_is_count(length, 2**63) for length in shape):
            raise pickle.UnpicklingError('an array without a shape')
        content = _to_bytes(content, self._made)
        dtype = _to_dtype(kind)
        if math.prod(shape) * dtype.itemsize != len(content):
            raise pickle.UnpicklingError(f'{len(content)} bytes for an array {dtype} {shape}')
        self.values = np.frombuffer(content, dtype).reshape(shape, order=order)


class _Dtype:
    """What `numpy.dtype` makes in a pickle: a type of numbers or words, then their byte order."""

    __slots__ = ('kind', 'order')

    def __init__(self, kind, *flags):
        del flags  # alignment and copying
        if not isinstance(kind, str) or (kind not in _NUMBERS and not _WORDS.fullmatch(kind)):
            found = repr(kind) if isinstance(kind, str) else describe(kind)
            raise pickle.UnpicklingError(f'arrays of type {found}')
        self.kind, self.order = kind, '='

    def __setstate__(self, state):
        _, self.order, *parts = state
        if self.order not in ('<', '>', '=', '|') or parts[:3] != [None, None, None]:
            raise pickle.UnpicklingError('arrays of a structured type')


class _Name:
    """What a name stands for in a pickle. A pickle can set nothing on it."""

    __slots__ = ('_call', '_made')

    def __init__(self, call: Callable, made: Callable[[int], None]):
        self._call, self._made = call, made

    def __call__(self, *arguments):
        return self._call(self._made, *arguments)

    def __setstate__(self, state):
        raise pickle.UnpicklingError('a state for a function')


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


# The one written in Python: the other takes memory for the largest number that a pickle mentions,
# 32 GiB for a pickle of nine bytes.
class _Unpickler(pickle._Unpickler):
    def __init__(self, path: str | os.PathLike):
        content = lists.read_file(path, 'a pickle', mode='rb')
        # Not from the file: its `read` makes room for as much as it is asked for.
        super().__init__(io.BytesIO(content), encoding='iso-8859-1')
        self._path = path
        self._left = _MADE_PER_BYTE * len(content) + _MADE_BESIDES

    def made(self, size: int) -> None:
        """Counts bytes that a call of the pickle has made, or is about to."""
        self._left -= size
        if self._left < 0:
            raise pickle.UnpicklingError('many times what is in the file')

    def load_bytearray8(self):
        """As bytes, and without the memory of the length that is merely claimed."""
        length = int.from_bytes(self.read(8), 'little')
        content = self.read(min(length, sys.maxsize))
        if len(content) != length:
            raise pickle.UnpicklingError('a buffer that is cut off')
        self.append(content)

    # Instructions by their code, without those that make sets.
    dispatch = {
        code: load
        for code, load in pickle._Unpickler.dispatch.items()
        if code not in (pickle.EMPTY_SET[0], pickle.FROZENSET[0], pickle.ADDITEMS[0])
    } | {
        pickle.SETITEM[0]: _with_simple_keys(pickle._Unpickler.load_setitem, only_last=True),
        pickle.SETITEMS[0]: _with_simple_keys(pickle._Unpickler.load_setitems),
        pickle.DICT[0]: _with_simple_keys(pickle._Unpickler.load_dict),
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }

    def find_class(self, module, name):
        found = _NAMES.get((module, name))
        if found is None:
            asked = one_line(repr(f'{module}.{name}'), _LONGEST)
            raise DatasetError(
                f'{self._path}: found a pickle that asks for {asked}, expected plain values and'
                ' arrays of numbers; it was not read'
            )
        return _Name(found, self.made)


def load(path: str | os.PathLike) -> Any:
    """Reads a pickle of any protocol that holds plain values and arrays of numbers.

    Text and bytes of Python 2 become ISO 8859-1 text. Arrays become `Array`; single numbers, texts
    and bytes of NumPy become Python's.

    Raises:
      DatasetError: if there is no such file, it is no whole pickle, or one that asks for anything
        else. Nothing that it names has run then.
    """
    unpickler = _Unpickler(path)
    # What is no pickle can fail in every way: bytes are obeyed as they come.
    expected = f'{path}: found no whole pickle of plain values and arrays of numbers'
    with reading(expected, DatasetError):
        return unpickler.load()


def get(container: Any, key: Any, kind: type, where: str) -> Any:
    """An entry of what should be a dictionary that came from a pickle.

    Its `kind` is dict, list, tuple, int or Array. Whole numbers have at most 64 bits; an array of
    one is one too.

    Raises:
      DatasetError: if it is no dictionary, lacks the entry, or has another type there; `where` is
        the file and the part of it.
    """
    if not isinstance(container, dict):
        raise DatasetError(f'{where}: found {describe(container)}, expected a dictionary')
    shown = one_line(repr(key), _LONGEST)
    if key not in container:
        raise DatasetError(f'{where}: found no entry {shown}, expected one')
    value = container[key]
    if kind is int and isinstance(value, Array) and value.values.size == 1:
        value = value.values.item()
    if not isinstance(value, kind) or (kind is int and not -(2**63) <= value < 2**63):
        raise DatasetError(f'{where}: found {describe(value)} as {shown}, expected {_KINDS[kind]}')
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


# What the names mean. Each function is also given one that counts the bytes it makes.


def _from_buffer(made, content, kind, shape, order, axes=None) -> Array:
    """How protocol 5 writes arrays; `axes` where neither the first nor the last varies fastest."""
    array = Array(made)
    array.fill(content, kind, shape, 'F' if order == 'F' else 'C')
    if axes is not None:
        count = array.values.ndim
        are_counts = isinstance(axes, tuple) and all(_is_count(axis, count) for axis in axes)
        if not are_counts or sorted(axes) != list(range(count)):
            raise pickle.UnpicklingError('an array of other axes than it has')
        array.values = array.values.transpose(axes)
    return array


def _scalar(made, kind, content) -> int | float | bool | str | bytes:
    if isinstance(kind, _Dtype) and (words := _WORDS.fullmatch(kind.kind)):
        return _words(made, words, kind.order, content)
    dtype = _to_dtype(kind)
    content = _to_bytes(content, made)
    if len(content) != dtype.itemsize:
        raise pickle.UnpicklingError(f'{len(content)} bytes for a number {dtype}')
    return np.frombuffer(content, dtype)[0].item()


def _words(made, match, order, content) -> str | bytes:
    """A single text or bytes, whose last zeros are padding."""
    is_text, length = match[1] == 'U', int(match[2])
    of_python_2 = isinstance(content, str)
    content = _to_bytes(content, made)
    if len(content) != length * (4 if is_text else 1):
        raise pickle.UnpicklingError(f'{len(content)} bytes for words {match[0]}')
    if is_text:
        big = order == '>' or (order == '=' and sys.byteorder == 'big')
        return content.decode('utf-32-be' if big else 'utf-32-le').rstrip('\0')
    content = content.rstrip(b'\0')
    return content.decode('latin-1') if of_python_2 else content


def _encode(made, text, encoding='latin1') -> bytes:
    """How Python 3 writes bytes into old protocols."""
    if encoding not in _LATIN_1:
        raise pickle.UnpicklingError('bytes in another encoding than ISO 8859-1')
    made(len(text))
    return text.encode('latin-1')


def _no_call(*arguments):
    raise pickle.UnpicklingError('an array without its content')


def _is_count(value, end: int) -> bool:
    return type(value) is int and 0 <= value < end


def _to_bytes(content, made) -> bytes:
    """Bytes, which Python 2 wrote as text."""
    made(len(content))
    return content.encode('latin-1') if isinstance(content, str) else bytes(memoryview(content))


def _to_dtype(kind) -> np.dtype:
    if not isinstance(kind, _Dtype):
        raise pickle.UnpicklingError(f'{type(kind).__name__} for a type of numbers')
    if kind.kind not in _NUMBERS:
        raise pickle.UnpicklingError(f'arrays of type {kind.kind!r}')
    return np.dtype(kind.order + kind.kind)


# NumPy 2 gave its modules other names.
_NAMES = {
    ('_codecs', 'encode'): _encode,
    # How Python 3 writes bytes into old protocols if there are none.
    ('__builtin__', 'bytes'): lambda made: b'',
    ('numpy', 'dtype'): lambda made, *arguments: _Dtype(*arguments),
    ('numpy', 'ndarray'): _no_call,
    **{
        (f'numpy.{core}.{module}', name): call
        for core in ('core', '_core')
        for module, name, call in (
            # What comes with it is an empty array's; a state follows.
            ('multiarray', '_reconstruct', lambda made, *arguments: Array(made)),
            ('multiarray', 'scalar', _scalar),
            ('numeric', '_frombuffer', _from_buffer),
        )
    },
}
