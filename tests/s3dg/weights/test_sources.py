"""Released checkpoints, from arrays of their names: the networks they become and their answers."""

import numpy as np
import pytest
import tensorflow as tf

from s3dg import weights
from s3dg.config import ENDPOINTS, NETWORKS
from tests.s3dg.weights import golden, tfhub_module
from tests.s3dg.weights.pseudo_weights import clip, pseudo_weight

TOLERANCE = 1e-4


def _parameters(network):
    return sum(variable.shape.num_elements() for variable in network.trainable_variables)


@pytest.mark.parametrize(
    ('name', 'source'),
    [
        ('slim_i3d', 'slim'),
        ('slim_s3d', 'slim'),
        ('slim_s3dg', 'slim'),
        ('deepmind_rgb_imagenet', 'deepmind_i3d'),
        ('pytorch_i3d_rgb', 'pytorch_i3d'),
        ('hassony2_i3d_rgb', 'hassony2_i3d'),
    ],
)
def test_networks_compute_what_the_published_ones_do(name, source):
    network = weights.from_arrays(source, golden.arrays(name)).network
    x = golden.golden_clip(name)
    assert golden.logits_error(name, network(x).numpy()) < TOLERANCE
    for endpoint, activations in network.endpoints(ENDPOINTS)(x).items():
        assert golden.endpoint_error(name, endpoint, activations) < TOLERANCE, endpoint


@pytest.mark.parametrize('source', ['torchvision', 'kylemin'])
def test_torch_s3d_computes_what_torchvisions_does(source):
    arrays = golden.arrays('torchvision_s3d')
    x = golden.golden_clip('torchvision_s3d').astype('float32')
    if source == 'kylemin':
        arrays = golden.kylemin_names(arrays)
        # The same normalised input: torchvision's scaling, and the inverse of kylemin's [-1, 1].
        mean, std = np.array([0.43216, 0.394666, 0.37645]), np.array([0.22803, 0.22145, 0.216989])
        x = (((x / 255.0 - mean) / std + 1.0) * 127.5).astype('float32')
    imported = weights.from_arrays(source, arrays)
    network = imported.network
    assert imported.variables_used == 464 - 77
    assert len(imported.variables_left_out) == 77  # counters of batches
    assert _parameters(network) == 8_320_048
    assert golden.logits_error('torchvision_s3d', network(x).numpy()) < TOLERANCE
    if source == 'torchvision':
        for endpoint, activations in network.endpoints(ENDPOINTS)(x).items():
            assert golden.endpoint_error('torchvision_s3d', endpoint, activations) < TOLERANCE


@pytest.mark.parametrize(
    ('name', 'network', 'parameters'),
    [
        ('slim_i3d', 'i3d', 12_689_984),
        ('slim_s3d', 's3d_slim', 8_299_520),
        ('slim_s3dg', 's3d_g_slim', 9_518_848),
    ],
)
def test_slim_file_says_which_network_it_holds(name, network, parameters):
    imported = weights.from_arrays('slim', golden.arrays(name))
    found, expected = imported.network.config, NETWORKS[network]
    assert found.resolved_stem_temporal_size == expected.resolved_stem_temporal_size
    for field in ('temporal_from', 'temporal_until', 'separable', 'gating', 'batch_norm_scale'):
        assert getattr(found, field) == getattr(expected, field), field
    assert _parameters(imported.network) == parameters
    assert imported.variables_left_out == []


def test_either_name_of_one_convolution_is_known():
    """Released I3D files name it as Inception-v1's do: Conv2d_0a_3x3."""
    ours, theirs = (f'InceptionV1/Mixed_5b/Branch_2/Conv2d_0{x}_3x3/' for x in 'ba')
    arrays = golden.arrays('slim_i3d')
    renamed = {name.replace(ours, theirs): array for name, array in arrays.items()}
    assert renamed.keys() != arrays.keys()
    network = weights.from_arrays('slim', renamed).network
    convolution = network.get_layer('Mixed_5b').branches[2].parts[1]
    np.testing.assert_array_equal(convolution.kernel.numpy(), arrays[ours + 'weights'])


