"""Which trained network is reused, and what is refused before training; none is trained here."""

import json
import types

import numpy as np
import pytest
from absl import flags

import s3dg
from data import catalog
from data.conversion.convert import convert_dataset
from experiments import (
    feature_embedding,
    filter_statistics,
    kinetics,
    optical_flow,
    speed_accuracy,
    transfer,
)
from experiments.paper import reporting, study
from experiments.training import presets
from experiments.training.options import Options, resolve_accumulation
from experiments.training.recipe import Recipe, describe_steps
from experiments.training.start import Start
from s3dg.program.entry import UsageError
from s3dg.training.devices import create_strategy
from s3dg.training.evaluation import Predictions
from tests import in_process

FLAGS = flags.FLAGS


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    of_configs = {'hard_rgb': 1, 'rgb': 1, 'half_rgb': 1, 'split1_rgb': 2}
    for config, per_class in of_configs.items():
        builder = catalog.make_builder(
            'moving_shapes', config, folder, train_per_class=per_class, validation_per_class=1
        )
        convert_dataset(builder, processes=0)
    return folder


@pytest.fixture
def make_study(data_dir, tmp_path):
    def make(report=print, data_dir=data_dir):
        return study.Study(tmp_path / 'networks', data_dir, create_strategy('one'), report)

    return make


def recipe(network='i2d', **fields):
    preset = presets.find_preset('tiny', 'moving_shapes')
    return Recipe(network, network, 'moving_shapes', 'rgb', preset, **fields)


def leave(plan, folder, finished, program='train'):
    """A folder as a training by `plan` leaves it."""
    folder.mkdir(parents=True)
    settings = {'program': program, **plan.to_dict()}
    (folder / 'config.json').write_text(json.dumps(settings))
    if finished:
        (folder / 'results.json').write_text('{}')
        (folder / 'model.keras').touch()


def test_the_network_with_the_same_settings_is_found(make_study, tmp_path):
    with in_process.flags_of(kinetics):
        one = make_study()
        plan = one.plan(recipe(), 0)
        own = one.folder(plan, recipe())
        assert own.parent == tmp_path / 'networks'
        assert own.name.startswith('i2d-moving_shapes-rgb-seed0-')
        begun, finished = tmp_path / 'networks' / 'a_begun', tmp_path / 'networks' / 'z_finished'
        leave(plan, begun, finished=False)
        assert one.folder(plan, recipe()) == begun
        leave(plan, finished, finished=True)
        assert one.folder(plan, recipe()) == finished
        (finished / 'model.keras').unlink()  # its checkpoints may give it once more
        assert one.folder(plan, recipe()) == begun
        for other in (recipe('i3d'), recipe(fields={'width': 0.5})):
            assert one.folder(one.plan(other, 0), other).name.startswith(f'{other.network}-')
        assert one.folder(one.plan(recipe(), 1), recipe()).name.startswith(
            'i2d-moving_shapes-rgb-seed1'
        )


@pytest.mark.parametrize(
    ('flag', 'is_the_same'),
    [
        ('--log_every=7', True),
        ('--checkpoint_every=9', True),
        ('--micro_batch_size=8', False),  # batch norm sees other clips
        ('--momentum=0.8', False),
        ('--set=dropout_rate=0.3', False),
        ('--frames=8', False),
        ('--dtype=mixed_bfloat16', False),
        ('--flip=yes', False),
    ],
)
def test_flags_that_make_another_network(make_study, flag, is_the_same):
    def folder():
        one = make_study()
        resolved = recipe().overridden(Options.of(FLAGS), print)
        return one.folder(one.plan(resolved, 0), resolved)

    with in_process.flags_of(kinetics):
        before = folder()
    with in_process.flags_of(kinetics, flag):
        assert (folder() == before) == is_the_same


