"""The harder videos of moving_shapes: what happens in them, and that only its order tells partners
apart."""

import itertools

import numpy as np
import pytest

from data import catalog
from data.conversion.convert import convert_dataset
from data.datasets.moving_shapes import drawing, hard, shapes
from data.records.decode import stored_videos

VECTORS = {'right': (1, 0), 'left': (-1, 0), 'down': (0, 1), 'up': (0, -1)}
TWO_LEGS = [name for name in hard.CLASSES if name.split('_then_')[0] in VECTORS]
TWO_SHAPES = [name for name in hard.CLASSES if name.split('_then_')[0] in drawing.OUTLINES]
BACKWARDS = {'right': 'left', 'left': 'right', 'down': 'up', 'up': 'down'}


@pytest.fixture(scope='module')
def drawn():
    return {
        name: [hard.video('train', name, index) for index in range(30)] for name in hard.CLASSES
    }


@pytest.fixture
def told(monkeypatch):
    """Draws a video and returns what was drawn of shapes in every frame, in the order of frames.

    Of each: (outline's name, centre in pixels, radius in pixels, how much it covers).
    """
    names = {id(outline): name for name, outline in drawing.OUTLINES.items()}

    def drawn(name, index):
        frames, found = [], []

        def corners(outline, centre, radius, angle):
            found.append([names[id(outline)], np.array(centre), radius])
            return angle

        def draw(picture, colour, corners, opacity):
            del colour, corners
            if not frames or frames[-1][0] is not picture:
                frames.append((picture, []))
            frames[-1][1].append((*found.pop(), opacity))

        with monkeypatch.context() as patch:
            patch.setattr(drawing, 'corners', corners)
            patch.setattr(drawing, 'draw', draw)
            hard.video('train', name, index)
        told = [shown for _, shown in frames]
        first_of_pair = any(name == pair[0] for pair in hard.PAIRS)
        return told if first_of_pair else told[::-1]

    return drawn


def test_classes():
    assert len(hard.CLASSES) == len(set(hard.CLASSES)) == 22
    assert len(TWO_LEGS) == 8
    assert len(TWO_SHAPES) == 6
    # All corners there are, and no leg, no shape and no place in the order is of one class alone.
    corners = {
        f'{one}_then_{other}'
        for one, other in itertools.permutations(VECTORS, 2)
        if BACKWARDS[one] != other
    }
    assert set(TWO_LEGS) == corners
    shown = {'circle', 'bar', 'arrow'}
    assert set(TWO_SHAPES) == {
        f'{one}_then_{other}' for one, other in itertools.permutations(shown, 2)
    }


def test_partners_are_what_the_names_say_backwards():
    for first, partner in hard.PAIRS:
        if first in TWO_LEGS:
            one, other = first.split('_then_')
            assert partner == f'{BACKWARDS[other]}_then_{BACKWARDS[one]}'
        elif first in TWO_SHAPES:
            assert partner == '_then_'.join(reversed(first.split('_then_')))
        else:
            assert (first, partner) in shapes.PAIRS


def test_videos_are_what_they_say(drawn):
    contents = set()
    for videos in drawn.values():
        for frames in videos:
            assert frames.dtype == np.uint8
            assert frames.shape[1:] == (96, 96, 3)
            assert 16 <= len(frames) <= 20
            contents.add(frames.tobytes())
    assert len(contents) == 22 * 30
    again = hard.video('train', 'grow', 7)
    np.testing.assert_array_equal(again, drawn['grow'][7])
    # Not those of the easy videos, of another split, or with another seed.
    others = [
        again,
        hard.video('validation', 'grow', 7),
        hard.video('train', 'grow', 7, seed=1),
        shapes.video('train', 'grow', 7),
    ]
    assert len({frames.tobytes() for frames in others}) == 4
    with pytest.raises(ValueError, match="class_name: found 'appear', expected one of move_right"):
        hard.video('train', 'appear', 0)


def test_partners_are_drawn_alike_and_only_reversed(monkeypatch):
    """With the same random numbers, a partner's video is the other one's, reversed."""
    same = np.random.default_rng
    monkeypatch.setattr(np.random, 'default_rng', lambda entropy: same(11))
    for first, partner in hard.PAIRS:
        forward = hard.video('train', first, 0)
        np.testing.assert_array_equal(hard.video('train', partner, 0), forward[::-1])
        assert not np.array_equal(forward, forward[::-1])


