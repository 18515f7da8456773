"""The training loop on one device: its steps, stopping and going on, freezing, refusals."""

import dataclasses
import logging
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

import s3dg
from s3dg.config import ConfigError
from s3dg.training import checkpoints, devices, loop, trainable
from s3dg.training.history import read_history
from s3dg.training.loop import TrainingConfig
from s3dg.training.schedules import CosineSchedule, StepSchedule
from s3dg.training.signals import Stopped
from tests.s3dg.small import randomized
from tests.s3dg.training import small_training as small


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    """Four steps with dropout in one go: (weights, history)."""
    workdir = tmp_path_factory.mktemp('uninterrupted')
    network, _ = loop.train(small.network, small.clips(), small.config(), workdir)
    return small.values(network), read_history(workdir)


class _Killed(Exception):
    pass


@pytest.mark.parametrize('after', [1, 3])
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(uninterrupted, tmp_path, after):
    """Cut off without warning after any step; goes on from the checkpoint before it, to the bit."""

    def kill(line):
        if line.startswith(f'step {after}/'):
            raise _Killed

    with pytest.raises(_Killed):
        loop.train(small.network, small.clips(), small.config(), tmp_path, report=kill)
    lines = []
    network, row = loop.train(
        small.network, small.clips(), small.config(), tmp_path, report=lines.append
    )
    weights, history = uninterrupted
    small.assert_equal(small.values(network), weights)
    assert any('resuming' in line for line in lines) == (after == 3)
    found = read_history(tmp_path)
    assert [r['step'] for r in found] == [1, 2, 3, 4]
    assert [r['loss'] for r in found] == [r['loss'] for r in history]
    assert row['step'] == 4


def test_checkpoints_of_earlier_versions_are_gone_on_from(uninterrupted, tmp_path, monkeypatch):
    """They hold all but the steps since the last row of the history."""
    create = tf.train.Checkpoint

    def of_earlier_versions(**parts):
        parts.pop('window', None)
        return create(**parts)

    def kill(line):
        if line.startswith('step 3/'):
            raise _Killed

    monkeypatch.setattr(tf.train, 'Checkpoint', of_earlier_versions)
    with pytest.raises(_Killed):
        loop.train(small.network, small.clips(), small.config(), tmp_path, report=kill)
    monkeypatch.undo()
    lines = []
    network, _ = loop.train(
        small.network, small.clips(), small.config(), tmp_path, report=lines.append
    )
    assert any('resuming' in line for line in lines)
    small.assert_equal(small.values(network), uninterrupted[0])


