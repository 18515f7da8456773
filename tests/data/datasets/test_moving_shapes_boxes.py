"""moving_shapes_boxes: boxes that fit the pixels, movements that fit their names, and records."""

import collections
import itertools

import numpy as np
import pytest

from data import catalog
from data.datasets.moving_shapes import drawing
from data.datasets.moving_shapes_boxes import scenes

SIZE = [96, 128, 96, 128]
FEW = {'train': 5, 'test': 2}
SEED = 1  # of what is stored


@pytest.fixture(scope='module')
def layouts():
    return [scenes.layout('train', index) for index in range(400)]


@pytest.fixture(scope='module')
def objects(layouts):
    """{class: its objects}"""
    found = collections.defaultdict(list)
    for one in itertools.chain(*layouts):
        found[one.label].append(one)
    return found


def centres(one):
    """float64 (frames, 2), y and x in pixels."""
    return (one.boxes[:, :2] + one.boxes[:, 2:]) / 2


def extents(one):
    """float64 (frames, 2), height and width in pixels."""
    return one.boxes[:, 2:] - one.boxes[:, :2]


def test_videos_are_what_they_say():
    counts, lengths = set(), set()
    for index in range(30):
        frames, laid_out = scenes.video('train', index), scenes.layout('train', index)
        assert frames.dtype == np.uint8
        assert frames.shape[1:] == (96, 128, 3)
        assert {len(one.boxes) for one in laid_out} == {len(frames)}
        counts.add(len(laid_out))
        lengths.add(len(frames))
    assert counts == {1, 2, 3}
    assert lengths == {12, 13, 14, 15, 16}


