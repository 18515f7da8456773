"""Contact sheets, charts and the colours of flow: every part is there, and in its place."""

import cv2
import numpy as np
import pytest

from data.errors import DatasetError
from data.inspection import charts, contact_sheet, flow_colours, survey
from data.inspection.contact_sheet import Row
from data.records import pictures
from tests.data import jobs, tiny_boxes

TILE = 140  # pixels, of a square frame
LEFT, TOP = 14, 38 + 22  # of the first tile


def read(path):
    """RGB."""
    return cv2.imread(str(path))[:, :, ::-1]


def plain(colour, height=40, width=40):
    return np.full((height, width, 3), colour, np.uint8)


def row(frames, label='jump', boxes=None, name='a/b.avi'):
    numbers = list(range(len(frames)))
    return Row(name, label, f'{len(frames)} frames', numbers, frames, boxes or [[] for _ in frames])


def tile(image, number, top=TOP, height=TILE):
    """The inner part of a tile, without the number in its lower left corner."""
    left = LEFT + number * (TILE + 3)
    return image[top + 3 : top + height - 20, left + 3 : left + TILE - 3]


@pytest.mark.parametrize(
    ('length', 'annotated', 'expected'),
    [
        (8, (), [0, 1, 2, 3, 4, 5, 6, 7]),
        (3, (), [0, 1, 2]),
        (1, (), [0]),
        (15, (), [0, 2, 4, 6, 8, 10, 12, 14]),
        (250, (), [0, 36, 71, 107, 142, 178, 213, 249]),
        (15, (3, 4, 5), [0, 2, 4, 6, 8, 10, 12, 14]),
        (15, (5,), [0, 2, 5, 6, 8, 10, 12, 14]),  # instead of 4
        (250, (200, 205), [0, 36, 71, 107, 142, 178, 205, 249]),
        (15, (15, 99), [0, 2, 4, 6, 8, 10, 12, 14]),  # has no picture
    ],
)
def test_frames_are_evenly_spaced_and_meet_the_boxes(length, annotated, expected):
    assert contact_sheet.choose_frames(length, annotated) == expected


def test_every_frame_is_in_its_place(tmp_path):
    red, green, blue = (plain(colour) for colour in ((220, 0, 0), (0, 220, 0), (0, 0, 220)))
    rows = [row([red, green]), row([blue], name='c')]
    contact_sheet.draw(rows, 'title', tmp_path / 'sheet.png')
    image = read(tmp_path / 'sheet.png')
    assert image.shape == (38 + 2 * (22 + TILE + 10), 820 + 2 * 14 - 3, 3)
    assert (tile(image, 0) == (220, 0, 0)).all()
    assert (tile(image, 1) == (0, 220, 0)).all()
    assert (tile(image, 2) == 255).all()
    assert (tile(image, 0, TOP + TILE + 32) == (0, 0, 220)).all()


def test_frames_keep_their_shape(tmp_path):
    wide, high = plain((0, 0, 0), 30, 60), plain((0, 0, 0), 90, 30)
    contact_sheet.draw([row([wide]), row([high])], 't', tmp_path / 'sheet.png')
    image = read(tmp_path / 'sheet.png')
    assert image.shape[0] == 38 + 22 + 70 + 10 + 22 + 150 + 10
    dark = (image.max(axis=2) < 60)[:, LEFT + 4 :]
    assert dark[TOP + 30].sum() == pytest.approx(TILE - 4, abs=2)
    assert dark[TOP + 70 + 32 + 60].sum() == pytest.approx(50 - 4, abs=2)


def test_long_and_strange_names_do_no_harm(tmp_path):
    """Neither do they reach into each other, nor are they taken for formulas."""
    name = '$\\frac{$' + 'very long ' * 3000 + '$_{$'
    rows = [row([plain((9, 9, 9))], label=name, name=f'{name}\n\0\ud7ff')]
    contact_sheet.draw(rows, '$\\frac{$', tmp_path / 'long.png')
    contact_sheet.draw([row([plain((9, 9, 9))], '', name='')], '', tmp_path / 'short.png')
    caption = read(tmp_path / 'long.png')[TOP - 20 : TOP - 2]
    assert (caption[:, :14] == 255).all()
    assert (caption[:, -14:] == 255).all()
    written = (caption < 200).any(axis=(0, 2))
    gaps = [len(gap) for gap in ''.join('#' if w else ' ' for w in written[14:-14]).split('#')]
    assert sum(gap >= 9 for gap in gaps) == 2  # label, id and length stand apart


def test_a_video_without_a_label_says_so(tmp_path):
    frames = [plain((9, 9, 9))]
    for name, label in (('none', None), ('same', 'no label'), ('other', 'jump')):
        contact_sheet.draw([row(frames, label)], 't', tmp_path / f'{name}.png')
    none, same, other = (
        read(tmp_path / f'{name}.png')[TOP - 20 : TOP - 2] for name in ('none', 'same', 'other')
    )
    assert (none != other).any()
    assert none.min() > 80  # gray
    assert same.min() < 20


