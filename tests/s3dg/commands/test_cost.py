"""`s3dg cost`: published figures, and the sizes that it takes from a file."""

import json
import math

import pytest

import s3dg
from s3dg.commands import cost
from tests import in_process


def told(capsys, *words):
    """What the program prints."""
    assert in_process.call(cost, *words) is None
    return capsys.readouterr().out


def test_the_figures_that_torchvision_publishes(capsys):
    """8,320,048 parameters and 17.979 G multiply-adds, of 16 frames of 224x224."""
    fields = ('stem_separable', 'temporal_batch_norm', 'batch_norm_scale')
    words = [f'--set={name}=true' for name in fields]
    words += ['--network=s3d_slim', '--set=stem_temporal_size=7', '--frames=16']
    found = json.loads(told(capsys, *words, '--json'))
    assert found['parameters'] == 8_320_048
    assert round(found['multiply_adds'] / 1e9, 3) == 17.979
    for parts in (found['endpoints'].values(), found['layers']):
        assert sum(one['multiply_adds'] for one in parts) == found['multiply_adds']
        assert sum(one['parameters_total'] for one in parts) == found['parameters_total']


@pytest.fixture(scope='module')
def network():
    video_format = s3dg.VideoFormat(crop_size=(32, 48), clip_frames=8)
    return s3dg.build('s3d', 3, width=0.1, video_format=video_format)


def test_a_file_says_which_clip(network, tmp_path, capsys):
    path = tmp_path / 'small.keras'
    network.save(path)
    lines = told(capsys, f'--model={path}').splitlines()
    assert lines[0] == f'{path}: 8 frames of 32x48, 3 outputs'
    assert lines[1].split() == ['trainable', 'weights', 'multiply-adds', 'share']
    endpoints = [name for name in s3dg.ENDPOINTS if not name.startswith('MaxPool')]
    assert [line.split()[0] for line in lines[2:]] == [*endpoints, 'logits', 'total']
    _, trainable, weights, _, share = lines[-1].replace(',', '').split()
    # The random state of dropout is an integer.
    sizes = [math.prod(one.shape) for one in network.weights if one.dtype == 'float32']
    assert int(weights) == sum(sizes)
    assert int(trainable) == sum(math.prod(one.shape) for one in network.trainable_weights)
    assert share == '100.0%'
    lines = told(capsys, f'--model={path}', '--layers', '--frames=16', '--width=32').splitlines()
    assert lines[0] == f'{path}: 16 frames of 32x32, 3 outputs'
    assert any(line.startswith('Mixed_3b/Branch_1/Conv2d_0b_3x3/temporal ') for line in lines)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ([], '--network or --model is needed, one of them.'),
        (['--network=s3d', '--model=x.keras'], '--network or --model is needed, one of them.'),
        (['--model=x.keras', '--set=width=2'], '--set: the fields of --model are in its file'),
        (['--model=x.keras'], '--model: expected a .keras file, found x.keras, which is not there'),
        (['--network=s3d', '--set=wdth=2'], "--set: no field 'wdth'"),
        (['--network=i4d'], 'flag --network=i4d: value should be one of'),
    ],
)
def test_mistakes_end_in_one_line(words, said, capsys):
    assert in_process.call(cost, *words) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f'error: {said}')
    assert errors.count('\n') == 1
