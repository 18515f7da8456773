"""What NumPy writes into pickles besides plain arrays: words, and arrays as of protocol 5."""

import pickle
import tracemalloc

import numpy as np
import pytest

from data.datasets import pickles
from data.errors import DatasetError
from tests.data import old_pickles

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
NAMES = ['Basketball/v_Basketball_g01_c01', 'v', '', 'caf\xe9', '\u6f22\u5b57 \U0001f600', 'a\0b']
CUBE = np.arange(24).reshape(2, 3, 4)
ARRAYS = {
    'plain': CUBE,
    'fortran': np.asfortranarray(CUBE.astype(np.float32)),
    'other axes': CUBE.transpose(1, 0, 2).astype(np.uint16, order='K'),
    'steps': CUBE[:, ::2],
    'big endian': CUBE.astype('>i2'),
    'none': np.zeros((0, 4), np.uint8),
    'point': np.array(7.5),
    'flags': CUBE % 2 == 0,
}


class Scalar:
    """Pickles as a NumPy scalar of any type and content."""

    def __init__(self, kind, content):
        self.kind, self.content = kind, content

    def __reduce__(self):
        return np.str_('a').__reduce__()[0], (np.dtype(self.kind), self.content)


def same_type(value, *types):
    return all(type(one) in types for one in value)


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_texts_are_keys_and_values(saved, protocol):
    content = {np.str_(name): [np.str_(name), number] for number, name in enumerate(NAMES)}
    written = pickle.dumps(content, protocol)
    assert b'scalar' in written
    found = pickles.load(saved(written))
    assert found == {name: [name, number] for number, name in enumerate(NAMES)}
    assert found == pickle.loads(written)
    assert same_type(found, str)
    assert same_type([value[0] for value in found.values()], str)


@pytest.mark.parametrize('protocol', range(4))
@pytest.mark.parametrize('write', [old_pickles.of_python_3, old_pickles.of_python_2])
def test_texts_as_old_numpy_wrote_them(saved, write, protocol):
    if write is old_pickles.of_python_2 and protocol == 3:
        pytest.skip('Python 2 had none')
    written = write({np.str_(name): np.str_(name) for name in NAMES}, protocol)
    assert b'numpy.core.multiarray' in written
    assert b'numpy._core' not in written
    found = pickles.load(saved(written))
    assert found == {name: name for name in NAMES}
    assert found == pickle.loads(written, encoding='iso-8859-1')


def test_the_bytes_of_the_published_file(saved):
    """An entry of `pyannot.pkl`, byte by byte, after `pickletools.dis`."""
    name = 'Fencing/v_Fencing_g1_c1'
    assert len(name) == 23
    dtype = (
        b'cnumpy\ndtype\nX\x03\x00\x00\x00U23K\x00K\x01\x87R'
        b'(K\x03X\x01\x00\x00\x00<NNNK\x5cK\x04K\x00tb'
    )
    key = (
        b'cnumpy.core.multiarray\nscalar\n' + dtype + b'C\x5c' + name.encode('utf-32-le') + b'\x86R'
    )
    assert pickle.loads(b'\x80\x03' + key + b'.') == name
    assert pickles.load(saved(b'\x80\x03}' + key + b'K\x07s.')) == {name: 7}


@pytest.mark.parametrize(('order', 'encoding'), [('<', 'utf-32-le'), ('>', 'utf-32-be')])
@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_either_byte_order(saved, order, encoding, protocol):
    content = 'ab\u6f22'.encode(encoding) + bytes(8)  # padded, as the elements of an array are
    found = pickles.load(saved(pickle.dumps({Scalar(f'{order}U5', content): 1}, protocol)))
    assert found == {'ab\u6f22': 1}


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_bytes_and_flags(saved, protocol):
    content = [np.bytes_(b'ab\xff'), np.bytes_(b''), np.bool_(True), np.bool_(False), b'']
    written = pickle.dumps(content, protocol)
    found = pickles.load(saved(written))
    assert found == [b'ab\xff', b'', True, False, b''] == pickle.loads(written)
    assert same_type(found, bytes, bool)


def test_bytes_of_python_2_are_text(saved):
    found = pickles.load(saved(old_pickles.of_python_2([np.bytes_(b'v_a\xe9'), b'v_a\xe9'])))
    assert found == ['v_a\xe9', 'v_a\xe9']


@pytest.mark.parametrize('protocol', PROTOCOLS)
@pytest.mark.parametrize('core', [b'numpy.core.numeric', b'numpy._core.numeric'])
def test_arrays_of_every_protocol(saved, protocol, core):
    written = pickle.dumps(ARRAYS, protocol)
    assert (b'_frombuffer' in written) == (protocol == 5)
    expected = pickle.loads(written)
    if protocol == 5 and core == b'numpy.core.numeric':
        frame, written = written[:11], written[11:]
        assert frame[:3] == b'\x80\x05\x95'
        name = b'\x8c\x13numpy._core.numeric'
        assert name in written
        written = b'\x80\x05' + written.replace(name, b'\x8c\x12numpy.core.numeric')  # no frames
    found = pickles.load(saved(written))
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(found[name].values, values)
        # NumPy turns the bytes of older protocols around; here they stay as they are.
        native = found[name].values.astype(found[name].values.dtype.newbyteorder('='))
        wanted = expected[name].astype(expected[name].dtype.newbyteorder('='))
        np.testing.assert_array_equal(native, wanted, strict=True)