def test_what_optimisers_leave_in_a_file_is_left_out():
    arrays = golden.arrays('slim_s3d')
    extra = {
        'global_step': np.int64(7),
        'InceptionV1/Conv2d_1a_7x7/weights/Momentum': np.zeros((3, 7, 7, 3, 64), 'float32'),
        'InceptionV1/Conv2d_2b_1x1/weights/ExponentialMovingAverage': np.zeros(3, 'float32'),
    }
    imported = weights.from_arrays('slim', {**arrays, **extra})
    assert imported.variables_left_out == sorted(extra)
    assert imported.variables_used == len(arrays)


def _kinetics_600(arrays):
    """DeepMind's RGB variables as the Kinetics-600 file has them."""
    renamed = {}
    for name, array in arrays.items():
        name = name.removeprefix('RGB/inception_i3d/')
        if '/batch_norm/' in name:
            array = array.reshape(1, 1, 1, 1, -1)
        renamed[name] = array
        renamed[name + '/Momentum'] = np.zeros_like(array)
    return renamed


def test_kinetics_600_file_without_prefix_is_the_same_network():
    arrays = _kinetics_600(golden.arrays('deepmind_rgb_imagenet'))
    imported = weights.from_arrays('deepmind_i3d', arrays)
    assert imported.variables_used == 230
    assert len(imported.variables_left_out) == 230
    logits = imported.network(golden.golden_clip('deepmind_rgb_imagenet')).numpy()
    assert golden.logits_error('deepmind_rgb_imagenet', logits) < TOLERANCE


def test_600_classes_have_the_names_of_kinetics_600():
    arrays = _kinetics_600(golden.arrays('deepmind_rgb_imagenet'))
    for leaf, shape in (('w', (1, 1, 1, 1024, 600)), ('b', (600,))):
        name = f'Logits/Conv3d_0c_1x1/conv_3d/{leaf}'
        arrays[name] = pseudo_weight(name, shape)
    network = weights.from_arrays('deepmind_i3d', arrays).network
    assert network.config.num_classes == len(network.class_names) == 600
    assert (network.class_names[1], network.class_names[-1]) == ('acting in play', 'zumba')


def test_flow_file_is_an_i3d_of_two_channels():
    """As the RGB network whose stem does not look at its third channel."""
    rgb = golden.arrays('deepmind_rgb_imagenet')
    stem = 'RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w'
    rgb[stem][:, :, :, 2] = 0.0
    flow = {name.replace('RGB/', 'Flow/'): array for name, array in rgb.items()}
    flow[stem.replace('RGB/', 'Flow/')] = rgb[stem][:, :, :, :2]
    x = clip((16, 64, 96, 3))[None]
    two = weights.from_arrays('deepmind_i3d', flow).network
    three = weights.from_arrays('deepmind_i3d', rgb).network
    assert two.config.channels == 2
    expected = three(x).numpy()
    assert np.abs(two(x[..., :2]).numpy() - expected).max() < 1e-5 * np.abs(expected).max()


# Each source's names of the stem's and of the classifier's variables.
TORCH_I3D = {
    'pytorch_i3d': ('Conv3d_1a_7x7.conv3d.weight', 'logits.conv3d'),
    'hassony2_i3d': ('conv3d_1a_7x7.conv3d.weight', 'conv3d_0c_1x1.conv3d'),
}


@pytest.mark.parametrize(('source', 'names'), TORCH_I3D.items())
def test_torch_i3d_for_flow_and_for_other_classes(source, names):
    """As the RGB network whose stem does not look at its third channel, cut to 157 classes."""
    stem, classifier = names
    rgb = golden.arrays(f'{source}_rgb')
    rgb[stem][:, 2] = 0.0
    flow = {**rgb, stem: rgb[stem][:, :2]}
    for leaf in ('weight', 'bias'):
        flow[f'{classifier}.{leaf}'] = rgb[f'{classifier}.{leaf}'][:157]
    x = clip((16, 224, 224, 3))[None]
    two = weights.from_arrays(source, flow).network
    three = weights.from_arrays(source, rgb).network
    assert (two.config.channels, two.config.num_classes, two.class_names) == (2, 157, None)
    assert three.class_names[0] == 'abseiling'
    expected = three(x).numpy()
    assert np.abs(two(x[..., :2]).numpy() - expected[:, :157]).max() < 1e-5 * np.abs(expected).max()


