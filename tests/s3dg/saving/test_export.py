"""SavedModels against their networks, and what becomes of folders and damaged files."""

import json
import shutil
import types

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from s3dg.answers import NonFiniteAnswerError
from s3dg.files.disk import DiskError
from s3dg.saving import export
from tests import kills
from tests.closeness import assert_close
from tests.full_disk import longest_file
from tests.s3dg.saving.networks import FORMAT, coarse_video, create_network
from tests.s3dg.small import random_clip


@pytest.fixture(scope='module')
def network():
    return create_network()


@pytest.fixture(scope='module')
def exported_folder(network, tmp_path_factory):
    path = tmp_path_factory.mktemp('export') / 'saved_model'
    assert export.export(network, path) == ['serve', 'features', 'jpeg']
    return path


@pytest.fixture(scope='module')
def exported(exported_folder):
    return export.ExportedNetwork(exported_folder)


def _probabilities(logits):
    odds = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def test_serve_is_the_network_on_the_crop(network, exported):
    video = np.stack([coarse_video(8, 40, 48, seed) for seed in (8, 9)])
    logits = network(video[:, :, 4:36, 4:44]).numpy()
    served = exported.serve(video)
    assert_close(served['logits'], logits, 1e-4)
    np.testing.assert_allclose(served['probabilities'], _probabilities(logits), atol=1e-4)
    assert _probabilities(logits).std() > 0.01


def test_longer_and_shorter_videos_are_cut_and_looped(network, exported):
    video = coarse_video(20, 40, 48)[None]
    crop = video[:, :, 4:36, 4:44]
    windows = [network(crop[:, s : s + 8]) for s in (0, 8, 12)]
    assert np.ptp(windows, axis=0).max() > 0.03
    expected = np.mean(windows, axis=0)
    assert_close(exported.serve(video)['logits'], expected, 1e-4)
    looped = network(crop[:, [0, 1, 2, 0, 1, 2, 0, 1]])
    assert_close(exported.serve(video[:, :3])['logits'], looped, 1e-4)


def test_any_size_is_resized(exported):
    video = np.repeat(np.repeat(random_clip(1, 8, 40, 48, 3), 2, axis=2), 2, axis=3)
    logits = exported.serve(video)['logits'].numpy()
    halved = np.stack([cv2.resize(f, (48, 40), interpolation=cv2.INTER_LINEAR) for f in video[0]])
    np.testing.assert_allclose(logits, exported.serve(halved[None])['logits'], atol=0.05)


def test_jpeg_endpoint_decodes_its_frames(exported):
    coarse = cv2.resize(random_clip(8, 6, 9, 3)[0], (60, 50))
    frames = [cv2.imencode('.jpg', np.roll(coarse, i, axis=1))[1].tobytes() for i in range(8)]
    decoded = np.stack(
        [cv2.imdecode(np.frombuffer(f, 'uint8'), cv2.IMREAD_COLOR_RGB) for f in frames]
    )
    served = exported.serve(decoded[None])
    turned = exported.serve(decoded[None, :, ::-1])
    assert np.abs(turned['logits'] - served['logits']).max() > 0.03
    for name, values in exported.jpeg(frames).items():
        np.testing.assert_allclose(values, served[name][0], atol=1e-5, err_msg=name)


def test_features_are_what_the_classifier_sees(network, exported):
    video = random_clip(2, 8, 40, 48, 3)
    features = exported.features(video)['features'].numpy()
    logits = features @ network.get_layer('logits').kernel.numpy()
    logits += network.get_layer('logits').bias.numpy()
    assert_close(logits, exported.serve(video)['logits'], 1e-4)


def test_default_signature_and_metadata(exported, tmp_path):
    model = exported._model
    assert set(model.signatures) == {'serving_default', 'serve', 'features', 'jpeg'}
    assert set(model.signatures['serving_default'].structured_outputs) == {
        'logits',
        'probabilities',
    }
    assert exported.class_names == ('a', 'b', 'c', 'd', 'e')
    assert exported.video_format == FORMAT


def test_keras_reads_it_as_a_layer_with_its_weights(network, exported_folder):
    layer = keras.layers.TFSMLayer(exported_folder, call_endpoint='serve')
    video = coarse_video(8, 40, 48)[None]
    assert_close(layer(video)['logits'], network(video[:, :, 4:36, 4:44]), 1e-4)
    # The convolutions of the network, of which batch norm has become the bias.
    kernels = sorted(
        tuple(v.shape) for v in network.trainable_variables if v.path.endswith('kernel')
    )
    read = sorted(tuple(v.shape) for v in layer.trainable_weights if len(v.shape) > 1)
    assert read == kernels


