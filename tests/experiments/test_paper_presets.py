"""What --preset=paper resolves to, held against the paper's text, and what --dry_run says of it.

Datasets are stood in for by what their builders say of themselves: no network is trained here.
"""

import hashlib
import types

import pytest
from absl import flags

import s3dg
from data import catalog
from experiments import (
    ablations,
    action_detection,
    arrow_of_time,
    feature_embedding,
    filter_statistics,
    kinetics,
    mini_kinetics,
    optical_flow,
    something_something,
    speed_accuracy,
    transfer,
)
from experiments.detection.plan import make_plan
from experiments.paper import conduct
from experiments.training.options import Options
from experiments.training.start import How, Start
from s3dg.config import NETWORKS, NetworkConfig
from tests import in_process

EXPERIMENTS = (
    kinetics,
    mini_kinetics,
    ablations,
    something_something,
    arrow_of_time,
    speed_accuracy,
    filter_statistics,
    feature_embedding,
    optical_flow,
    transfer,
)

# Sections 3.2 and 3.3 of the paper, and deepmind/kinetics-i3d for Kinetics-Full: steps,
# (step, rate) pairs, GPUs, the number of frames to which a validation video is looped.
KINETICS = (115_000, [[0, 0.1], [97_000, 0.01], [108_000, 0.001]], 56, 250)
KINETICS_FLOW = (
    155_000,
    [[0, 0.1], [97_000, 0.01], [104_500, 0.001], [115_000, 0.1], [140_000, 0.01], [150_000, 0.001]],
    56,
    250,
)
MINI_KINETICS = (80_000, [[0, 0.1], [60_000, 0.01], [70_000, 0.001]], 56, 250)
SOMETHING = (10_000, [[0, 0.1]], 16, 64)
FINE_TUNING = (8_000, [[0, 0.01], [6_000, 0.001]], 8, 250)


class StoodIn:
    """What a plan asks of a dataset's builder, of one that has been converted as published."""

    def __init__(self, dataset, config):
        facts = catalog.published_facts(dataset, config)
        cls = catalog.builder_class(dataset)
        configuration = {known.name: known for known in cls.BUILDER_CONFIGS}[config]
        names = [f'class {i}' for i in range(facts.classes)]
        self.name = dataset
        self.splits = tuple(facts.videos)[:2]
        self.info = types.SimpleNamespace(
            full_name=f'{dataset}/{config}/1.0.0',
            name=dataset,
            config_name=config,
            splits={
                split: types.SimpleNamespace(num_examples=count, num_bytes=1000 * count)
                for split, count in facts.videos.items()
            },
            features={
                'label': types.SimpleNamespace(names=names),
                **({'boxes': None} if cls.BOX_PICTURE else {}),
            },
            metadata=configuration.storage() | {'flip_left_right': cls.FLIP_LEFT_RIGHT},
        )


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    """A network for images."""
    path = tmp_path_factory.mktemp('image') / 'imagenet.keras'
    s3dg.build('i2d').save(path)
    return path


@pytest.fixture
def resolve(monkeypatch, image):
    """(program, replicas, *flags) to the plans of its trainings by label, as in config.json.

    It checks where they start: from ImageNet (Table 4, section 3.2), Table 5's from Table 2's.
    """
    digest = hashlib.sha256(image.read_bytes()).hexdigest()

    def resolved(program, replicas, *words):
        conducted = []
        monkeypatch.setattr(conduct, 'conduct', lambda *given: conducted.append(given))
        with in_process.flags_of(program, '--preset=paper', f'--imagenet={image}', *words):
            program.main([])
        ((experiment, _, training),) = conducted
        assert experiment.name == program.__name__.rpartition('.')[2]
        plans = {}
        for recipe in experiment.recipes():
            recipe = recipe.overridden(training, print)
            builder = StoodIn(recipe.dataset, recipe.config)
            plan = recipe.plan(
                builder, builder.splits, replicas, 0, lambda _: ('start.keras', 'of it')
            )
            plan = plans[recipe.label] = plan.to_dict()
            start = (plan['init'], plan.get('imagenet'), plan['start_digest'])
            expected = (None, str(image), digest)
            if program is transfer:
                expected = ('start.keras', None, 'of it')
            elif recipe.label.endswith('from scratch'):  # no network for images is that narrow
                expected = (None, None, None)
            assert start == expected
        return plans

    return resolved


