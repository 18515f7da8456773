"""MATLAB files of masks, held against SciPy; damaged ones, and those that would take all memory."""

import io
import struct
import zlib

import numpy as np
import pytest
import scipy.io

from data.datasets.jhmdb import masks, matlab
from s3dg.errors import VideoError
from tests import fuzzing

HEIGHT, WIDTH = 24, 32
TYPES = ('bool', 'i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8', 'u8', 'f4', 'f8')
MUCH = 2**26  # bytes


def saved(values, **options):
    """What SciPy writes."""
    file = io.BytesIO()
    scipy.io.savemat(file, values if isinstance(values, dict) else {'part_mask': values}, **options)
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'puppet_mask.mat'


def covering(*extents):
    values = np.zeros((HEIGHT, WIDTH, len(extents)), np.uint8)
    for k, (top, left, bottom, right) in enumerate(extents):
        values[top : bottom + 1, left : right + 1, k] = 1
    return values


def noise(dtype='u1'):
    return np.random.default_rng(0).integers(0, 2, (HEIGHT, WIDTH, 3)).astype(dtype)


# By hand, after the description of the format.


def element(kind, content, order='<'):
    return struct.pack(f'{order}II', kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(shape, numbers, kind=2, mx=9, order='<', name=b'part_mask'):
    """A variable; `mx` is its class, `kind` the type of the numbers that are stored."""
    return element(
        14,
        element(6, struct.pack(f'{order}II', mx, 0), order)
        + element(5, struct.pack(f'{order}{len(shape)}i', *shape), order)
        + element(1, name, order)
        + element(kind, numbers, order),
        order,
    )


def compressed(content, order='<'):
    packed = zlib.compress(content)
    return struct.pack(f'{order}II', 15, len(packed)) + packed


def head(order='<'):
    words = b'MATLAB 5.0 MAT-file, Platform: GLNXA64'.ljust(124)
    return words + struct.pack(f'{order}H', 0x100) + (b'IM' if order == '<' else b'MI')


@pytest.mark.parametrize('do_compression', [False, True])
@pytest.mark.parametrize('dtype', TYPES)
def test_numbers_are_those_of_scipy(path, dtype, do_compression):
    wanted = noise(dtype) * np.array(1 if dtype == 'bool' else 100, dtype)
    others = {'before': 'x', 'cell': np.array(['a', 1], object), 'z': {'of': 1}}
    path.write_bytes(saved(others | {'part_mask': wanted}, do_compression=do_compression))
    expected = scipy.io.loadmat(path)['part_mask']
    found = {variable.name: variable for variable in matlab.variables(path)}
    assert list(found) == [*others, 'part_mask']
    (values,) = [v.read() for v in matlab.variables(path) if v.name == 'part_mask']
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(values, wanted)
    listed = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(path)}
    for name, variable in found.items():
        kind = 'uint8' if listed[name][1] == 'logical' else listed[name][1]
        assert variable.kind == kind
        assert variable.shape == listed[name][0] or kind == 'char'  # SciPy counts texts there
        assert variable.has_numbers == (name == 'part_mask')


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('pack', [bytes, compressed])
def test_either_byte_order(path, order, pack):
    """Files of MATLAB itself, which stores doubles in the smallest type that holds them."""
    values = noise().reshape(-1, 3)[:5]  # 15 bytes: one of padding
    variable = matrix((5, 3), values.tobytes('F'), 2, 6, order)
    if pack is compressed:
        variable = compressed(variable, order)
    path.write_bytes(head(order) + variable)
    np.testing.assert_array_equal(scipy.io.loadmat(path)['part_mask'], values)
    opened = matlab.variables(path)
    found = next(opened)
    assert (found.kind, found.shape) == ('double', (5, 3))
    np.testing.assert_array_equal(found.read(), values)


def test_extents(path):
    path.write_bytes(saved(covering((2, 3, 10, 20), (0, 0, 23, 31), (5, 5, 5, 5))))
    found = masks.read(path)
    assert found.frames.tolist() == [0, 1, 2]
    assert found.corners.tolist() == [[2, 3, 11, 21], [0, 0, 24, 32], [5, 5, 6, 6]]
    assert (found.height, found.width, found.count) == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    ('values', 'reason'),
    [
        (
            np.zeros((4, 4, 2, 2), np.uint8),
            'of type uint8 and shape (4, 4, 2, 2), expected numbers',
        ),
        (np.zeros((4, 4, 0), np.uint8), 'holds masks of shape (4, 4, 0)'),
        ('masks', "holds 'part_mask' of type char"),
        ({'x': 1}, "holds 'part_mask' of type struct"),
        (np.ones((2, 2, 2)) * 1j, "holds 'part_mask' of type complex double"),
    ],
)
def test_masks_of_another_shape(path, values, reason):
    path.write_bytes(saved({'part_mask': values}))
    with pytest.raises(VideoError) as error:
        masks.read(path)
    assert reason in str(error.value)


@pytest.mark.parametrize('do_compression', [False, True])
def test_masks_that_are_cut_anywhere(path, do_compression):
    content = saved(noise(), do_compression=do_compression)
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(VideoError, match=r'^puppet_mask.mat '):
            masks.read(path)


def test_damage_to_what_is_compressed_shows(path):
    content = saved(noise(), do_compression=True)
    for place in range(140, len(content), 11):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(VideoError, match=r'^puppet_mask.mat cannot be read \('):
            masks.read(path)


# Files that SciPy takes gigabytes for, or the process with it.
BOMBS = {
    'many masks': matrix((2**20, 2**20), bytes(64)),
    'shapes that overflow': matrix((2**31 - 1,) * 3, bytes(64)),
    'more than the shape': compressed(matrix((4, 4, 1), bytes(MUCH))),
    'a long name': compressed(matrix((4, 4, 1), bytes(16), name=bytes(MUCH))),
    'a long variable before': compressed(matrix((1, MUCH), bytes(MUCH), name=b'other')),
    'many masks inflated': compressed(matrix((1024, 1024, 1024), bytes(MUCH))),
    'more variables than can be': matrix((1, 1), b'\1', name=b'x') * 100_000,
    'a name where the flags are': element(14, element(1, b'part_mask')),
    'a variable without a shape': element(14, element(6, struct.pack('<II', 9, 0))),
}


@pytest.mark.parametrize('bomb', BOMBS)
def test_files_that_would_take_all_memory(path, bomb):
    path.write_bytes(head() + BOMBS[bomb])
    with fuzzing.bounded_memory(MUCH // 2), pytest.raises(VideoError, match=r'^puppet_mask.mat '):
        masks.read(path)


def test_the_most_that_is_read(path):
    """The bound that the module states, for numbers of 8 bytes: no more than 1.5 times that."""
    path.write_bytes(head() + compressed(matrix((4096, 4096, 2), bytes(2**28), 9, 6)))
    with fuzzing.bounded_memory(3 * 2**27):
        assert masks.read(path).count == 2


@pytest.mark.parametrize('do_compression', [False, True])
def test_few_damaged_copies(path, do_compression):
    content = saved({'other': 'x', 'part_mask': noise()}, do_compression=do_compression)
    fuzzing.check(masks.read, content, path)


@pytest.mark.slow
@pytest.mark.parametrize('do_compression', [False, True])
def test_many_damaged_copies(path, do_compression):
    content = saved({'other': 'x', 'part_mask': noise()}, do_compression=do_compression)
    fuzzing.check(masks.read, content, path, fuzzing.MANY)
