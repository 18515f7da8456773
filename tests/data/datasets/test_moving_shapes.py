"""moving_shapes: pairs mirrored in time, nothing else that tells them apart, and the files made of
them."""

import collections
import fcntl
import pathlib
import threading

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data import catalog
from data.conversion.convert import convert_dataset
from data.datasets.moving_shapes import shapes
from data.errors import DatasetError
from data.records.decode import stored_videos
from s3dg.video import reading


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
        for stored in stored_videos(shapes_dataset, split):
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
    files = sorted((root / 'generated').rglob('*.avi'))
    assert len(files) == 10 * (4 + 2)
    for path in files[::7]:
        split, name = path.parts[-3:-1]
        frames = shapes.video(split, name, int(path.stem))
        np.testing.assert_array_equal(np.stack(list(reading.read_frames(path, 25))), frames)


def listed(config, data_dir, **fields):
    """{split: {id: `Video`}} of a configuration."""
    builder = catalog.make_builder('moving_shapes', config, data_dir, **fields)
    return {
        split: {item.id: item for item in items} for split, items in builder.split_videos().items()
    }


def expected_ids(drawn_as, classes, numbers):
    return {f'{drawn_as}/{name}/{number:05d}' for name in classes for number in numbers}


FIRST_HALF = ['move_right', 'move_left', 'grow', 'shrink', 'appear']
SECOND_HALF = ['move_down', 'move_up', 'turn_clockwise', 'turn_anticlockwise', 'disappear']


def test_configurations_by_name():
    assert shapes.PAIRS[0] == ('move_right', 'move_left')
    configs = catalog.BUILDERS['moving_shapes'].BUILDER_CONFIGS
    assert {config.name: config.modality for config in configs} == {
        'rgb': 'rgb',
        'flow': 'flow',
        'hard_rgb': 'rgb',
        'hard_flow': 'flow',
        'half_rgb': 'rgb',
        'split1_rgb': 'rgb',
        'split2_rgb': 'rgb',
        'split3_rgb': 'rgb',
    }
    assert {config.flow_algorithm for config in configs} == {'tvl1'}


def test_full_size_by_default(tmp_path):
    found = listed('rgb', tmp_path)
    assert list(found) == ['train', 'validation']
    assert set(found['train']) == expected_ids('train', shapes.CLASSES, range(160))
    assert set(found['validation']) == expected_ids('validation', shapes.CLASSES, range(40))


def test_flow_is_of_the_very_videos(tmp_path):
    assert listed('flow', tmp_path) == listed('rgb', tmp_path)


def test_half_holds_the_videos_of_five_classes(tmp_path):
    every, half = listed('rgb', tmp_path), listed('half_rgb', tmp_path)
    for split, count in (('train', 160), ('validation', 40)):
        assert set(half[split]) == expected_ids(split, FIRST_HALF, range(count))
        assert half[split].items() <= every[split].items()


def test_three_splits_divide_one_pool(tmp_path):
    splits = [listed(f'split{number}_rgb', tmp_path) for number in (1, 2, 3)]
    pool = expected_ids('pool', SECOND_HALF, range(60))
    held_out = [set(split['validation']) for split in splits]
    for split, ids in zip(splits, held_out, strict=True):
        assert list(split) == ['train', 'validation']
        assert set(split['train']) == pool - ids
        counts = collections.Counter(item.label for item in split['validation'].values())
        assert counts == dict.fromkeys(SECOND_HALF, 20)
        assert split['train'] | split['validation'] == splits[0]['train'] | splits[0]['validation']
    assert set.union(*held_out) == pool
    assert sum(map(len, held_out)) == len(pool)
    assert held_out[1] == expected_ids('pool', SECOND_HALF, range(1, 60, 3))


def test_labels_are_the_classes_in_their_order(tmp_path):
    for config, names in (
        ('rgb', list(shapes.CLASSES)),
        ('flow', list(shapes.CLASSES)),
        ('half_rgb', FIRST_HALF),
        ('split2_rgb', SECOND_HALF),
    ):
        builder = catalog.make_builder('moving_shapes', config, tmp_path)
        assert builder.info.features['label'].names == names
    assert sorted(FIRST_HALF + SECOND_HALF) == sorted(shapes.CLASSES)


def test_configurations_share_their_files_and_seeds_do_not(tmp_path):
    def paths(config, **fields):
        splits = listed(config, tmp_path, **fields).values()
        return {item.path for items in splits for item in items.values()}

    every = paths('rgb')
    assert len(every) == 2000
    assert paths('flow', frame_size=(48, 48)) == every
    assert paths('half_rgb') < every
    assert paths('split1_rgb') == paths('split3_rgb')
    assert len(paths('split1_rgb')) == 300
    assert paths('split1_rgb').isdisjoint(every)
    assert paths('rgb', seed=1).isdisjoint(every)


