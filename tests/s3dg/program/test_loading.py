"""Networks in files, those for images among them, and files that are no network."""

import numpy as np
import pytest

import s3dg
from s3dg.program.entry import MissingFileError, UsageError
from s3dg.program.loading import image_files, load_image_network, load_network
from tests.s3dg.weights import golden


def test_network_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match='--model: expected a .keras file, found .*not there'):
        load_network(tmp_path / 'none.keras')
    with pytest.raises(UsageError, match='--init: expected a .keras file, found .*a folder'):
        load_network(tmp_path, '--init')
    (tmp_path / 'text.keras').write_text('no network')
    with pytest.raises(UsageError, match='text.keras: it is no .keras file, or not a whole one'):
        load_network(tmp_path / 'text.keras')


def test_a_network_for_images_is_a_keras_file_or_the_checkpoint_itself(tmp_path):
    arrays = golden.arrays('slim_inception_v1')
    path = golden.write_tensorflow_checkpoint(arrays, tmp_path / 'inception_v1.ckpt')
    network = load_image_network(path)
    assert network.config.temporal_from is None
    (kernel,) = (w for w in network.get_layer('Conv2d_2b_1x1').weights if w.path.endswith('kernel'))
    expected = arrays['InceptionV1/Conv2d_2b_1x1/weights']
    np.testing.assert_array_equal(kernel.numpy(), expected[None])
    names = [file.name for file in image_files(path)]
    assert names == ['inception_v1.ckpt.index', 'inception_v1.ckpt.data-00000-of-00001']
    network.save(tmp_path / 'imagenet.keras')
    again = load_image_network(tmp_path / 'imagenet.keras')
    for one, other in zip(network.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_what_is_no_network_for_images(tmp_path):
    s3dg.build('i3d', 2, width=0.1).save(tmp_path / 'i3d.keras')
    with pytest.raises(UsageError, match='--imagenet: .*i3d.keras is a network with temporal conv'):
        load_image_network(tmp_path / 'i3d.keras')
    with pytest.raises(MissingFileError, match="--imagenet: expected a .keras file or TF-slim's"):
        load_image_network(tmp_path / 'gone.ckpt')
    (tmp_path / 'text.ckpt').write_text('no checkpoint')
    with pytest.raises(UsageError, match='text.ckpt: not a readable TensorFlow checkpoint'):
        load_image_network(tmp_path / 'text.ckpt')