def check(plan, published_as, replicas, frames_per_second=25.0):
    """A plan is the paper's, given as one of the tuples above."""
    steps, rates, gpus, evaluation_frames = published_as
    training, video = plan['training'], plan['video_format']
    assert training['schedule'] == {'kind': 'steps', 'steps': steps, 'rates': rates}
    assert training['batch_size'] == 6 * gpus
    # Six clips at once on a GPU, which batch norm sees, however many GPUs there are.
    assert training['batch_size'] == 6 * replicas * training['accumulation']
    assert training['momentum'] == 0.9
    assert training['weight_decay'] == 1e-7
    assert video['clip_frames'] == 64
    assert video['evaluation_frames'] == evaluation_frames
    assert video['crop_size'] == [224, 224]
    assert video['frame_size'] == [256, 256]
    assert video['frames_per_second'] == frames_per_second
    network = plan['network']
    assert network['width'] == 1.0
    assert network['batch_norm_decay'] == 0.999
    assert network['kernel_initializer'] == 'truncated_normal'
    assert not plan['freeze_batch_norm']
    assert plan['freeze_until'] is None
    assert not plan['sync_batch_norm']


@pytest.mark.parametrize('replicas', [56, 8, 1])
def test_kinetics(resolve, replicas):
    plans = resolve(kinetics, replicas)
    assert list(plans) == ['i3d', 's3d', 's3d_g']
    for plan in plans.values():
        check(plan, KINETICS, replicas)
        assert (plan['dataset'], plan['config']) == ('kinetics400', 'rgb')
        assert plan['network']['num_classes'] == 400
        assert plan['flip']
    assert not plans['i3d']['network']['separable']
    assert plans['s3d_g']['network']['gating'] == 'temporal'
    assert plans['s3d_g']['training']['accumulation'] == 56 // replicas


def test_mini_kinetics(resolve):
    plans = resolve(mini_kinetics, 56)
    assert list(plans) == ['i2d', 'i3d', 's3d_slim', 's3d', 'fast_s3d', 's3d_g']
    for plan in plans.values():
        check(plan, MINI_KINETICS, 56)
        assert plan['dataset'] == 'mini_kinetics200'
        assert plan['network']['num_classes'] == 200
    branches = {name: plans[name]['network']['temporal_branches'] for name in ('s3d_slim', 's3d')}
    assert branches == {'s3d_slim': 2, 's3d': 4}  # footnote 5
    assert plans['fast_s3d']['network']['temporal_from'] == 'Mixed_5b'


def test_ablations(resolve):
    plans = resolve(ablations, 56)
    usual = NETWORKS['s3d'].replace(num_classes=200)
    gated = usual.replace(gating='temporal')
    dense = NETWORKS['i3d'].replace(num_classes=200)
    top_heavy = usual.replace(temporal_from='Mixed_4b', stem_temporal_size=3)
    expected = [
        gated,
        gated.replace(gate_pooling='space'),
        gated.replace(gate_pooling='time'),
        usual,
        usual.replace(gating='branch', gate_bias=True),
        usual.replace(gating='cell'),
        usual.replace(temporal_branches=2),
        dense,
        dense.replace(width=0.85),
        dense.replace(width=0.7),
        usual,  # from scratch
        usual.replace(stem_temporal_size=7),
        usual.replace(stem_temporal_size=7, stem_separable=True),
        usual.replace(stem_temporal_size=1),
        top_heavy,
        top_heavy.replace(gating='temporal'),
    ]
    assert [NetworkConfig.from_dict(plan['network']) for plan in plans.values()] == expected
    for plan in plans.values():
        check(plan | {'network': plan['network'] | {'width': 1.0}}, MINI_KINETICS, 56)
    from_scratch = [label for label in plans if label.endswith('from scratch')]
    assert from_scratch == [
        'i3d from scratch',
        'i3d width=0.85 from scratch',
        'i3d width=0.7 from scratch',
        's3d from scratch',
    ]
    assert list(resolve(ablations, 56, '--ablations=branches')) == ['s3d', 's3d_slim']