@pytest.mark.parametrize(
    ('config', 'fields', 'expected'),
    [
        ('rgb', {'classes': ()}, r'found classes=\(\), expected one or more of move_right'),
        ('rgb', {'classes': ['jump']}, r"found classes=\('jump',\), expected one or more of"),
        ('rgb', {'classes': ['grow', 'grow']}, 'disappear, each once'),
        ('rgb', {'split_number': 0}, 'found split_number=0, expected one of 1, 2, 3, or None'),
        ('split1_rgb', {'split_number': 4}, 'found split_number=4, expected one of 1, 2, 3'),
        (
            'split1_rgb',
            {'train_per_class': 41},
            'found train_per_class=41, expected 40, twice validation_per_class',
        ),
    ],
)
def test_fields_that_cannot_be(tmp_path, config, fields, expected):
    with pytest.raises(DatasetError, match=expected):
        catalog.make_builder('moving_shapes', config, tmp_path, **fields)


@pytest.fixture(scope='module')
def flow_and_rgb(tmp_path_factory):
    """{id: stored example} of the training videos of two small configurations, of the same two
    classes, and the folder that both are in."""
    data_dir = tmp_path_factory.mktemp('both')
    found = []
    for config in ('flow_small', 'rgb_small'):
        builder = catalog.make_builder(
            'moving_shapes',
            config,
            data_dir,
            classes=('move_right', 'move_left'),
            train_per_class=3,
            validation_per_class=1,
        )
        convert_dataset(builder, processes=0)
        opened = catalog.open_dataset('moving_shapes', config, data_dir)
        found.append({stored['id']: stored for stored in stored_videos(opened, 'train')})
    return (*found, data_dir)


def test_flow_and_rgb_have_the_same_ids_labels_and_files(flow_and_rgb):
    flow, rgb, data_dir = flow_and_rgb
    assert set(flow) == set(rgb) == expected_ids('train', ('move_right', 'move_left'), range(3))
    for video_id, stored in flow.items():
        assert stored['label'] == rgb[video_id]['label']
        assert len(stored['video']) == len(rgb[video_id]['video']) - 1
    assert len(list((data_dir / 'generated').rglob('*.avi'))) == 2 * (3 + 1)


def test_flow_of_moves_points_where_their_names_say(flow_and_rgb):
    flow, _, _ = flow_and_rgb
    for video_id, stored in flow.items():
        _, name, number = video_id.split('/')
        assert stored['video'].shape[1:] == (72, 72, 2)
        fields = stored['video'].astype(float) / 255 * 40 - 20  # 0 and 255 are -20 and 20 pixels
        masks = shape_masks(shapes.video('train', name, int(number)))
        path = np.array([centroid(mask) for mask in masks])[:, 0] * 72 / 96
        # In the frames in the midst of the movement, inside the shape as it is before each step.
        inside = [
            (fields[k][cv2.resize(masks[k].astype(np.uint8), (72, 72)) > 0], step)
            for k, step in enumerate(np.diff(path))
            if abs(step) > 1
        ]
        assert len(inside) >= 5
        measured = np.mean([vectors[:, 0].mean() for vectors, _ in inside])
        expected = np.mean([step for _, step in inside])
        assert np.sign(expected) == (1 if name == 'move_right' else -1)
        assert 0.5 < measured / expected < 1.5
        assert abs(np.mean([vectors[:, 1].mean() for vectors, _ in inside])) < 0.5


def test_finished_files_are_not_made_again(tmp_path, monkeypatch):
    def builder():
        return catalog.make_builder(
            'moving_shapes', 'rgb_tiny', tmp_path, train_per_class=2, validation_per_class=1
        )

    builder().prepare_videos()
    files = sorted((tmp_path / 'generated').rglob('*.avi'))
    assert len(files) == 30
    before = [path.stat().st_mtime_ns for path in files]
    content = files[3].read_bytes()
    files[3].unlink()
    builder().prepare_videos()
    assert files[3].read_bytes() == content
    after = [path.stat().st_mtime_ns for path in files]
    assert [a == b for a, b in zip(after, before, strict=True)] == [k != 3 for k in range(30)]
    result = convert_dataset(builder())
    assert result.examples == {'train': 20, 'validation': 10}


def test_one_process_at_a_time_makes_the_videos(tmp_path):
    """Of two configurations with the same files, the second finds what the first has made."""
    fields = {'classes': ('grow',), 'train_per_class': 2, 'validation_per_class': 1}
    rgb, flow = (
        catalog.make_builder('moving_shapes', name, tmp_path, **fields) for name in ('rgb', 'flow')
    )
    rgb.prepare_videos()
    files = sorted((tmp_path / 'generated').rglob('*.avi'))
    before = [path.stat().st_mtime_ns for path in files]
    (lock,) = (tmp_path / 'generated').rglob('.lock')
    lines, waits = [], threading.Event()

    def report(line):
        lines.append(line)
        waits.set()

    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        files[0].unlink()
        second = threading.Thread(target=flow.prepare_videos, args=(report,))
        second.start()
        assert waits.wait(10)
        assert not files[0].exists()
    second.join(10)
    assert 'waiting for another process' in lines[0]
    after = [path.stat().st_mtime_ns for path in files]
    assert len(after) == 3
    assert after[1:] == before[1:]


def test_tfds_can_prepare_it_as_well(tmp_path):
    builder = catalog.make_builder(
        'moving_shapes', 'rgb_tiny', tmp_path, train_per_class=1, validation_per_class=1
    )
    builder.download_and_prepare()
    assert builder.info.splits['train'].num_examples == 10
