"""What trainings will take, against sums by hand, real checkpoints and real conversions."""

import dataclasses
import pathlib

import pytest
import tensorflow as tf

from data import catalog, encoding
from data.conversion.convert import convert_dataset
from experiments.benchmarks import videos
from experiments.paper import workload
from experiments.paper.workload import Disk, Workload
from s3dg.config import NETWORKS
from s3dg.cost import Cost
from s3dg.program.entry import UsageError
from s3dg.training import loop
from s3dg.training.schedules import StepSchedule
from tests.s3dg.small import small_network

PAPER_CLIP = (64, 224, 224)

# A GPU-second at the assumed rate: 3 passes x 1e9 multiply-adds x 1000 clips = 3e12.
SECOND = Workload('small', 'some/rgb', Cost(2_500_000, 2_600_000, 10**9, 10**9), 100, 10)


def test_i3d_on_kinetics_by_hand():
    # 336 clips of 3 x 111.15e9 multiply-adds, 115,000 times: 1.288e19; in units of 3e12 a second
    # 4.295e6 seconds, which are 1193 hours.
    cost = workload.forward_cost(NETWORKS['i3d'], *PAPER_CLIP)
    plan = Workload('i3d', 'kinetics400/rgb', cost, 115_000, 336)
    assert plan.clips == 38_640_000
    assert cost.parameters == pytest.approx(12.69e6, rel=1e-3)
    assert cost.parameters_total > cost.parameters
    assert cost.multiply_adds == pytest.approx(111.15e9, rel=1e-4)
    assert plan.training_multiply_adds == pytest.approx(1.288e19, rel=0.01)
    assert plan.gpu_hours() == pytest.approx(1193, rel=0.01)
    assert plan.gpu_hours(gpu_rate=6.0) == pytest.approx(1193 / 2, rel=0.01)


def test_hours_by_hand():
    assert SECOND.clips == 1000
    assert SECOND.training_multiply_adds == 3 * 10**12
    assert SECOND.gpu_hours(3.0) == pytest.approx(1 / 3600)
    assert SECOND.gpu_hours(3.0 / 3600) == pytest.approx(1)


def test_the_assumed_rate_is_the_share_of_the_peak_that_is_said():
    # A V100: 15.7e12 floating-point operations a second, two of which are a multiply-add.
    share = workload.ASSUMED_GPU_RATE * 1e12 * 2 / 15.7e12
    assert share == pytest.approx(0.38, abs=0.005)
    assert 'ASSUMED' in workload.describe([SECOND], [])
    assert '38% of' in workload.describe([SECOND], [])


@pytest.mark.parametrize('rate', [0, -1.0, float('nan'), float('inf')])
def test_a_rate_that_cannot_be(rate):
    for ask in (SECOND.gpu_hours, lambda rate: workload.describe([SECOND], [], rate)):
        with pytest.raises(UsageError, match=r'^--gpu_rate must be above 0, found .+\.$'):
            ask(rate)


def test_a_clip_that_is_too_small():
    config = NETWORKS['i2d'].replace(pool_padding='symmetric', width=0.1)
    message = '^--frames, --crop: a clip of 1x8x8 is too small: MaxPool_5a_2x2'
    with pytest.raises(UsageError, match=message):
        workload.forward_cost(config, 1, 8, 8)


def test_checkpoints_are_as_large_as_those_of_a_training(tmp_path):
    # Most of it is the classifier, so that names and tables of contents do not count.
    def clips(first_example, context, batch_size):
        del first_example, context
        example = {'clip': tf.zeros((4, 16, 16, 3), tf.uint8), 'label': 1}
        return tf.data.Dataset.from_tensors(example).repeat().batch(batch_size)

    config = loop.TrainingConfig(StepSchedule(5, ((0, 0.01),)), 1, checkpoint_every=1)
    network, _ = loop.train(
        lambda: small_network(30_000), clips, config, tmp_path / 'run', report=lambda line: None
    )
    network.save(tmp_path / 'model.keras')
    stored = [*(tmp_path / 'run' / 'checkpoints').iterdir(), tmp_path / 'model.keras']
    trainable = sum(v.numpy().size for v in network.trainable_weights)
    other = sum(v.numpy().size for v in network.non_trainable_weights)
    plan = dataclasses.replace(SECOND, cost=Cost(trainable, trainable + other, 10**9, 10**9))
    assert plan.checkpoint_bytes == pytest.approx(sum(p.stat().st_size for p in stored), rel=0.03)


def test_checkpoints_by_hand():
    # 4 bytes x (3 x (2.6 M weights + 2.5 M momenta) + 2.6 M weights)
    assert SECOND.checkpoint_bytes == 71_600_000


def _facts(**fields):
    """Ten videos of eight seconds from cameras."""
    known = catalog.published_facts('mini_kinetics200')
    return dataclasses.replace(known, videos={'train': 9, 'validation': 1}, seconds=8.0, **fields)


