"""What --dry_run says of the data: disk, what is there, and the hours of optical flow."""

import pytest

from data import catalog
from experiments import optical_flow, transfer
from experiments.paper import workload
from experiments.paper.study import Study
from tests import in_process


def rows(text):
    """The table of disk: dict from a dataset to the other cells."""
    cells = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in text.splitlines()
        if line.startswith('|')
    ]
    start = next(number for number, row in enumerate(cells) if row[0] == 'disk')
    return {row[0]: row[1:] for row in cells[start + 2 :]}


def dry_run(program, capsys, *flags):
    assert in_process.call(program, '--dry_run', *flags) is None
    return capsys.readouterr().out


def test_divisions_of_the_same_videos_count_once(tmp_path, capsys):
    found = rows(dry_run(transfer, capsys, f'--data_dir={tmp_path}'))
    # 13,320 and 6,766 videos in all: each division of HMDB-51 leaves others out.
    assert found['ucf101/all_rgb'] == ['13,320 videos', '56 GB', 'to be converted']
    assert found['hmdb51/all_rgb'][0] == '6,766 videos'
    assert {name.split('/')[0] for name in found if '/' in name} == {
        'kinetics400',
        'ucf101',
        'hmdb51',
    }


@pytest.mark.parametrize(
    ('there', 'said'),
    [
        (['all_rgb'], 'is there'),
        (['split1_rgb', 'split2_rgb', 'split3_rgb'], 'is there'),
        (['split1_rgb', 'split2_rgb'], 'to be converted'),
        ([], 'to be converted'),
    ],
)
def test_a_pool_is_there_where_it_or_all_that_is_needed_of_it_is(
    tmp_path, capsys, monkeypatch, there, said
):
    def is_stored(dataset, config, data_dir):
        return dataset == 'ucf101' and config in there

    monkeypatch.setattr(catalog, 'is_stored', is_stored)
    found = rows(dry_run(transfer, capsys, f'--data_dir={tmp_path}'))
    assert found['ucf101/all_rgb'][-1] == said
    assert found['hmdb51/all_rgb'][-1] == 'to be converted'


def test_hours_of_flow_are_told_where_it_is_to_be_computed(tmp_path, capsys, monkeypatch):
    # 306,245 videos of 250 frames, so 249 pairs each, at half a second: 10,591 hours.
    told = 'TV-L1 flow of what is to be converted: 10,591 core-hours'
    assert told in dry_run(optical_flow, capsys, f'--data_dir={tmp_path}')
    monkeypatch.setattr(Study, 'finished', lambda *_: None)  # which opens the data
    monkeypatch.setattr(catalog, 'is_stored', lambda dataset, config, data_dir: 'flow' in config)
    assert 'core-hours' not in dry_run(optical_flow, capsys, f'--data_dir={tmp_path}')
    # Of 320x400, 1.953 times the pixels.
    facts = catalog.published_facts('jhmdb', 'split1_flow')
    pairs = 31_838 - 928
    assert workload.flow_seconds(facts) == pytest.approx(pairs * 0.5 * 1.953125, rel=1e-3)
    assert workload.flow_seconds(catalog.published_facts('jhmdb')) == 0


def test_minutes_without_a_gpu_are_told_of_the_tiny_preset_alone(tmp_path, capsys):
    flags = (f'--data_dir={tmp_path}', '--preset=tiny')
    assert 'Training without a GPU: ' in dry_run(transfer, capsys, *flags)
    assert 'without a GPU' not in dry_run(transfer, capsys, f'--data_dir={tmp_path}')