@pytest.fixture
def float64():
    """Sums of 336 terms in another order differ by less than what is compared."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy('float64')
    yield
    keras.config.set_dtype_policy(policy)


def test_micro_batches_of_6_make_the_papers_step_of_336(float64, tmp_path):
    """One GPU takes 56 micro-batches: two steps with momentum equal two of the whole batch."""

    def create():
        network = small.network(dropout_rate=0.0)
        trainable.freeze_batch_norm(network)
        return network

    before = small.values(create())
    weights, losses = {}, {}
    for accumulation in (1, 56):
        config = TrainingConfig(StepSchedule(2, ((0, 0.1),)), 336, accumulation, log_every=1)
        assert config.micro_batch_size(1) == 336 // accumulation
        network, _ = loop.train(create, small.clips(), config, tmp_path / str(accumulation))
        weights[accumulation] = small.values(network)
        losses[accumulation] = [row['loss'] for row in read_history(tmp_path / str(accumulation))]
    np.testing.assert_allclose(losses[56], losses[1], rtol=1e-5)
    assert losses[1][0] != losses[1][1]
    for name, whole in weights[1].items():
        moved = np.abs(whole - before[name]).max()
        assert (moved > 0) == name.endswith(('kernel', 'bias'))
        np.testing.assert_allclose(
            weights[56][name], whole, rtol=0, atol=1e-5 * moved, err_msg=name
        )


def test_a_finished_run_is_not_trained_again(uninterrupted, tmp_path):
    loop.train(small.network, small.clips(), small.config(), tmp_path)

    def no_input(*_):
        raise AssertionError('asked for input')

    network, row = loop.train(small.network, no_input, small.config(), tmp_path)
    small.assert_equal(small.values(network), uninterrupted[0])
    assert row['step'] == 4


def _damage(workdir, step):
    (data,) = (workdir / 'checkpoints').glob(f'ckpt-{step}.data*')
    if step % 2:  # gone, or cut off
        data.unlink()
    else:
        data.write_bytes(data.read_bytes()[:100])


def test_damaged_checkpoints_are_passed_over(uninterrupted, tmp_path):
    config = dataclasses.replace(small.config(), checkpoint_every=1)
    loop.train(small.network, small.clips(), config, tmp_path)
    _damage(tmp_path, 4)
    lines = []
    network, row = loop.train(small.network, small.clips(), config, tmp_path, report=lines.append)
    assert 'ckpt-4 cannot be read (' in lines[0]
    assert lines[1].startswith('resuming from ')
    assert lines[1].endswith('ckpt-3')
    assert row['step'] == 4
    small.assert_equal(small.values(network), uninterrupted[0])
    for step in (2, 3, 4):
        _damage(tmp_path, step)
    with pytest.raises(
        checkpoints.SavedStateError, match='checkpoints: none of the checkpoints can be'
    ):
        loop.train(small.network, small.clips(), config, tmp_path)


def test_a_finished_training_without_its_history(uninterrupted, tmp_path):
    loop.train(small.network, small.clips(), small.config(), tmp_path)
    (tmp_path / 'history.csv').unlink()
    lines = []
    network, row = loop.train(
        small.network, small.clips(), small.config(), tmp_path, report=lines.append
    )
    small.assert_equal(small.values(network), uninterrupted[0])
    assert (row['step'], row['loss'], row['accuracy']) == (4, None, None)
    assert 'history.csv has no rows' in lines[-1]


# Not in step with each other: a row may be about steps on both sides of an end, or of several.
_UNEVEN = {'log_every': 3, 'checkpoint_every': 2}


@pytest.fixture(scope='module')
def uneven_history(tmp_path_factory):
    workdir = tmp_path_factory.mktemp('uneven')
    loop.train(small.network, small.clips(), small.config(8, **_UNEVEN), workdir)
    rows = small.figures(workdir)
    assert [row[0] for row in rows] == [3, 6, 8]
    return rows


@pytest.mark.parametrize('ends', [(1,), (2,), (4,), (5,), (7,), (1, 2, 4, 5)])
@pytest.mark.parametrize('killed', [True, False], ids=['killed', 'stopped'])
def test_a_history_does_not_tell_where_a_training_was_interrupted(
    uneven_history, tmp_path, monkeypatch, ends, killed
):
    config = small.config(8, **_UNEVEN)
    for end in ends:

        def check(figures, first_step, scaled, end=end):
            if first_step + len(figures['loss']) >= end:
                if killed:  # before anything is made of the step
                    raise _Killed
                _ask_to_stop()  # a checkpoint is written wherever that is

        with monkeypatch.context() as patch:
            patch.setattr(loop, '_check_finite', check)
            with pytest.raises((_Killed, loop.TrainingInterrupted)):
                loop.train(small.network, small.clips(), config, tmp_path)
    loop.train(small.network, small.clips(), config, tmp_path)
    assert small.figures(tmp_path) == uneven_history


@pytest.mark.parametrize('torn', ['5,0.25,0.', '5', ''])
def test_a_torn_line_of_the_history_does_not_stop_a_training(uninterrupted, tmp_path, torn):
    def kill(line):
        if line.startswith('step 3/'):
            raise _Killed

    with pytest.raises(_Killed):
        loop.train(small.network, small.clips(), small.config(), tmp_path, report=kill)
    path = tmp_path / 'history.csv'
    content = path.read_text()
    path.write_text(content + torn if torn else content[:-9])
    loop.train(small.network, small.clips(), small.config(), tmp_path)
    assert small.figures(tmp_path) == [
        [row[name] for name in small.FIGURES] for row in uninterrupted[1]
    ]


@pytest.fixture
def tensorflow_says(caplog):
    """What TensorFlow logs; some of it once a process only."""
    logger = logging.getLogger('tensorflow')
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize('state', [None, b'', b'model_checkpoint_path: "ckpt-', b'\xff\xfe'])
def test_checkpoints_are_found_without_their_list(uninterrupted, tmp_path, state, tensorflow_says):
    """Without it, training silently began anew and wrote over its checkpoints."""
    config = dataclasses.replace(small.config(), checkpoint_every=1)
    loop.train(small.network, small.clips(), config, tmp_path)
    folder = tmp_path / 'checkpoints'
    for path in folder.glob('ckpt-4*'):
        path.unlink()
    if state is None:
        (folder / 'checkpoint').unlink()
    else:
        (folder / 'checkpoint').write_bytes(state)
    lines = []
    network, row = loop.train(small.network, small.clips(), config, tmp_path, report=lines.append)
    assert lines[0] == f'resuming from {folder}/ckpt-3'
    assert row['step'] == 4
    small.assert_equal(small.values(network), uninterrupted[0])
    assert tf.train.latest_checkpoint(str(folder)) == f'{folder}/ckpt-4'
    assert sorted(path.name for path in folder.glob('*.index')) == [
        f'ckpt-{step}.index' for step in (2, 3, 4)
    ]
    assert not [line for line in tensorflow_says.messages if 'Instructions for updating' in line]


def test_lost_checkpoints_are_not_trained_over(tmp_path):
    loop.train(small.network, small.clips(), small.config(), tmp_path)
    folder = tmp_path / 'checkpoints'
    before = (folder / 'checkpoint').read_bytes()
    for lost in ('*.index', '*.data*'):
        for path in folder.glob(lost):
            path.unlink()
        with pytest.raises(
            checkpoints.SavedStateError, match='none of the checkpoints can be read'
        ):
            loop.train(small.network, small.clips(), small.config(), tmp_path)
    assert (folder / 'checkpoint').read_bytes() == before
    # Killed while it saved the first one: nothing is lost.
    (folder / 'checkpoint').unlink()
    (folder / 'ckpt-2.data-00000-of-00001').write_bytes(b'begun')
    lines = []
    loop.train(small.network, small.clips(), small.config(), tmp_path, report=lines.append)
    assert 'resuming' not in lines[0]


def _ask_to_stop(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ('last', 'number'),
    [(1, signal.SIGTERM), (3, signal.SIGINT), (4, signal.SIGTERM)],  # 4: in the last call of steps
)
def test_a_signal_saves_and_stops(uninterrupted, tmp_path, last, number):
    def report(line):
        if line.startswith(f'step {last}/'):
            _ask_to_stop(number)

    with pytest.raises(loop.TrainingInterrupted, match=f'Stopped at step {last};') as stop:
        loop.train(small.network, small.clips(), small.config(), tmp_path, report=report)
    assert stop.value.number == number
    lines = []
    network, _ = loop.train(
        small.network, small.clips(), small.config(), tmp_path, report=lines.append
    )
    assert lines[0].endswith(f'ckpt-{last}')
    small.assert_equal(small.values(network), uninterrupted[0])
    assert [row['step'] for row in read_history(tmp_path)] == [1, 2, 3, 4]


def test_a_signal_during_tracing_stops_at_once(tmp_path, monkeypatch):
    norm = tf.linalg.global_norm

    def ask(gradients):
        _ask_to_stop()
        return norm(gradients)

    monkeypatch.setattr(tf.linalg, 'global_norm', ask)
    with pytest.raises(Stopped, match='stopped by SIGTERM'):
        loop.train(small.network, small.clips(), small.config(), tmp_path)
    assert not list((tmp_path / 'checkpoints').glob('*'))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_signal_during_an_evaluation_saves_the_steps_before_it(uninterrupted, tmp_path):
    def evaluate(network):
        _ask_to_stop()
        pytest.fail('went on')

    config = small.config(checkpoint_every=4, evaluate_every=3)
    with pytest.raises(loop.TrainingInterrupted, match='Stopped at step 3;'):
        loop.train(small.network, small.clips(), config, tmp_path, evaluate=evaluate)
    network, _ = loop.train(small.network, small.clips(), small.config(), tmp_path)
    small.assert_equal(small.values(network), uninterrupted[0])
    assert [row['step'] for row in read_history(tmp_path)] == [1, 2, 3, 4]


def test_a_non_finite_loss_stops_the_run_and_names_the_step(tmp_path):
    def poison(number, clip):  # the third batch of four
        return tf.where(number == 9, clip * np.nan, clip)

    with pytest.raises(loop.NonFiniteLossError, match='is nan at step 3;'):
        loop.train(small.network, small.clips(poison), small.config(), tmp_path)
    assert tf.train.latest_checkpoint(str(tmp_path / 'checkpoints')).endswith('ckpt-2')
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(tmp_path / 'checkpoints')))
    for name in reader.get_variable_to_shape_map():
        if not name.startswith(('_CHECKPOINTABLE_OBJECT_GRAPH', 'window/')):
            assert np.isfinite(reader.get_tensor(name)).all(), name


def test_one_step_is_momentum_sgd_on_cross_entropy_and_weight_decay(tmp_path):
    """The first step by other means: Keras's own gradient of the written-out objective."""
    rate, decay = 0.05, 0.1

    def create():  # with offsets and biases, which a fresh network has at 0, where none decays
        return randomized(small.network(dropout_rate=0.0))

    network = create()
    batch = next(iter(small.clips()(0, None, 4)))
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
            batch['label'], network(batch['clip'], training=True)
        )
        kernels = [v for v in network.trainable_variables if v.name == 'kernel']
        objective = loss + decay * sum(0.5 * tf.reduce_sum(tf.square(k)) for k in kernels)
    before = {v.path: v.numpy() for v in network.trainable_variables}
    gradients = tape.gradient(objective, network.trainable_variables)
    expected = {
        v.path: before[v.path] - rate * g.numpy()
        for v, g in zip(network.trainable_variables, gradients, strict=True)
    }
    config = small.config(1, rate, weight_decay=decay)
    trained, row = loop.train(create, small.clips(), config, tmp_path)
    for variable in trained.trainable_variables:
        np.testing.assert_allclose(variable.numpy(), expected[variable.path], rtol=1e-5, atol=1e-6)
    assert row['loss'] == pytest.approx(float(loss), rel=1e-5)  # without the decay