@pytest.mark.parametrize('writable', [False, True])
def test_buffers_in_the_pickle(saved, writable):
    array = CUBE.copy()
    array.flags.writeable = writable
    written = pickle.dumps([array, pickle.PickleBuffer(b'ab'), bytearray(b'cd')], 5)
    found = pickles.load(saved(written))
    np.testing.assert_array_equal(found[0].values, CUBE)
    assert not found[0].values.flags.writeable
    assert found[1:] == [b'ab', b'cd']


def fault(path):
    with pytest.raises(DatasetError) as error:
        pickles.load(path)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize('writable', [False, True])
def test_buffers_that_are_elsewhere(saved, writable):
    array = CUBE.copy()
    array.flags.writeable = writable
    written = pickle.dumps(array, 5, buffer_callback=lambda buffer: None)
    assert 'refers to out-of-band data' in fault(saved(written))


def from_buffer(*arguments):
    class Array:
        def __reduce__(self):
            return CUBE.__reduce_ex__(5)[0], arguments

    return pickle.dumps(Array(), 5)


def twice(depth):
    value = ()
    for _ in range(depth):
        value = (value, value)
    return value


EIGHT = np.dtype('u1')


@pytest.mark.parametrize(
    'content',
    [
        from_buffer(b'abcd', EIGHT, (5,), 'C'),
        from_buffer(b'abcd', EIGHT, (2**62, 2**62), 'C'),
        from_buffer(b'abcd', EIGHT, twice(60), 'C'),
        from_buffer(b'abcd', EIGHT, (2, 2), 'K', (0, 0)),
        from_buffer(b'abcd', EIGHT, (2, 2), 'K', (0, 2**62)),
        from_buffer(b'abcd', EIGHT, (2, 2), 'K', twice(60)),
        from_buffer(b'abcd', EIGHT, (2, 2), 'K', [twice(60), twice(60)]),
        from_buffer(b'abcd', np.dtype('U1'), (1,), 'C'),
        from_buffer('abcd', 'u1', (4,), 'C'),
        from_buffer([1, 2], EIGHT, (2,), 'C'),
        from_buffer(b'abcd', EIGHT),
        pickle.dumps(Scalar('U2', b'a\0\0\0')),
        pickle.dumps(Scalar('U1', b'\0\0\x11\0')),  # beyond the last character there is
        pickle.dumps(Scalar('U1', b'\0\xd8\0\0')),  # half of one
        pickle.dumps(Scalar('S3', b'ab')),
        pickle.dumps(Scalar('U1', [1])),
        pickle.dumps({np.bytes_(b'ab'): 1}),
        b'\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.',
    ],
)
def test_what_does_not_fit_together(saved, content):
    assert 'found no whole pickle of plain values' in fault(saved(content))


def test_sizes_that_are_not_so(saved):
    """Nothing of such a size is made, however short the file."""
    words = (
        b'cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x0a\x00\x00\x00U999999999\x89\x88\x87R'
    )
    tracemalloc.start()
    try:
        for content in (
            b'\x80\x05\x96' + (2**33).to_bytes(8, 'little') + b'abc.',
            b'\x80\x05\x96' + b'\xff' * 8 + b'abc.',
            b'\x80\x05\x95\x20\0\0\0\0\0\0\0\x96' + (2**40).to_bytes(8, 'little') + b'abc.',
            b'\x80\x03' + words + b'C\x04a\0\0\0\x86R.',
        ):
            assert 'found no whole pickle' in fault(saved(content))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


SCALAR = b'cnumpy.core.multiarray\nscalar\n'
ARRAY = b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR'
LONG = 2**20


@pytest.mark.parametrize(
    ('before', 'again'),
    [
        (b'X%s' + bytes(LONG), b'c_codecs\nencode\nh\x00\x85R'),
        (
            b'X%s' + b'\0' * LONG,
            SCALAR + b'cnumpy\ndtype\nX\x08\0\0\0S1048576\x89\x88\x87Rh\x00\x86R',
        ),
        (
            b'X%s' + b'\0' * LONG,
            ARRAY + b'(K\x01J\0\0\x10\x00\x85cnumpy\ndtype\nX\x02\0\0\0u1\x89\x88\x87R\x89h\x00tb',
        ),
    ],
)
def test_one_long_text_a_million_times(saved, before, again):
    """A few bytes for every copy: a file of two megabytes would take terabytes."""
    before = before.replace(b'%s', LONG.to_bytes(4, 'little'))
    one = b'\x80\x03' + before + b'q\x00](' + again + b'e.'
    assert len(pickles.load(saved(one))) == 1
    many = b'\x80\x03' + before + b'q\x00](' + again * 10_000 + b'e.'
    tracemalloc.start()
    try:
        assert 'many times what is in the file' in fault(saved(many))
        assert tracemalloc.get_traced_memory()[1] < 32 * len(many)
    finally:
        tracemalloc.stop()