def test_with_frozen_batch_norm_the_micro_batch_does_not_matter(make_study):
    folders = set()
    for size in (4, 8):
        with in_process.flags_of(kinetics, '--freeze_batch_norm', f'--micro_batch_size={size}'):
            one = make_study()
            resolved = recipe().overridden(Options.of(FLAGS), print)
            folders.add(one.folder(one.plan(resolved, 0), resolved))
    assert len(folders) == 1


def test_other_data_of_the_same_name_makes_another_network(make_study, tmp_path):
    """As many videos, but others."""
    builder = catalog.make_builder(
        'moving_shapes', 'rgb', tmp_path, seed=1, train_per_class=1, validation_per_class=1
    )
    convert_dataset(builder, processes=0)
    folders = []
    with in_process.flags_of(kinetics):
        for one in (make_study(), make_study(data_dir=tmp_path)):
            plan = one.plan(recipe(), 0)
            assert plan.videos == (10, 10)
            folders.append(one.folder(plan, recipe()))
    assert folders[0] != folders[1]


def test_a_start_is_of_the_same_seed_wherever_it_lies(make_study, tmp_path):
    first, *_ = transfer.Transfer('tiny', Start(), 'i2d', None, compare_scratch=False).recipes()
    with in_process.flags_of(transfer):
        plans = [make_study().plan(first, seed) for seed in (0, 1)]
        for seed, plan in enumerate(plans):
            assert f'half_rgb-seed{seed}-' in plan.start.source
        assert plans[0].start.digest != plans[1].start.digest
        one = make_study()
        before = one.folder(plans[0], first)
        one.networks_dir = tmp_path / 'moved'
        moved = one.plan(first, 0)
        assert moved.start.source != plans[0].start.source
        assert one.folder(moved, first).name == before.name


FINE_TUNING_FLAGS = (
    '--steps=7',
    '--learning_rate=0.5',
    '--batch_size=4',
    '--momentum=0.8',
    '--weight_decay=0.1',
    '--frames=8',
    '--evaluation_frames=8',
    '--crop=32',
    '--flip=yes',
    '--freeze_batch_norm',
    '--freeze_until=Mixed_4b',
    '--sync_batch_norm',
    '--set=dropout_rate=0.7',
    '--set=batch_norm_decay=0.5',
)


def test_what_a_fine_tuning_starts_from_is_not_trained_by_its_flags(make_study):
    """So that Table 5 takes the network of Table 2, whatever is tried with it."""
    first, *_ = transfer.Transfer('tiny', Start(), 's3d', None, compare_scratch=False).recipes()

    def start(*flags):
        with in_process.flags_of(transfer, *flags):
            resolved = first.overridden(Options.of(FLAGS), print)
            return make_study().plan(resolved.start.trained, 0)

    usual = start()
    assert start(*FINE_TUNING_FLAGS) == usual
    assert start('--pretraining_steps=9').training.schedule.steps == 9
    assert start('--micro_batch_size=2').batch_norm_clips == 2  # what fits into memory
    # What both networks must have alike.
    assert start('--set=temporal_branches=2').network == usual.network.replace(temporal_branches=2)


@pytest.mark.parametrize(
    ('program', 'flag', 'message'),
    [
        (speed_accuracy, '--set=separable=true', 'in separable the networks of this experiment'),
        (speed_accuracy, '--set=temporal_from=Mixed_4b', 'in temporal_from the networks'),
        (filter_statistics, '--set=separable=true', 'separable convolutions begin as identities'),
        (transfer, '--set=separable=false', None),
    ],
)
def test_fields_that_tell_networks_apart_cannot_be_set(
    program, flag, message, data_dir, tmp_path, monkeypatch, capsys
):
    class ReachedTraining(Exception):
        pass

    def train(*_):
        raise ReachedTraining

    monkeypatch.setattr(study.Study, 'train', train)
    words = ('--preset=tiny', f'--data_dir={data_dir}', f'--workdir={tmp_path / "work"}', flag)
    if message is None:
        monkeypatch.setattr(transfer, 'SPLITS', ('split1',))
        with pytest.raises(ReachedTraining):
            in_process.call(program, *words)
    else:
        assert in_process.call(program, *words) == USAGE
        assert message in capsys.readouterr().err