def test_boxes_are_drawn_in_the_colour_of_their_tube(tmp_path):
    gray = plain((90, 90, 90))
    boxes = [
        [(np.array([0.25, 0.25, 0.75, 0.5]), 'run', 0), (np.array([0.1, 0.6, 0.9, 0.9]), 'run', 1)],
        [(np.array([0.25, 0.5, 0.75, 0.75]), 'run', 0)],
        [],
    ]
    contact_sheet.draw([row([gray] * 3, boxes=boxes)], 't', tmp_path / 'boxes.png')
    image = read(tmp_path / 'boxes.png').astype(int)
    tiles = [image[TOP : TOP + TILE, LEFT + k * 143 :][:, :TILE] for k in range(3)]
    yellow = [np.abs(one - (255, 212, 0)).max(axis=2) < 60 for one in tiles]
    cyan = [np.abs(one - (0, 229, 255)).max(axis=2) < 60 for one in tiles]
    # A line down each side, from 0.25 to 0.75 of the height.
    for one, left, right in ((yellow[0], 35, 70), (yellow[1], 70, 105)):
        sides = one[50:100].mean(axis=0) > 0.9
        np.testing.assert_allclose(np.flatnonzero(sides)[[0, -1]], (left, right), atol=2)
        rows = np.flatnonzero(one[:, left + 5 : right - 5].mean(axis=1) > 0.9)
        np.testing.assert_allclose(rows[-1], 105, atol=2)
    assert cyan[0].sum() > 200
    assert cyan[1].sum() == 0
    # A tube's name, on its colour, stands in its first picture only.
    assert yellow[0].sum() > yellow[1].sum() + 100
    assert (tiles[2][4:100, 5:-5] == 90).all()


def test_a_class_is_named_once_in_a_picture(tmp_path):
    gray = plain((90, 90, 90))
    places = [np.array([0.1 + 0.3 * k, 0.2, 0.35 + 0.3 * k, 0.8]) for k in range(3)]
    drawn = {}
    for names in (('run', 'run', 'jump'), ('run', 'run', 'run')):
        boxes = [
            [
                (place, name, 3 * k)
                for k, (place, name) in enumerate(zip(places, names, strict=True))
            ]
        ]
        contact_sheet.draw([row([gray], boxes=boxes)], 't', tmp_path / 'names.png')
        image = read(tmp_path / 'names.png').astype(int)
        green = np.abs(image - (124, 255, 79)).max(axis=2) < 40  # of tube 3
        red = np.abs(image - (255, 82, 82)).max(axis=2) < 40  # of tube 6
        drawn[names[2]] = (green.sum(), red.sum())
    assert drawn['jump'][0] == drawn['run'][0]
    assert drawn['jump'][1] > drawn['run'][1] + 50


def test_a_name_stays_in_its_picture(tmp_path):
    corner = [[(np.array([0.5, 0.8, 1.0, 1.0]), 'a class with a long name', 0)]]
    contact_sheet.draw([row([plain((90, 90, 90))], boxes=corner)], 't', tmp_path / 'corner.png')
    image = read(tmp_path / 'corner.png')
    assert (image[TOP : TOP + TILE, LEFT + TILE + 3 :] == 255).all()


def test_rows_hold_the_frames_that_are_stored(tmp_path, write_video_file, numbered, monkeypatch):
    opened = tiny_boxes.convert(tmp_path, write_video_file, numbered)
    (head,) = (
        head
        for head in survey.survey(opened, ['train'], 9, 0, lambda line: None)['train'].chosen
        if head.id == 'with'
    )
    (found,) = contact_sheet.read_rows([(head, 'run', '4 frames')], False, ['jump', 'run'])
    assert (found.id, found.label, found.length) == ('with', 'run', '4 frames')
    assert found.numbers == [0, 1, 2, 3]
    for number, frame in enumerate(found.frames):
        assert frame.shape == (20, 30, 3)
        assert np.abs(frame.astype(int) - number).max() <= 1
    named = [[(name, tube) for _, name, tube in boxes] for boxes in found.boxes]
    assert named == [[('run', 0)], [('run', 0)], [('run', 0), ('jump', 1)], [('run', 0)]]
    np.testing.assert_allclose(found.boxes[3][0][0], [0.1, 0.1, 0.5, 0.4], rtol=1e-6)

    content = head.path.read_bytes()
    head.path.write_bytes(content.replace(b'\xff\xd8\xff', b'\xff\xd9\xff'))
    refused = pytest.raises(DatasetError, match="frame 0 of 'with' cannot be decoded; see what")
    with refused:
        contact_sheet.read_rows([(head, 'run', '4 frames')], False, ['jump', 'run'])
    head.path.write_bytes(content)
    monkeypatch.setattr(pictures, 'decode', jobs.crash)  # what a picture may do to its decoder
    with refused:
        contact_sheet.read_rows([(head, 'run', '4 frames')], False, ['jump', 'run'])