@pytest.mark.parametrize('name', TWO_LEGS)
def test_two_legs_follow_each_other(told, name):
    for index in range(5):
        centres = np.array([shown[0][1] for shown in told(name, index)])
        steps = np.diff(centres, axis=0)
        # The camera shakes by half a pixel each way; a leg has 28 pixels at least.
        assert np.abs(centres[-1] - centres[0]).min() > 26
        legs = [np.array(VECTORS[word]) for word in name.split('_then_')]
        along = np.stack([steps @ leg for leg in legs], -1)  # (steps, 2): how far along each leg
        turn = np.argmax(np.cumsum(along[:, 0]) > 0.8 * along[:, 0].sum())
        assert along[:turn, 1].sum() < 0.2 * along[:, 1].sum()


@pytest.mark.parametrize('name', TWO_SHAPES)
def test_one_shape_is_gone_before_the_other_comes(told, name):
    first, second = name.split('_then_')
    for index in range(5):
        frames = told(name, index)
        # The actors come first, in the order in which the drawn partner shows them.
        seen = [{one[0]: one for one in shown[:2]} for shown in frames]
        shown = [[what for what in (first, second) if one[what][3] > 0] for one in seen]
        order = [what for what, _ in itertools.groupby(shown)]
        assert order == [[first], [], [second]]
        assert shown.count([]) >= 2
        apart = np.linalg.norm(seen[0][first][1] - seen[-1][second][1])
        assert apart > 32


def test_what_swings_beside_it_is_small_and_ends_nowhere_else(told):
    beside = [told('move_right', index) for index in range(40)]
    counts = [len(frames[0]) - 1 for frames in beside]
    assert set(counts) == {0, 1}
    for frames in beside:
        for swinging in list(zip(*frames, strict=True))[1:]:
            centres = np.array([one[1] for one in swinging])
            assert np.ptp(centres, axis=0).max() < 18
            assert max(one[2] for one in swinging) <= 7


def test_single_frames_do_not_tell_partners_apart(drawn):
    """A nearest neighbour among the middle frames guesses partners as by a coin."""
    for pair in hard.PAIRS:
        frames = [
            sample[len(sample) // 2, ::4, ::4].astype(float).ravel()
            for name in pair
            for sample in drawn[name]
        ]
        frames, labels = np.stack(frames), np.repeat([0, 1], 30)
        distances = np.square(frames[:, None] - frames[None]).sum(-1)
        np.fill_diagonal(distances, np.inf)
        right = np.mean(labels[distances.argmin(1)] == labels)
        assert abs(right - 0.5) < 4 * 0.5 / np.sqrt(len(labels)), pair


def test_the_background_moves_and_no_two_frames_are_alike(drawn):
    for videos in drawn.values():
        for frames in videos[:3]:
            assert len({frame.tobytes() for frame in frames}) == len(frames)


def test_configurations_have_files_of_their_own(tmp_path):
    def listed(config):
        builder = catalog.make_builder('moving_shapes', config, tmp_path)
        return builder, builder.split_videos()

    builder, splits = listed('hard_rgb')
    assert builder.info.features['label'].names == list(hard.CLASSES)
    assert {split: len(videos) for split, videos in splits.items()} == {
        'train': 22 * 100,
        'validation': 22 * 40,
    }
    assert catalog.published_facts('moving_shapes', 'hard_rgb').videos == {
        'train': 2200,
        'validation': 880,
    }
    assert listed('hard_flow')[1] == splits
    _, easy = listed('rgb')
    for kind in ('id', 'path'):
        ours, others = (
            {getattr(item, kind) for videos in one.values() for item in videos}
            for one in (splits, easy)
        )
        assert not ours & others


def test_what_is_stored_is_what_is_drawn(tmp_path):
    few = {'train_per_class': 1, 'validation_per_class': 1}
    builder = catalog.make_builder('moving_shapes', 'hard_rgb', tmp_path, **few)
    convert_dataset(builder, processes=0)
    opened = catalog.open_dataset('moving_shapes', 'hard_rgb', tmp_path)
    stored = list(stored_videos(opened, 'validation'))
    assert len(stored) == 22
    for one in stored:
        _, split, name, index = one['id'].split('/')
        assert hard.CLASSES[one['label']] == name
        assert len(one['video']) == len(hard.video(split, name, int(index)))