def test_steps_of_nothing_are_refused(tmp_path, capsys):
    image = tmp_path / 'image.keras'
    s3dg.build('i2d', width=0.1).save(image)
    flags = ('--preset=tiny', f'--init={image}', '--pretraining_steps=3', '--dry_run')
    assert in_process.call(transfer, *flags) == USAGE
    assert '--pretraining_steps: nothing is trained to start from' in capsys.readouterr().err


def test_a_finished_experiment_outlives_the_file_it_started_from(data_dir, tmp_path, capsys):
    work = tmp_path / 'work'
    words = ('--preset=tiny', f'--data_dir={data_dir}', f'--workdir={work}', '--init=gone.keras')
    assert in_process.call(transfer, *words) == USAGE
    assert 'expected a .keras file, found gone.keras, which is not there' in capsys.readouterr().err
    work.mkdir()
    (work / 'config.json').write_text('{"program": "transfer"}')
    (work / 'results.json').write_text('{}')
    for more in ((), ('--set=dropout_rate=0.5',)):
        assert in_process.call(transfer, *words, *more) is None
        assert 'finished already, not compared with what it needed' in capsys.readouterr().out


def test_flags_that_change_the_result_are_written_down(make_study):
    flags = ('--steps=7', '--set=width=0.1', '--dtype=mixed_bfloat16', '--log_every=1', '--jit')
    with in_process.flags_of(kinetics, *flags):
        changes = Options.of(FLAGS).changes()
    assert changes == {'steps': 7, 'dtype': 'mixed_bfloat16', 'set.width': 0.1}
    assert reporting.changes_note({'preset': 'tiny', 'overridden': changes}) == (
        "Not the tiny preset's, but given by flags: "
        '`steps=7`, `dtype=mixed_bfloat16`, `set.width=0.1`.'
    )
    assert reporting.changes_note({'preset': 'tiny'}) == ''


def test_predictions_of_fewer_videos_than_there_are_now_are_made_anew(tmp_path):
    path = tmp_path / 'predictions.npz'
    assert study._kept_predictions(path, 2) is None
    made = Predictions(np.array(['a', 'b']), np.int32([0, 1]), np.float32([[1, 0], [0, 1]]))
    made.save(path)
    assert study._kept_predictions(path, 2).ids.tolist() == ['a', 'b']
    assert study._kept_predictions(path, 3) is None


def test_from_scratch_is_the_same_network_with_random_weights(make_study):
    tuned, scratch, *_ = transfer.Transfer(
        'tiny', Start(), 's3d', None, compare_scratch=True
    ).recipes()
    with in_process.flags_of(transfer, '--freeze_batch_norm', '--freeze_until=Mixed_4b'):
        one = make_study()
        tuned, scratch = (
            one.plan(each.overridden(Options.of(FLAGS), print), 0) for each in (tuned, scratch)
        )
    assert tuned.network == scratch.network
    assert tuned.training == scratch.training
    assert (tuned.freeze_until, tuned.freeze_batch_norm) == ('Mixed_4b', True)
    assert scratch.start == Start()
    assert (scratch.freeze_until, scratch.freeze_batch_norm) == (None, False)


def test_scratch_figures_are_those_from_scratch():
    def trained(top1):
        return [
            types.SimpleNamespace(
                run=types.SimpleNamespace(figure={'top1': top1 + seed}.__getitem__)
            )
            for seed in (0.0, 0.1)
        ]

    networks = {f'd/split{k}': trained(k / 10) for k in (1, 2, 3)}
    networks |= {f'd/split{k}/from_scratch': trained(k / 100) for k in (1, 2, 3)}
    tuned = transfer.split_figures(networks, 'd')
    scratch = transfer.split_figures(networks, 'd', '/from_scratch')
    assert (tuned['split1'], tuned['split3']) == pytest.approx((0.15, 0.35))
    assert (tuned['mean'], tuned['mean_deviation']) == pytest.approx((0.25, 0.1 / 2**0.5))
    assert scratch['mean'] == pytest.approx(0.07)


