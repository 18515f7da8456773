"""Costs against counts by hand, figures published elsewhere, and TensorFlow's profiler."""

import functools

import keras
import pytest
import tensorflow as tf

import s3dg
from s3dg import cost, layers
from tests.s3dg.small import small_network


@functools.cache
def _rows(name, **fields):
    """Costs of the layers of a network that is not kept."""
    return cost.layer_costs(s3dg.build(name, **fields))


def _chain(*parts, size=(None, None, None, 3)):
    x = clip = keras.Input(size)
    for part in parts:
        x = part(x)
    return keras.Model(clip, x)


def test_a_small_network_by_hand():
    # The stem takes 5x7x9 to 5x4x5 (spatial part) and to 3x4x5 (temporal part); all else keeps it.
    rows = cost.layer_costs(small_network(classes=10), frames=5, height=7, width=9)
    found = {
        row.path: (row.kind, row.output_shape, row.parameters, row.parameters_total) for row in rows
    }
    # Batch norm here: one trained offset and two moving statistics per channel.
    assert found == {
        'stem/spatial': ('convolution', (5, 4, 5, 8), 27 * 8 + 8, 27 * 8 + 24),
        'stem/temporal': ('convolution', (3, 4, 5, 8), 3 * 64 + 8, 3 * 64 + 8),
        'gate': ('gate', (3, 4, 5, 8), 64 + 8, 64 + 8),
        'block/Branch_0/a': ('convolution', (3, 4, 5, 6), 48 + 6, 48 + 18),
        'block/Branch_1/b': ('convolution', (3, 4, 5, 6), 27 * 48 + 6, 27 * 48 + 18),
        'logits': ('dense', (10,), 120 + 10, 120 + 10),
    }
    assert [row.multiply_adds for row in rows] == [
        5 * 4 * 5 * 27 * 8,
        3 * 4 * 5 * 3 * 64,
        64,
        3 * 4 * 5 * 48,
        3 * 4 * 5 * 27 * 48,
        2 * 120,  # the head has two windows of two frames
    ]
    assert [row.endpoint for row in rows] == ['stem', 'stem', 'gate', 'block', 'block', 'logits']
    sums = cost.per_endpoint(rows)
    assert list(sums) == ['stem', 'gate', 'block', 'logits']
    # Of 3 taps along an axis, all positions but the outermost two have 3 inside, those 2.
    inside = 3 * 4 * 5 * 48 + (3 * 3 - 2) * (3 * 4 - 2) * (3 * 5 - 2) * 48
    assert sums['block'] == cost.Cost(
        28 * 48 + 12, 28 * 48 + 36, 3 * 4 * 5 * 28 * 48, multiply_adds_inside=inside
    )
    stem = sums['stem']
    assert (stem.parameters, stem.multiply_adds) == (27 * 8 + 3 * 64 + 16, 21600 + 11520)


@pytest.mark.parametrize(
    ('pooling', 'positions'), [('space_time', 1), ('space', 5), ('time', 7 * 9)]
)
def test_a_gate_costs_one_product_for_every_position_that_is_left(pooling, positions):
    network = _chain(layers.SelfGating(pooling=pooling))
    (gate,) = cost.layer_costs(network, frames=5, height=7, width=9)
    assert (gate.multiply_adds, gate.parameters) == (9 * positions, 9 + 3)


def test_the_gate_of_a_cell_sees_all_branches():
    branches = [
        layers.Branch([layers.SpatioTemporalConv(n, (1, 1, 1))], name=f'b{n}') for n in (4, 6)
    ]
    block = layers.InceptionBlock(branches, layers.SelfGating(name='gate'), name='block')
    *_, gate = cost.layer_costs(_chain(block), frames=2, height=3, width=3)
    assert (gate.path, gate.multiply_adds) == ('block/gate', 10 * 10)


def test_frozen_parameters_count_in_the_total_alone():
    network = small_network(classes=10)
    before = cost.network_cost(network)
    network.get_layer('block').trainable = False
    after = cost.network_cost(network)
    assert before.parameters - after.parameters == 28 * 48 + 12
    assert before.parameters_total == after.parameters_total


def test_the_weights_of_a_network_but_the_random_state_of_dropout():
    network = s3dg.build('s3d_g', num_classes=7, width=0.1)
    whole = cost.network_cost(network, 8, 32, 32)
    assert whole.parameters == sum(v.value.shape.num_elements() for v in network.trainable_weights)
    assert whole.parameters_total == network.count_params() - 2


@keras.saving.register_keras_serializable(package='test_cost')
class _Scaled(layers.Branch):
    """Convolutions, and a weight of its own that no cost is known of."""

    def build(self, input_shape):
        super().build(input_shape)
        self.scale = self.add_weight(shape=(1,), name='scale')