def test_widths_of_the_tiny_preset_are_shares_of_its_own():
    recipes = ablations.Ablations('tiny', Start(), ('width',)).recipes()
    widths = [recipe.network_config(10, 3).width for recipe in recipes]
    assert widths == pytest.approx([0.25, 0.85 * 0.25, 0.7 * 0.25, 0.25])


@pytest.mark.parametrize('release', ['something_something_v1', 'something_something_v2'])
def test_something_something(resolve, release):
    plans = resolve(something_something, 16, f'--dataset={release}')
    assert list(plans) == ['i2d', 'i3d', 's3d', 's3d_g']
    for plan in plans.values():
        check(plan, SOMETHING, 16, frames_per_second=12.0)
        assert plan['dataset'] == release
        assert plan['network']['num_classes'] == 174
        assert not plan['flip']  # "from left to right" has another label than its mirror image


@pytest.mark.parametrize(
    ('dataset', 'published_as', 'replicas', 'rate'),
    [('kinetics400', KINETICS, 56, 25.0), ('something_something_v1', SOMETHING, 16, 12.0)],
)
def test_arrow_of_time(resolve, dataset, published_as, replicas, rate):
    plans = resolve(arrow_of_time, replicas, f'--dataset={dataset}')
    assert list(plans) == ['i3d', 'i2d', 'i2d_order_blind']
    for plan in plans.values():
        check(plan, published_as, replicas, rate)
        assert plan['dataset'] == dataset
    assert plans['i2d']['network']['temporal_from'] is None


@pytest.mark.parametrize(
    ('dataset', 'published_as', 'replicas', 'rate'),
    [
        ('mini_kinetics200', MINI_KINETICS, 56, 25.0),
        ('something_something_v1', SOMETHING, 16, 12.0),
    ],
)
def test_speed_accuracy(resolve, dataset, published_as, replicas, rate):
    plans = resolve(
        speed_accuracy, replicas, f'--dataset={dataset}', '--switching_endpoints=Mixed_3c,Mixed_4f'
    )
    for plan in plans.values():
        check(plan, published_as, replicas, rate)
    temporal = {
        label: (network['temporal_from'], network['temporal_until'], network['separable'])
        for label, plan in plans.items()
        for network in [plan['network']]
    }
    assert temporal == {
        'i2d': (None, None, False),
        'i3d': ('Conv2d_1a_7x7', 'Mixed_5c', False),
        's3d': ('Conv2d_1a_7x7', 'Mixed_5c', True),
        'fast_s3d': ('Mixed_5b', 'Mixed_5c', True),
        'top_heavy_i3d/Mixed_3c': ('Mixed_3c', 'Mixed_5c', False),
        'top_heavy_i3d/Mixed_4f': ('Mixed_4f', 'Mixed_5c', False),
        'bottom_heavy_i3d/Mixed_3c': ('Conv2d_1a_7x7', 'Mixed_3c', False),
        'bottom_heavy_i3d/Mixed_4f': ('Conv2d_1a_7x7', 'Mixed_4f', False),
        'top_heavy_s3d/Mixed_3c': ('Mixed_3c', 'Mixed_5c', True),
        'top_heavy_s3d/Mixed_4f': ('Mixed_4f', 'Mixed_5c', True),
        'bottom_heavy_s3d/Mixed_3c': ('Conv2d_1a_7x7', 'Mixed_3c', True),
        'bottom_heavy_s3d/Mixed_4f': ('Conv2d_1a_7x7', 'Mixed_4f', True),
    }


