"""What a training is for is handed in: a task of another kind trains on the same loop."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from s3dg.config import ConfigError
from s3dg.training.history import read_history
from s3dg.training.task import CLASSIFICATION, Task
from tests.s3dg.training import regression_case as case

ROOT = pathlib.Path(__file__).parents[3]


def _expected():
    """The regression by momentum SGD on the whole batch, with gradients derived by hand.

    Returns:
      (weights by name, rows of losses and metrics).
    """
    weights = {
        'mean/kernel': np.zeros((case.CHANNELS, 1)),
        'mean/bias': np.zeros(1),
        'colour/kernel': np.zeros((case.CHANNELS, case.CHANNELS)),
        'colour/bias': np.zeros(case.CHANNELS),
    }
    velocities = {name: np.zeros_like(value) for name, value in weights.items()}
    rows = []
    for step in range(case.STEPS):
        examples = range(step * case.BATCH, (step + 1) * case.BATCH)
        colour, gain, mean = (part.astype('float64') for part in case.numbers_of(examples))
        x = colour * gain
        off_mean = x @ weights['mean/kernel'] + weights['mean/bias'] - mean[:, None]
        off_colour = x @ weights['colour/kernel'] + weights['colour/bias'] - colour
        mean_loss = (off_mean**2).mean()
        colour_loss = 2 * (off_colour**2).sum(1).mean()
        distance = np.abs(off_mean).mean()
        rows.append([mean_loss + colour_loss, mean_loss, colour_loss, distance])
        gradients = {}
        for name, slope in (('mean', 2 * off_mean), ('colour', 4 * off_colour)):
            slope = slope / case.BATCH
            gradients[f'{name}/kernel'] = x.T @ slope + case.DECAY * weights[f'{name}/kernel']
            gradients[f'{name}/bias'] = slope.sum(0)
        for name, gradient in gradients.items():
            velocities[name] = case.MOMENTUM * velocities[name] - case.RATE * gradient
            weights[name] = weights[name] + velocities[name]
    return weights, rows


def test_a_regression_with_two_losses_trains_on_two_replicas(tmp_path):
    """Two inputs, two targets, two micro-batches; killed after 3 steps and resumed from the 2nd."""
    done = subprocess.run(
        [sys.executable, '-m', 'tests.s3dg.training.regression_case', str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(tmp_path / 'found.npz') as file:
        found = dict(file)
    weights, rows = _expected()
    for name, value in weights.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    history = read_history(tmp_path, case.TASK)
    names = ('loss', 'mean_loss', 'colour_loss', 'distance')
    np.testing.assert_allclose([[row[name] for name in names] for row in history], rows, rtol=1e-4)
    assert [row['bias'] for row in history][:3] == [None] * 3
    assert history[3]['bias'] == pytest.approx(weights['mean/bias'][0], rel=1e-4)
    killed = found['lines'].tolist().index('killed')
    assert found['lines'][killed + 1].endswith('ckpt-2')
    assert 'mean_loss 0.' in found['lines'][0]
    assert found['lines'][-1].split('  ')[-2] == f'bias {history[3]["bias"]:.3f}'


def test_a_history_of_classification_has_these_columns():
    """Those of the files that earlier versions have written."""
    columns = 'step,loss,accuracy,learning_rate,clips_per_second,input_wait_share,top1'
    assert ','.join(CLASSIFICATION.columns) == columns


def _zero(outputs, targets):
    return 0.0


@pytest.mark.parametrize(
    ('losses', 'metrics', 'evaluation', 'message'),
    [
        ({}, {}, 'top1', 'expected at least one loss'),
        ({'a': _zero}, {'loss': _zero}, 'top1', 'have the same name, got step, loss, loss'),
        ({'a': _zero}, {}, 'learning_rate', 'have the same name'),
        ({'a': _zero}, {'gradient_norm': _zero}, 'top1', 'have the same name'),
    ],
)
def test_tasks_that_cannot_be_are_refused(losses, metrics, evaluation, message):
    with pytest.raises(ConfigError, match=message):
        Task(targets=(), losses=losses, metrics=metrics, evaluation=evaluation)
