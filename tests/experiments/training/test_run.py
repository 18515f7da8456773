"""What a plan's network begins as: which weights it takes, and what of it learns."""

import numpy as np
import pytest

import s3dg
from experiments.training import run
from experiments.training.plan import Plan
from experiments.training.presets import find_preset
from experiments.training.recipe import Recipe
from experiments.training.start import How, Start
from s3dg.training.trainable import batch_norm_layers
from tests.s3dg.small import randomized

FIELDS = {'width': 0.1, 'kernel_initializer': 'he_normal'}


def plan_of(start=Start(), classes=2, **fields):  # noqa: B008
    preset = find_preset('tiny', 'moving_shapes')
    recipe = Recipe('any', 'i2d', 'moving_shapes', 'rgb', preset)
    return Plan(
        'moving_shapes',
        'rgb',
        ('train', 'validation'),
        (20, 10),
        (1, 1),
        s3dg.named_config('i2d', num_classes=classes, **FIELDS),
        preset.video_format(25.0, (72, 72)),
        recipe.training_config(1),
        flip=False,
        seed=0,
        start=start,
        **fields,
    )


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A network of the classes a and b, and its file."""
    network = randomized(s3dg.build('i2d', 2, class_names=('a', 'b'), **FIELDS))
    path = tmp_path_factory.mktemp('trained') / 'trained.keras'
    network.save(path)
    return network, str(path)


@pytest.mark.parametrize(
    ('names', 'said'),
    [
        (('a', 'b'), 'classifier of 2 classes kept'),
        (('b', 'a'), 'replaced by a fresh one: 2 classes, expected 2; 2 places differ'),
        (('a', 'c'), 'replaced by a fresh one: 2 classes, expected 2; 1 places differ'),
        (('a', 'b', 'c'), 'replaced by a fresh one: 2 classes, expected 3'),
    ],
)
def test_a_classifier_is_taken_over_for_the_same_classes_in_the_same_order(trained, names, said):
    source, path = trained
    lines = []
    plan = plan_of(Start(path, How.TAKEN_OVER), len(names))
    network = run.create_network(plan, names, lines.append)
    assert said in lines[0]
    assert network.class_names == names
    ours = {v.path: v.numpy() for v in network.variables}
    for variable in source.variables:
        if not variable.path.startswith('logits/'):
            np.testing.assert_array_equal(ours[variable.path], variable, err_msg=variable.path)
    classifier = source.get_layer('logits').kernel.numpy()
    found = network.get_layer('logits').kernel.numpy()
    assert np.array_equal(found, classifier) == (names == ('a', 'b'))


@pytest.mark.parametrize(
    ('fields', 'learning', 'norms_learn', 'synchronized'),
    [
        ({}, set(s3dg.ENDPOINTS) | {'logits'}, True, False),
        ({'freeze_until': 'Mixed_5c'}, {'Mixed_5c', 'logits'}, True, False),
        ({'freeze_until': 'logits'}, {'logits'}, True, False),
        ({'freeze_batch_norm': True}, set(s3dg.ENDPOINTS) | {'logits'}, False, False),
        ({'sync_batch_norm': True}, set(s3dg.ENDPOINTS) | {'logits'}, True, True),
    ],
)
def test_what_learns_is_what_the_plan_says(fields, learning, norms_learn, synchronized):
    network = run.create_network(plan_of(**fields), ('a', 'b'), print)
    found = {variable.path.split('/')[0] for variable in network.trainable_variables}
    pools = {name for name in s3dg.ENDPOINTS if name.startswith('MaxPool')}
    assert found == learning - pools
    norms = [v for v in network.trainable_variables if 'batch_norm' in v.path]
    assert bool(norms) == (norms_learn and learning != {'logits'})
    assert {layer.synchronized for layer in batch_norm_layers(network)} == {synchronized}
