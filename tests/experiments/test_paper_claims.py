"""One of the paper's claims, by a whole run of the tiny preset: Table 5, minutes.

The other experiments run whole, but with networks of two steps, in test_experiments.py; what their
tiny presets show takes hours, and stands in docs/reproduction.md. That a 3D network reads the order
of frames is also shown by test_quickstart.py.
"""

import json

import pytest

from tests import programs

pytestmark = pytest.mark.slow


def test_what_one_half_of_the_classes_teaches_helps_with_the_other(tmp_path):
    """Fine-tuned against from scratch, at equal steps, on every split."""
    workdir = tmp_path / 'transfer'
    flags = ('--preset=tiny', f'--data_dir={tmp_path / "data"}', f'--workdir={workdir}')
    programs.run('transfer', *flags)
    found = json.loads((workdir / 'results.json').read_text())['moving_shapes']
    for split in ('split1', 'split2', 'split3'):
        assert found[split] > found['from_scratch'][split]
