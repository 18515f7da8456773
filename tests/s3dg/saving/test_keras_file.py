"""`.keras` files that are damaged, or made to fill the memory: refused before anything is built."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

import s3dg
from s3dg.config import NETWORKS, ConfigError
from s3dg.errors import S3dgError
from s3dg.network import Network
from s3dg.saving import keras_file
from s3dg.saving.keras_file import KerasFileError
from tests import fuzzing

FIELDS = {'num_classes': 3, 'width': 0.01}


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A `.keras` file of the smallest network."""
    path = tmp_path_factory.mktemp('keras') / 'whole.keras'
    s3dg.build('i2d', **FIELDS).save(path)
    return path


def _parts(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write(path, parts, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def _with_config(whole, path, change):
    parts = _parts(whole)
    config = json.loads(parts['config.json'])
    change(config)
    return _write(path, parts | {'config.json': json.dumps(config)})


def test_a_whole_file_is_loaded(whole):
    network = keras_file.load(whole)
    assert network.config == NETWORKS['i2d'].replace(**FIELDS)


@pytest.mark.parametrize('place', [0, -1])
def test_weights_that_are_no_numbers_are_told(whole, tmp_path, place):
    network = keras_file.load(whole)
    variable = network.variables[place]
    variable.assign(np.full(variable.shape, np.nan))
    network.save(tmp_path / 'nan.keras')
    with pytest.raises(KerasFileError, match=f'its {variable.path} is not finite'):
        keras_file.load(tmp_path / 'nan.keras')


def test_compressed_archives_are_loaded(whole, tmp_path):
    path = _write(tmp_path / 'x.keras', _parts(whole), zipfile.ZIP_DEFLATED)
    keras_file.check(path)


@pytest.mark.parametrize('name', NETWORKS)
def test_what_a_network_needs_at_least_is_not_more_than_it_has(name):
    fields = {'num_classes': 7, 'width': 0.25}
    network = s3dg.build(name, **fields)
    least = keras_file.least_weights(network.config)
    assert network.count_params() / 4 < least <= network.count_params()
    assert least == keras_file.least_weights(network.config.replace(batch_norm=False))


def _fill(field, value):
    def change(config):
        config['config']['config'][field] = value

    return change


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('num_classes', 10**6),
        ('width', 20),
        ('width', 1e308),
        ('channels', 10**6),
        ('stem_spatial_size', 10**4),
        ('stem_temporal_size', 10**6),
    ],
)
def test_a_network_larger_than_the_file_is_not_built(whole, tmp_path, monkeypatch, field, value):
    path = _with_config(whole, tmp_path / 'x.keras', _fill(field, value))
    monkeypatch.setattr(Network, '__init__', None)
    with pytest.raises((KerasFileError, ConfigError), match='weights or more|must be'):
        keras_file.load(path)


def test_an_archive_that_inflates_is_not_unpacked(whole, tmp_path):
    parts = _parts(whole) | {'model.weights.h5': bytes(10**8)}
    path = _write(tmp_path / 'x.keras', parts, zipfile.ZIP_DEFLATED)
    with pytest.raises(KerasFileError, match='unpack to 100,0.*, expected at most 4 times as many'):
        keras_file.load(path)


@pytest.mark.parametrize('options', [{'compression': 'gzip'}, {'chunks': (1000, 10)}])
def test_weights_that_inflate_are_not_loaded(whole, tmp_path, options):
    """A dataset of 4 GB: of zeros, compressed, and of chunks that are not there."""
    memory = io.BytesIO()
    with h5py.File(memory, 'w') as file:
        file.create_dataset('layers/x/vars/0', (10**6, 1000), 'f4', **options)
    parts = _parts(whole) | {'model.weights.h5': memory.getvalue()}
    with pytest.raises(KerasFileError, match='claims 4,000,000,000 bytes and has 0'):
        keras_file.load(_write(tmp_path / 'x.keras', parts))