def test_folders_that_hold_something_else_are_kept(network, tmp_path):
    (tmp_path / 'mine' / 'videos').mkdir(parents=True)
    with pytest.raises(export.ExportError, match='mine is there already and is not a SavedModel'):
        export.export(network, tmp_path / 'mine')
    assert (tmp_path / 'mine' / 'videos').is_dir()
    export.check_output(tmp_path / 'mine' / 'videos')  # empty
    export.check_output(tmp_path / 'new')


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(export.ExportError, match='not a SavedModel written by this project'):
        export.ExportedNetwork(tmp_path)


def test_a_full_disk_keeps_what_was_there(network, tmp_path):
    path = tmp_path / 'saved_model'
    (path / 'assets.extra').mkdir(parents=True)
    (path / 'assets.extra' / 'network.json').write_text('{}')
    message = 'saved_model: File too large; what was there before is kept; make room'
    with pytest.raises(DiskError, match=message), longest_file(10_000):
        export.export(network, path)
    assert (path / 'assets.extra' / 'network.json').read_text() == '{}'


@pytest.mark.parametrize(
    'name',
    ['saved_model.pb', 'variables/variables.index', 'variables/variables.data-00000-of-00001'],
)
def test_a_damaged_file_of_an_export_is_named(exported_folder, tmp_path, name):
    shutil.copytree(exported_folder, tmp_path / 'copy')
    path = tmp_path / 'copy' / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(export.ExportError, match=f'copy/{name} is not as it was exported'):
        export.ExportedNetwork(tmp_path / 'copy')


def test_an_earlier_export_is_replaced_whole(network, tmp_path):
    path = tmp_path / 'saved_model'
    (path / 'assets.extra').mkdir(parents=True)
    (path / 'assets.extra' / 'network.json').write_text('{}')
    (path / 'assets').mkdir()
    (path / 'assets' / 'stale').write_text('')
    (path / 'notes.txt').write_text('mine')
    with pytest.raises(
        export.ExportError, match='saved_model: holds notes.txt, which this program'
    ):
        export.export(network, path)
    (path / 'notes.txt').unlink()
    (tmp_path / 'saved_model.new').mkdir()  # somebody's
    export.export(network, path)
    assert not (path / 'assets' / 'stale').exists()
    assert json.loads((path / export.METADATA_FILE).read_text())['class_names'] == list('abcde')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['saved_model', 'saved_model.new']


def test_an_export_killed_at_every_step(tmp_path, monkeypatch):
    """With stand-ins for what TensorFlow writes, which is not within the swap."""
    old = {
        'saved_model.pb': b'old',
        'variables/variables.index': b'old',
        export.METADATA_FILE: b'{}',
    }
    new = old | {'saved_model.pb': b'new'}

    def write(files, folder):
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return ['serve']

    monkeypatch.setattr(export, '_write', lambda network, folder, output: write(new, folder))
    network = types.SimpleNamespace(variables=[])
    for exchanges in (True, False):
        step, killed = 0, True
        while killed:
            step += 1
            output = tmp_path / f'{exchanges}{step}' / 'saved_model'
            write(old, output)
            killed = kills.killed_at(
                step, lambda output=output: export.export(network, output), exchanges
            )
            found = kills.contents(output)
            assert found in (old, new) or (not exchanges and found is None)
            if found is None:
                assert new in kills.hidden_contents(output)
            assert export.export(network, output) == ['serve']
            assert kills.contents(output) == new
            assert [path.name for path in output.parent.iterdir()] == ['saved_model']
        assert step > 20


def test_what_is_refused_replaces_nothing(network, tmp_path):
    path = tmp_path / 'saved_model'
    (path / 'assets.extra').mkdir(parents=True)
    (path / 'assets.extra' / 'network.json').write_text('{}')
    before = kills.contents(path)

    def check(folder):
        assert (folder / 'saved_model.pb').exists()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        export.export(network, path, check)
    broken = create_network()
    kernel = broken.get_layer('logits').kernel
    kernel.assign(np.where(np.arange(5) == 2, np.nan, kernel.numpy()))
    with pytest.raises(export.ExportError, match='logits/kernel of the network is not finite'):
        export.export(broken, path)
    assert kills.contents(tmp_path) == {f'saved_model/{name}': b for name, b in before.items()}


def test_answers_are_numbers(exported, monkeypatch):
    class Broken:
        def serve(self, video):
            return {'logits': tf.constant([[1.0, np.inf]])}

    monkeypatch.setattr(exported, '_model', Broken())
    with pytest.raises(
        NonFiniteAnswerError, match='saved_model: logits: 1 of 2 numbers are NaN or'
    ):
        exported.serve(None)