def test_history_has_a_row_per_interval_and_the_rate(tmp_path):
    config = TrainingConfig(CosineSchedule(4, 0.01), 4, log_every=2, evaluate_every=4)
    loop.train(small.network, small.clips(), config, tmp_path, evaluate=lambda network: 0.25)
    rows = read_history(tmp_path)
    assert [row['step'] for row in rows] == [2, 4]
    assert [row['learning_rate'] for row in rows] == pytest.approx([0.005, 0.0], abs=1e-9)
    assert [row['top1'] for row in rows] == [None, 0.25]
    assert all(0 <= row['input_wait_share'] <= 1 for row in rows)
    assert all(row['clips_per_second'] > 0 for row in rows)
    assert list((tmp_path / 'tensorboard').glob('events.*'))


def _told_by_brightness(number, clip):
    """A clip whose brightness is its class, which a few steps learn."""
    return clip / 8 + 100.0 * tf.cast(number % small.CLASSES, 'float32')


@pytest.mark.parametrize('dtype', ['mixed_bfloat16', 'mixed_float16'])
def test_mixed_precision_learns_float32_weights(tmp_path, dtype):
    keras.config.set_dtype_policy(dtype)
    try:
        network, row = loop.train(
            lambda: small.network(dropout_rate=0.0),
            small.clips(_told_by_brightness),
            small.config(30, rate=0.1, log_every=5, checkpoint_every=100),
            tmp_path,
        )
        assert network.get_layer('block').compute_dtype == dtype.removeprefix('mixed_')
    finally:
        keras.config.set_dtype_policy('float32')
    assert {v.dtype for v in network.trainable_variables} == {'float32'}
    assert row['loss'] < 0.5 * np.log(small.CLASSES)  # which it is where nothing is learned


