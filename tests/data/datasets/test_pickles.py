"""Pickles are read as data: what pickle.loads makes of good ones, and nothing of bad ones."""

import builtins
import os
import pickle
import pickletools
import tracemalloc

import numpy as np
import pytest

from data.datasets import pickles
from data.errors import DatasetError
from tests.data import old_pickles

VALUES = {
    'wide': np.arange(12, dtype=np.float64).reshape(3, 4) - 5.5,
    'fortran': np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
    'bytes': np.array([0, 10, 13, 128, 200, 255], np.uint8),
    'words': np.array([[255, 256], [300, 65535]], np.uint16),
    'big endian': np.array([1, -2, 2**40], '>i8'),
    'long': np.arange(2000, dtype=np.float32),
    'point': np.array(7, np.int64),
    'flags': np.array([True, False]),
}
PLAIN = {
    'name': 'caf\xe9',
    'tuple': (240, 320),
    'list': [1, -2, 2**70, 1.5, None, True, ['x']],
    3: {'label': 'a' * 300},
}


def fault(path):
    """The message with which a file is refused: one line that begins with the path."""
    with pytest.raises(DatasetError) as error:
        pickles.load(path)
    message = str(error.value)
    assert message.startswith(f'{path}: ')
    assert message.isprintable()
    assert len(message) < len(str(path)) + 400
    return message


@pytest.mark.parametrize('write', old_pickles.WRITERS)
def test_values_are_those_of_pickle(saved, write):
    written = write(VALUES | PLAIN)
    expected = pickle.loads(written, encoding='iso-8859-1')
    found = pickles.load(saved(written))
    assert list(found) == list(expected)
    assert {key: found[key] for key in PLAIN} == PLAIN == {key: expected[key] for key in PLAIN}
    for key in VALUES:
        array = found[key].values
        assert isinstance(found[key], pickles.Array)
        native = VALUES[key].dtype.newbyteorder('=')
        assert array.dtype.newbyteorder('=') == expected[key].dtype.newbyteorder('=') == native
        np.testing.assert_array_equal(array.astype(native), VALUES[key].astype(native), strict=True)
        np.testing.assert_array_equal(array, expected[key])


@pytest.mark.parametrize('write', [old_pickles.of_python_2, old_pickles.of_numpy_2])
def test_an_empty_array(saved, write):
    found = pickles.load(saved(write(np.zeros((0, 5), np.float32)))).values
    assert found.shape == (0, 5)
    assert found.dtype == np.float32


def test_what_the_writers_write():
    """The pickles of these tests look as those they stand for."""

    def parts(content):
        listed = [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(content)]
        return {name for name, _ in listed}, [argument for _, argument in listed]

    names, arguments = parts(old_pickles.of_python_2(VALUES | PLAIN))
    assert {'SHORT_BINSTRING', 'BINSTRING', 'GLOBAL'} <= names
    assert not names & {'BINUNICODE', 'BINBYTES', 'STACK_GLOBAL'}
    assert 'numpy.core.multiarray _reconstruct' in arguments
    names, arguments = parts(old_pickles.of_python_3(VALUES))
    assert '_codecs encode' in arguments
    assert 'numpy.core.multiarray _reconstruct' in arguments
    names, arguments = parts(old_pickles.of_numpy_2(VALUES))
    assert {'STACK_GLOBAL', 'BINBYTES'} & names
    assert 'numpy._core.multiarray' in arguments


@pytest.mark.parametrize('write', old_pickles.WRITERS)
def test_single_numbers_are_pythons(saved, write):
    numbers = [np.uint8(255), np.uint16(65535), np.int64(-3), np.float32(0.5), np.bool_(True)]
    found = pickles.load(saved(write(numbers)))
    assert found == [255, 65535, -3, 0.5, True]
    assert [type(number) for number in found] == [int, int, int, float, bool]
    assert found[0] + 1 == 256


def test_an_array_that_is_there_twice(saved):
    array = np.arange(3)
    found = pickles.load(saved(pickle.dumps([array, array], protocol=2)))
    np.testing.assert_array_equal(found[0].values, [0, 1, 2])
    assert found[0] is found[1]


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize('protocol', [0, 2, 4])
@pytest.mark.parametrize(
    ('function', 'name'),
    [
        (os.system, f'{os.system.__module__}.system'),
        (eval, 'builtins.eval'),
        (getattr, 'builtins.getattr'),
        (np.load, 'numpy.load'),
        (np.fromfile, 'numpy'),
        (open, 'io.open'),
        (builtins.__import__, 'builtins.__import__'),
    ],
)
def test_code_is_refused_and_does_not_run(saved, tmp_path, function, name, protocol):
    marker = tmp_path / 'marker'
    argument = {
        eval: f'open({str(marker)!r}, "w")',
        open: str(marker),
        os.system: f'touch {marker}',
    }.get(function, str(marker))
    evil = Call(function, argument, 'w') if function is open else Call(function, argument)
    for content in (evil, {'labels': [1, evil]}, [np.arange(3), Call(function, evil)]):
        message = fault(saved(pickle.dumps(content, protocol=protocol)))
        found = name.replace('builtins', '__builtin__') if protocol < 3 else name
        assert any(f"asks for '{one}" in message for one in (name, found)), message
    assert not marker.exists()


