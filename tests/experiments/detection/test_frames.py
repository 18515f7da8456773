"""Training sees every annotated frame once an epoch, also where it was killed in between."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from tests import programs
from tests.data import annotated_ramps
from tests.data.annotated_ramps import ANNOTATED
from tests.experiments.detection import counted_training

FRAMES = {(name, frame) for name, frames in ANNOTATED.items() for frame in frames}


@pytest.fixture(scope='module')
def ramps(tmp_path_factory, write_video_file):
    return annotated_ramps.convert(tmp_path_factory.mktemp('ramps'), write_video_file)[0]


@pytest.mark.parametrize('killed_at', [(), pytest.param((5, 11, 17), marks=pytest.mark.slow)])
def test_every_annotated_frame_once_an_epoch(killed_at, ramps, tmp_path):
    for step in killed_at:
        words = [ramps.data_dir, len(FRAMES), tmp_path, step]
        done = subprocess.run(
            [sys.executable, '-m', counted_training.__name__, *map(str, words)],
            cwd=programs.ROOT,
            env=programs.ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]
    lines = []
    counter, row = counted_training.train(ramps, len(FRAMES), tmp_path, lines.append)
    epochs = counted_training.EPOCHS
    assert row['step'] == epochs * len(FRAMES)
    counts = counter.counts.numpy()
    seen = {(name, frame): counts[ord(name[0]) - ord('a'), frame] for name, frame in FRAMES}
    assert seen == dict.fromkeys(FRAMES, epochs)
    assert counts.sum() == epochs * len(FRAMES)
    assert np.count_nonzero(counts) == len(FRAMES)
    # It went on from the last checkpoint, and not from the start.
    steps = [int(line.split('/')[0].split()[1]) for line in lines if line.startswith('step ')]
    assert steps[0] == (killed_at[-1] // 3 * 3 + 1 if killed_at else 1)
