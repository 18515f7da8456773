"""Checkpoint files as users bring them, whole and otherwise."""

import argparse
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from s3dg.weights import files
from s3dg.weights.assign import WeightsError
from tests import fuzzing
from tests.s3dg.weights import golden

ARRAYS = {
    'a/weights': np.arange(6, dtype='float32').reshape(2, 3),
    'a/biases': np.float32([0.5, -1.0]),
    'global_step': np.int64(3),
}


def _same(found, expected):
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.fixture
def checkpoint(tmp_path):
    return golden.write_tensorflow_checkpoint(ARRAYS, tmp_path / 'model.ckpt')


def test_tensorflow_checkpoint_by_any_of_its_names(checkpoint, tmp_path):
    for path in (checkpoint, checkpoint + '.index', checkpoint + '.data-00000-of-00001', tmp_path):
        _same(files.read_tensorflow(path), ARRAYS)


def test_text_in_a_tensorflow_checkpoint_is_an_array_too(tmp_path):
    prefix = golden.write_tensorflow_checkpoint({'note': np.asarray(b'text')}, tmp_path / 'm.ckpt')
    assert files.read_tensorflow(prefix)['note'].dtype.kind in 'SO'


def test_tensorflow_checkpoint_of_the_first_format(tmp_path):
    """One file, as inception_v1.ckpt is."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        saved = {name: tf.compat.v1.Variable(array) for name, array in ARRAYS.items()}
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(saved, write_version=tf.compat.v1.train.SaverDef.V1)
        path = saver.save(session, str(tmp_path / 'inception_v1.ckpt'), write_meta_graph=False)
    assert not (tmp_path / 'inception_v1.ckpt.index').exists()
    _same(files.read_tensorflow(path), ARRAYS)


def test_no_tensorflow_checkpoint(tmp_path):
    text = tmp_path / 'notes.ckpt'
    text.write_text('not a checkpoint\n' * 100)
    with pytest.raises(WeightsError, match='not a readable TensorFlow checkpoint'):
        files.read_tensorflow(text)
    with pytest.raises(WeightsError, match='there is no such TensorFlow checkpoint'):
        files.read_tensorflow(tmp_path / 'missing.ckpt')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(WeightsError, match="a folder without 'checkpoint'"):
        files.read_tensorflow(tmp_path / 'empty')


def test_truncated_tensorflow_checkpoint(checkpoint):
    data = checkpoint + '.data-00000-of-00001'
    with open(data, 'rb+') as file:
        file.truncate(8)
    with pytest.raises(WeightsError, match='not a readable TensorFlow checkpoint'):
        files.read_tensorflow(checkpoint)


@pytest.fixture
def torch():
    return pytest.importorskip('torch')


@pytest.mark.parametrize(
    'prefix',
    ['', 'module.', 'module.module.', '_orig_mod.', 'model.', 'module._orig_mod.', 'model.module.'],
)
@pytest.mark.parametrize(
    'key',
    [None, 'state_dict', 'model', 'net', 'model_state', 'model_state_dict', 'model/state_dict'],
)
@pytest.mark.parametrize('zipped', [True, False])
def test_torch_state_dict(torch, tmp_path, prefix, key, zipped):
    expected = {'a.weight': ARRAYS['a/weights'], 'a.running_mean': ARRAYS['a/biases']}
    state = {prefix + name: torch.from_numpy(array) for name, array in expected.items()}
    content = state
    for word in reversed(key.split('/') if key else ()):
        content = {word: content, 'epoch': 3}
    path = tmp_path / 'model.pth'
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    _same(files.read_torch(path).arrays, expected)


def test_torch_bfloat16_becomes_float(torch, tmp_path):
    torch.save({'a.weight': torch.tensor([0.5, 2.0], dtype=torch.bfloat16)}, tmp_path / 'b.pth')
    np.testing.assert_array_equal(
        files.read_torch(tmp_path / 'b.pth').arrays['a.weight'], [0.5, 2.0]
    )


def test_what_is_beside_a_state_dict_is_counted(torch, tmp_path):
    """As training programs save it: an optimizer's state, flags, figures."""
    layer = torch.nn.Linear(2, 3)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9)
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    content = {
        'epoch': 7,
        'args': argparse.Namespace(arch='i3d', lr=0.1),
        'best': np.float64(71.5),
        'history': np.arange(3.0),
        'state_dict': layer.state_dict(),
        'optimizer': optimizer.state_dict(),
    }
    torch.save(content, tmp_path / 'model.pth.tar')
    arrays, beside = files.read_torch(tmp_path / 'model.pth.tar')
    _same(arrays, {name: value.numpy() for name, value in layer.state_dict().items()})
    assert beside == [f'optimizer/state/{number}/momentum_buffer' for number in (0, 1)]


def test_models_saved_whole_are_told_how_to_save_a_state_dict(torch, tmp_path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / 'whole.pth')
    advice = (
        r"holds torch.nn.modules.linear.Linear.*torch.save\(model.state_dict\(\), 'state.pth'\)"
    )
    with pytest.raises(WeightsError, match=advice):
        files.read_torch(tmp_path / 'whole.pth')
    with zipfile.ZipFile(tmp_path / 'script.pt', 'w') as archive:  # as torch.jit.save names them
        for name in ('data.pkl', 'code/__torch__/network.py', 'constants.pkl', 'version'):
            archive.writestr(f'script/{name}', b'3\n')
    with pytest.raises(WeightsError, match=r'TorchScript.*torch.jit.load\(FILE\).state_dict\(\)'):
        files.read_torch(tmp_path / 'script.pt')


