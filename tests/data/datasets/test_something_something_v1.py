"""something_something_v1 on generated copies of its layout."""

import cv2
import numpy as np
import pytest

from data import catalog
from data.errors import DatasetError
from data.listing import Video

PREFIX = 'something-something-v1-'
VIDEOS = '20bn-something-something-v1'

LABELS = (  # in no order, as in the published file
    'Twisting (wringing) something wet until water comes out',
    'Putting something, something and something on the table',
    "Pushing something so that it almost falls off but doesn't",
    'Calling something "something"',
    'Pulling something; then letting go',
)


def write_frames(folder, levels, first=1):
    """Frames as the dataset has them: 100 pixels high, JPEG, five digits from 1; one gray each."""
    folder.mkdir(parents=True)
    for number, level in enumerate(levels, start=first):
        image = np.full((100, 176, 3), level, np.uint8)
        assert cv2.imwrite(str(folder / f'{number:05d}.jpg'), image)


def levels(count, first):
    return [first + 10 * k for k in range(count)]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('something')
    videos = root / VIDEOS
    write_frames(videos / '7', levels(12, 20))
    write_frames(videos / '100218', levels(5, 100))
    write_frames(videos / '31', levels(4, 60))
    write_frames(videos / '40', levels(3, 60))
    write_frames(videos / '41', levels(6, 30))
    write_frames(videos / '5', levels(2, 200))
    write_frames(videos / '50', levels(4, 10))
    (videos / '50' / '00003.jpg').unlink()
    write_frames(videos / '51', levels(4, 10))
    (videos / '51' / '00002.jpg').write_bytes(b'')
    write_frames(videos / '52', levels(4, 10))
    whole = (videos / '52' / '00004.jpg').read_bytes()
    (videos / '52' / '00004.jpg').write_bytes(whole[: len(whole) // 2])
    write_frames(videos / '53', levels(1, 10))
    (videos / '54').mkdir()
    (videos / '55').write_text('a file')
    (root / f'{PREFIX}labels.csv').write_bytes('\r\n'.join(LABELS).encode())
    (root / f'{PREFIX}train.csv').write_bytes(
        b'\xef\xbb\xbf'  # a byte-order mark
        b'7;Putting something, something and something on the table\r\n'
        b'100218; Calling something "something" \t\r\n'
        b'50;Calling something "something"\r\n'
        b'51;Calling something "something"\r\n'
        b'52;Calling something "something"\r\n'
        b'\r\n'
        b'53;Calling something "something"\r\n'
        b'54;Calling something "something"\r\n'
        b'55;Calling something "something"\r\n'
        b'56;Calling something "something"\r\n'
        b'31;Pulling something; then letting go'
    )
    (root / f'{PREFIX}validation.csv').write_text(
        "40;Pushing something so that it almost falls off but doesn't\n"
        '41;Twisting (wringing) something wet until water comes out   \n'
    )
    (root / f'{PREFIX}test.csv').write_bytes(b'5 \r\n')
    return root


@pytest.fixture(scope='module')
def converted(folder, convert_dataset, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp('data')
    return convert_dataset('something_something_v1', 'rgb', data_dir, folder)


def test_examples(converted):
    done, _, examples = converted
    assert done.examples == {'train': 3, 'validation': 2, 'test': 1}
    # Labels in sorted order: Calling, Pulling, Pushing, Putting, Twisting.
    found = {
        split: {name: int(example['label']) for name, example in videos.items()}
        for split, videos in examples.items()
    }
    assert found == {
        'train': {'7': 3, '100218': 0, '31': 1},
        'validation': {'40': 2, '41': 4},
        'test': {'5': -1},
    }


def test_labels_are_sorted(converted):
    _, opened, _ = converted
    assert opened.info.features['label'].names == [
        'Calling something "something"',
        'Pulling something; then letting go',
        "Pushing something so that it almost falls off but doesn't",
        'Putting something, something and something on the table',
        'Twisting (wringing) something wet until water comes out',
    ]


@pytest.mark.parametrize(
    ('split', 'name', 'expected'),
    [
        ('train', '7', levels(12, 20)),
        ('train', '100218', levels(5, 100)),
        ('validation', '41', levels(6, 30)),
        ('test', '5', levels(2, 200)),
    ],
)
def test_every_frame_is_stored_once_at_12_a_second(converted, split, name, expected):
    video = converted[2][split][name]['video']
    assert video.shape == (len(expected), 256, 256, 3)
    for frame, level in zip(video.astype(int), expected, strict=True):
        assert np.abs(frame - level).max() <= 2


def test_skipped_with_reasons(converted, folder):
    skipped = {row.id: (row.path, row.reason) for row in converted[0].skipped}
    reasons = {
        '50': 'frame 3 is missing: 3 frames are numbered 1 to 4',
        '51': 'frame 00002.jpg is empty (0 bytes)',
        '52': 'frame 00004.jpg cannot be decoded',
        '53': 'only one frame',
        '54': 'no frames in this folder',
        '55': 'not a video: FFmpeg cannot open it',
        '56': 'file not found',
    }
    assert skipped == {
        name: (str(folder / VIDEOS / name), reason) for name, reason in reasons.items()
    }


def test_metadata(converted):
    metadata = converted[1].info.metadata
    assert metadata['flip_left_right'] is False
    assert metadata['frames_per_second'] == 12
    assert list(metadata['frame_size']) == [256, 256]


def test_flow_has_a_frame_less(folder, convert_dataset, tmp_path):
    _, opened, examples = convert_dataset(
        'something_something_v1',
        'flow',
        tmp_path,
        folder,
        flow_algorithm='dis',
        frame_size=(32, 32),
    )
    assert opened.info.metadata['frames_per_second'] == 12
    assert opened.info.metadata['flow_algorithm'] == 'dis'
    lengths = {
        name: video['video'].shape for videos in examples.values() for name, video in videos.items()
    }
    assert lengths == {
        '7': (11, 32, 64, 1),
        '100218': (4, 32, 64, 1),
        '31': (3, 32, 64, 1),
        '40': (2, 32, 64, 1),
        '41': (5, 32, 64, 1),
        '5': (1, 32, 64, 1),
    }


@pytest.fixture
def make(tmp_path):
    """Writes lists, by split, and empty folders for videos 1, 2 and 3; gives a builder."""

    def make(videos=VIDEOS, lists='', **texts):
        root = tmp_path / 'manual'
        for name in ('1', '2', '3'):
            (root / videos / name).mkdir(parents=True)
        (root / lists).mkdir(exist_ok=True)
        texts = {'train': '1;B\n2;A\n', 'validation': '3;B\n'} | texts
        for split, text in texts.items():
            if text is not None:
                (root / lists / f'{PREFIX}{split}.csv').write_bytes(text.encode())
        return catalog.make_builder('something_something_v1', None, tmp_path / 'data', root)

    return make


def test_without_labels_and_test_lists(make, tmp_path):
    builder = make()
    assert builder.info.features['label'].names == ['A', 'B']
    folder = tmp_path / 'manual' / VIDEOS
    assert builder.split_videos() == {
        'train': [
            Video('1', str(folder / '1'), 'B'),
            Video('2', str(folder / '2'), 'A'),
        ],
        'validation': [Video('3', str(folder / '3'), 'B')],
    }


@pytest.mark.parametrize('lists', ['', 'labels', 'annotations'])
@pytest.mark.parametrize('videos', [VIDEOS, f'{VIDEOS}/{VIDEOS}', 'frames', '.'])
def test_other_places(make, tmp_path, videos, lists):
    splits = make(videos, lists).split_videos()
    assert splits['validation'][0].path == str((tmp_path / 'manual' / videos / '3').resolve())


@pytest.mark.parametrize(
    ('texts', 'message'),
    [
        ({'train': None}, 'manual: found none of its files, expected something-something-v1-train'),
        ({'validation': None}, 'expected something-something-v1-validation.csv or labels/'),
        (
            {'train': '1;A\n../../etc/x;B'},
            "train.csv, line 2: found the id '../../etc/x', expected",
        ),
        ({'train': '1;A\n\n/etc;B'}, "train.csv, line 3: found the id '/etc', expected a number"),
        ({'train': '1;A\n;B'}, "train.csv, line 2: found the id '', expected a number"),
        ({'train': '1' * 21 + ';A'}, "found the id '1111"),
        ({'train': '1/../../etc/x;A'}, "line 1: found the id '1/../../etc/x', expected a number"),
        ({'train': '٣;A'}, "line 1: found the id '٣', expected a number"),  # a digit elsewhere
        ({'train': '1;A\n2\n'}, "train.csv, line 2: found '2', expected ID;LABEL"),
        ({'train': '1;A\n2; \n'}, "train.csv, line 2: found the label '', expected a line of text"),
        ({'train': '1;A\x00B'}, r"train.csv, line 1: found the label 'A\x00B', expected a line of"),
        ({'train': ' \r\n'}, 'train.csv: found no videos, expected at least one'),
        ({'train': '1;A\n2;A\n1;A'}, 'train.csv, line 3: found the id 1, which is also in'),
        ({'validation': '3;C'}, "validation.csv, line 1: found the label 'C', expected one of the"),
        ({'labels': 'A\n'}, "train.csv, line 1: found the label 'B', expected one of"),
        ({'labels': 'A\nB\nA\n'}, "labels.csv, line 3: found the label 'A' again, expected every"),
        ({'labels': '\n'}, 'labels.csv: found no labels, expected one in each line'),
        ({'test': '9;A'}, "test.csv, line 1: found '9;A', expected an ID and no label"),
        ({'test': '2'}, 'test.csv, line 1: found the id 2, which is also in'),
        ({'test': ''}, 'test.csv: found no videos, expected at least one'),
        (
            {'train': '8;A', 'validation': '9;A'},
            f'found none of the 2 videos listed, expected 8 and so on in {VIDEOS} or',
        ),
    ],
)
def test_lists_that_do_not_serve(make, tmp_path, texts, message):
    with pytest.raises(DatasetError) as error:
        make(**texts).split_videos()
    line = str(error.value)
    assert line.startswith(str(tmp_path / 'manual'))
    assert message.replace('MANUAL', str(tmp_path / 'manual')) in line
    assert len(line.splitlines()) == 1
