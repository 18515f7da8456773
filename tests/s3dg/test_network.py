"""Networks: shapes and parameters the paper and the released code state, saving, inputs, order."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import s3dg
from s3dg.network import POOLED_FEATURES, copy_weights
from tests.s3dg.small import SMALL, random_clip, randomized

# paper.md: side and time of every endpoint for 64x224x224, and its channels.
ENDPOINT_TABLE = {
    'Conv2d_1a_7x7': (32, 112, 64),
    'MaxPool_2a_3x3': (32, 56, 64),
    'Conv2d_2b_1x1': (32, 56, 64),
    'Conv2d_2c_3x3': (32, 56, 192),
    'MaxPool_3a_3x3': (32, 28, 192),
    'Mixed_3b': (32, 28, 256),
    'Mixed_3c': (32, 28, 480),
    'MaxPool_4a_3x3': (16, 14, 480),
    'Mixed_4b': (16, 14, 512),
    'Mixed_4c': (16, 14, 512),
    'Mixed_4d': (16, 14, 512),
    'Mixed_4e': (16, 14, 528),
    'Mixed_4f': (16, 14, 832),
    'MaxPool_5a_2x2': (8, 7, 832),
    'Mixed_5b': (8, 7, 832),
    'Mixed_5c': (8, 7, 1024),
}

# Trainable parameters with 400 classes: of the released networks (slim), and counted by hand from
# the paper's tables.
PARAMETERS = {'i3d': 12_689_984, 's3d_slim': 8_299_520, 's3d_g_slim': 9_518_848}
PARAMETERS_IN_THOUSANDS = {'s3d': 9_685, 's3d_g': 10_910}


def _traced_shapes(network, shape):
    """Static shapes of all endpoints, without computing anything."""
    model = network.endpoints(s3dg.ENDPOINTS)
    function = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec(shape, tf.uint8))
    return {name: tuple(spec.shape) for name, spec in function.structured_outputs.items()}


@pytest.mark.parametrize('name', ['i3d', 'i2d', 's3d_g', 'i2d_order_blind'])
def test_endpoint_shapes_are_the_paper_s(name):
    shapes = _traced_shapes(s3dg.build(name), (1, 64, 224, 224, 3))
    expected = {k: (1, t, side, side, c) for k, (t, side, c) in ENDPOINT_TABLE.items()}
    assert shapes == expected


@pytest.mark.parametrize(('time', 'height', 'width'), [(16, 128, 96), (250, 256, 340)])
def test_endpoint_shapes_of_other_sizes(time, height, width):
    """Sizes halve, rounded up, at 1a, 2a, 3a, 4a, 5a; time at 1a, 4a, 5a."""

    def halved(size, times):
        for _ in range(times):
            size = (size + 1) // 2
        return size

    halvings = {'1a': (1, 1), '2': (1, 2), '3': (1, 3), '4': (2, 4), '5': (3, 5)}
    shapes = _traced_shapes(s3dg.build('s3d_g'), (1, time, height, width, 3))
    for name, (_, _, channels) in ENDPOINT_TABLE.items():
        digits = name.split('_')[1]
        t, s = halvings.get(digits, halvings.get(digits[0]))
        expected = (1, halved(time, t), halved(height, s), halved(width, s), channels)
        assert shapes[name] == expected, name


def test_unknown_shapes_and_odd_sizes_give_what_known_ones_give():
    network = randomized(s3dg.build('s3d_g', **SMALL))
    clip = random_clip(2, 11, 37, 50, 3)
    unknown = tf.function(
        lambda x: network(x), input_signature=[tf.TensorSpec([None] * 4 + [3], tf.uint8)]
    )
    np.testing.assert_allclose(unknown(clip), network(clip), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(('name', 'count'), PARAMETERS.items())
def test_parameters_are_the_released_networks(name, count):
    network = s3dg.build(name)
    assert sum(np.prod(v.shape) for v in network.trainable_variables) == count


@pytest.mark.parametrize(('name', 'thousands'), PARAMETERS_IN_THOUSANDS.items())
def test_parameters_of_the_paper_s_text(name, thousands):
    network = s3dg.build(name)
    assert sum(np.prod(v.shape) for v in network.trainable_variables) // 1000 == thousands


@pytest.mark.parametrize('name', s3dg.NETWORKS)
def test_saved_and_loaded_networks_are_equal_to_the_bit(name, tmp_path):
    classes = ['a', 'b', 'c', 'd', 'e']
    video_format = s3dg.VideoFormat(frame_size=(40, 48), crop_size=(32, 40), clip_frames=8)
    network = randomized(s3dg.build(name, class_names=classes, video_format=video_format, **SMALL))
    network.save(tmp_path / 'network.keras')
    loaded = tf.keras.models.load_model(tmp_path / 'network.keras')
    clip = random_clip(1, 8, 32, 40, 3)
    np.testing.assert_array_equal(loaded(clip), network(clip))
    assert network(clip).numpy().std() > 0
    assert loaded.config == network.config == s3dg.named_config(name, **SMALL)
    assert loaded.class_names == tuple(classes)
    assert loaded.video_format == video_format


def test_variants_differ():
    """Equal weights where they fit, and yet other logits: no two variants are the same network."""
    clip = random_clip(1, 16, 32, 32, 3)
    logits = {name: randomized(s3dg.build(name, **SMALL))(clip).numpy() for name in s3dg.NETWORKS}
    names = sorted(logits)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            assert not np.allclose(logits[first], logits[second]), (first, second)


def test_fresh_separable_network_is_its_2d_counterpart():
    """Identity-centre temporal kernels: "at start an S3D equals its 2D net" (slim)."""
    s3d = s3dg.build('s3d', stem_temporal_size=1, **SMALL)
    i2d = s3dg.build('i2d', **SMALL)
    kernels = [v for v in s3d.variables if v.name == 'kernel' and '/temporal/' not in v.path]
    for source, target in zip(
        kernels, [v for v in i2d.variables if v.name == 'kernel'], strict=True
    ):
        target.assign(source)
    clip = random_clip(2, 9, 40, 32, 3)
    np.testing.assert_allclose(s3d(clip), i2d(clip), rtol=1e-4, atol=1e-6)


# As torchvision's S3D, and as HowTo100M's S3D-G, but small.
OTHER_FIELDS = {
    'torch': {
        'stem_separable': True,
        'stem_temporal_size': 7,
        'stem_padding': 'symmetric',
        'pool_padding': 'symmetric',
        'head_spatial_window': 7,
        'temporal_batch_norm': True,
        'batch_norm_scale': True,
        'input_scale': (0.01, 0.02, 0.03),
        'input_offset': (-1.0, -2.0, -3.0),
    },
    'howto100m': {
        'head': 'embedding',
        'head_temporal_window': 1,
        'stem_temporal_size': 4,
        'stem_spatial_size': 8,
        'stem_padding': (0, 2, 2),
        'pool_padding': 'trailing',
        'gating': 'branch',
        'gating_from': 'Mixed_3c',
    },
}


@pytest.mark.parametrize('fields', OTHER_FIELDS.values(), ids=OTHER_FIELDS)
def test_networks_of_other_sources_are_saved_and_loaded(fields, tmp_path):
    network = randomized(s3dg.build('s3d_slim', **SMALL, **fields))
    network.save(tmp_path / 'network.keras')
    loaded = tf.keras.models.load_model(tmp_path / 'network.keras')
    clip = random_clip(1, 16, 64, 72, 3)
    np.testing.assert_array_equal(loaded(clip), network(clip))
    assert loaded.config == network.config


def test_gates_stand_from_an_endpoint_on():
    network = s3dg.build('s3d_g_slim', gating_from='Mixed_4b', **SMALL)
    gated = {v.path.split('/')[0] for v in network.variables if 'self_gating' in v.path}
    assert gated == {name for name in s3dg.ENDPOINTS if name >= 'Mixed_4b'}


def test_an_embedding_becomes_a_classifier_for_fine_tuning():
    network = s3dg.build('s3d_slim', 512, width=0.25, head='embedding')
    assert network.with_classes(3, ['a', 'b', 'c']).config.head == 'classifier'


@pytest.mark.parametrize('frames', [8, 16, 24])
def test_order_blind_network_does_not_see_the_order(frames):
    network = randomized(s3dg.build('i2d_order_blind', **SMALL))
    clip = random_clip(2, frames, 32, 40, 3)
    np.testing.assert_allclose(network(clip), network(clip[:, ::-1].copy()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', ['i2d', 's3d', 'i3d'])
def test_published_networks_see_the_order(name):
    """I2D too: its overlapping strided pools weigh early and late frames differently."""
    network = randomized(s3dg.build(name, **SMALL))
    clip = random_clip(2, 16, 32, 40, 3)
    difference = np.abs(network(clip) - network(clip[:, ::-1].copy())).max()
    assert difference > 1e-3 * np.abs(network(clip)).max()


def test_uint8_and_float_clips_of_the_same_values_agree():
    network = randomized(s3dg.build('s3d', **SMALL))
    clip = random_clip(1, 8, 32, 32, 3)
    np.testing.assert_array_equal(network(clip), network(clip.astype('float32')))


@pytest.mark.parametrize('policy', ['float32', 'mixed_bfloat16'])
def test_float_clips_keep_their_fractions(policy):
    """A cast to uint8 would turn [-1, 1] into 0 and 255; half a level must count too."""
    keras.config.set_dtype_policy(policy)
    try:
        network = randomized(s3dg.build('s3d', **SMALL))
    finally:
        keras.config.set_dtype_policy('float32')
    unit = np.random.default_rng(1).uniform(-1, 1, (1, 8, 32, 32, 3)).astype('float32')
    assert not np.array_equal(network(unit), network(np.trunc(unit)))
    rescaled = network.get_layer('rescaling')
    np.testing.assert_allclose(
        tf.cast(rescaled(unit), 'float32'),
        unit / 127.5 - 1,
        atol=1e-6 if policy == 'float32' else 4e-3,
    )


def test_flow_network_takes_two_channels():
    network = randomized(s3dg.build('s3d_g', channels=2, **SMALL))
    assert network(random_clip(2, 8, 32, 32, 2)).shape == (2, 5)
    with pytest.raises(ValueError, match='shape'):
        network(random_clip(2, 8, 32, 32, 3))


def test_endpoints_share_the_weights():
    network = randomized(s3dg.build('s3d_g', **SMALL))
    clip = random_clip(1, 8, 32, 32, 3)
    features = network.endpoint(POOLED_FEATURES)(clip)
    logits = network.get_layer('logits')(features)
    np.testing.assert_allclose(logits, network(clip), rtol=1e-5)
    assert network.endpoint('Mixed_5c')(clip).shape == (1, 1, 1, 1, 38 + 38 + 16 + 16)
    with pytest.raises(
        s3dg.ConfigError, match="no endpoint 'Mixed_6a'; the endpoints are Conv2d_1a"
    ):
        network.endpoint('Mixed_6a')


def test_a_network_for_other_classes_keeps_the_body():
    network = randomized(s3dg.build('s3d_g', **SMALL))
    other = network.with_classes(3, ['x', 'y', 'z'])
    clip = random_clip(1, 8, 32, 32, 3)
    np.testing.assert_array_equal(
        other.endpoint('Mixed_5c')(clip), network.endpoint('Mixed_5c')(clip)
    )
    assert other(clip).shape == (1, 3)
    assert other.class_names == ('x', 'y', 'z')


def test_weights_of_another_structure_are_refused():
    with pytest.raises(s3dg.ConfigError, match='Layer Conv2d_1a_7x7 differs') as error:
        copy_weights(s3dg.build('i3d', **SMALL), s3dg.build('s3d', **SMALL))
    found = re.search(r'kernel is (\(.*\)) in the source and (\(.*\)) in', str(error.value))
    assert [text[:8] for text in found.groups()] == ['(7, 7, 7', '(3, 7, 7']
    with pytest.raises(s3dg.ConfigError, match='and not there in the target'):
        copy_weights(s3dg.build('s3d_g', **SMALL), s3dg.build('s3d', **SMALL))


def test_class_names_must_fit():
    with pytest.raises(s3dg.ConfigError, match='one name for each of the 5 classes, got 2'):
        s3dg.build('s3d', class_names=['a', 'b'], **SMALL)


def test_compile_and_fit_learn():
    """Dark against bright clips, learnt by plain Keras; its own `evaluate` and its metrics work."""
    keras.utils.set_random_seed(0)
    network = s3dg.build(
        's3d_g',
        2,
        width=0.1,
        kernel_initializer='he_normal',
        batch_norm_decay=0.5,
        dropout_rate=0.0,
    )
    labels = np.arange(16) % 2
    clips = (random_clip(16, 8, 32, 32, 3) // 4 + labels[:, None, None, None, None] * 128).astype(
        'uint8'
    )
    network.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.02, 24), momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=['accuracy'],
    )
    history = network.fit(clips, labels, batch_size=16, epochs=24, verbose=0).history
    assert history['accuracy'][-1] == 1.0
    assert history['loss'][-1] < 0.5 * history['loss'][0]
    assert np.isfinite(network.evaluate(clips, labels, verbose=0)).all()
