"""Reads arrays of numbers from MATLAB files (versions 5 to 7.2), and nothing else of them.

Nobody vouches for the files. SciPy's reader crashes on damaged ones, and inflates whatever they
say, be it gigabytes. Here no size is believed: memory holds the numbers asked for and little more.

A file is a head of 128 bytes and then elements: type, size, content. An element is a variable, or
a compressed one; a variable is made of elements itself: flags, shape, name, numbers. ("MAT-File
Format", The MathWorks.)
"""

import math
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from s3dg.errors import S3dgError

_HEAD_BYTES = 128
# Types of elements.
_MATRIX, _COMPRESSED = 14, 15
_FLAGS, _SHAPES, _NAMES = (6,), (5, 6), (1, 2, 16)
_NUMBERS = {
    1: 'i1',
    2: 'u1',
    3: 'i2',
    4: 'u2',
    5: 'i4',
    6: 'u4',
    7: 'f4',
    9: 'f8',
    12: 'i8',
    13: 'u8',
}
# Classes of variables, from 1.
_CLASSES = (
    *('cell', 'struct', 'object', 'char', 'sparse', 'double', 'single', 'int8', 'uint8', 'int16'),
    *('uint16', 'int32', 'uint32', 'int64', 'uint64', 'function', 'opaque'),
)
_CLASSES_OF_NUMBERS = range(6, 16)
_COMPLEX = 0x800
_MOST_DIMENSIONS = 32
_LONGEST_NAME = 4096
_MOST_VARIABLES = 1000
_CHUNK = 2**16


class MatlabError(S3dgError, ValueError):
    """A file is no MATLAB file that can be read; the message says why, without the path."""


class Variable:
    """A variable of a file.

    Attributes:
      name: as the file has it.
      kind: MATLAB's word for its class; "complex" before those of complex numbers.
      shape: as the file claims; whole numbers from 0.
      has_numbers: whether it can be read.
    """

    def __init__(self, stream: '_Stream'):
        flags = stream.element(_FLAGS, 8)[1]
        lengths = stream.element(_SHAPES, 4 * _MOST_DIMENSIONS)[1]
        if len(flags) != 8 or len(lengths) < 8 or len(lengths) % 4:
            raise MatlabError('a variable without flags or shape')
        (word,) = stream.unpack('I', flags[:4])
        number, is_complex = word % 256, bool(word & _COMPLEX)
        kind = _CLASSES[number - 1] if 0 < number <= len(_CLASSES) else f'number {number}'
        self.kind = f'complex {kind}' if is_complex else kind
        self.has_numbers = number in _CLASSES_OF_NUMBERS and not is_complex
        self.shape = stream.unpack(f'{len(lengths) // 4}i', lengths)
        if min(self.shape) < 0:
            raise MatlabError(f'a variable of shape {self.shape}')
        self.name = stream.element(_NAMES, _LONGEST_NAME)[1].decode('latin-1')
        self._stream = stream

    def read(self) -> np.ndarray:
        """The numbers, of whichever type the writer found small enough for them.

        Takes the memory of as many values as the shape says, of up to eight bytes each: look at it
        first. Nothing can be read twice, nor when the next variable has been asked for.

        Raises:
          MatlabError: if the file is damaged.
        """
        count = math.prod(self.shape)
        kind, content = self._stream.element(_NUMBERS, 8 * count)
        dtype = np.dtype(self._stream.order + _NUMBERS[kind])
        if len(content) != count * dtype.itemsize:
            raise MatlabError(f'{len(content)} bytes for {count} numbers')
        self._stream.check_end()
        return np.frombuffer(content, dtype).reshape(self.shape, order='F')


def variables(path: str | os.PathLike) -> Iterator[Variable]:
    """Yields the variables of a file.

    Raises:
      MatlabError: if it is no MATLAB file of these versions, or is damaged.
      OSError: if it cannot be opened or read.
    """
    with open(path, 'rb') as file:
        head = file.read(_HEAD_BYTES)
        order = {b'IM': '<', b'MI': '>'}.get(head[126:])
        if order is None:
            raise MatlabError('no MATLAB file of version 5 to 7.2')
        (version,) = struct.unpack(f'{order}H', head[124:126])
        if version == 0x200:
            raise MatlabError('a MATLAB file of version 7.3, HDF5; save it again with -v7')
        if version != 0x100:
            raise MatlabError('no MATLAB file of version 5 to 7.2')
        end = os.fstat(file.fileno()).st_size
        for _ in range(_MOST_VARIABLES):
            if file.tell() == end:
                return
            kind, size, _ = _Stream(file, _Stream.TAG, order).tag()
            after = file.tell() + size
            if after > end:
                raise MatlabError(f'cut off: it is {after - end} bytes too short')
            stream = _Stream(file, size, order)
            if kind == _COMPRESSED:
                stream = _Inflated(file, size, order)
                kind, size, _ = stream.tag()
            if kind != _MATRIX:
                raise MatlabError(f'an element of type {kind}, not a variable')
            if size:  # else one without a name or anything
                yield Variable(stream)
            file.seek(after)
        raise MatlabError(f'more than {_MOST_VARIABLES} variables')


class _Stream:
    """The content of an element; of `size` bytes in a file, from where it is now."""

    TAG = 8  # bytes of an element before its content

    def __init__(self, file: BinaryIO, size: int, order: str):
        self._file, self._left, self.order = file, size, order

    def take(self, size: int) -> bytes:
        """The next `size` bytes, or fewer at the end. The caller bounds their number."""
        content = self._file.read(min(size, self._left))
        self._left -= len(content)
        return content

    def unpack(self, form: str, content: bytes) -> tuple:
        return struct.unpack(self.order + form, content)

    def tag(self) -> tuple[int, int, bytes]:
        """(type, size, content if it stands in the tag) of the next element."""
        head = self._exactly(self.TAG)
        kind, size = self.unpack('II', head)
        if kind >> 16:  # a small element, of up to four bytes
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise MatlabError(f'an element of {size} bytes where four have room')
            return kind, size, head[4 : 4 + size]
        return kind, size, b''

    def element(self, kinds, most: int) -> tuple[int, bytes]:
        """(type, content) of the next element: one of these types, of at most `most` bytes."""
        kind, size, content = self.tag()
        if kind not in kinds or size > most:
            raise MatlabError(f'an element of type {kind} and {size} bytes')
        if size and not content:
            content = self._exactly(size)
            self.take(-size % 8)  # padding, which a last one may lack
        return kind, content

    def check_end(self) -> None:
        """Raises MatlabError if what was read is not as it was written, as far as can be told."""

    def _exactly(self, size):
        content = self.take(size)
        if len(content) != size:
            raise MatlabError(f'{len(content)} bytes in place of {size}')
        return content


class _Inflated(_Stream):
    """The content of a compressed element."""

    def __init__(self, file: BinaryIO, size: int, order: str):
        super().__init__(file, size, order)
        self._inflate = zlib.decompressobj()

    def check_end(self) -> None:
        if self.take(1) or not self._inflate.eof:  # at the end the checksum is compared
            raise MatlabError('compressed content that does not end with the variable')

    def take(self, size: int) -> bytes:
        content = bytearray()
        try:
            while len(content) < size:
                packed = self._inflate.unconsumed_tail or super().take(_CHUNK)
                more = self._inflate.decompress(packed, min(size - len(content), 16 * _CHUNK))
                if not more and not packed:  # the end
                    break
                content += more
        except zlib.error as error:
            raise MatlabError(f'{error}') from None
        return bytes(content) if size <= _CHUNK else content
