"""Statistics of kernels per temporal offset, against NumPy's; an I3D inflated from a 2D network."""

import json

import numpy as np
import pytest

import s3dg
from s3dg import weights
from s3dg.config import ConfigError
from s3dg.figures.filter_statistics import FIGURE_5_LAYERS, filter_statistics, temporal_variation

SMALL = {'num_classes': 5, 'width': 0.1}
LAYERS = ['Conv2d_2c_3x3', 'Mixed_3c', 'Mixed_4d', 'Mixed_5c']


def _convolution(network, layer):
    """The convolution that Figure 5 shows of `layer`, by way of the layer objects."""
    found = network.get_layer(layer)
    return found.parts[0] if layer == 'Conv2d_2c_3x3' else found.branches[1].parts[1]


def _inflated():
    flat = s3dg.build('i2d', **SMALL)
    generator = np.random.default_rng(0)
    for layer in LAYERS:  # weights as a trained network has them: some far outside the whiskers
        kernel = _convolution(flat, layer).kernel
        kernel.assign(generator.standard_t(3, kernel.shape))
    network = s3dg.build('i3d', **SMALL)
    weights.inflate(flat, network)
    return flat, network


def _expected(values):
    """From the definitions: quartiles interpolated between sorted values, whiskers of 1.5 boxes."""
    values = np.sort(np.asarray(values, 'float64').ravel())

    def quantile(share):
        place = share * (len(values) - 1)
        low = int(place)
        high = min(low + 1, len(values) - 1)
        return values[low] + (place - low) * (values[high] - values[low])

    q1, median, q3 = map(quantile, (0.25, 0.5, 0.75))
    mean = values.sum() / len(values)
    reach = 1.5 * (q3 - q1)
    return {
        'min': values[0],
        'q1': q1,
        'median': median,
        'q3': q3,
        'max': values[-1],
        'mean': mean,
        'std': np.sqrt(((values - mean) ** 2).sum() / len(values)),
        'whisker_low': values[values >= q1 - reach][0],
        'whisker_high': values[values <= q3 + reach][-1],
    }


def test_offsets_of_an_inflated_network_are_alike_and_a_third_of_the_2d_kernels():
    flat, network = _inflated()
    statistics = filter_statistics(network)
    assert list(statistics) == LAYERS
    for layer, by_offset in statistics.items():
        assert list(by_offset) == ['-1', '0', '1']
        expected = _expected(_convolution(flat, layer).kernel.numpy() / 3)
        for offset, found in by_offset.items():
            assert found == by_offset['0'], (layer, offset)
            assert found == pytest.approx(expected, rel=1e-5, abs=1e-9), (layer, offset)
            assert found['min'] < found['whisker_low'] < found['q1'] < found['q3'], layer


def test_exchanged_weights_leave_the_boxes_and_show_in_the_variation():
    _, network = _inflated()
    assert temporal_variation(network) == pytest.approx(dict.fromkeys(LAYERS, 0.0), abs=1e-7)
    boxes = filter_statistics(network)
    kernel = _convolution(network, 'Mixed_3c').kernel
    values = kernel.numpy()
    values[0] = values[0, :, :, ::-1]  # the same weights, of other channels
    kernel.assign(values)
    assert filter_statistics(network) == boxes
    found = temporal_variation(network)
    # W0, W1 = W2: from their mean they differ by 2d/3, d/3 and d/3, with d their difference.
    difference = values[0] - values[1]
    expected = np.sqrt((6 / 9) * (difference**2).sum() / (values**2).sum())
    assert found.pop('Mixed_3c') == pytest.approx(expected, rel=1e-5)
    assert max(found.values()) < 1e-7


def test_only_the_box_of_a_changed_offset_moves():
    _, network = _inflated()
    before = filter_statistics(network)
    kernel = _convolution(network, 'Mixed_4d').kernel
    values = kernel.numpy()
    values[0] = 2 * values[0] + 1  # what the kernel sees in the frame before
    kernel.assign(values)
    after = filter_statistics(network)
    moved = {
        (layer, offset)
        for layer in LAYERS
        for offset in ('-1', '0', '1')
        if after[layer][offset] != before[layer][offset]
    }
    assert moved == {('Mixed_4d', '-1')}
    old, new = before['Mixed_4d']['-1'], after['Mixed_4d']['-1']
    assert new.pop('std') == pytest.approx(2 * old.pop('std'), rel=1e-5)
    assert new == pytest.approx({name: 2 * value + 1 for name, value in old.items()}, rel=1e-5)


def test_statistics_are_json():
    _, network = _inflated()
    statistics = filter_statistics(network)
    assert json.loads(json.dumps(statistics)) == statistics


def test_the_temporal_part_of_a_separable_convolution_begins_as_the_identity():
    network = s3dg.build('s3d', **SMALL)
    statistics = filter_statistics(network)
    for layer, by_offset in statistics.items():
        channels = _convolution(network, layer).temporal.kernel.shape[-1]
        assert set(by_offset['-1'].values()) == set(by_offset['1'].values()) == {0.0}
        assert by_offset['0']['max'] == 1.0
        assert by_offset['0']['mean'] == pytest.approx(1 / channels)


def test_a_stem_of_seven_frames_has_seven_offsets():
    network = s3dg.build('i3d', **SMALL)
    found = filter_statistics(network, {'stem': 'Conv2d_1a_7x7/convolution'})
    assert list(found['stem']) == ['-3', '-2', '-1', '0', '1', '2', '3']


@pytest.mark.parametrize(
    ('name', 'layer', 'expected'),
    [
        (
            'i2d',
            'Mixed_5c',
            r'Mixed_5c/.*temporal_from: None.* are i3d, s3d.* top_heavy_s3d, s3d_g_top_heavy\.',
        ),
        ('top_heavy_i3d', 'Mixed_3c', 'temporal_from: Mixed_4b, .*bottom_heavy_s3d'),
        ('fast_s3d', 'Mixed_4d', 'temporal_from: Mixed_5b'),
    ],
)
def test_a_layer_without_time_is_named_with_the_networks_that_have_it(name, layer, expected):
    network = s3dg.build(name, **SMALL)
    with pytest.raises(ConfigError, match=expected) as raised:
        filter_statistics(network, {layer: FIGURE_5_LAYERS[layer]})
    networks = str(raised.value).split(' are ')[1]
    assert name not in networks.rstrip('.').split(', ')
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize('path', ['Mixed_9x', 'logits', 'Mixed_5c/Branch_1'])
def test_what_is_no_convolution_is_refused(path):
    network = s3dg.build('i3d', **SMALL)
    with pytest.raises(ConfigError, match=f"no convolution '{path}'"):
        filter_statistics(network, {'layer': path})
