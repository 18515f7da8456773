"""Readers of JSON, CSV and .npz: what they take, and the one line that a damaged file gets."""

import json
import zipfile

import numpy as np
import pytest

from s3dg.errors import S3dgError
from s3dg.files.readers import read_json, read_npz, read_table
from s3dg.training import history
from s3dg.training.evaluation import EvaluationError, Predictions, compute_metrics
from tests import fuzzing

EXAMPLES = [fuzzing.FEW, pytest.param(fuzzing.MANY, marks=pytest.mark.slow)]


class _BrokenError(S3dgError):
    pass


def _json(path):
    return read_json(path, _BrokenError, 'delete it')


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'{',
        b'\xff\xfe',
        b'[' * 100_000,
        b'{"a":' * 50_000,
        b'1' * 5000,
        b'"x"',
        b'[]',
        b'null',
    ],
)
def test_json_that_is_no_object_is_refused_in_a_line(tmp_path, content):
    path = tmp_path / 'x.json'
    path.write_bytes(content)
    with pytest.raises(_BrokenError, match='x.json is damaged.*delete it'):
        _json(path)


def test_json_is_read(tmp_path):
    (tmp_path / 'x.json').write_text('{"a": [1, "\u00e9"]}', encoding='utf-8')
    assert _json(tmp_path / 'x.json') == {'a': [1, '\u00e9']}


def _table(path):
    return read_table(path, ('a', 'b'), _BrokenError, 'delete it')


def test_a_torn_line_of_a_table_does_not_count(tmp_path):
    path = tmp_path / 'x.csv'
    assert _table(path) == []
    for torn, rows in [('', []), ('a,', []), ('a,b\n', []), ('a,b\n1,2\n3', [['1', '2']])]:
        path.write_text(torn)
        assert _table(path) == rows
    path.write_bytes(b'a,b\n1,2\n\xc3')  # half a character
    assert _table(path) == [['1', '2']]


@pytest.mark.parametrize(
    ('content', 'found'),
    [
        (b'a,c\n', "the header 'a,c'"),
        (b'a,b\n1\n2,3\n', 'row 2 has 1 cells, expected 2'),
        (b'a,b\n\n2,3\n', 'row 2 has 0 cells'),
        (b'a,b\n1,\xff\n', 'UnicodeDecodeError'),
        (b'a,b\n1,' + b'x' * 200_000 + b'\n', 'field larger than field limit'),
    ],
)
def test_a_damaged_table_is_refused_in_a_line(tmp_path, content, found):
    path = tmp_path / 'x.csv'
    path.write_bytes(content)
    with pytest.raises(_BrokenError, match=f'x.csv is damaged.*{found}'):
        _table(path)


_KINDS = {'id': ('U', 1), 'size': ('iu', 0)}


def _npz(path):
    return read_npz(path, _KINDS, _BrokenError, 'delete it')


def test_arrays_are_read(tmp_path):
    np.savez(tmp_path / 'x.npz', id=np.array(['a', 'b']), size=3, more=np.zeros(9))
    found = _npz(tmp_path / 'x.npz')
    assert list(found) == ['id', 'size']
    assert found['id'].tolist() == ['a', 'b']
    assert found['size'] == 3


def _header(shape, dtype='<f4'):
    text = (
        repr({'descr': dtype, 'fortran_order': False, 'shape': shape}).encode().ljust(117) + b'\n'
    )
    return b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text


@pytest.mark.parametrize(
    ('arrays', 'found'),
    [
        ({}, "'id' cannot be read"),
        ({'id': _header((10**12,))}, 'it is of float32 and shape .1000000000000,.'),
        ({'id': _header((10**18,), '<U0')}, 'it is of <U0 and shape'),
        ({'id': _header((2,), '|O') + bytes(16)}, 'Object arrays cannot be loaded'),
        ({'id': _header((2,)) + bytes(8)}, "'id' is of float32 and shape .2,., expected 1 dim"),
        ({'id': _header((2,)) + bytes(4)}, 'EOF'),
        ({'id': b'(' * 5000}, "'id' cannot be read"),
    ],
)
def test_other_arrays_are_refused_in_a_line(tmp_path, arrays, found):
    path = tmp_path / 'x.npz'
    with zipfile.ZipFile(path, 'w') as file:
        for name, content in arrays.items():
            file.writestr(f'{name}.npy', content)
    with pytest.raises(_BrokenError, match=f'x.npz is damaged.*{found}'):
        _npz(path)


