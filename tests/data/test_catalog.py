"""Opening datasets by name."""

import pathlib
import shlex
import tempfile

import pytest

from data import catalog
from data.errors import DatasetError


def test_a_builder_asks_no_server_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    catalog.make_builder('moving_shapes', None, tmp_path / 'data')
    assert list(tmp_path.iterdir()) == []


def test_unknown_datasets_and_configs_name_the_known_ones(tmp_path):
    for function in (catalog.open_dataset, catalog.make_builder):
        with pytest.raises(DatasetError) as error:
            function('imagenet', data_dir=tmp_path)
        assert str(error.value) == (
            f"dataset: found 'imagenet', expected one of {', '.join(catalog.BUILDERS)}"
        )
    with pytest.raises(
        DatasetError,
        match="found config 'smell', expected one of rgb, flow, hard_rgb",
    ):
        catalog.open_dataset('moving_shapes', 'smell', tmp_path)


@pytest.mark.parametrize('word', ['../up', 'a/b', '.hidden', '-x', 'a b'])
def test_config_names_stay_inside_the_data_folder(tmp_path, word):
    for function in (catalog.open_dataset, catalog.make_builder):
        with pytest.raises(DatasetError, match='config: found'):
            function('video_folder', word, data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unconverted_datasets_say_how_to_convert_them(tmp_path):
    with pytest.raises(DatasetError) as error:
        catalog.open_dataset('video_folder', 'mine', tmp_path)
    message = str(error.value)
    assert message.startswith(f'video_folder/mine: not found in {tmp_path}, which has none of this')
    command = shlex.split(message.split(': ')[-1])
    assert command[:3] == ['python', '-m', 'experiments.convert']
    assert f'--data_dir={tmp_path}' in command
    assert {'--dataset=video_folder', '--config=mine'} <= set(command)


def test_a_missing_config_lists_those_there_are(tmp_path):
    for number in range(10):
        (tmp_path / 'ucf101' / f'split1_rgb_{number}' / '1.0.0').mkdir(parents=True)
    (tmp_path / 'ucf101' / 'half' / 'incomplete').mkdir(parents=True)
    with pytest.raises(DatasetError) as error:
        catalog.open_dataset('ucf101', 'split1_rgbb', tmp_path)
    message = str(error.value)
    assert 'which has split1_rgb_0, split1_rgb_1, ' in message
    assert 'split1_rgb_7 and 2 more (its configurations are split1_rgb, split1_flow,' in message
    assert 'half' not in message


def test_unknown_fields(tmp_path):
    with pytest.raises(DatasetError, match="found field 'fps', expected one of"):
        catalog.make_builder('moving_shapes', data_dir=tmp_path, fps=3)
    for fields in (
        {'frames_per_second': -1},
        {'frame_size': (0, 3)},
        {'frame_size': None, 'short_side': 0},
        {'jpeg_quality': 101},
        {'modality': 'smell'},
    ):
        with pytest.raises(DatasetError, match=f'{list(fields)[-1]}=.*, expected'):
            catalog.make_builder('moving_shapes', data_dir=tmp_path, **fields)
    with pytest.raises(DatasetError, match='expected one of them to be None'):
        catalog.make_builder('moving_shapes', data_dir=tmp_path, short_side=3)


def test_embedded_datasets_are_made_when_they_are_opened(tmp_path, monkeypatch):
    config = catalog.BUILDERS['moving_shapes'].BUILDER_CONFIGS[0]
    monkeypatch.setattr(config, 'train_per_class', 1)
    monkeypatch.setattr(config, 'validation_per_class', 1)
    lines = []
    builder = catalog.open_dataset('moving_shapes', data_dir=tmp_path, report=lines.append)
    assert builder.info.splits['train'].num_examples == 10
    assert pathlib.Path(builder.data_dir) == tmp_path / 'moving_shapes' / 'rgb' / '2.0.0'
    assert any('20/20 videos' in line for line in lines)
    lines.clear()
    again = catalog.open_dataset('moving_shapes', 'rgb', tmp_path, lines.append)
    assert again.info.splits['validation'].num_examples == 10
    assert lines == []


@pytest.mark.parametrize(
    ('name', 'classes', 'channels', 'train'),
    [
        ('flow', 10, 1, 20),
        ('half_rgb', 5, 3, 10),
        ('split1_rgb', 5, 3, 10),
        ('split2_rgb', 5, 3, 10),
        ('split3_rgb', 5, 3, 10),
    ],
)
def test_every_embedded_configuration_is_made_by_its_name(
    tmp_path, monkeypatch, name, classes, channels, train
):
    configs = {config.name: config for config in catalog.BUILDERS['moving_shapes'].BUILDER_CONFIGS}
    monkeypatch.setattr(configs[name], 'train_per_class', 2)
    monkeypatch.setattr(configs[name], 'validation_per_class', 1)
    if name == 'flow':  # a fraction of the time; the paper's has tests of its own
        monkeypatch.setattr(configs[name], 'flow_algorithm', 'dis')
    info = catalog.open_dataset('moving_shapes', name, tmp_path).info
    assert info.config_name == name
    assert info.features['label'].num_classes == classes
    assert info.features['video'].shape[-1] == channels
    assert {split: found.num_examples for split, found in info.splits.items()} == {
        'train': train,
        'validation': train // 2,
    }


def test_default_folder_is_tfds_own(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', str(tmp_path))
    with pytest.raises(DatasetError, match=f'{tmp_path}/tensorflow_datasets'):
        catalog.open_dataset('video_folder')


@pytest.mark.parametrize('content', [None, '{', 'no JSON'])
def test_a_damaged_description_is_told_in_a_line(tmp_path, content):
    folder = tmp_path / 'moving_shapes' / 'rgb' / '2.0.0'
    folder.mkdir(parents=True)
    if content is not None:
        (folder / 'dataset_info.json').write_text(content)
    with pytest.raises(DatasetError) as error:
        catalog.open_dataset('moving_shapes', 'rgb', tmp_path)
    assert str(error.value).startswith(f'{folder}: cannot be read as a dataset; remove')
    assert '\n' not in str(error.value)