def test_filter_statistics_is_of_the_i3d_of_table_2(resolve):
    plans = resolve(filter_statistics, 56)
    assert list(plans) == ['i3d']
    assert plans['i3d'] == resolve(kinetics, 56)['i3d']


def test_feature_embedding(resolve):
    plans = resolve(feature_embedding, 16)
    assert list(plans) == ['i2d', 'bottom_heavy_s3d', 'top_heavy_s3d', 's3d']
    for plan in plans.values():
        check(plan, SOMETHING, 16, 12.0)
    assert plans['top_heavy_s3d']['network']['temporal_from'] == 'Mixed_4b'
    assert plans['bottom_heavy_s3d']['network']['temporal_until'] == 'Mixed_4b'


@pytest.mark.parametrize(('schedule', 'of_flow'), [('rgb', KINETICS), ('i3d', KINETICS_FLOW)])
def test_optical_flow(resolve, schedule, of_flow):
    plans = resolve(optical_flow, 56, f'--flow_schedule={schedule}')
    assert list(plans) == ['i3d/rgb', 'i3d/flow', 's3d_g/rgb', 's3d_g/flow']
    for label, plan in plans.items():
        flow = label.endswith('/flow')
        check(plan, of_flow if flow else KINETICS, 56)
        assert plan['config'] == ('flow' if flow else 'rgb')
        assert plan['network']['channels'] == (2 if flow else 3)


def test_flow_is_trained_as_rgb_where_nothing_is_said(resolve):
    plans = resolve(optical_flow, 56)
    assert plans['i3d/flow']['training'] == plans['i3d/rgb']['training']  # section 5.1


def test_transfer(resolve):
    plans = resolve(transfer, 8)
    splits = [f'{dataset}/split{k}' for dataset in ('ucf101', 'hmdb51') for k in (1, 2, 3)]
    assert list(plans) == splits
    for label, plan in plans.items():
        check(plan, FINE_TUNING, 8)
        assert plan['evaluated_frames'] == 250  # of longer videos, the first ones
        dataset, split = label.split('/')
        assert (plan['dataset'], plan['config']) == (dataset, f'{split}_rgb')
        assert plan['network']['num_classes'] == {'ucf101': 101, 'hmdb51': 51}[dataset]
        assert plan['network']['gating'] == 'temporal'
        assert plan['batch_norm_clips'] == 6


def test_transfer_starts_from_the_network_of_table_2(resolve, image):
    table_2 = resolve(kinetics, 56)['s3d_g']
    images = Start(str(image), How.IMAGES)
    experiment = transfer.Transfer('paper', images, 's3d_g', None, compare_scratch=False)
    start = experiment.recipes()[0].start.recipe
    builder = StoodIn('kinetics400', 'rgb')
    with in_process.flags_of(transfer, '--freeze_batch_norm', '--steps=7', '--learning_rate=0.3'):
        options = Options.of(flags.FLAGS).for_pretraining()
        plan = start.overridden(options, print).plan(builder, builder.splits, 56, 0)
    assert plan.to_dict() == table_2  # those flags are for the fine-tuning


def test_flags_override_the_preset(resolve):
    plan = resolve(
        kinetics,
        2,
        '--steps=1150',
        '--batch_size=12',
        '--micro_batch_size=3',
        '--set=gating=cell',
        '--frames=32',
        '--crop=112',
        '--freeze_batch_norm',
    )['s3d']
    training = plan['training']
    rates = training['schedule']['rates']
    assert [step for step, _ in rates] == [0, 970, 1080]
    assert [rate for _, rate in rates] == pytest.approx([0.1 / 28, 0.01 / 28, 0.001 / 28])
    assert (training['batch_size'], training['accumulation']) == (12, 2)
    assert plan['video_format']['clip_frames'] == 32
    assert plan['video_format']['crop_size'] == [112, 112]
    assert plan['network']['gating'] == 'cell'
    assert plan['freeze_batch_norm']


