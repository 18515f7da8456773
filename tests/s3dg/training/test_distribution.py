"""One device against two: the same global batch must train the same network."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[3]

# Name of the case: flags of distributed_case.py.
CASES = {
    'one_synchronized': ['--replicas=1', '--batch_norm=synchronized'],
    'two_synchronized': ['--replicas=2', '--batch_norm=synchronized'],
    'one_frozen': ['--replicas=1', '--batch_norm=frozen'],
    'two_frozen': ['--replicas=2', '--batch_norm=frozen'],
    'one_frozen_accumulating': ['--replicas=1', '--batch_norm=frozen', '--accumulation=4'],
    'two_own_accumulating': [
        '--replicas=2',
        '--batch_norm=own',
        '--accumulation=2',
        '--steps=3',
        '--dropout=0.5',
    ],
}


def _run(folder, name, flags):
    """Runs a case in a process of its own; the arrays it found."""
    output = folder / f'{name}.npz'
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'tests.s3dg.training.distributed_case',
            *flags,
            f'--output={output}',
        ],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f'{name}: {done.stderr[-3000:]}'
    with np.load(output) as file:
        return dict(file)


@pytest.fixture(scope='module')
def cases(tmp_path_factory):
    """What every case found, by its name."""
    folder = tmp_path_factory.mktemp('distribution')
    return {name: _run(folder, name, flags) for name, flags in CASES.items()}


def _assert_same(one, two, atol):
    assert one.keys() >= {'losses', 'predicted_logits'}
    for name in one:
        if name.startswith(('copy', 'mask')):
            continue
        if one[name].dtype.kind == 'U':
            assert one[name].tolist() == two[name].tolist()
            continue
        np.testing.assert_allclose(one[name], two[name], atol=atol, err_msg=name)


@pytest.mark.parametrize('batch_norm', ['synchronized', 'frozen'])
def test_two_replicas_train_as_one(cases, batch_norm):
    one, two = cases[f'one_{batch_norm}'], cases[f'two_{batch_norm}']
    _assert_same(one, two, 1e-5)
    assert len(one['losses']) == 10
    assert one['losses'][0] != one['losses'][-1]
    _assert_saved_is_trained(one)
    _assert_saved_is_trained(two)


def _assert_saved_is_trained(found):
    names = [name for name in found if name.endswith(('kernel', 'moving_mean', 'moving_variance'))]
    names = [
        name for name in names if '/' in name and name.split('/')[0] not in ('saved', 'restored')
    ]
    names = [name for name in names if not name.startswith('copy')]
    assert len(names) >= 10
    for name in names:
        np.testing.assert_array_equal(found[f'saved/{name}'], found[name], err_msg=name)
        np.testing.assert_array_equal(found[f'restored/{name}'], found[name], err_msg=name)


def test_own_statistics_are_saved_as_their_mean(cases):
    """Each replica's own statistics drift apart; read, saved and restored is their mean."""
    two = cases['two_own_accumulating']
    assert np.isfinite(two['losses']).all()
    _assert_saved_is_trained(two)
    means = [name for name in two if name.startswith('copy0/') and name.endswith('moving_mean')]
    drifted = 0
    for name in means:
        path = name.removeprefix('copy0/')
        mean = (two[name] + two[f'copy1/{path}']) / 2
        np.testing.assert_allclose(two[path], mean, atol=1e-7)
        drifted += not np.array_equal(two[name], two[f'copy1/{path}'])
    assert drifted > len(means) / 2


def test_every_replica_drops_other_elements(cases):
    found = cases['two_own_accumulating']
    masks = found['mask0'], found['mask1']
    for mask in masks:
        assert set(mask.ravel().tolist()) == {0.0, 2.0}  # a rate of a half
    assert 16 < (masks[0] != masks[1]).sum() < 48  # of 64


def test_accumulated_micro_batches_are_one_batch(cases):
    _assert_same(cases['one_frozen'], cases['one_frozen_accumulating'], 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('batch_norm', ['synchronized', 'frozen'])
def test_two_replicas_train_the_whole_s3d_g_as_one(batch_norm, tmp_path):
    """Synchronised, in float64: gradients of a fresh, deep batch-norm network magnify a last digit.

    In float32 one device drifts as far from itself when only the order of the examples in each
    batch changes.
    """
    dtype = 'float64' if batch_norm == 'synchronized' else 'float32'
    flags = ['--network=s3d_g', f'--batch_norm={batch_norm}', f'--dtype={dtype}']
    one = _run(tmp_path, 'one', [*flags, '--replicas=1'])
    two = _run(tmp_path, 'two', [*flags, '--replicas=2'])
    _assert_same(one, two, 1e-5)
    assert one['losses'][0] != one['losses'][-1]


@pytest.mark.slow
def test_two_replicas_see_the_whole_s3d_g_s_batch_statistics_as_one(tmp_path):
    """In float32, which agrees as long as no gradient has been taken."""
    flags = ['--network=s3d_g', '--batch_norm=synchronized', '--steps=1']
    one = _run(tmp_path, 'one', [*flags, '--replicas=1'])
    two = _run(tmp_path, 'two', [*flags, '--replicas=2'])
    np.testing.assert_allclose(one['losses'], two['losses'], atol=1e-5)
    for name in one:
        if name.endswith(('moving_mean', 'moving_variance')) and not name.startswith('copy'):
            np.testing.assert_allclose(one[name], two[name], atol=1e-5, err_msg=name)
