"""A detector on the training loop: one device against two, and frames that are not as usual."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The losses of three steps, each of frames without boxes, with one of no area, and others."""
    folder, found = tmp_path_factory.mktemp('detectors'), {}
    for replicas in (1, 2):
        output = folder / f'{replicas}.npz'
        words = [f'--replicas={replicas}', f'--output={output}']
        case = 'tests.s3dg.detection.training_case'
        subprocess.run([sys.executable, '-m', case, *words], cwd=ROOT, check=True)
        found[replicas] = dict(np.load(output))
    return found


def test_two_devices_train_as_one(trained):
    assert set(trained[1]) == {'loss', 'rpn_class', 'rpn_boxes', 'class', 'boxes'}
    for name, values in trained[1].items():
        assert len(values) == 3
        assert trained[2][name] == pytest.approx(values, rel=1e-5, abs=1e-6), name


def test_odd_frames_are_trained_through(trained):
    for name, values in trained[1].items():
        assert np.isfinite(values).all(), name
        assert (values > 0).all(), name