@pytest.mark.parametrize('program', EXPERIMENTS, ids=lambda module: module.__name__[12:])
def test_dry_run_without_data(program, tmp_path, capsys):
    flags = ['--dry_run', f'--data_dir={tmp_path}', f'--workdir={tmp_path / "work"}']
    if program is speed_accuracy:
        flags.append('--switching_endpoints=Mixed_4b')  # of 28 networks, eight are enough
    assert in_process.call(program, *flags) is None
    told = capsys.readouterr().out
    for word in ('steps', 'clips', 'GPU-hours', 'ASSUMED', 'disk', 'to be converted'):
        assert word in told
    assert not list(tmp_path.iterdir())


def test_dry_run_by_hand(tmp_path, capsys):
    """Three networks, 115,000 steps of 336 clips; I3D: 3 x 111.15 G multiply-adds a clip."""
    assert in_process.call(kinetics, '--dry_run', f'--data_dir={tmp_path}', '--gpu_rate=1') is None
    rows = [line.split(' | ') for line in capsys.readouterr().out.splitlines() if ' | ' in line]
    by_network = {row[0].strip('| '): row for row in rows}
    i3d = by_network['i3d']
    assert i3d[2:4] == ['115,000', '38,640,000']
    hours = float(i3d[6].strip(' |').replace(',', ''))
    assert hours == pytest.approx(38_640_000 * 3 * 111.15e9 / 1e12 / 3600, rel=1e-3)
    assert by_network['sum'][2:4] == ['345,000', '115,920,000']


def test_dry_run_counts_seeds_and_what_they_start_from(tmp_path, capsys):
    flags = ('--dry_run', f'--data_dir={tmp_path}', '--seeds=2', '--compare_scratch')
    assert in_process.call(transfer, *flags) is None
    lines = capsys.readouterr().out.splitlines()
    rows = [
        line for line in lines if line.startswith('| ') and '_rgb |' in line and '8,000' in line
    ]
    assert len(rows) == 2 * 2 * 3 * 2  # seeds, datasets, splits, with and without pretraining
    assert len([line for line in lines if '115,000' in line]) == 2


@pytest.mark.parametrize('program', EXPERIMENTS, ids=lambda module: module.__name__[12:])
def test_paper_without_a_start(program, tmp_path, capsys):
    flags = (f'--data_dir={tmp_path}', f'--workdir={tmp_path / "work"}')
    assert in_process.call(program, *flags) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    for said in ('--imagenet is needed', 'inception_v1.ckpt', '--from_scratch'):
        assert said in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('program', 'words', 'said'),
    [
        (kinetics, ['--imagenet=a.ckpt', '--from_scratch'], '--imagenet and --from_scratch: a'),
        (
            ablations,
            ['--ablations=gates', '--dry_run'],
            "--ablations: found 'gates', expected some",
        ),
        (ablations, ['--ablations=stem,stem', '--dry_run'], "--ablations: found 'stem', expected"),
        (filter_statistics, ['--from_scratch'], 'Figure 5 is of kernels that began alike'),
        (transfer, ['--init=a.keras', '--imagenet=b.ckpt'], '--imagenet and --init: the networks'),
        (transfer, ['--init=a.keras', '--from_scratch'], '--from_scratch and --init: the networks'),
    ],
)
def test_starts_that_cannot_be(program, words, said, tmp_path, capsys):
    assert in_process.call(program, f'--data_dir={tmp_path}', *words) == 2
    assert said in capsys.readouterr().err


def test_paper_without_its_data(tmp_path, capsys):
    flags = ('--from_scratch', f'--data_dir={tmp_path}', f'--workdir={tmp_path / "work"}')
    assert in_process.call(kinetics, *flags) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'python -m experiments.convert --dataset=kinetics400 --config=rgb' in error
    assert '--preset=tiny' in error
    assert not (tmp_path / 'work').exists()


