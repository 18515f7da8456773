"""Rows of detections on disk."""

import numpy as np
import pytest

from s3dg.detection import rows
from s3dg.detection.frame_ap import FrameApError, FrameBoxes
from tests.s3dg.detection import reference

NAMES = ['plain', 'a, "quoted"\nand\r\nbroken', 'Grüße\r']


def name_of(frame):
    return f'video {frame % 3}', frame


def random_rows(rng, count=500):
    return FrameBoxes(
        rng.integers(0, 9, count),
        rng.integers(0, 24, count).astype(np.int32),
        reference.random_boxes(rng, count),
        (rng.random(count) ** 4).astype(np.float32),
    )


@pytest.mark.parametrize('chunk', [7, 1 << 16])
def test_rows_on_disk_and_back(chunk, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, '_CHUNK', chunk)
    boxes = random_rows(np.random.default_rng(2))
    boxes.box[0] = 0, 0, 1 / 1500, 1 / 900  # less by 1, these need more digits than others
    boxes.score[:2] = np.float32(1e-30), np.nextafter(np.float32(1), 0)
    path = tmp_path / 'rows.csv'
    rows.write_rows(path, boxes, lambda frame: (NAMES[frame % 3], frame // 3))
    found, names = rows.read_rows(path)
    assert [names[frame] for frame in found.frame] == [
        (NAMES[frame % 3], frame // 3) for frame in boxes.frame
    ]
    assert found.frame.dtype == np.int64
    assert found.frame[0] == 0
    assert len(set(names)) == len(names)
    for name in ('label', 'box', 'score'):
        values = getattr(found, name)
        assert values.dtype == getattr(boxes, name).dtype
        np.testing.assert_array_equal(values, getattr(boxes, name))
    rows.write_rows(tmp_path / 'again.csv', found, names.__getitem__)
    assert (tmp_path / 'again.csv').read_bytes() == path.read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['again.csv', 'rows.csv']


def test_what_stands_in_a_file(tmp_path):
    boxes = reference.boxes_of((4, 3, (1, 2.5, 11, 22.25), 0.75))
    rows.write_rows(tmp_path / 'rows.csv', boxes, lambda frame: ('Run/a', frame))
    lines = ['video,frame,label,score,x1,y1,x2,y2', 'Run/a,5,3,0.75,2.5,1,21.25,10.0', '']
    assert (tmp_path / 'rows.csv').read_text() == '\n'.join(lines)


def test_no_rows(tmp_path):
    rows.write_rows(tmp_path / 'rows.csv', reference.boxes_of(), name_of)
    found, names = rows.read_rows(tmp_path / 'rows.csv')
    assert len(found) == 0
    assert found.box.shape == (0, 4)
    assert names == []


def test_true_boxes_are_not_written(tmp_path):
    with pytest.raises(FrameApError, match='no scores'):
        rows.write_rows(
            tmp_path / 'rows.csv',
            reference.boxes_of((0, 0, (0, 0, 10, 10))),
            name_of,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        (b'v,1,0,0.5,1,2,3\n', 'found 7 cells, expected 8'),
        (b'v,1,0,0.5,1,2,3,4,5\n', 'found 9 cells'),
        (b'\n', 'found 0 cells'),
        (b'v,0,0,0.5,1,2,3,4\n', 'found frame 0 and label 0'),
        (b'v,1,-1,0.5,1,2,3,4\n', 'found frame 1 and label -1'),
        (b'v,1,2147483648,0.5,1,2,3,4\n', 'label 2147483648'),
        (b'v,1.5,0,0.5,1,2,3,4\n', 'invalid literal'),
        (b'v,1,0,x,1,2,3,4\n', 'could not convert'),
        (b'v,1,0,nan,1,2,3,4\n', 'expected finite numbers'),
        (b'v,1,0,0.5,1,2,3,1e39\n', 'expected finite numbers'),
        (b'v,1,0,0.5,1,2,3,4', 'it has no end'),
        (b'\xff,1,0,0.5,1,2,3,4\n', 'utf-8'),
        (b'"v"w,1,0,0.5,1,2,3,4\n', "expected after '\"'"),
        (b'"v,1,0,0.5,1,2,3,4\n', 'unexpected end of data'),
        (b'"v,1,0,0.5,1,2,3,4' + 200_000 * b'5' + b'\n', 'field larger'),
    ],
)
def test_a_damaged_line_is_named(line, message, tmp_path):
    path = tmp_path / 'rows.csv'
    header = ','.join(rows.HEADER).encode() + b'\n'
    path.write_bytes(header + b'v,1,0,0.5,1,2,3,4\n' + line)
    with pytest.raises(FrameApError, match=message) as caught:
        rows.read_rows(path)
    assert str(caught.value).startswith(f'{path} is damaged in line 3: ')
    assert '\n' not in str(caught.value)


def test_another_header_is_refused(tmp_path):
    path = tmp_path / 'rows.csv'
    for content in ('', 'video,frame,label,score,y1,x1,y2,x2\n'):
        path.write_text(content)
        with pytest.raises(FrameApError, match=r'rows\.csv is damaged in line 1: found the header'):
            rows.read_rows(path)
    with pytest.raises(OSError, match='other'):
        rows.read_rows(tmp_path / 'other')


def test_a_cut_file_is_refused_but_at_the_end_of_a_line(tmp_path):
    path = tmp_path / 'rows.csv'
    rows.write_rows(path, random_rows(np.random.default_rng(3), 6), name_of)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        if content[:length].endswith(b'\n'):
            rows.read_rows(path)
        else:
            with pytest.raises(FrameApError):
                rows.read_rows(path)