@pytest.mark.parametrize(
    ('name', 'content', 'found'),
    [
        ('config.json', '[' * 10**5, 'RecursionError'),
        ('config.json', '{"a":' * 10**5, 'RecursionError'),
        ('config.json', '', 'JSONDecodeError'),
        ('config.json', '[]', 'TypeError'),
        ('config.json', '{}', 'KeyError'),
        ('config.json', '{"class_name": "Functional"}', 'holds a Functional, expected a network'),
        ('model.weights.h5', b'', 'weights cannot be read'),
        ('model.weights.h5', b'\x89HDF\r\n\x1a\n' + bytes(2000), 'weights cannot be read'),
    ],
)
def test_broken_parts_are_told(whole, tmp_path, name, content, found):
    path = _write(tmp_path / 'x.keras', _parts(whole) | {name: content})
    with pytest.raises(KerasFileError, match=found):
        keras_file.load(path)


@pytest.mark.parametrize('name', ['config.json', 'model.weights.h5'])
def test_parts_that_are_missing_are_told(whole, tmp_path, name):
    parts = _parts(whole)
    del parts[name]
    with pytest.raises(KerasFileError, match=f'it has no {name}'):
        keras_file.load(_write(tmp_path / 'x.keras', parts))


def test_weights_of_another_network_are_told(whole, tmp_path):
    path = _with_config(whole, tmp_path / 'x.keras', _fill('stem_separable', True))
    parts = _parts(path)
    memory = io.BytesIO(parts['model.weights.h5'])
    with h5py.File(memory, 'a') as file:
        del file['layers/branch']
        file['much'] = np.zeros(10**5, 'f4')
    path = _write(tmp_path / 'y.keras', parts | {'model.weights.h5': memory.getvalue()})
    with pytest.raises(KerasFileError, match='cannot be read as a network'):
        keras_file.load(path)


def test_class_names_and_fields_that_cannot_be_are_told(whole, tmp_path):
    def name(config):
        config['config']['class_names'] = ['one']

    with pytest.raises(KerasFileError, match='1 class names, expected one for each of 3'):
        keras_file.load(_with_config(whole, tmp_path / 'x.keras', name))
    with pytest.raises(ConfigError, match='width must be a number'):
        keras_file.load(_with_config(whole, tmp_path / 'x.keras', _fill('width', -1)))


def test_another_model_is_told(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / 'x.keras')
    with pytest.raises(KerasFileError, match='holds a Sequential, expected a network of this'):
        keras_file.load(tmp_path / 'x.keras')


@pytest.mark.parametrize(
    'examples', [fuzzing.FEW, pytest.param(fuzzing.MANY, marks=pytest.mark.slow)]
)
class TestDamaged:
    def test_files(self, whole, tmp_path, examples):
        fuzzing.check(keras_file.check, whole.read_bytes(), tmp_path / 'x.keras', examples)

    def test_configurations(self, whole, tmp_path, examples):
        """With right check sums, as another program would write them."""
        parts = _parts(whole)

        def read(path):
            keras_file.check(
                _write(tmp_path / 'x.keras', parts | {'config.json': path.read_bytes()})
            )

        fuzzing.check(read, parts['config.json'], tmp_path / 'config.json', examples)

    def test_weights(self, whole, tmp_path, examples):
        parts = _parts(whole)

        def read(path):
            keras_file.check(
                _write(tmp_path / 'x.keras', parts | {'model.weights.h5': path.read_bytes()})
            )

        fuzzing.check(read, parts['model.weights.h5'], tmp_path / 'weights', examples, S3dgError)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['config.json', 'model.weights.h5'])
def test_damaged_parts_are_loaded_or_told(whole, tmp_path, name):
    """By Keras too, which takes a second for each."""
    parts = _parts(whole)

    def read(path):
        keras_file.load(_write(tmp_path / 'x.keras', parts | {name: path.read_bytes()}))

    fuzzing.check(read, parts[name], tmp_path / 'part', fuzzing.FEW)