def test_the_marker_would_appear(saved, tmp_path):
    """The pickles of the test above do run where nothing refuses them."""
    marker = tmp_path / 'marker'
    pickle.loads(pickle.dumps({'labels': [Call(os.system, f'touch {marker}')]}))
    assert marker.exists()


@pytest.mark.parametrize(
    ('content', 'found'),
    [
        (b'cos\nsystem\n(Vtrue\ntR.', "'os.system'"),
        (b'(ios\nsystem\n.', "'os.system'"),
        (b'(cos\nsystem\nVtrue\no.', "'os.system'"),
        (b'\x80\x04\x8c\x05numpy\x8c\x0fdtype.__class__\x93.', "'numpy.dtype.__class__'"),
        (b'\x80\x04\x8c\x05numpy\x8c\x0bdtype\nx\x1b[1m\x93.', r"'numpy.dtype\nx\x1b[1m'"),
        (b'cnumpy.core.multiarray\nfromstring\n.', "'numpy.core.multiarray.fromstring'"),
        (b'cnumpy\nrecarray\n.', "'numpy.recarray'"),
        (b'ccopy_reg\n_reconstructor\n.', "'copy_reg._reconstructor'"),
        (b'cdata.datasets.pickles\n_encode\n.', "'data.datasets.pickles._encode'"),
        (b'c' + b'x' * 100_000 + b'\ny\n.', "'" + 'x' * 69 + ' ... ' + 'x' * 22 + ".y', expected"),
    ],
)
def test_other_names_are_refused(saved, content, found):
    assert f'asks for {found}' in fault(saved(content))


DTYPE = b'cnumpy\ndtype\n(U\x02%sK\x00K\x01tR'
# What a hostile pickle might do with the names that are allowed.
ABUSE = {
    'an attribute of a function': b'\x80\x02c_codecs\nencode\n}U\x0c__defaults__)sb.',
    'slots of a function': b'\x80\x02c_codecs\nencode\nN}U\x05_callK\x01s\x86b.',
    'an instance of a function': b'\x80\x02cnumpy\ndtype\n)\x81.',
    'a call of ndarray': b'\x80\x02cnumpy\nndarray\nK\x01\x85R.',
    'objects': b'\x80\x02' + DTYPE % b'O8' + b'.',
    'text': b'\x80\x02' + DTYPE % b'SS' + b'.',
    'a long type': b'\x80\x02cnumpy\ndtype\nU\x0bV9999999999\x85R.',
    'a type of a list': b'\x80\x02cnumpy\ndtype\n](U\x01aU\x02i4\x86a\x85R.',
    'a structure': b'\x80\x02'
    + DTYPE % b'i4'
    + b'(K\x03U\x01<N(U\x01at}J\xff\xff\xff\xffK\x08K\x00tb.',
    'zipped bytes': b'\x80\x02c_codecs\nencode\nU\x01aU\x03zip\x86R.',
    'bytes of a number': b'\x80\x02cnumpy.core.multiarray\nscalar\n'
    + DTYPE % b'u1'
    + b'J\xff\xff\xff\x7f\x86R.',
    'a number of no type': b'\x80\x02cnumpy.core.multiarray\nscalar\nNU\x01a\x86R.',
    'a short number': b'\x80\x02cnumpy.core.multiarray\nscalar\n' + DTYPE % b'i8' + b'U\x01a\x86R.',
    'a persistent name': b'\x80\x02U\x01aQ.',
}


@pytest.mark.parametrize('content', ABUSE.values(), ids=ABUSE.keys())
def test_abuse_of_allowed_names(saved, content):
    assert 'found no whole pickle of plain values' in fault(saved(content))
    good = pickles.load(saved(old_pickles.of_python_3(np.arange(3))))  # and nothing has changed
    np.testing.assert_array_equal(good.values, [0, 1, 2])


def array_state(shape, content, fortran=False, dtype='<i4'):
    """Pickles an array whose state says anything."""

    class Array:
        def __reduce__(self):
            plain = np.zeros(0, np.int8).__reduce__()
            return plain[0], plain[1], (1, shape, np.dtype(dtype), fortran, content)

    return old_pickles.of_numpy_2(Array())


@pytest.mark.parametrize(
    ('shape', 'content'),
    [
        ((3,), b'\0' * 8),
        ((2**40,), b'\0' * 8),
        ((-1, -2), b'\0' * 8),
        ((2.0,), b'\0' * 8),
        ((2,), [1, 2]),
        ((2,), 8),
        (2, b'\0' * 8),
        ('ab', b'\0' * 8),
        ((1,) * 100, b'\0' * 4),
        (None, None),
    ],
)
def test_arrays_that_say_what_is_not_so(saved, shape, content):
    assert 'found no whole pickle' in fault(saved(array_state(shape, content)))


