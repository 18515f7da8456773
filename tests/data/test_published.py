"""Facts of datasets that are not on disk yet, against the builders' own lists and by hand."""

import pathlib
import statistics

import pytest

from data import catalog
from data.datasets.jhmdb import jhmdb_dataset_builder
from data.datasets.moving_shapes import shapes
from data.datasets.ucf101_24 import ucf101_24_dataset_builder
from data.errors import DatasetError

LABELS = pathlib.Path(__file__).with_name('something_something_labels.csv')

# By hand: classes, videos of all splits, frames of a video.
EXPECTED = {
    'kinetics400': (400, 246_534 + 19_906 + 39_805, 250),
    'mini_kinetics200': (200, 200 * (400 + 25), 250),
    'something_something_v1': (174, 108_499, 48),
    'something_something_v2': (174, 220_847, 48),
    'ucf101': (101, 13_320, 180),
    'hmdb51': (51, 6_766, 78),  # of which a division has 51 * (70 + 30)
    'jhmdb': (21, 928, 34),
    'ucf101_24': (24, 3_194, 175),
    'moving_shapes': (10, 2_000, 18),
    'moving_shapes_boxes': (6, 460, 14),
}


def test_every_dataset_but_the_users_own_is_known():
    assert {*EXPECTED, 'video_folder'} == set(catalog.BUILDERS)


@pytest.mark.parametrize('dataset', EXPECTED)
def test_classes_videos_and_frames(dataset):
    facts = catalog.published_facts(dataset)
    default = catalog.BUILDERS[dataset].DEFAULT_CONFIG
    assert facts == catalog.published_facts(dataset, default)
    assert (facts.classes, facts.count, round(facts.frames)) == EXPECTED[dataset]
    assert facts.modality == 'rgb'
    assert facts.source


def test_classes_are_as_many_as_the_names():
    assert catalog.published_facts('something_something_v1').classes == len(
        LABELS.read_text().splitlines()
    )
    for module in (jhmdb_dataset_builder, ucf101_24_dataset_builder):
        dataset = module.__name__.split('.')[-2]
        assert catalog.published_facts(dataset).classes == len(module._LABELS)


@pytest.mark.parametrize(
    ('dataset', 'rate', 'size'),
    [
        ('kinetics400', 25, (256, 256)),
        ('something_something_v1', 12, (256, 256)),
        ('jhmdb', 25, (320, 400)),
        ('ucf101_24', 25, (320, 400)),
        ('moving_shapes', 25, (72, 72)),
    ],
)
def test_videos_are_stored_as_the_paper_has_them(dataset, rate, size):
    facts = catalog.published_facts(dataset)
    assert (facts.frames_per_second, facts.frame_size) == (rate, size)


def test_flow_has_a_picture_less():
    rgb, flow = (catalog.published_facts('ucf101', f'split2_{kind}') for kind in ('rgb', 'flow'))
    assert rgb.frames - flow.frames == pytest.approx(1)
    assert (rgb.modality, flow.modality) == ('rgb', 'flow')
    assert rgb.videos == flow.videos == {'train': 9586, 'test': 3734}


def test_divisions_have_their_own_numbers_where_they_are_published():
    trained = [
        catalog.published_facts('ucf101', f'split{k}_rgb').videos['train'] for k in (1, 2, 3)
    ]
    assert trained == [9537, 9586, 9624]
    third = catalog.published_facts('jhmdb', 'split3_act_rgb')
    assert third.videos == {'train': 660, 'test': 268}


@pytest.mark.parametrize(
    ('dataset', 'config'),
    [
        (name, known.name)
        for name in catalog.EMBEDDED
        for known in catalog.BUILDERS[name].BUILDER_CONFIGS
    ],
)
def test_generated_videos_are_those_that_will_be_made(dataset, config, tmp_path):
    facts = catalog.published_facts(dataset, config)
    builder = catalog.make_builder(dataset, config, tmp_path)
    listed = {split: len(videos) for split, videos in builder.split_videos().items()}
    assert facts.videos == listed
    assert facts.classes == len(builder.label_names())


def test_generated_videos_are_as_long_as_they_are():
    lengths = [len(shapes.video('train', 'grow', index)) for index in range(200)]
    frames = catalog.published_facts('moving_shapes').frames
    assert frames == pytest.approx(statistics.mean(lengths), abs=0.4)  # 4 standard errors of 0.1
    assert catalog.published_facts('moving_shapes').source_height == shapes.FRAME_SIZE


@pytest.mark.parametrize(
    ('dataset', 'config', 'message'),
    [
        ('imagenet', None, "dataset: found 'imagenet', expected one of moving_shapes, "),
        ('kinetics400', 'smell', "kinetics400: found config 'smell', expected one of rgb, flow"),
        ('video_folder', None, 'video_folder: nothing is known of these videos before'),
    ],
)
def test_what_is_not_known_is_said_in_a_line(dataset, config, message):
    with pytest.raises(DatasetError) as error:
        catalog.published_facts(dataset, config)
    assert str(error.value).startswith(message)