@pytest.mark.parametrize(
    ('network', 'message'),
    [
        (lambda: _chain(keras.layers.Dense(4, name='new')), 'new: no cost is known of a Dense'),
        (
            lambda: _chain(layers.Branch([keras.layers.Dense(4, name='new')], name='branch')),
            'branch/new: no cost is known of a Dense; 0 of its 16',
        ),
        (
            lambda: _chain(_Scaled([layers.SpatioTemporalConv(4, (1, 1, 1))], name='scaled')),
            'scaled: no cost is known of a _Scaled; 24 of its 25',
        ),
    ],
)
def test_weights_of_unknown_cost_are_refused(network, message):
    with pytest.raises(TypeError, match=message):
        cost.layer_costs(network(), 2, 4, 4)


def test_a_model_that_is_no_chain_is_refused():
    clip = keras.Input((None, None, None, 3))
    one = layers.SpatioTemporalConv(4, (1, 1, 1), name='one')(clip)
    two = layers.SpatioTemporalConv(4, (1, 1, 1), name='two')(clip)
    with pytest.raises(TypeError, match='does not follow the layer listed before it'):
        cost.layer_costs(keras.Model(clip, [one, two]))


def test_a_clip_of_which_nothing_is_left_is_refused():
    network = _chain(layers.MaxPool((2, 2, 2), (2, 2, 2), 'valid', name='pool'))
    assert cost.layer_costs(network, 2, 2, 2) == []
    with pytest.raises(cost.CostError, match='pool: nothing is left of its input of size 1x2x2x3'):
        cost.layer_costs(network, 1, 2, 2)


# Trainable parameters with 400 classes: the released code's networks, counted on its own graphs;
# and torchvision's s3d, as in its documentation: batch norm with a scale, also after temporal
# convolutions, and the separable stem.
TORCHVISION = {
    'stem_separable': True,
    'stem_temporal_size': 7,
    'temporal_batch_norm': True,
    'batch_norm_scale': True,
}


@pytest.mark.parametrize(
    ('name', 'fields', 'parameters'),
    [
        ('i3d', {}, 12_689_984),
        ('s3d_slim', {}, 8_299_520),
        ('s3d_g_slim', {}, 9_518_848),
        ('s3d_slim', TORCHVISION, 8_320_048),
    ],
)
def test_parameters_are_the_released_networks(name, fields, parameters):
    assert cost.total(_rows(name, **fields)).parameters == parameters


# Counts by hand from the Inception table: millions of parameters, billions of multiply-adds.
@pytest.mark.parametrize(
    ('name', 'fields', 'millions', 'billions'),
    [
        ('i3d', {}, '12.690', '111.15'),
        ('i2d', {}, None, '36.89'),
        ('s3d', {}, '9.685', '68.18'),
        ('s3d_g', {}, '10.91', '68.18'),
        ('s3d_slim', {}, '8.300', '64.18'),
        ('s3d_g_slim', {}, '9.519', '64.18'),
        ('fast_s3d', {'stem_temporal_size': 1}, None, '37.5'),
    ],
)
def test_named_networks_by_hand(name, fields, millions, billions):
    rows = _rows(name, **fields)
    whole = cost.total(rows)
    # The counts by hand leave out the dense products of the gates, about 0.001 G.
    gates = cost.total(row for row in rows if row.kind == 'gate').multiply_adds
    assert gates < 2e6
    assert _printed((whole.multiply_adds - gates) / 1e9, billions) == billions
    if millions is not None:
        assert _printed(whole.parameters / 1e6, millions) == millions


def _printed(number, like):
    """`number` with as many decimals as the text `like`."""
    return f'{number:.{len(like.partition(".")[2])}f}'


# Billions of multiply-adds by hand.
FAMILIES = {
    ('s3d_slim', 'temporal_from'): {
        'Conv2d_2c_3x3': '56.63',
        'Mixed_3b': '45.53',
        'Mixed_3c': '44.22',
        'Mixed_4b': '40.75',
        'Mixed_4e': '39.16',
        'Mixed_4f': '38.34',
        'Mixed_5b': '37.22',
        'Mixed_5c': '37.08',
    },
    ('s3d', 'temporal_from'): {
        'Conv2d_2c_3x3': '60.63',
        'Mixed_3b': '49.53',
        'Mixed_3c': '47.84',
        'Mixed_4b': '42.83',
        'Mixed_4e': '40.38',
        'Mixed_4f': '39.40',
        'Mixed_5b': '37.51',
        'Mixed_5c': '37.28',
    },
    ('i3d', 'temporal_from'): {
        'Conv2d_2c_3x3': '88.49',
        'Mixed_3b': '66.30',
        'Mixed_3c': '60.52',
        'Mixed_4b': '48.03',
        'Mixed_4e': '43.42',
        'Mixed_4f': '40.97',
        'Mixed_5b': '37.84',
        'Mixed_5c': '37.45',
    },
    ('i3d', 'temporal_until'): {
        'Conv2d_1a_7x7': '59.55',
        'Conv2d_2c_3x3': '81.75',
        'Mixed_3b': '87.53',
        'Mixed_3c': '100.01',
        'Mixed_4f': '110.20',
        'Mixed_5c': '111.15',
    },
}


