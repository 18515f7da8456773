"""Configurations: the names, what is temporal in them, and what is refused."""

import json

import pytest

from s3dg import config
from s3dg.config import ConfigError, NetworkConfig, VideoFormat, named_config

ELEVEN = [
    'Conv2d_1a_7x7',
    'Conv2d_2c_3x3',
    'Mixed_3b',
    'Mixed_3c',
    'Mixed_4b',
    'Mixed_4c',
    'Mixed_4d',
    'Mixed_4e',
    'Mixed_4f',
    'Mixed_5b',
    'Mixed_5c',
]


def test_the_spatio_temporal_layers_are_the_paper_s_eleven():
    assert list(config.SPATIO_TEMPORAL_ENDPOINTS) == ELEVEN


@pytest.mark.parametrize(
    ('name', 'fields', 'temporal', 'stem'),
    [
        ('i3d', {}, ELEVEN, 7),
        ('i2d', {}, [], 1),
        ('i2d_order_blind', {}, [], 1),
        ('s3d', {}, ELEVEN, 3),
        ('s3d_g', {}, ELEVEN, 3),
        ('s3d_slim', {}, ELEVEN, 3),
        ('fast_s3d', {}, ['Conv2d_1a_7x7', 'Mixed_5b', 'Mixed_5c'], 3),
        ('top_heavy_i3d', {}, ELEVEN[4:], 1),
        ('top_heavy_s3d', {}, ['Conv2d_1a_7x7', *ELEVEN[4:]], 3),
        ('top_heavy_s3d', {'temporal_from': 'Conv2d_1a_7x7'}, ELEVEN, 3),
        ('bottom_heavy_i3d', {}, ELEVEN[:5], 7),
        ('bottom_heavy_s3d', {'temporal_until': 'Conv2d_1a_7x7'}, ELEVEN[:1], 3),
    ],
)
def test_what_is_temporal_in_each_network(name, fields, temporal, stem):
    network = named_config(name, **fields)
    assert [e for e in config.ENDPOINTS if network.is_temporal(e)] == temporal
    assert network.resolved_stem_temporal_size == stem


def test_slim_networks_differ_from_the_paper_s_as_stated():
    paper, slim = named_config('s3d_g'), named_config('s3d_g_slim')
    assert (paper.temporal_branches, paper.gating, paper.gate_bias) == (4, 'temporal', True)
    assert (slim.temporal_branches, slim.gating, slim.gate_bias) == (2, 'branch', False)


def test_records_survive_json():
    network = named_config('i3d', input_scale=(1.0, 2.0, 3.0), num_classes=7)
    assert NetworkConfig.from_dict(json.loads(json.dumps(network.to_dict()))) == network
    network = named_config('s3d', stem_padding=(0, 2, 2))
    assert NetworkConfig.from_dict(json.loads(json.dumps(network.to_dict()))) == network
    video_format = VideoFormat(frame_size=(72, 80), crop_size=(64, 72))
    assert VideoFormat.from_dict(json.loads(json.dumps(video_format.to_dict()))) == video_format


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'temporal_from': 'Mixed_4z'}, "temporal_from must be one of .* got 'Mixed_4z'"),
        ({'temporal_from': 'Mixed_5b', 'temporal_until': 'Mixed_4b'}, 'or a later endpoint, got'),
        ({'temporal_from': None}, 'temporal_until must be None exactly where'),
        ({'temporal_branches': 3}, 'temporal_branches must be one of 4, 2, got 3'),
        ({'gating': 'cells'}, 'gating must be one of None, temporal, branch, cell'),
        ({'num_classes': 0}, 'num_classes must be an integer from 1 to 1000000, got 0'),
        ({'width': -1}, 'width must be a number above 0'),
        ({'separable': 'yes'}, "separable must be True or False, got 'yes'"),
        ({'dropout_rate': 1.0}, r'dropout_rate must be a number in \[0, 1\)'),
        ({'input_scale': (1.0, 2.0)}, 'input_scale must be a number, or one per channel'),
        ({'stem_padding': 'valid'}, r"stem_padding must be 'same', 'symmetric' or rows before"),
        ({'stem_padding': (0, -1, 2)}, 'stem_padding must be'),
        ({'stem_padding': (3, 2, 2)}, r'stem_padding must be fewer rows than .* \(3, 7, 7\)'),
        ({'input_scale': (1.0, 'a', 2.0)}, 'input_scale must be a number, or one per channel'),
        ({'input_offset': float('inf')}, 'input_offset must be a number'),
        ({'batch_norm_epsilon': -1}, 'batch_norm_epsilon must be a number above 0, got -1'),
        ({'pool_padding': 'none'}, 'pool_padding must be one of same, symmetric, trailing'),
        ({'gating_from': 'MaxPool_3a_3x3'}, 'gating_from must be one of Conv2d_2c_3x3, Mixed_3b'),
        ({'head': 'linear'}, 'head must be one of classifier, embedding'),
        ({'head_spatial_window': 0}, 'head_spatial_window must be None or an integer from 1'),
        (
            {'temporal_halving': 'pairs', 'pool_padding': 'symmetric'},
            "temporal_halving must be 'strided' where paddings are not 'same'",
        ),
        ({'colour': 'red'}, "NetworkConfig has no field 'colour'; its fields are"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(fields, message):
    with pytest.raises(ConfigError, match=message) as error:
        named_config('s3d', **fields)
    assert '\n' not in str(error.value)


def test_unknown_network():
    with pytest.raises(ConfigError, match="no network 's4d'; the networks are i3d, i2d"):
        named_config('s4d')


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'crop_size': (300, 224)}, 'crop_size must be at most frame_size'),
        ({'short_side': 256}, 'short_side must be None where frame_size is given'),
        ({'frame_size': None, 'short_side': 200}, 'crop_size must be at most short_side'),
        ({'frames_per_second': 0.0}, 'frames_per_second must be None or a number above 0'),
        ({'clip_frames': 0}, 'clip_frames must be an integer from 1 to'),
    ],
)
def test_video_formats_that_cannot_be(fields, message):
    with pytest.raises(ConfigError, match=message):
        VideoFormat(**fields)


def test_where_gates_are():
    network = named_config('s3d_g', gating_from='Mixed_4f')
    assert [e for e in config.ENDPOINTS if network.has_gates(e)] == [
        'Mixed_4f',
        'Mixed_5b',
        'Mixed_5c',
    ]
    assert not any(named_config('s3d').has_gates(e) for e in config.ENDPOINTS)