class _Shout:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_code_in_a_pickle_is_not_run(torch, tmp_path):
    path, mark = tmp_path / 'model.pth', tmp_path / 'it_ran'
    torch.save({'a.weight': torch.zeros(3), 'b': _Shout(mark)}, path)
    with pytest.raises(
        WeightsError, match='not a torch state dict: it holds .*open, as .* and nothing'
    ):
        files.read_torch(path)
    path.write_bytes(pickle.dumps(_Shout(mark)))
    with pytest.raises(WeightsError, match='not a torch state dict'):
        files.read_torch(path)
    assert not mark.exists()


def test_no_torch_file(torch, tmp_path):
    path = tmp_path / 'model.pth'
    with pytest.raises(WeightsError, match='there is no such file'):
        files.read_torch(path)
    path.write_text('not a state dict\n')
    with pytest.raises(WeightsError, match='not a (readable )?torch'):
        files.read_torch(path)
    path.write_bytes(b'')
    with pytest.raises(WeightsError, match='not a (readable )?torch'):
        files.read_torch(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(WeightsError, match='holds a Tensor, expected a state dict'):
        files.read_torch(path)
    torch.save({'a.weight': torch.zeros(1000)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-600])
    with pytest.raises(WeightsError, match='not a readable torch file'):
        files.read_torch(path)
    middle = whole.index(bytes(1000)) + 500  # among the zeros that the tensor holds
    path.write_bytes(whole[:middle] + b'\1' + whole[middle + 1 :])
    with pytest.raises(WeightsError, match='its check sums are wrong'):
        files.read_torch(path)


def test_state_dicts_that_cannot_be(torch, tmp_path):
    path = tmp_path / 'model.pth'
    zeros = torch.zeros(3)
    for content, message in (
        ({'a': zeros, 'epoch': 5}, "its entry 'epoch' is a int"),
        ({'a': zeros.to_sparse()}, 'variable a is a torch.sparse_coo tensor'),
        ({}, 'holds a dict, expected a state dict'),
    ):
        torch.save(content, path)
        with pytest.raises(WeightsError, match=message):
            files.read_torch(path)


def test_torch_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch', None)
    (tmp_path / 'model.pth').write_bytes(b'')
    with pytest.raises(WeightsError, match=r"needs torch: pip install '.\[torch\]'"):
        files.read_torch(tmp_path / 'model.pth')


def test_a_checkpoint_that_states_more_than_it_holds(tmp_path, monkeypatch):
    prefix = golden.write_tensorflow_checkpoint({'a': np.zeros(10**5, 'f4')}, tmp_path / 'm.ckpt')
    with open(prefix + '.data-00000-of-00001', 'rb+') as file:
        file.truncate(100)
    monkeypatch.setattr(np, 'asarray', None)  # nothing is read
    with pytest.raises(WeightsError, match='state 400,000 bytes of variables, expected at most 4'):
        files.read_tensorflow(prefix)


def test_torch_files_that_state_more_than_they_hold(torch, tmp_path):
    path = tmp_path / 'model.pth'
    for zipped in (True, False):  # an expanded tensor of four numbers
        content = {'a': torch.zeros(4).expand(10**7, 4)}
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(WeightsError, match='state 160,000,000 bytes of variables'):
            files.read_torch(path)
    torch.save({'a': torch.zeros(10**6)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    _write_archive(path, parts, zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match='state 4,00.* bytes of variables'):
        files.read_torch(path)


def _write_archive(path, parts, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


EXAMPLES = pytest.mark.parametrize(
    'examples', [fuzzing.FEW, pytest.param(fuzzing.MANY, marks=pytest.mark.slow)]
)


@EXAMPLES
@pytest.mark.parametrize('suffix', ['.index', '.data-00000-of-00001', '/checkpoint'])
def test_damaged_tensorflow_checkpoints(checkpoint, tmp_path, suffix, examples):
    path = tmp_path / 'checkpoint' if suffix == '/checkpoint' else Path(checkpoint + suffix)
    fuzzing.check(lambda path: files.read_tensorflow(tmp_path), path.read_bytes(), path, examples)


@EXAMPLES
@pytest.mark.parametrize('kind', ['zip', 'pickle in a zip', 'legacy'])
def test_damaged_torch_files(torch, tmp_path, kind, examples):
    path = tmp_path / 'model.pth'
    tensors = {name: torch.from_numpy(np.asarray(array)) for name, array in ARRAYS.items()}
    tensors['half'] = torch.ones(3, dtype=torch.bfloat16)
    torch.save({'state_dict': tensors}, path, _use_new_zipfile_serialization=kind != 'legacy')
    if kind != 'pickle in a zip':
        fuzzing.check(files.read_torch, path.read_bytes(), path, examples)
        return
    with zipfile.ZipFile(path) as archive:  # with right check sums
        parts = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in parts if name.endswith('data.pkl'))

    def read(pickled):
        _write_archive(path, parts | {name: pickled.read_bytes()})
        files.read_torch(path)

    fuzzing.check(read, parts[name], tmp_path / 'data.pkl', examples)