def test_colours_of_flow():
    field = np.array([[0, 0], [4, 0], [0, 4], [-4, 0], [0, -4], [2, 0], [40, 0]], np.float32)
    expected = [
        (255, 255, 255),
        (255, 0, 0),  # to the right
        (128, 255, 0),  # down
        (0, 255, 255),  # to the left
        (128, 0, 255),  # up
        (255, 128, 128),  # half as fast
        (255, 0, 0),  # faster looks the same
    ]
    colours = flow_colours.to_colours(field, 4.0).astype(int)
    np.testing.assert_allclose(colours, expected, atol=1)


def test_the_wheel_shows_each_motion_where_it_leads():
    wheel = flow_colours.wheel(101).astype(int)
    assert wheel.shape == (101, 101, 3)
    for place, colour in (
        ((50, 50), (255, 255, 255)),
        ((50, 100), (255, 0, 0)),
        ((100, 50), (128, 255, 0)),
        ((50, 0), (0, 255, 255)),
        ((0, 50), (128, 0, 255)),
        ((0, 0), (255, 255, 255)),
    ):
        np.testing.assert_allclose(wheel[place], colour, atol=8)


def test_the_scale_of_flow_leaves_out_the_longest():
    field = np.zeros((100, 100, 2), np.float32)
    assert flow_colours.fastest_of([field]) == 1.0  # not 0
    field[:, :50] = (3, 4)
    assert flow_colours.fastest_of([field, field]) == 5.0
    field[0, 0] = 20
    assert flow_colours.fastest_of([field, field]) == 5.0


def test_flow_is_drawn_in_colours_with_a_legend(tmp_path):
    right, down = (np.tile(np.array(v, np.float32), (40, 40, 1)) for v in ((6, 0), (0, 6)))
    contact_sheet.draw([row([right, down])], 't', tmp_path / 'flow.png')
    image = read(tmp_path / 'flow.png')
    assert image.shape[0] == 38 + 22 + TILE + 10 + 96
    assert (tile(image, 0) == (255, 0, 0)).all()
    assert np.abs(tile(image, 1).astype(int) - (128, 255, 0)).max() <= 1
    wheel = image[TOP + TILE + 10 :][:70, LEFT:][:, :70].astype(int)
    np.testing.assert_allclose(wheel, flow_colours.wheel(70), atol=1)


def test_stored_flow_is_read_back(tmp_path, write_video_file, numbered):
    opened = tiny_boxes.convert(tmp_path, write_video_file, numbered, 'flow')
    for head in survey.survey(opened, ['train'], 9, 0, lambda line: None)['train'].chosen:
        (found,) = contact_sheet.read_rows([(head, 'run', '3 frames')], True, ['jump', 'run'])
        assert found.numbers == [0, 1, 2]
        assert [frame.shape for frame in found.frames] == [(20, 30, 2)] * 3
        assert np.abs(found.frames).max() < 1  # nothing moves
        assert len(found.boxes) == 3  # those of the last frame have no picture


def bars(path, colour=(31, 119, 180)):
    """Where the bars of a chart are."""
    return np.abs(read(path).astype(int) - colour).max(axis=2) < 10


def test_class_counts_are_bars(tmp_path):
    names = ['a', 'b $x_{$', 'c' * 300]
    counts = {'train': np.array([10, 10, 5]), 'test': np.array([0, 0, 0])}
    charts.draw_class_counts(counts, names, tmp_path / 'one.png')
    counts['test'] = np.array([3, 0, 0])
    charts.draw_class_counts(counts, names, tmp_path / 'both.png')
    one, both = (bars(tmp_path / f'{name}.png') for name in ('one', 'both'))
    assert max(one.shape) < 1400
    lengths = [length for length in one.sum(axis=1) if length]
    assert max(lengths) == pytest.approx(2 * min(lengths), abs=4)
    columns = [np.flatnonzero(found.any(axis=0)) for found in (one, both)]
    assert columns[1].max() > columns[0].max() + 50  # the panel on the right


def test_many_classes_stay_small(tmp_path):
    names = [f'class {k}' for k in range(400)]
    counts = {'train': np.arange(400), 'validation': np.full(400, 50)}
    charts.draw_class_counts(counts, names, tmp_path / 'chart.png')
    found = bars(tmp_path / 'chart.png')
    assert max(found.shape) < 1400
    upper, lower = (half.sum() for half in np.array_split(found, 2))
    assert lower == pytest.approx(2 * upper, rel=0.2)  # a rectangle and a triangle


@pytest.mark.parametrize('rate', [None, 25.0])
def test_lengths_are_a_histogram(tmp_path, rate):
    lengths = {'train': {10: 100, 11: 100}, 'test': {250: 3}}
    charts.draw_lengths(lengths, rate, tmp_path / 'lengths.png')
    left, right = np.array_split(bars(tmp_path / 'lengths.png', (44, 160, 44)), 2, axis=1)
    assert np.flatnonzero(left.any(axis=0)).max() < left.shape[1] / 2
    assert np.flatnonzero(right.any(axis=0)).min() > right.shape[1] / 2
    charts.draw_lengths({'train': {7: 1}}, rate, tmp_path / 'one.png')
