"""What a plan holds, and how it is written: runs of earlier versions must be found."""

import dataclasses
import hashlib
import json
import pathlib
import types

import numpy as np
import pytest

import s3dg
from experiments.paper.study import decisive
from experiments.training import dataset as datasets
from experiments.training.plan import FREE_SETTINGS
from experiments.training.presets import find_preset
from experiments.training.recipe import Recipe
from experiments.training.run import create_network
from experiments.training.start import How, Start
from s3dg.program.entry import UsageError
from tests.s3dg.weights import golden


@pytest.fixture
def builder():
    """Of a dataset on disk, as far as a plan asks it."""
    split = types.SimpleNamespace(num_examples=20, num_bytes=1000)
    return types.SimpleNamespace(
        name='moving_shapes',
        info=types.SimpleNamespace(
            full_name='moving_shapes/rgb/1.0.0',
            config_name='rgb',
            splits={'train': split, 'validation': split},
            features={'label': types.SimpleNamespace(names=['a', 'b'])},
            metadata={
                'frames_per_second': 25.0,
                'frame_size': [72, 72],
                'short_side': None,
                'flip_left_right': False,
                'modality': 'rgb',
            },
        ),
    )


def plan_of(builder, start, **fields):
    recipe = Recipe(
        'any', 'i2d', 'moving_shapes', 'rgb', find_preset('tiny', 'moving_shapes'), start=start
    )
    return recipe.plan(builder, ('train', 'validation'), 1, 0, **fields)


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp('start') / 'start.keras'
    s3dg.build('i2d', 2, width=0.1).save(path)
    return str(path)


def test_where_a_network_starts_is_written_as_it_always_was(builder, file):
    digest = hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()
    before = Recipe('b', 'i2d', 'moving_shapes', 'rgb', find_preset('tiny', 'moving_shapes'))
    cases = (
        (Start(), (None, None, None)),
        (Start(file, How.TAKEN_OVER), (file, None, digest)),
        (Start(file, How.INFLATED), (None, file, digest)),
        (Start(file, How.STRUCTURE), (None, None, None)),
        (Start(before, How.TAKEN_OVER), ('trained.keras', None, 'd')),
        (Start(before, How.STRUCTURE), (None, None, None)),
    )
    for start, expected in cases:
        plan = plan_of(builder, start, find=lambda _: ('trained.keras', 'd'))
        written = json.loads(json.dumps(plan.to_dict()))
        found = tuple(written[name] for name in ('init', 'inflate_from', 'start_digest'))
        assert found == expected
        assert not {'imagenet', 'fresh_classifier'} & set(written)
        assert written['network']['width'] == (0.1 if start.is_file else 0.25)


def test_a_start_from_images_is_told_from_an_inflated_one_wherever_the_file_lies(builder, file):
    """One of them keeps a classifier of the same classes: they are different networks."""
    plans = {
        how: plan_of(builder, Start(file, how)).to_dict() for how in (How.IMAGES, How.INFLATED)
    }
    assert decisive(plans[How.IMAGES]) != decisive(plans[How.INFLATED])
    assert plans[How.IMAGES]['imagenet'] == file
    assert plans[How.IMAGES]['inflate_from'] is None
    moved = pathlib.Path(file).with_name('moved.keras')
    moved.write_bytes(pathlib.Path(file).read_bytes())
    again = plan_of(builder, Start(str(moved), How.IMAGES)).to_dict()
    assert decisive(again) == decisive(plans[How.IMAGES])


def test_a_checkpoint_for_images_is_inflated_as_it_is(builder, tmp_path):
    arrays = golden.arrays('slim_inception_v1')
    path = golden.write_tensorflow_checkpoint(arrays, tmp_path / 'inception_v1.ckpt')
    preset = dataclasses.replace(find_preset('paper', 'moving_shapes'), crop=64)
    start = Start(str(path), How.IMAGES)
    recipe = Recipe('i3d', 'i3d', 'moving_shapes', 'rgb', preset, start=start)
    plan = recipe.plan(builder, ('train', 'validation'), 1, 0)
    files = [f'{path}.index', f'{path}.data-00000-of-00001']
    contents = b''.join(pathlib.Path(file).read_bytes() for file in files)
    assert plan.start.digest == hashlib.sha256(contents).hexdigest()
    lines = []
    network = create_network(plan, datasets.class_names(builder), lines.append)
    assert lines == [f'{path}: inflated, all but 1 layers (logits, ...)']
    (kernel,) = (w for w in network.get_layer('Conv2d_2c_3x3').weights if w.path.endswith('kernel'))
    expected = arrays['InceptionV1/Conv2d_2c_3x3/weights'] / 3
    for frame in kernel.numpy():
        np.testing.assert_array_equal(frame, expected)


def test_a_classifier_of_images_is_not_kept_whatever_its_classes(builder, tmp_path):
    names = datasets.class_names(builder)
    image = s3dg.build('i2d', len(names), class_names=names, width=0.1)
    image.save(tmp_path / 'image.keras')
    for how, is_kept in ((How.IMAGES, False), (How.INFLATED, True)):
        plan = plan_of(builder, Start(str(tmp_path / 'image.keras'), how))
        network = create_network(plan, names, print)
        kernels = [one.get_layer('logits').get_weights()[0] for one in (network, image)]
        assert np.array_equal(*kernels) == is_kept


def test_frames_that_are_evaluated_are_in_the_plan_where_videos_are_cut(builder):
    whole = plan_of(builder, Start())
    assert whole.evaluated_frames is None
    assert 'evaluated_frames' not in whole.to_dict()
    builder.name = 'ucf101'
    cut = plan_of(builder, Start())
    assert cut.evaluated_frames == cut.to_dict()['evaluated_frames'] == 250
    assert 'evaluated_frames' not in FREE_SETTINGS


def test_a_start_of_other_channels_is_refused_by_its_flag(builder, tmp_path):
    flow = tmp_path / 'flow.keras'
    s3dg.build('i2d', 2, width=0.1, channels=2).save(flow)
    with pytest.raises(UsageError, match='--init: the network takes 2 channels, the videos of'):
        plan_of(builder, Start(str(flow), How.TAKEN_OVER))