def test_switching_endpoints_that_cannot_be(tmp_path, capsys):
    for words in ('Mixed_9z', 'Mixed_5c', 'Mixed_4b,Mixed_4b'):
        assert in_process.call(speed_accuracy, f'--switching_endpoints={words}', '--dry_run') == 2
        assert '--switching_endpoints' in capsys.readouterr().err


# Section 5.3, and the Object Detection API's recommended Faster R-CNN ResNet-50.
DETECTOR = {
    'anchor_base': 256,
    'clip_anchors': False,
    'rpn_positive_from': 0.7,
    'rpn_negative_below': 0.3,
    'rpn_samples': 256,
    'rpn_most_positive': 128,
    'proposal_overlap': 0.7,
    'proposals': 300,
    'positive_from': 0.5,
    'samples': 64,
    'most_positive': 16,
    'tail_from': 'rgb',
    'tail_stride': 2,
    'detection_overlap': 0.6,
    'detections_per_class': 100,
    'detections': 300,
}


@pytest.mark.parametrize(
    ('words', 'configs'),
    [
        (['--dataset=jhmdb'], [f'split{k}_rgb' for k in (1, 2, 3)]),
        (['--dataset=jhmdb', '--annotations=act'], [f'split{k}_act_rgb' for k in (1, 2, 3)]),
        (['--dataset=ucf101_24'], ['split1_rgb']),
    ],
)
@pytest.mark.parametrize('replicas', [11, 1])
def test_action_detection(words, configs, replicas):
    init = [f'--init_{modality}=i3d.keras,s3d_g.keras' for modality in ('rgb', 'flow')]
    with in_process.flags_of(action_detection, '--preset=paper', *words, *init):
        options = action_detection.Options.of(flags.FLAGS)
    plans = {}
    for recipe in options.recipes(print):
        builders = [StoodIn(recipe.dataset, recipe.config.format(m)) for m in ('rgb', 'flow')]
        starts = tuple(Start(one.source, How.TAKEN_OVER, 'digest') for one in recipe.starts)
        splits = ('train', 'test')
        plan = make_plan(
            recipe, builders, splits, replicas, 0, starts, options.resnet, options.course
        )
        plans.setdefault(recipe.network, []).append(plan.to_dict())
    assert {name: [one['config'] for one in found] for name, found in plans.items()} == {
        'i3d': configs,
        's3d_g': configs,
    }
    for name, found in plans.items():
        for plan in found:
            assert plan['streams'] == 'both'
            assert plan['starts'] == [f'{name}.keras'] * 2
            assert plan['detector'] == DETECTOR
            assert plan['resnet'] == 'imagenet'
            assert plan['resnet_width'] == 1.0
            assert plan['rpn'] is None
            assert plan['flip']
            assert plan['video_format']['frame_size'] == [320, 400]
            assert plan['video_format']['frames_per_second'] is None
            assert plan['video_format']['clip_frames'] == 20
            training = plan['training']
            assert training['schedule'] == {
                'kind': 'steps',
                'steps': 54_546,  # 600,000 / 11, rounded up
                'rates': [[0, pytest.approx(3.3e-3)]],
                'warmup_steps': 500,
            }
            assert training['batch_size'] == 11
            assert training['accumulation'] == 11 // replicas
            assert training['momentum'] == 0.9
            assert training['weight_decay'] == 0
            assert training['clip_norm'] == 10


def test_action_detection_takes(capsys):
    """By an estimate of our own, 245 GPU-hours for both datasets and both networks."""
    hours = 0.0
    for dataset in ('jhmdb', 'ucf101_24'):
        assert in_process.call(action_detection, '--dry_run', f'--dataset={dataset}') is None
        said = capsys.readouterr().out
        hours += float(said.partition(' GPU-hours in all')[0].split()[-1].replace(',', ''))
        if dataset == 'ucf101_24':
            assert '159,289' in said
    assert hours == pytest.approx(245, rel=0.02)