def test_foreign_folders_are_left_out_with_a_line(make_study, tmp_path):
    lines = []
    foreign = tmp_path / 'networks' / 'foreign'
    foreign.mkdir(parents=True)
    (foreign / 'config.json').write_text('{"a": 1}')
    with in_process.flags_of(kinetics):
        one = make_study(report=lines.append)
        plan = one.plan(recipe(), 0)
        leave(plan, tmp_path / 'networks' / 'quickstart', finished=True, program='quickstart')
        for _ in range(2):
            assert one.folder(plan, recipe()).name.startswith('i2d-')
        leave(plan, tmp_path / 'networks' / '.i2d.deleted', finished=True)  # half of it, perhaps
        assert one.folder(plan, recipe()).name.startswith('i2d-')
    assert len(lines) == 1
    assert str(foreign) in lines[0]


def test_over_seeds_by_hand():
    assert reporting.over_seeds([{'a': 0.5, 'b': 1}]) == {'a': 0.5, 'b': 1}
    figures = reporting.over_seeds([{'a': 1.0}, {'a': 2.0}, {'a': 6.0}])
    assert figures == pytest.approx({'a': 3.0, 'a_deviation': 7**0.5, 'seeds': 3})


USAGE, OTHER = 2, 1


@pytest.mark.parametrize(
    ('flags', 'code', 'message'),
    [
        (['--seeds=0'], USAGE, '--seeds=0: 0 is not an integer in the range [1, 1000]'),
        (
            ['--seeds=2', f'--seed={2**32 - 1}', '--from_scratch'],
            USAGE,
            '--seeds must be from 1 to 1, found 2',
        ),
        (
            ['--batch_size=0', '--dry_run'],
            USAGE,
            'flag --batch_size=0: 0 is not an integer in the range',
        ),
        (['--micro_batch_size=0', '--dry_run'], USAGE, '--micro_batch_size=0: 0 is not'),
        (['--freeze_until=nonsense', '--dry_run'], OTHER, 'freeze_until must be one of'),
        (['--set=gate_pooling=nonsense', '--dry_run'], OTHER, 'gate_pooling must be one of'),
        (
            ['--set=gating=cell', '--from_scratch'],
            USAGE,
            'networks of this experiment differ (i3d: None, s3d_g: temporal)',
        ),
        (['--set=num_classes=3', '--dry_run'], USAGE, '--set: num_classes is what the dataset has'),
        (['--gpu_rate=0', '--dry_run'], USAGE, '--gpu_rate must be above 0'),
        (['--crop=-5', '--dry_run'], USAGE, '--crop=-5: -5 is not'),
        (['--crop=300', '--dry_run'], OTHER, 'crop_size must be at most frame_size'),
        (['--evaluation_frames=0', '--dry_run'], USAGE, '--evaluation_frames=0: 0 is not'),
        (['--learning_rate=0', '--dry_run'], OTHER, 'A learning rate must be a number above 0'),
        (['--learning_rate=nan', '--dry_run'], USAGE, '--learning_rate=nan: nan is not a number'),
        (['--momentum=1', '--dry_run'], OTHER, 'momentum must be in [0, 1)'),
        (['--weight_decay=-1', '--dry_run'], USAGE, '--weight_decay=-1: -1.0 is not'),
        (['--evaluate_every=-1', '--dry_run'], USAGE, '--evaluate_every=-1: -1 is not'),
    ],
)
def test_flags_that_cannot_be(tmp_path, capsys, flags, code, message):
    work = tmp_path / 'work'
    words = (f'--workdir={work}', f'--data_dir={tmp_path}', *flags)
    assert in_process.call(kinetics, *words) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1
    assert not work.exists()


