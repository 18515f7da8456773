"""moving_shapes: pairs mirrored in time, nothing else that tells them apart, and the files made of
them."""

import collections
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from data import catalog, conversion, records, video
from data.moving_shapes import shapes


def many(class_name, count=60, split='train'):
    return [shapes.video(split, class_name, index) for index in range(count)]


@pytest.fixture(scope='module')
def drawn():
    return {name: many(name) for name in shapes.CLASSES}


def test_videos_are_what_they_say(drawn):
    assert len(shapes.CLASSES) == 10
    for videos in drawn.values():
        for frames in videos:
            assert frames.dtype == np.uint8
            assert frames.shape[1:] == (96, 96, 3)
            assert 16 <= len(frames) <= 20


def test_a_video_depends_on_seed_split_class_and_index_alone(drawn):
    np.testing.assert_array_equal(shapes.video('train', 'grow', 7), drawn['grow'][7])
    others = [
        shapes.video('train', 'grow', 7),
        shapes.video('train', 'grow', 8),
        shapes.video('validation', 'grow', 7),
        shapes.video('train', 'grow', 7, seed=1),
        shapes.video('train', 'shrink', 7)[::-1],
    ]
    assert len({frames.tobytes() for frames in others}) == len(others)


def test_no_two_videos_are_equal():
    """Neither within nor between the splits, nor as mirror images in time, of what is stored."""
    firsts = collections.Counter()
    for split, count in (('train', 40), ('validation', 20)):
        for name in shapes.CLASSES:
            for frames in many(name, count, split):
                middle = frames[len(frames) // 2]
                firsts[middle.tobytes()] += 1
    assert set(firsts.values()) == {1}


def shape_masks(frames):
    """Where the shape is: half-way in brightness between it and the frame's border, (time, 96,
    96)."""
    gray = frames @ np.array([0.299, 0.587, 0.114])
    border = np.concatenate([gray[:, 0], gray[:, -1], gray[:, :, 0], gray[:, :, -1]])
    above, below = gray.max() - border.max(), border.min() - gray.min()
    assert max(above, below) > 70
    if above > below:
        return gray > (gray.max() + border.max()) / 2
    return gray < (gray.min() + border.min()) / 2


def centroid(mask):
    y, x = np.nonzero(mask)
    return x.mean(), y.mean()


@pytest.mark.parametrize(
    ('name', 'axis', 'sign'),
    [('move_right', 0, 1), ('move_left', 0, -1), ('move_down', 1, 1), ('move_up', 1, -1)],
)
def test_moves_go_where_their_names_say(drawn, name, axis, sign):
    for frames in drawn[name]:
        path = np.array([centroid(mask) for mask in shape_masks(frames)])
        steps = sign * np.diff(path[:, axis])
        assert steps.min() > -0.5
        assert steps.sum() > 0.3 * 96
        assert np.ptp(path[:, 1 - axis]) < 1.5


@pytest.mark.parametrize(('name', 'larger', 'smaller'), [('grow', -1, 0), ('shrink', 0, -1)])
def test_sizes_go_where_their_names_say(drawn, name, larger, smaller):
    for frames in drawn[name]:
        areas = shape_masks(frames).sum((1, 2))
        assert areas[larger] > 3 * areas[smaller] > 0


@pytest.mark.parametrize(('name', 'seen', 'unseen'), [('appear', -1, 0), ('disappear', 0, -1)])
def test_shapes_come_and_go_as_their_names_say(drawn, name, seen, unseen):
    for frames in drawn[name]:
        areas = shape_masks(frames).sum((1, 2))
        assert areas[seen] > 50
        assert areas[unseen] == 0


@pytest.mark.parametrize(('name', 'sign'), [('turn_clockwise', 1), ('turn_anticlockwise', -1)])
def test_turns_go_where_their_names_say(drawn, name, sign):
    measured = 0
    for frames in drawn[name]:
        covariances = np.stack([np.cov(*np.nonzero(mask)[::-1]) for mask in shape_masks(frames)])
        values, vectors = np.linalg.eigh(covariances)
        if (values[:, 1] / values[:, 0]).min() < 1.8:  # too round for its long axis to be a guide
            continue
        # y points down, so the angle grows clockwise on the screen; an axis has no direction.
        angles = np.rad2deg(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1]))
        turned = ((np.diff(angles) + 90) % 180 - 90).sum()
        assert 75 < sign * turned < 125  # 80 to 120, as the mask shows it
        measured += 1
    assert measured >= 20


def test_movement_begins_and_ends_at_random_times():
    rng = np.random.default_rng(0)
    progresses = [shapes.progress(rng) for _ in range(4000)]
    before = [np.count_nonzero(steps == 0) - 1 for steps in progresses]
    after = [np.count_nonzero(steps == 1) - 1 for steps in progresses]
    for steps, first, last in zip(progresses, before, after, strict=True):
        assert 16 <= len(steps) <= 20
        assert len(steps) - first - last >= 8
        assert np.all(np.diff(steps) >= 0)
        np.testing.assert_allclose(np.diff(steps[first : len(steps) - last], 2), 0, atol=1e-9)
    assert set(before) == set(after) == set(range(7))
    # The two holds come from one distribution: equal counts up to four standard deviations.
    for hold in range(7):
        one, other = before.count(hold), after.count(hold)
        assert abs(one - other) < 4 * np.sqrt(one + other)


