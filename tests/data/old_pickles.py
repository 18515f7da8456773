"""Writes pickles as others have written them: Python 2 and 3, old and new NumPy."""

import io
import pickle
import struct

# What NumPy 2 calls its module now, and what the pickles of older ones say.
_NEW_NAME, _OLD_NAME = b'cnumpy._core.multiarray\n', b'cnumpy.core.multiarray\n'


class _Python2Pickler(pickle._Pickler):
    """Text, and the content of arrays, as Python 2 wrote its `str`: one byte a character."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_str(self, value):
        content = value.encode('latin-1') if isinstance(value, str) else value
        if not self.bin:
            self.write(pickle.STRING + repr(content)[1:].encode() + b'\n')
        elif len(content) < 256:
            self.write(pickle.SHORT_BINSTRING + struct.pack('<B', len(content)) + content)
        else:
            self.write(pickle.BINSTRING + struct.pack('<i', len(content)) + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_str


def of_python_2(value, protocol: int = 2) -> bytes:
    """The opcodes and names of Python 2 and its NumPy."""
    file = io.BytesIO()
    _Python2Pickler(file, protocol).dump(value)
    return file.getvalue().replace(_NEW_NAME, _OLD_NAME)


def of_python_2_as_text(value) -> bytes:
    """Protocol 0, which Python 2 wrote unless it was asked for another."""
    return of_python_2(value, protocol=0)


def of_python_3(value, protocol: int = 2) -> bytes:
    """A pickle by Python 3 with NumPy 1's names; protocol 2 writes bytes as `_codecs.encode`."""
    assert protocol < 4  # which has names in another form
    return pickle.dumps(value, protocol).replace(_NEW_NAME, _OLD_NAME)


def of_numpy_2(value) -> bytes:
    """Protocol 4, with the names of NumPy 2."""
    return pickle.dumps(value, protocol=4)


WRITERS = (of_python_2, of_python_2_as_text, of_python_3, of_numpy_2)
