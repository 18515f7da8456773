"""Pictures of detections: where boxes and labels are on frames, and what sheets of them hold."""

import cv2
import numpy as np
import pytest

from s3dg.detection import frame_ap
from s3dg.figures import detections

RED, BLUE = (255, 0, 0), (0, 0, 255)
NAMES = ('jump', 'run', 'sit')
NOTHING = (np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))


def _grey(height=96, width=128):
    return np.full((height, width, 3), 90, np.uint8)


def _is(picture, colour):
    return (picture == colour).all(axis=-1)


def _read(path):
    return cv2.imread(str(path))[..., ::-1]


def test_lines_lie_within_the_box_and_leave_its_inside():
    frame = np.random.default_rng(0).integers(0, 200, (60, 80, 3), np.uint8)
    before = frame.copy()
    drawn = detections.draw_boxes(frame, [[20, 30, 50, 70]], [''], [RED], thickness=2)
    expected = before.copy()
    expected[20:50, 30:70] = RED
    expected[22:48, 32:68] = before[22:48, 32:68]
    np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_array_equal(frame, before)
    assert drawn.dtype == np.uint8


def test_every_pixel_that_a_box_touches_is_in_it():
    drawn = detections.draw_boxes(_grey(), [[20.4, 30.7, 50.1, 69.2]], [''], [RED], 1)
    rows, columns = np.nonzero(_is(drawn, RED))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 50, 30, 69)


def test_boxes_are_cut_at_the_border():
    boxes = [[-30, -1e9, 40, 50], [60, 100, 96, 1e9]]
    drawn = detections.draw_boxes(_grey(), boxes, ['', ''], [RED, BLUE], 1)
    expected = _grey()
    expected[:40, :50], expected[60:, 100:] = RED, BLUE
    expected[1:39, 1:49] = expected[61:95, 101:127] = 90
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(
    'box',
    [[-20, 10, 0, 50], [96, 10, 120, 50], [10, 128, 50, 160], [20, 40, 20, 60], [50, 40, 20, 60]],
)
def test_boxes_with_nothing_in_the_frame_are_not_drawn(box):
    drawn = detections.draw_boxes(_grey(), [box], ['jump'], [RED])
    np.testing.assert_array_equal(drawn, _grey())


@pytest.mark.parametrize('boxes', [[], np.zeros((0, 4))])
def test_without_boxes_a_frame_is_copied(boxes):
    frame = _grey()
    drawn = detections.draw_boxes(frame, boxes, [], [])
    np.testing.assert_array_equal(drawn, frame)
    assert not np.shares_memory(drawn, frame)


def test_frames_may_be_views_in_any_order():
    frame = np.random.default_rng(0).integers(0, 200, (60, 80, 3), np.uint8)
    mirrored = frame[:, ::-1]
    arguments = [[30, 30, 50, 70]], ['jump'], [RED]
    np.testing.assert_array_equal(
        detections.draw_boxes(mirrored, *arguments),
        detections.draw_boxes(mirrored.copy(), *arguments),
    )


def _label_rows(drawn, colour, box):
    """Rows outside a box in which its colour is, that is, those of its label."""
    rows = np.flatnonzero(_is(drawn, colour).any(axis=1))
    return rows[(rows < box[0]) | (rows >= box[2])]


def test_a_label_is_above_its_box_or_below_or_inside():
    for box, above, below in (
        ([40, 30, 70, 70], True, False),
        ([0, 30, 60, 70], False, True),
        ([0, 30, 96, 70], False, False),
    ):
        plain, drawn = (
            detections.draw_boxes(_grey(), [box], [text], [RED]) for text in ('', 'jump 9%')
        )
        rows = _label_rows(drawn, RED, box)
        assert (rows < box[0]).any() == above
        assert (rows >= box[2]).any() == below
        assert (plain != drawn).any()


def test_labels_cover_no_other_label_where_there_is_room():
    boxes = [[40, 30, 70, 100]] * 2
    both = detections.draw_boxes(_grey(), boxes, ['jump', 'jump'], [RED, BLUE], 1)
    assert len(_label_rows(both, RED, boxes[0])) > 5
    assert len(_label_rows(both, BLUE, boxes[0])) > 5


def test_text_has_contrast_with_its_label():
    for colour, other in (((255, 255, 0), 0), ((0, 0, 120), 255)):
        drawn = detections.draw_boxes(_grey(), [[40, 10, 90, 120]], ['HHHH'], [colour], 1)
        label = drawn[:40].astype(int)
        assert (np.abs(label - other).sum(axis=-1) < 60).sum() > 10


def test_a_label_wider_than_the_frame_is_cut():
    drawn = detections.draw_boxes(_grey(30, 40), [[15, 20, 28, 39]], ['long ' * 9], [RED])
    assert drawn.shape == (30, 40, 3)
    assert _is(drawn[14], RED).all()