def test_a_state_as_it_should_be(saved):
    found = pickles.load(saved(array_state((2, 1), b'\1\0\0\0\2\0\0\0'))).values
    np.testing.assert_array_equal(found, [[1], [2]])


@pytest.mark.parametrize(
    'value',
    [np.array([{}, 1], object), np.array(['a']), np.zeros(2, 'f4,i2'), np.zeros(2, 'M8[s]')],
)
@pytest.mark.parametrize('write', old_pickles.WRITERS)
def test_arrays_of_other_things_than_numbers(saved, value, write):
    assert 'found no whole pickle' in fault(saved(write({'x': value})))


def test_truncated_anywhere(saved):
    content = old_pickles.of_python_2({'a': np.arange(3), 'b': [np.uint8(3), 'text', (1, 2)]})
    assert len(content) > 200
    for length in range(len(content)):
        message = fault(saved(content[:length]))
        assert 'found no whole pickle' in message or 'found a pickle that asks for' in message


def test_broken_anywhere(saved):
    """Any byte may be another: what comes is a value or a DatasetError."""
    content = old_pickles.of_python_2({'a': np.arange(3), 'b': [np.uint8(3), 'text', (1, 2)]})
    rng = np.random.default_rng(0)
    refused = 0
    for place in range(len(content)):
        broken = bytearray(content)
        broken[place] = rng.integers(256)
        path = saved(broken)
        try:
            pickles.load(path)
        except DatasetError:
            fault(path)
            refused += 1
    assert refused > 100


def test_a_few_bytes_that_would_take_gigabytes(saved):
    tracemalloc.start()
    try:
        for content in (b'\x80\x02Nr\xff\xff\xff\x7f.', b'Np9999999999\n.'):
            assert pickles.load(saved(content)) is None
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert 'found no whole pickle' in fault(saved(b'\x80\x04B\xff\xff\xff\x7fabc.'))


def nested(depth):
    """A tuple of twice the same tuple of twice the same tuple, ...: a few bytes each."""
    value = ()
    for _ in range(depth):
        value = (value, value)
    return value


def test_what_would_take_for_ever(saved):
    """Endless to hash, to write in a message, or to multiply."""
    deep = pickle.dumps(nested(60), 2)[2:-1]
    array = b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR'
    for content in (
        b'\x80\x02}' + deep + b'K\x01s.',
        b'\x80\x02}(' + deep + b'K\x01u.',
        b'\x80\x02(' + deep + b'K\x01d.',
        b'\x80\x04\x8f(' + deep + b'\x90.',
        b'\x80\x02cnumpy\ndtype\n' + deep + b'\x85R.',
        b'\x80\x02' + array + b'(K\x01' + deep + b'NK\x00U\x00tb.',
        b'\x80\x02' + array + b'(K\x01(U\x04aaaaJ\xff\xff\xff\x1ftNK\x00U\x00tb.',
    ):
        with pytest.raises(DatasetError) as error:
            pickles.load(saved(content))
        assert len(str(error.value)) < 600


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'x.pkl')
    with pytest.raises(DatasetError, match='found no regular file'):
        pickles.load(tmp_path / 'x.pkl')


@pytest.mark.parametrize(
    'content', [b'', b'no pickle', b'\x89PNG\r\n\x1a\n', b'\x80\x09.', b'PK\3\4']
)
def test_garbage(saved, content):
    assert 'found no whole pickle' in fault(saved(content))


def test_no_file(tmp_path):
    assert 'found nothing, expected this file' in fault(tmp_path / 'annotations.pkl')
    assert 'found a folder' in fault(tmp_path)


def test_entries():
    array = pickles.Array()
    held = {'a': 3, 'list': [], 'array': array, 'long': 2**70, 'text': 'x' * 1000}
    assert pickles.get(held, 'a', int, 'file') == 3
    assert pickles.get(held, 'array', pickles.Array, 'file') is array
    one = pickles.Array()
    one.values = np.array([[250]], np.uint8)
    assert pickles.get({'n': one}, 'n', int, 'file') == 250
    for container, key, kind, message in [
        ([], 'a', int, 'file: found a list, expected a dictionary'),
        (held, 'b', int, "file: found no entry 'b', expected one"),
        (held, 'a', list, "file: found a whole number as 'a', expected a list"),
        (held, 'text', dict, "file: found text as 'text', expected a dictionary"),
        (held, 'list', pickles.Array, "file: found a list as 'list', expected an array"),
        (
            held,
            'array',
            int,
            r"file: found an array int8 \(0,\) as 'array', expected a whole number",
        ),
        (held, 'long', int, "file: found a whole number as 'long', expected a whole number"),
        ({'a': None}, 'a', int, "found a value of type NoneType as 'a'"),
    ]:
        with pytest.raises(DatasetError, match=message):
            pickles.get(container, key, kind, 'file')