def test_an_array_that_inflates_is_refused(tmp_path):
    """A hundred megabytes of zeros in a tenth of one."""
    np.savez_compressed(tmp_path / 'x.npz', id=np.zeros((25_000_000,), 'f4'))
    assert (tmp_path / 'x.npz').stat().st_size < 10**6
    with pytest.raises(_BrokenError, match='shape .25000000,., the file of'):
        _npz(tmp_path / 'x.npz')


def test_predictions_that_do_not_fit_together_are_refused(tmp_path):
    path = tmp_path / 'x.npz'
    np.savez(path, id=np.array(['a']), label=np.zeros(2, 'i4'), logits=np.zeros((1, 3), 'f4'))
    with pytest.raises(EvaluationError, match='1 ids, 2 labels and 1 rows of logits'):
        Predictions.load(path)


@pytest.mark.parametrize('label', [-1, 3])
def test_labels_of_no_class_are_refused(label):
    found = Predictions(np.array(['a']), np.array([label], 'int32'), np.zeros((1, 3), 'f4'))
    with pytest.raises(EvaluationError, match=f'Video a has label {label}, expected 0 to 2'):
        compute_metrics(found, 1)


_ROW = '3,1.5,0.25,0.01,,,\r\n'
_HEADER = 'step,loss,accuracy,learning_rate,clips_per_second,input_wait_share,top1\r\n'


@pytest.mark.parametrize(
    ('rows', 'found'),
    [
        ('3,x,0.25,0.01,,,\r\n', "row 2 has the loss 'x', expected a number"),
        (_ROW + '4,nan,0.25,0.01,,,\r\n', "row 3 has the loss 'nan', expected a number"),
        (_ROW + _ROW, "row 3 has the step '3', expected a whole number above 3"),
        (',1.5,0.25,0.01,,,\r\n', "row 2 has the step '', expected a whole number above -1"),
        ('1.5,1.5,0.25,0.01,,,\r\n', "row 2 has the step '1.5', expected a whole number above -1"),
    ],
)
def test_a_damaged_history_is_refused_in_a_line(tmp_path, rows, found):
    (tmp_path / 'history.csv').write_text(_HEADER + rows, newline='')
    with pytest.raises(history.HistoryError, match=f'history.csv is damaged: {found}; delete it'):
        history.read_history(tmp_path)


@pytest.mark.parametrize('examples', EXAMPLES)
class TestDamaged:
    """Thousands of damaged files: each is refused in a line, or read."""

    def test_json(self, tmp_path, examples):
        values = {'top1': 0.5, 'per_class': {'jump': {'top1': 1.0, 'videos': 3}}, 'list': [[1], []]}
        fuzzing.check(_json, json.dumps(values, indent=2).encode(), tmp_path / 'x.json', examples)

    def test_history(self, tmp_path, examples):
        whole = _HEADER + ''.join(f'{step},1.25,0.5,0.01,20.5,0.1,\r\n' for step in range(3, 30, 3))
        fuzzing.check(
            lambda path: history.read_history(path.parent),
            whole.encode(),
            tmp_path / 'history.csv',
            examples,
        )

    def test_predictions(self, tmp_path, examples):
        np.savez(
            tmp_path / 'whole.npz',
            id=np.array(['a/b.mp4', 'c']),
            label=np.array([1, 0], 'int32'),
            logits=np.array([[0.5, 1], [2, -1]], 'float32'),
        )

        def read(path):
            compute_metrics(Predictions.load(path), 2)

        whole = (tmp_path / 'whole.npz').read_bytes()
        fuzzing.check(read, whole, tmp_path / 'x.npz', examples)