def test_lines_and_text_grow_with_the_frame():
    widths, heights = [], []
    for height in (96, 1080):
        box = [height // 2, 20, height - 5, height]
        drawn = detections.draw_boxes(_grey(height, 2 * height), [box], ['jump'], [RED])
        widths.append(_is(drawn[height * 3 // 4, : height // 2], RED).sum())
        heights.append(len(_label_rows(drawn, RED, box)))
    assert widths == [1, 4]
    assert heights[1] > 2 * heights[0] > 12


def test_colours_are_distinct():
    many = detections.colours(range(400))
    assert len(set(many)) == 400
    first = cv2.cvtColor(np.float32([many[:24]]) / 255, cv2.COLOR_RGB2LAB)[0]
    apart = np.linalg.norm(first[:, None] - first, axis=-1) + 999 * np.eye(24)
    assert apart.min() > 20
    assert (np.ptp(many, axis=1) > 60).all()  # none is white, black or grey
    assert detections.colour_of(np.int32(10**6)) in many + detections.colours(range(400, 2000))


def test_right_and_wrong_boxes_are_told_apart(tmp_path):
    """Frames of 90 x 120 are enlarged by 4, and lie 6 pixels from the border and each other."""
    box = np.array([[30.0, 30, 75, 90]])
    half = box + [[0, 0, 0, 60]]  # whose overlap is one half
    less = box + [[0, 0, 0, 62]]
    cases = [
        ((half, [1], [0.9]), (box, [1]), True),
        ((less, [1], [0.9]), (box, [1]), False),
        ((box, [1], [0.9]), (box, [2]), False),  # of another class
        ((box, [1], [0.9]), NOTHING[:2], False),
        ((box, [1], [0.9]), (np.concatenate([less, box]), [1, 1]), True),
    ]
    frames = [_grey(90, 120)] * len(cases)
    found, true, right = zip(*cases, strict=True)
    detections.found_and_true(frames, found, true, NAMES, tmp_path / 'sheet.png')
    sheet = _read(tmp_path / 'sheet.png')
    assert sheet.shape[1] == 3 * 480 + 4 * 6
    assert 2 * 360 + 3 * 6 < sheet.shape[0] < 2 * 360 + 100
    for number, expected in enumerate(right):
        top, left = 6 + number // 3 * 366, 6 + number % 3 * 486
        side = sheet[top + 150 : top + 270, left + 121]
        share = _is(side, detections.colour_of(1)).mean()
        assert (share == 1) if expected else (0.2 < share < 0.8), (number, share)


def test_true_boxes_are_white_and_found_ones_hide_none(tmp_path):
    box = np.array([[30.0, 30, 75, 90]])
    detections.found_and_true(
        [_grey(90, 120)] * 2,
        [(box, [0], [0.5]), NOTHING],
        [(box, [0]), (box, [0])],
        NAMES,
        tmp_path / 'sheet.png',
    )
    sheet = _read(tmp_path / 'sheet.png')
    for left in (6, 492):
        row = sheet[6 + 200, left : left + 480]
        assert _is(row[[119, 360]], 255).all()  # beside columns 120 to 359
    assert _is(sheet[206, 6 + 120 : 6 + 123], detections.colour_of(0)).all()
    assert not _is(sheet[:366, 492:], detections.colour_of(0)).any()


def test_frames_of_several_sizes_get_one_height(tmp_path):
    frames = [_grey(720, 960), _grey(90, 60)]
    boxes = [np.array([[240.0, 240, 600, 720]]), np.array([[30.0, 10, 75, 50]])]
    detections.found_and_true(
        frames, [(b, [0], [1.0]) for b in boxes], [NOTHING[:2]] * 2, NAMES, tmp_path / 's.png'
    )
    sheet = _read(tmp_path / 's.png')
    assert sheet.shape[1] == 480 + 240 + 3 * 6
    for left, inside in ((6, (120, 360)), (492, (40, 200))):
        columns = np.flatnonzero(
            _is(sheet[6 + 120 : 6 + 300, left:], detections.colour_of(0)).any(0)
        )
        columns = columns[columns < 480]
        assert (columns.min(), columns.max() + 1) == inside


def test_filmstrip_shows_boxes_above_a_score_where_they_are(tmp_path):
    video = np.stack([_grey(54, 72)] * 15)
    at = np.array([[20.0, 10, 50, 40]])
    found = [(at + [0, t, 0, t], [t % 2], [t / 14]) for t in range(15)]
    arguments = [video, video[:3]], [found, [NOTHING] * 3], NAMES
    sheets = []
    for name, least in (('half.png', 0.5), ('all.png', 0.0)):
        detections.filmstrip(*arguments, tmp_path / name, ['one', 'two'], least)
        sheets.append(_read(tmp_path / name))
    assert sheets[0].shape == sheets[1].shape
    assert sheets[0].shape[1] == 8 * 288 + 9 * 6
    assert sheets[0].shape[0] > 2 * 216
    # Frames 0, 2, ..., 14, all of label 0, enlarged by 4; the first column of each box.
    for sheet, shown in zip(sheets, (range(8, 15, 2), range(0, 15, 2)), strict=True):
        colour = _is(sheet, detections.colour_of(0))
        lefts = [6 + t // 2 * 294 + 4 * (10 + t) for t in range(0, 15, 2)]
        tall = [
            t for t, left in zip(range(0, 15, 2), lefts, strict=True) if colour[:, left].sum() > 90
        ]
        assert tall == list(shown)
        assert not _is(sheet, detections.colour_of(1)).any()


def test_frames_that_were_picked_before_keep_their_numbers(tmp_path):
    video = np.stack([_grey(54, 72)] * 15)
    picked = np.arange(0, 15, 2)  # as it picks them itself
    pictures = []
    for name, shown, numbers in (('all', video, None), ('few', video[picked], [picked])):
        path, found = tmp_path / f'{name}.png', [[NOTHING] * len(shown)]
        detections.filmstrip([shown], found, NAMES, path, ['one'], numbers=numbers)
        pictures.append(_read(path))
    assert np.array_equal(*pictures)


def test_filmstrip_needs_the_boxes_of_all_frames(tmp_path):
    with pytest.raises(ValueError, match='one: 3 frames, but boxes of 2'):
        detections.filmstrip(
            [np.stack([_grey()] * 3)], [[NOTHING] * 2], NAMES, tmp_path / 'a.png', ['one']
        )
    assert not list(tmp_path.iterdir())


def _average_precisions(rule):
    """Two hits among three detections of 'jump', none of 'run', and no true box of 'sit'."""
    at = np.float32([[0, 0, 10, 10]])
    found = frame_ap.FrameBoxes(
        np.array([0, 5, 1]), np.zeros(3, 'int32'), at.repeat(3, 0), np.float32([0.9, 0.8, 0.7])
    )
    true = frame_ap.FrameBoxes(
        np.array([0, 1, 0]), np.array([0, 0, 1], 'int32'), at.repeat(3, 0) + np.float32(0)
    )
    return frame_ap.average_precisions(found, true, 3, rule)


@pytest.mark.parametrize('rule', [frame_ap.PASCAL, frame_ap.ACT])
def test_curves_are_in_percent_with_their_ap(rule, tmp_path, figures):
    found = _average_precisions(rule)
    detections.precision_recall(found, NAMES, rule, tmp_path / 'curves.png')
    jump, run, sit = figures[0].axes
    (line,) = jump.lines
    precision, recall = found.curves[0]
    np.testing.assert_allclose(line.get_xydata().T, [100 * recall, 100 * precision])
    assert line.get_drawstyle() == ('steps-pre' if rule is frame_ap.PASCAL else 'default')
    assert jump.get_title() == f'jump\nAP {100 * found.per_class[0]:.1f}%'
    assert run.get_title() == 'run\nAP 0.0%'
    assert 'mean' in figures[0].get_suptitle()
    assert f'{100 * found.mean:.1f}% of 2 classes' in figures[0].get_suptitle()
    # A class without true boxes.
    assert sit.get_title() == 'sit\nno AP'
    assert [text.get_text() for text in sit.texts] == ['no true boxes']
    assert not sit.lines
    assert not jump.texts


@pytest.mark.parametrize('rule', [frame_ap.PASCAL, frame_ap.ACT])
def test_the_area_under_a_curve_is_its_ap(rule, tmp_path, figures):
    found = _average_precisions(rule)
    detections.precision_recall(found, NAMES, rule, tmp_path / 'curves.png')
    (area,) = figures[0].axes[0].collections
    x, y = area.get_paths()[0].vertices.T
    enclosed = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert enclosed / 1e4 == pytest.approx(found.per_class[0])


@pytest.mark.parametrize(('count', 'shape'), [(1, (1, 1)), (3, (1, 3)), (24, (4, 6)), (21, (4, 6))])
def test_panels_fill_a_figure(count, shape, tmp_path, figures):
    curve = (np.array([1.0, 1.0]), np.array([0.0, 0.5]))
    found = frame_ap.AveragePrecisions(np.full(count, 0.5), 0.5, (curve,) * count)
    names = [f'class {i}' for i in range(count)]
    detections.precision_recall(found, names, frame_ap.ACT, tmp_path / 'curves.png')
    grid = figures[0].axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == shape
    assert sum(axes.axison for axes in figures[0].axes) == count
    assert max(_read(tmp_path / 'curves.png').shape) < 1700