def test_jit_computes_the_same(tmp_path):
    """Without dropout, whose masks are drawn alike, and up to the order of roundings."""
    config = small.config(1)
    plain, _ = loop.train(
        lambda: small.network(dropout_rate=0.0), small.clips(), config, tmp_path / 'a'
    )
    jitted, _ = loop.train(
        lambda: small.network(dropout_rate=0.0),
        small.clips(),
        small.config(1, jit=True),
        tmp_path / 'b',
    )
    for one, two in zip(plain.variables, jitted.variables, strict=True):
        if one.name != 'random_state':
            np.testing.assert_allclose(one.numpy(), two.numpy(), atol=1e-4, err_msg=one.path)


def test_freezing_below_an_endpoint_and_of_batch_norm(tmp_path):
    def create():
        keras.utils.set_random_seed(0)
        network = s3dg.build('i2d', small.CLASSES, width=0.1, kernel_initializer='he_normal')
        trainable.freeze_until(network, 'Mixed_5c')  # weights are right below it, and in it
        trainable.freeze_batch_norm(network)
        return network

    before = small.values(create())
    network, _ = loop.train(create, small.clips(), small.config(2), tmp_path)
    changed = {
        path.split('/')[0] for path, v in small.values(network).items() if (v != before[path]).any()
    }
    assert changed == {'Mixed_5c', 'logits', 'dropout'}
    for path, value in small.values(network).items():
        if 'batch_norm' in path:
            np.testing.assert_array_equal(value, before[path], err_msg=path)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="freeze_until must be one of .*; got 'Mixed_9z'"):
        trainable.freeze_until(s3dg.build('i2d'), 'Mixed_9z')
    with pytest.raises(ConfigError, match='accumulation must be at least 1, got 0'):
        small.config(accumulation=0)
    with pytest.raises(ConfigError, match='must divide by replicas x accumulation = 2 x 3, got 4'):
        small.config(accumulation=3).micro_batch_size(2)
    with pytest.raises(ConfigError, match="no strategy 'tpu'"):
        devices.create_strategy('tpu')