def test_bytes_of_a_dataset_by_hand():
    """From the means of two videos that were measured: 30.7 and 22.4 KB a picture, and so on."""
    pictures = 10 * 8 * 25
    expected = pictures * (30_700 + 22_400) / 2
    assert workload.dataset_bytes(_facts()) == pytest.approx(expected, rel=0.01)
    # Eight times the area: four times the bytes.
    larger = workload.dataset_bytes(_facts(frame_size=(1024, 512)))
    assert larger == pytest.approx(4 * expected, rel=0.01)
    slow = _facts(source_height=100, frames_per_second=12.0)
    expected = 10 * 8 * 12 * (22_100 + 18_400) / 2
    assert workload.dataset_bytes(slow) == pytest.approx(expected, rel=0.01)
    flow = (pictures - 10) * (8_800 + 12_400) / 2  # the last frame of a video has none
    found = workload.dataset_bytes(_facts(modality='flow'))
    assert found == pytest.approx(flow, rel=1e-3)  # 10 pictures are 5e-3 of it


@pytest.mark.parametrize('modality', ['rgb', 'flow'])
@pytest.mark.parametrize('dataset', [name for name in catalog.BUILDERS if name != 'video_folder'])
def test_every_dataset_has_pictures_of_its_kind(dataset, modality):
    configs = [known.name for known in catalog.BUILDERS[dataset].BUILDER_CONFIGS]
    config = next(name for name in configs if name.endswith(modality))
    facts = catalog.published_facts(dataset, config)
    each = workload.dataset_bytes(facts) / facts.count / facts.frames
    assert 0.05 < each / (facts.frame_size[0] * facts.frame_size[1]) < 0.7


@pytest.mark.parametrize('modality', ['rgb', pytest.param('flow', marks=pytest.mark.slow)])
def test_a_converted_dataset_is_as_large_as_estimated(tmp_path, modality):
    """The bytes that lie on disk, not those that the dataset says it has."""
    builder = catalog.make_builder(
        'moving_shapes', f'{modality}_small', tmp_path, train_per_class=4, validation_per_class=2
    )
    done = convert_dataset(builder, processes=0)
    facts = catalog.published_facts('moving_shapes', modality)
    facts = dataclasses.replace(facts, videos=done.examples)
    assert facts.count == 60
    shards = pathlib.Path(done.data_path).glob('*.tfrecord*')
    stored = sum(path.stat().st_size for path in shards)
    assert workload.dataset_bytes(facts) == pytest.approx(stored, rel=0.1)


def test_pictures_of_cameras_are_as_large_as_measured(tmp_path):
    # Not one of the measured videos: a texture, as detailed as those of cameras, moving.
    (path,) = videos.generate_videos(_with_classes(tmp_path), 1, report=lambda line: None)
    storage = encoding.Storage(25.0, (256, 256), None, 95, 'rgb', 'tvl1')
    stored = sum(map(len, encoding.encode_video(str(path), storage).frames))
    one = dataclasses.replace(_facts(), videos={'train': 1}, seconds=10.0)
    assert workload.dataset_bytes(one) == pytest.approx(stored, rel=0.25)


def _with_classes(folder):
    for name in ('first', 'second'):
        (folder / name).mkdir()
    return folder


def test_a_plan_in_words():
    cost = dataclasses.replace(SECOND.cost, parameters=12_690_000)
    hour = dataclasses.replace(SECOND, network='large', cost=cost, steps=360_000)
    long = dataclasses.replace(hour, network='long', steps=360_000 * 1500)
    text = workload.describe(
        [SECOND, hour, long],
        [Disk('kinetics400/rgb', 306_245, 2_090_000_000_000, False), Disk('a/b', 7, 1234, True)],
    )
    cells = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in text.splitlines()
        if line.startswith('|')
    ]
    assert cells[2:6] == [
        ['small', 'some/rgb', '100', '1,000', '1.00', '2.50', '0.00028'],
        ['large', 'some/rgb', '360,000', '3,600,000', '1.00', '12.69', '1'],
        ['long', 'some/rgb', '540,000,000', '5,400,000,000', '1.00', '12.69', '1,500'],
        ['sum', '', '540,360,100', '5,403,601,000', '', '', '1,501'],
    ]
    # 71.6 MB, and twice 4 x (3 x (2.6 M + 12.69 M) + 2.6 M) = 193.88 MB: 459 MB.
    assert cells[8:] == [
        ['kinetics400/rgb', '306,245 videos', '2.1 TB', 'to be converted'],
        ['a/b', '7 videos', '1.2 kB', 'is there'],
        ['checkpoints', '3 trainings', '459 MB', 'at most'],
        ['sum of what is not there', '', '2.1 TB', ''],
    ]
    assert '1.62e+19 multiply-adds' in text
    assert 'at 3e12 multiply-adds a second of one GPU, which is ASSUMED, not measured here' in text


def test_a_rate_that_was_given_is_not_called_assumed():
    text = workload.describe([SECOND], [], gpu_rate=12.5)
    assert 'at 12.5e12 multiply-adds a second of one GPU, as --gpu_rate says.' in text
    assert 'ASSUMED' not in text


@pytest.mark.parametrize(
    ('count', 'text'),
    [
        (0, '0 B'),
        (999, '999 B'),
        (1000, '1.0 kB'),
        (9_949, '9.9 kB'),
        (9_960, '10 kB'),
        (999_499, '999 kB'),
        (999_500, '1.0 MB'),
        (37_400_000, '37 MB'),
        (2.1e12, '2.1 TB'),
        (5e18, '5000 PB'),
    ],
)
def test_bytes_as_people_say_them(count, text):
    assert workload.human_bytes(count) == text