def test_partners_are_drawn_alike_and_only_reversed(monkeypatch):
    """With the same random numbers, a partner's video is the other one's, reversed."""
    same = np.random.default_rng
    monkeypatch.setattr(np.random, 'default_rng', lambda entropy: same(11))
    for drawn_name, mirrored_name in shapes.PAIRS:
        forward = shapes.video('train', drawn_name, 0)
        backward = shapes.video('train', mirrored_name, 0)
        np.testing.assert_array_equal(backward, forward[::-1])
        assert not np.array_equal(forward, forward[::-1])


def test_single_frames_do_not_tell_partners_apart(drawn):
    """A nearest neighbour among the middle frames guesses partners as by a coin."""
    for pair in shapes.PAIRS:
        frames, labels = [], []
        for label, name in enumerate(pair):
            for sample in drawn[name]:
                frames.append(sample[len(sample) // 2, ::4, ::4].astype(float).ravel())
                labels.append(label)
        frames, labels = np.stack(frames), np.array(labels)
        distances = np.square(frames[:, None] - frames[None]).sum(-1)
        np.fill_diagonal(distances, np.inf)
        right = np.mean(labels[distances.argmin(1)] == labels)
        assert abs(right - 0.5) < 4 * 0.5 / np.sqrt(len(labels)), pair


def test_shapes_stand_out_and_stay_inside(drawn):
    """Away from the border all that ever changes lies inside what every crop of 64 of 72 can
    reach."""
    for videos in drawn.values():
        for frames in videos:
            changed = np.ptp(frames.astype(int), axis=0).max(-1) > 2
            assert changed.any()
            edge = changed.copy()
            edge[5:-5, 5:-5] = False
            assert not edge.any()


def test_unknown_class():
    with pytest.raises(ValueError, match="class_name: found 'jump', expected one of move_right"):
        shapes.video('train', 'jump', 0)


def test_dataset_is_balanced_and_complete(shapes_dataset):
    assert shapes_dataset.info.features['label'].names == list(shapes.CLASSES)
    assert shapes_dataset.info.metadata['flip_left_right'] is False
    assert shapes_dataset.info.metadata['frame_size'] == [72, 72]
    for split, count in (('train', 4), ('validation', 2)):
        labels = collections.Counter()
        for stored in records.stored_videos(shapes_dataset, split):
            name = shapes.CLASSES[stored['label']]
            labels[name] += 1
            index = int(stored['id'].split('/')[-1])
            assert stored['id'] == f'{split}/{name}/{index:05d}'
            frames = shapes.video(split, name, index)
            expected = tf.image.resize(frames, (72, 72)).numpy()
            assert stored['video'].shape == expected.shape
            assert np.abs(stored['video'] - expected).mean() < 6
        assert labels == dict.fromkeys(shapes.CLASSES, count)


def test_its_files_are_ordinary_videos(shapes_dataset):
    root = pathlib.Path(shapes_dataset.info.data_dir).parents[2]
    files = sorted((root / 'generated').rglob('*.mp4'))
    assert len(files) == 10 * (4 + 2)
    for path in files[::7]:
        split, name = path.parts[-3:-1]
        frames = shapes.video(split, name, int(path.stem))
        found = list(video.read_frames(path, 25))
        assert len(found) == len(frames)
        assert np.abs(np.stack(found).astype(int) - frames).mean() < 6


def test_full_size_by_default():
    assert shapes.PAIRS[0] == ('move_right', 'move_left')
    (config,) = catalog.BUILDERS['moving_shapes'].BUILDER_CONFIGS
    assert config.name == 'rgb'
    assert 10 * config.train_per_class == 1600
    assert 10 * config.validation_per_class == 400


def test_finished_files_are_not_made_again(tmp_path, monkeypatch):
    def builder():
        return catalog.make_builder(
            'moving_shapes', 'rgb_tiny', tmp_path, train_per_class=2, validation_per_class=1
        )

    builder().prepare_videos()
    files = sorted((tmp_path / 'generated').rglob('*.mp4'))
    assert len(files) == 30
    before = [path.stat().st_mtime_ns for path in files]
    content = files[3].read_bytes()
    files[3].unlink()
    builder().prepare_videos()
    assert files[3].read_bytes() == content
    after = [path.stat().st_mtime_ns for path in files]
    assert [a == b for a, b in zip(after, before, strict=True)] == [k != 3 for k in range(30)]
    result = conversion.convert(builder())
    assert result.examples == {'train': 20, 'validation': 10}


def test_tfds_can_prepare_it_as_well(tmp_path):
    builder = catalog.make_builder(
        'moving_shapes', 'rgb_tiny', tmp_path, train_per_class=1, validation_per_class=1
    )
    builder.download_and_prepare()
    assert builder.info.splits['train'].num_examples == 10