def test_streams_of_other_videos_are_refused_before_training(tmp_path, capsys):
    for config, per_class in (('hard_rgb', 2), ('hard_flow', 1)):
        builder = catalog.make_builder(
            'moving_shapes',
            config,
            tmp_path,
            flow_algorithm='dis',
            train_per_class=1,
            validation_per_class=per_class,
        )
        convert_dataset(builder, processes=0)
    words = ('--preset=tiny', f'--data_dir={tmp_path}', f'--workdir={tmp_path / "work"}')
    assert in_process.call(optical_flow, *words) == USAGE
    told = capsys.readouterr()
    assert (
        "moving_shapes/hard_flow: split 'validation' lacks 22 videos of moving_shapes/hard_rgb, "
        'e.g. hard/validation/' in told.err
    )
    assert 'training' not in told.out


def test_layers_that_are_not_temporal_are_refused_before_training(data_dir, tmp_path, capsys):
    image = tmp_path / 'image.keras'
    s3dg.build('i2d', width=0.1).save(image)
    words = ('--preset=tiny', f'--data_dir={data_dir}', f'--workdir={tmp_path / "work"}')
    flags = (f'--imagenet={image}', '--set=temporal_from=Mixed_4b')
    assert in_process.call(filter_statistics, *words, *flags) == USAGE
    told = capsys.readouterr()
    assert '--set: Conv2d_2c_3x3 does not extend over time' in told.err
    assert 'training' not in told.out


@pytest.mark.parametrize(
    ('replicas', 'lines'),
    [
        (56, []),
        (8, ['336 clips per step: 8 replicas x 7 micro-batches x 6 clips']),
        (
            16,
            [
                '336 clips per step: 16 replicas x 7 micro-batches x 3 clips',
                '16 replicas divide 336 clips so that batch norm sees 3 at once, not 6: '
                'another number of them, --batch_size or --sync_batch_norm changes that',
            ],
        ),
    ],
)
def test_how_a_step_is_divided_is_told(make_study, replicas, lines):
    preset = presets.find_preset('paper', 'kinetics400')
    wanted = Recipe('i2d', 'i2d', 'moving_shapes', 'rgb', preset, fields={'width': 0.1})
    with in_process.flags_of(kinetics, '--crop=32'):
        one = make_study()
        one.strategy = types.SimpleNamespace(num_replicas_in_sync=replicas)
        resolved = wanted.overridden(Options.of(FLAGS), print)
        plan = one.plan(resolved, 0)
    assert describe_steps(resolved, plan, replicas) == lines


def test_kept_features_are_of_the_videos_asked_for(tmp_path):
    path = tmp_path / 'features.npz'
    assert feature_embedding._kept_features(path, ['a']) is None
    levels = {level: np.full((2, 3), float(i)) for i, level in enumerate(feature_embedding.LEVELS)}
    np.savez(path, id=np.array(['a', 'b']), **levels)
    assert feature_embedding._kept_features(path, ['a', 'c']) is None
    kept = feature_embedding._kept_features(path, ['a', 'b'])
    assert {level: vectors[0, 0] for level, vectors in kept.items()} == {
        level: i for i, level in enumerate(feature_embedding.LEVELS)
    }
    path.write_bytes(path.read_bytes()[:50])
    assert feature_embedding._kept_features(path, ['a', 'b']) is None


def test_accumulation_is_the_fewest_micro_batches_that_are_small_enough():
    preset = presets.find_preset('paper', 'kinetics400')  # 336 clips, 6 at once
    found = {n: resolve_accumulation(preset, n) for n in (1, 7, 8, 16, 56, 112)}
    assert found == {1: 56, 7: 8, 8: 7, 16: 7, 56: 1, 112: 1}
    with pytest.raises(UsageError, match='--batch_size must be a multiple of the 5 replicas'):
        resolve_accumulation(preset, 5)
