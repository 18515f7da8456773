"""What the networks of an experiment are trained on, by its preset."""

import pytest
from absl import flags

from experiments import (
    ablations,
    arrow_of_time,
    feature_embedding,
    filter_statistics,
    kinetics,
    optical_flow,
    speed_accuracy,
    transfer,
)
from experiments.training.recipe import with_starts
from tests import in_process

FLAGS = flags.FLAGS

HARD = {('moving_shapes', 'hard_rgb')}


def recipes(program, experiment, *words):
    with in_process.flags_of(program, *words):
        return experiment.of(FLAGS).recipes()


def trained_on(found):
    return {(recipe.dataset, recipe.config) for recipe in found}


@pytest.mark.parametrize(
    ('program', 'experiment', 'expected'),
    [
        (ablations, ablations.Ablations, HARD),
        (arrow_of_time, arrow_of_time.ArrowOfTime, HARD),
        (feature_embedding, feature_embedding.FeatureEmbedding, HARD),
        (filter_statistics, filter_statistics.FilterStatistics, HARD),
        (kinetics, kinetics.Kinetics, HARD),
        (optical_flow, optical_flow.OpticalFlow, HARD | {('moving_shapes', 'hard_flow')}),
        (speed_accuracy, speed_accuracy.SpeedAccuracy, HARD),
    ],
)
def test_tiny_networks_see_the_harder_videos_and_start_from_their_frames(
    program, experiment, expected
):
    found = recipes(program, experiment, '--preset=tiny')
    assert trained_on(found) == expected
    assert {recipe.preset.schedule.steps for recipe in found} == {1600}
    before = [one.start.recipe for one in found if one.start.recipe is not None]
    assert trained_on(before) == HARD
    assert {recipe.preset.frames for recipe in before} == {1}


def test_tiny_transfer_goes_from_one_half_of_the_easy_classes_to_the_other():
    found = recipes(transfer, transfer.Transfer, '--preset=tiny', '--nocompare_scratch')
    splits = {('moving_shapes', f'split{number}_rgb') for number in (1, 2, 3)}
    assert trained_on(found) == splits
    earlier = {('moving_shapes', 'half_rgb'), ('moving_shapes', 'rgb')}
    assert trained_on(with_starts(found)) == splits | earlier


def test_full_size_networks_see_what_the_paper_names(tmp_path):
    words = ('--preset=paper', '--from_scratch')
    assert trained_on(recipes(kinetics, kinetics.Kinetics, *words)) == {('kinetics400', 'rgb')}
    assert trained_on(recipes(optical_flow, optical_flow.OpticalFlow, *words)) == {
        ('kinetics400', 'rgb'),
        ('kinetics400', 'flow'),
    }