def test_a_video_depends_on_seed_split_and_index_alone():
    first = scenes.video('train', 7)
    others = [scenes.video('train', index) for index in range(20)]
    np.testing.assert_array_equal(others[7], first)
    others += [scenes.video('test', 7), scenes.video('train', 7, seed=1)]
    # Neither equal nor mirror images in time.
    middles = {frames[len(frames) // 2 - 1 :][:2].min(0).tobytes() for frames in others}
    assert len(middles) == len(others)


def video_without(monkeypatch, index, left_out):
    """A video as it would be without an object, from the same random numbers."""
    draw = drawing.draw

    def draw_others(picture, colour, corners):
        if not any(np.array_equal(corners, state) for state in left_out.corners):
            draw(picture, colour, corners)

    with monkeypatch.context() as patch:
        patch.setattr(drawing, 'draw', draw_others)
        return scenes.video('train', index)


def covered(picture, empty):
    """Where a shape of one colour covers more than half of a pixel."""
    change = picture.astype(float) - empty
    most = np.unravel_index(np.square(change).sum(-1).argmax(), change.shape[:2])
    whole = picture[most] - empty.astype(float)  # what its colour would change of each pixel
    return (change * whole).sum(-1) > 0.5 * np.square(whole).sum(-1)


def test_boxes_are_where_the_pixels_are(monkeypatch):
    beyond = []
    for index in range(12):
        frames = scenes.video('train', index)
        for one in scenes.layout('train', index):
            rest = video_without(monkeypatch, index, one)
            for picture, empty, box in zip(frames, rest, one.boxes, strict=True):
                y, x = np.nonzero(covered(picture, empty))
                seen = np.array([y.min(), x.min(), y.max() + 1, x.max() + 1])
                beyond.append((box - seen) * [1, 1, -1, -1])
    beyond = np.array(beyond)
    assert len(beyond) > 200
    # OpenCV's soft edges reach about half a pixel further, on all sides alike.
    np.testing.assert_allclose(beyond, 0.5, atol=0.8)
    np.testing.assert_allclose(beyond[:, :2].mean(0), beyond[:, 2:].mean(0), atol=0.15)


def test_boxes_lie_in_the_frame_and_apart(layouts):
    for laid_out in layouts:
        for one in laid_out:
            assert one.boxes.min() > 0
            assert (one.boxes[:, 2:].max(axis=0) < [96, 128]).all()
            assert extents(one).min() > 3
        for one, other in itertools.combinations(laid_out, 2):
            below, right = (one.boxes[:, :2] - other.boxes[:, 2:]).T
            above, left = (other.boxes[:, :2] - one.boxes[:, 2:]).T
            assert np.max([below, right, above, left], axis=0).min() >= 3


@pytest.mark.parametrize(
    ('name', 'axis', 'sign'),
    [('move_right', 1, 1), ('move_left', 1, -1), ('move_down', 0, 1), ('move_up', 0, -1)],
)
def test_moves_go_where_their_names_say(objects, name, axis, sign):
    for one in objects[name]:
        steps = np.diff(centres(one), axis=0)
        assert 2 <= sign * steps[0, axis] <= 3.7
        np.testing.assert_allclose(steps[:, axis], steps[0, axis], rtol=1e-6)
        np.testing.assert_allclose(steps[:, 1 - axis], 0, atol=1e-9)
        np.testing.assert_allclose(np.diff(extents(one), axis=0), 0, atol=1e-9)


@pytest.mark.parametrize(('name', 'sign'), [('grow', 1), ('shrink', -1)])
def test_sizes_go_where_their_names_say(objects, name, sign):
    for one in objects[name]:
        sides = extents(one)[::sign]
        assert np.diff(sides, axis=0).min() > 0
        assert (sides[-1] / sides[0] >= 1.7).all()
        assert (sides[-1] / sides[0] <= 2.3).all()


@pytest.mark.parametrize(('laid_out', 'mirrored'), scenes.PAIRS)
def test_read_backwards_a_class_is_its_partner(objects, laid_out, mirrored):
    """First and last boxes, their movement and number have the same means, up to four standard
    errors."""

    def measured(one, backwards):
        boxes = one.boxes[::-1] if backwards else one.boxes
        return [*boxes[0], *boxes[-1], *(boxes[-1] - boxes[0]), *extents(one).max(0), len(boxes)]

    one = np.array([measured(each, False) for each in objects[laid_out]])
    other = np.array([measured(each, True) for each in objects[mirrored]])
    errors = np.sqrt(one.var(0) / len(one) + other.var(0) / len(other))
    assert (np.abs(one.mean(0) - other.mean(0)) <= 4 * errors + 1e-9).all()


def test_classes_and_numbers_of_objects_are_equally_frequent(layouts, objects):
    for counts in (
        {name: len(found) for name, found in objects.items()},
        collections.Counter(map(len, layouts)),
    ):
        total, share = sum(counts.values()), 1 / len(counts)
        deviation = np.sqrt(total * share * (1 - share))
        assert max(abs(count - total * share) for count in counts.values()) < 4 * deviation
    assert set(objects) == set(scenes.CLASSES)


@pytest.fixture(scope='module')
def rgb(convert_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp('rgb')
    return convert_dataset('moving_shapes_boxes', 'rgb_few', folder, None, seed=SEED, **FEW)


def test_records_hold_the_videos_and_their_boxes(rgb):
    _, opened, examples = rgb
    assert opened.info.metadata['flip_left_right'] is False
    names = opened.info.features['label'].names
    assert names == opened.info.features['boxes']['label'].names == list(scenes.CLASSES)
    for split, count in FEW.items():
        assert set(examples[split]) == {f'{split}/{index:05d}' for index in range(count)}
        for index in range(count):
            stored = examples[split][f'{split}/{index:05d}']
            laid_out = scenes.layout(split, index, SEED)
            frames = scenes.video(split, index, SEED)
            assert stored['video'].shape == frames.shape
            assert np.abs(stored['video'].astype(float) - frames).mean() < 6  # JPEG
            assert names[stored['label']] == laid_out[0].label

            boxes, objects = stored['boxes'], len(laid_out)
            expected = np.stack([one.boxes for one in laid_out], axis=1).reshape(-1, 4)
            np.testing.assert_allclose(boxes['box'] * SIZE, expected, atol=1e-3)
            np.testing.assert_array_equal(
                boxes['frame'], np.repeat(np.arange(len(frames)), objects)
            )
            np.testing.assert_array_equal(boxes['tube'], np.tile(np.arange(objects), len(frames)))
            labels = [names[label] for label in boxes['label']]
            assert labels == [one.label for one in laid_out] * len(frames)


def test_flow_is_of_the_same_videos_with_the_same_boxes(rgb, convert_dataset, tmp_path):
    _, _, examples = rgb
    _, _, flow = convert_dataset(
        'moving_shapes_boxes', 'flow_few', tmp_path, None, flow_algorithm='dis', seed=SEED, **FEW
    )
    assert {split: set(found) for split, found in flow.items()} == {
        split: set(found) for split, found in examples.items()
    }
    for split, found in flow.items():
        for name, stored in found.items():
            other = examples[split][name]
            assert len(stored['video']) == len(other['video']) - 1
            assert stored['label'] == other['label']
            for key, values in stored['boxes'].items():
                np.testing.assert_array_equal(values, other['boxes'][key])


def test_published_length_is_that_of_the_videos(layouts):
    facts = catalog.published_facts('moving_shapes_boxes')
    lengths = [len(laid_out[0].boxes) for laid_out in layouts]
    # Four standard errors of lengths drawn evenly from 12 to 16.
    assert abs(facts.frames - np.mean(lengths)) < 4 * np.sqrt(2 / len(lengths))
    assert (facts.source_height, facts.frame_size) == (96, (96, 128))