@pytest.mark.parametrize(
    ('name', 'field', 'endpoint', 'billions'),
    [
        (name, field, endpoint, billions)
        for (name, field), figures in FAMILIES.items()
        for endpoint, billions in figures.items()
    ],
)
def test_families_by_hand(name, field, endpoint, billions):
    rows = _rows(name, **{field: endpoint})
    assert f'{cost.total(rows).multiply_adds / 1e9:.2f}' == billions


def test_the_separable_stem_by_hand():
    rows = _rows('s3d_slim', stem_separable=True, stem_temporal_size=7)
    assert f'{cost.total(rows).multiply_adds / 1e9:.2f}' == '71.92'


@pytest.mark.parametrize(('branches', 'billions'), [(4, '45.06'), (2, '44.77')])
def test_fast_s3d_by_hand(branches, billions):
    """The count by hand had the classifier once per clip; the network has it in all 7 windows."""
    rows = _rows('fast_s3d', temporal_branches=branches)
    once = cost.total(rows).multiply_adds - 6 * 1024 * 400
    assert f'{once / 1e9:.2f}' == billions


@pytest.mark.parametrize(
    ('name', 'fields'),
    [
        ('i3d', {}),
        ('s3d_g', {'stem_separable': True, 'stem_temporal_size': 7}),
        ('s3d', {'stem_padding': 'symmetric', 'pool_padding': 'symmetric'}),
        ('fast_s3d', {'temporal_halving': 'pairs'}),
        ('s3d', {'stem_spatial_size': 8, 'stem_padding': (1, 3, 3), 'stem_temporal_size': 4}),
    ],
)
def test_multiply_adds_inside_the_clip_by_brute_force(name, fields, monkeypatch):
    """Ones convolved with ones are the numbers of taps that fall on no padding."""
    network = s3dg.build(name, num_classes=11, width=0.1, **fields)
    taps, convolve = [], layers.convolve

    def counting(x, kernel, strides, padding='same', then=lambda y: y):
        ones = convolve(tf.ones_like(x), tf.ones_like(kernel), strides, padding)
        taps.append(int(tf.reduce_sum(tf.cast(ones, tf.float64))))
        return convolve(x, kernel, strides, padding, then)

    clip_shape = (9, 34, 47)  # odd sizes on the way
    monkeypatch.setattr(layers, 'convolve', counting)
    network(tf.zeros((1, *clip_shape, 3)), training=False)
    rows = cost.layer_costs(network, *clip_shape)
    found = [row.multiply_adds_inside for row in rows if row.kind == 'convolution']
    assert found == taps
    assert all(row.multiply_adds_inside <= row.multiply_adds for row in rows)
    others = [row for row in rows if row.kind != 'convolution']
    assert all(row.multiply_adds_inside == row.multiply_adds for row in others)


# Billions, counted before there was this code, of convolutions alone.
@pytest.mark.parametrize(
    ('name', 'billions'), [('fast_s3d', '43.469'), ('s3d', '66.00'), ('i3d', '104.40')]
)
def test_multiply_adds_inside_the_paper_s_clip(name, billions):
    whole = cost.total(row for row in _rows(name) if row.kind == 'convolution')
    assert _printed(whole.multiply_adds_inside / 1e9, billions) == billions


# The profiler counts more (bias and batch-norm arithmetic, means, ReLUs), which is left out here.
PROFILED = ('Conv2D', 'Conv3D', 'MatMul')


def _profiled_float_operations(network, clip_shape):
    clip = tf.TensorSpec((1, *clip_shape, 3))
    graph = tf.function(lambda x: network(x, training=False)).get_concrete_function(clip).graph
    profiler = tf.compat.v1.profiler
    builder = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    options = builder.with_accounted_types(PROFILED).with_empty_output().build()
    return profiler.profile(graph, cmd='scope', options=options).total_float_ops


@pytest.mark.parametrize(
    ('name', 'fields'),
    [
        ('i3d', {'temporal_halving': 'pairs'}),
        ('s3d_g', {'stem_separable': True, 'stem_padding': 'symmetric'}),
        ('s3d_g_slim', {'gating': 'cell', 'pool_padding': 'symmetric'}),
    ],
)
def test_multiply_adds_are_half_of_what_the_profiler_counts(name, fields):
    network = s3dg.build(name, num_classes=11, width=0.25, **fields)
    clip_shape = (10, 40, 56)  # odd sizes on the way
    expected = _profiled_float_operations(network, clip_shape)
    assert 2 * cost.network_cost(network, *clip_shape).multiply_adds == expected > 0
