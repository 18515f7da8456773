"""A training on a full disk: a line that names the file, and what was good is kept."""

import pytest

from s3dg.files.disk import DiskError
from s3dg.training import history, loop
from s3dg.training.task import CLASSIFICATION
from tests.full_disk import longest_file
from tests.s3dg.training import small_training as small


@pytest.mark.slow
def test_a_training_goes_on_when_there_is_room(tmp_path):
    whole, full = tmp_path / 'whole', tmp_path / 'full'
    loop.train(small.network, small.clips(), small.config(), whole)
    loop.train(small.network, small.clips(), small.config(steps=2), full)
    kept = {path.name: path.read_bytes() for path in (full / 'checkpoints').glob('ckpt-2*')}
    size = max(map(len, kept.values()))
    with (
        pytest.raises(
            DiskError,
            match='full/checkpoints/ckpt-4: File too large; the checkpoints '
            'before it are kept; make room',
        ),
        longest_file(size - 1000),
    ):
        loop.train(small.network, small.clips(), small.config(), full)
    assert {path.name: path.read_bytes() for path in (full / 'checkpoints').glob('ckpt*')} == kept
    loop.train(small.network, small.clips(), small.config(), full)
    assert small.figures(full) == small.figures(whole)


@pytest.mark.parametrize(('size', 'name'), [(90, 'history.csv'), (430, 'tensorboard')])
def test_a_history_that_finds_no_room_is_named(tmp_path, size, name):
    """Of so few rows TensorBoard's file is the longer one."""
    found = history.History(tmp_path, 0)
    row = {**dict.fromkeys(CLASSIFICATION.columns, 0.5), 'step': 1}

    def write():
        for step in range(1, 10):
            found.add({**row, 'step': step})

    message = f'{tmp_path}/{name}: File too large; the checkpoints are kept'
    with pytest.raises(DiskError, match=message), longest_file(size):
        write()
    rows = history.read_history(tmp_path)  # whole, whatever was not written
    assert [one['step'] for one in rows] == list(range(1, len(rows) + 1))