def test_tensorflow_hubs_module_gives_its_logits(tmp_path):
    arrays = golden.arrays('deepmind_rgb_imagenet')
    tfhub_module.save(arrays, tmp_path / 'i3d-kinetics-400_1')
    x = clip((16, 224, 224, 3))[None]
    module = tf.saved_model.load(str(tmp_path / 'i3d-kinetics-400_1')).signatures['default']
    expected = module(tf.constant(x / 127.5 - 1, 'float32'))['default'].numpy()
    imported = weights.load('tfhub_i3d', tmp_path / 'i3d-kinetics-400_1')
    assert imported.variables_used == len(arrays)
    logits = imported.network(x).numpy()
    assert np.abs(logits - expected).max() < TOLERANCE * np.abs(expected).max()


def test_kinetics_400_is_named():
    imported = weights.from_arrays('slim', golden.arrays('slim_s3d'))
    names = imported.network.class_names
    assert len(names) == 400
    assert (names[0], names[232], names[399]) == ('abseiling', 'playing guitar', 'zumba')


def test_given_class_names_and_fields_go_before_the_sources():
    names = [f'class {i}' for i in range(400)]
    imported = weights.from_arrays(
        'slim', golden.arrays('slim_s3d'), class_names=names, dropout_rate=0.6
    )
    assert imported.network.class_names == tuple(names)
    assert imported.network.config.dropout_rate == 0.6


def test_too_few_class_names_are_counted():
    with pytest.raises(weights.WeightsError, match='found 2 names, expected one for each of 400'):
        weights.from_arrays('slim', golden.arrays('slim_s3d'), class_names=['a', 'b'])


def test_a_file_that_mixes_dense_and_separable_convolutions_is_refused():
    arrays = golden.arrays('slim_s3d')
    name = 'InceptionV1/Mixed_4b/Branch_1/Conv2d_0b_3x3/weights'
    arrays[name] = np.zeros((3, *arrays[name].shape[1:]), 'float32')
    with pytest.raises(
        weights.WeightsError, match='Conv2d_2c_3x3 is separable and Mixed_4b is dense'
    ):
        weights.from_arrays('slim', arrays)


@pytest.mark.parametrize(
    ('source', 'name', 'golden_name', 'shape', 'message'),
    [
        (
            'slim',
            'InceptionV1/Conv2d_1a_7x7/weights',
            'slim_s3d',
            (4, 7, 7, 3, 64),
            'expected a temporal size of 1, 3, 5, 7',
        ),
        ('slim', 'InceptionV1/Conv2d_1a_7x7/weights', 'slim_s3d', (7, 7, 3, 64), 'expected 5'),
        (
            'deepmind_i3d',
            'RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w',
            'deepmind_rgb_imagenet',
            (7, 7, 7, 4, 64),
            'takes 4 channels',
        ),
        ('torchvision', 'features.0.0.0.weight', 'torchvision_s3d', (64, 5, 1, 7, 7), 'takes 5 ch'),
        ('torchvision', 'classifier.1.weight', 'torchvision_s3d', (0, 1024, 1, 1, 1), 'is empty'),
        (
            'slim',
            'InceptionV1/Mixed_4b/Branch_1/Conv2d_0a_1x1/weights',
            'slim_s3d',
            (1, 1, 480, 96),
            'which does not fit Mixed_4b',
        ),
        (
            'slim',
            'InceptionV1/Mixed_4b/Branch_1/Conv2d_0b_3x3/self_gating/transformer_W/weights',
            'slim_s3dg',
            (208, 208),
            'which does not fit Mixed_4b/Branch_1/self_gating/kernel',
        ),
        (
            'torchvision',
            'features.5.branch1.1.0.0.weight',
            'torchvision_s3d',
            (128, 96, 3, 3),
            'has shape .128, 96, 3, 3., which does not fit',
        ),
    ],
)
def test_shapes_that_no_published_network_has_are_refused(
    source, name, golden_name, shape, message
):
    arrays = golden.arrays(golden_name)
    arrays[name] = np.zeros(shape, 'float32')
    with pytest.raises(weights.WeightsError, match=message):
        weights.from_arrays(source, arrays)


@pytest.mark.parametrize(
    ('source', 'network'), [('inception_v1', None), ('slim', 's3d'), ('torchvision', 's3d')]
)
def test_only_what_is_inflated_is_told_its_network(source, network):
    with pytest.raises(weights.WeightsError, match=f'source {source} .* which network it becomes'):
        weights.from_arrays(source, {}, network=network)
