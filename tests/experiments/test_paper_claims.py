"""Two of the paper's claims, by whole runs of the tiny preset: Tables 1 and 5, minutes each.

The other experiments run whole, but with networks of two steps, in test_experiments.py; what
their tiny presets show is in README.md.
"""

import json
import math

import pytest

from data import catalog
from tests import programs

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('claims')


@pytest.fixture(scope='module')
def results(folder):
    """A function from an experiment's name to its results with the tiny preset."""

    def results_of(program):
        workdir = folder / program
        flags = ('--preset=tiny', f'--data_dir={folder / "data"}', f'--workdir={workdir}')
        programs.run(program, *flags)
        return json.loads((workdir / 'results.json').read_text())

    return results_of


def test_the_order_of_frames_is_read_by_3d_networks_only(results, folder):
    """Table 1."""
    found = results('arrow_of_time')
    assert found['i3d']['top1'] >= 0.95
    assert found['i3d']['top1_reversed'] <= 0.05
    gaps = {name: row['top1'] - row['top1_reversed'] for name, row in found.items()}
    blind, published = found['i2d_order_blind'], found['i2d']
    videos = catalog.open_dataset('moving_shapes', 'rgb', folder / 'data').info.splits['validation']
    assert abs(gaps['i2d_order_blind']) * videos.num_examples <= 1.001
    assert blind['top1'] <= 0.6
    # The published I2D is between them: not quite blind.
    assert gaps['i2d_order_blind'] < gaps['i2d'] < gaps['i3d']
    # Top-1 too, within two standard deviations of a share of one half among these videos.
    noise = 2 * math.sqrt(0.25 / videos.num_examples)
    assert blind['top1'] - noise <= published['top1'] <= found['i3d']['top1']


def test_what_one_half_of_the_classes_teaches_helps_with_the_other(results):
    """Table 5: fine-tuned against from scratch, at equal steps, on every split."""
    found = results('transfer')['moving_shapes']
    for split in ('split1', 'split2', 'split3'):
        assert found[split] > found['from_scratch'][split]
