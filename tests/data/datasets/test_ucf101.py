"""UCF-101 from a small copy of its folders."""

import numpy as np
import pytest

from data import catalog
from data.errors import DatasetError

# Sorted by code points, HammerThrow comes before Hammering and JumpRope before JumpingJack.
CLASSES = ['Hammering', 'HammerThrow', 'HandstandPushups', 'JumpingJack', 'JumpRope']
CLASS_LINES = [f'{number} {name}' for number, name in enumerate(CLASSES, start=1)]

LISTS = {
    'trainlist01': [
        'Hammering/v_Hammering_g01_c01.avi 1',
        'HammerThrow/v_HammerThrow_g01_c01.avi 2',
        'HammerThrow/v_HammerThrow_g01_c02.avi 2',
        'HandstandPushups/v_HandStandPushups_g01_c01.avi 3',
        'JumpRope/v_JumpRope_g01_c01.avi 5',
        'JumpRope/v_JumpRope_g01_c02.avi 5',
    ],
    'testlist01': [
        'HandstandPushups/v_HandStandPushups_g02_c01.avi',
        'JumpingJack/v_JumpingJack_g01_c01.avi',
        'JumpingJack/v_JumpingJack_g01_c02.avi',
    ],
    'trainlist02': ['Hammering/v_Hammering_g01_c01.avi 1'],
    'testlist02': ['HammerThrow/v_HammerThrow_g01_c01.avi'],
    'trainlist03': ['JumpingJack/v_JumpingJack_g01_c01.avi 4'],
    'testlist03': ['Hammering/v_Hammering_g01_c01.avi', 'JumpRope/v_JumpRope_g01_c01.avi'],
}

# Gray levels of the videos on disk; not all are named as in the lists.
VIDEOS = {
    'Hammering/v_Hammering_g01_c01.avi': 20,
    'HammerThrow/v_HammerThrow_g01_c01.AVI': 40,
    'HandstandPushups/v_HandstandPushups_g01_c01.avi': 60,
    'HandStandPushups/v_HandStandPushups_g02_c01.avi': 80,
    'JumpingJack/v_JumpingJack_g01_c01.avi': 100,
    # Of the same name as others, in folders that are not of their class.
    'Copies/v_JumpingJack_g01_c01.avi': 200,
    'Zebra/v_JumpingJack_g01_c01.avi': 220,
}
EMPTY = 'JumpRope/v_JumpRope_g01_c01.avi'
TRUNCATED = 'JumpRope/v_JumpRope_g01_c02.avi'
MISSING = 'HammerThrow/v_HammerThrow_g01_c02.avi'
GARBAGE = 'JumpingJack/v_JumpingJack_g01_c02.avi'


def write_lists(folder, classes=CLASS_LINES, lists=LISTS):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'classInd.txt').write_bytes(crlf(classes))
    for name, lines in lists.items():
        (folder / f'{name}.txt').write_bytes(crlf(lines))


def crlf(lines):
    return ''.join(f'{line}\r\n' for line in lines).encode()


def list_videos(folder, tmp_path, config='split1_rgb', **fields):
    return catalog.make_builder('ucf101', config, tmp_path, folder, **fields).split_videos()


def expect_line(folder, tmp_path, path, message):
    with pytest.raises(DatasetError, match=message) as error:
        list_videos(folder, tmp_path)
    assert str(error.value).startswith(str(path))
    assert '\n' not in str(error.value)


def ids(videos):
    return [item.id for item in videos]


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_video_file):
    root = tmp_path_factory.mktemp('ucf101')
    write_lists(root / 'ucfTrainTestlist')
    for name, level in VIDEOS.items():
        frames = [np.full((24, 32, 3), level, np.uint8)] * 3
        write_video_file(root / 'UCF-101' / name, frames, 25)
    noise = np.random.default_rng(0).integers(0, 256, (20, 24, 32, 3), np.uint8)
    truncated = root / 'UCF-101' / TRUNCATED
    write_video_file(truncated, noise, 25)
    content = truncated.read_bytes()
    truncated.write_bytes(content[: len(content) // 2])
    (root / 'UCF-101' / EMPTY).touch()
    (root / 'UCF-101' / GARBAGE).write_bytes(b'not a video ' * 100)
    return root


@pytest.fixture(scope='module')
def converted(folder, tmp_path_factory, convert_dataset):
    data_dir = tmp_path_factory.mktemp('data')
    return convert_dataset('ucf101', 'split1_rgb', data_dir, folder, frame_size=(32, 32))


def test_examples(converted):
    done, opened, examples = converted
    assert opened.info.features['label'].names == CLASSES
    stored = {
        split: {
            video_id: (int(example['label']), len(example['video']), int(example['video'].mean()))
            for video_id, example in videos.items()
        }
        for split, videos in examples.items()
    }
    assert stored == {
        'train': {
            'v_Hammering_g01_c01': (0, 3, 20),
            'v_HammerThrow_g01_c01': (1, 3, 40),
            'v_HandStandPushups_g01_c01': (2, 3, 60),
        },
        'test': {
            'v_HandStandPushups_g02_c01': (2, 3, 80),
            'v_JumpingJack_g01_c01': (3, 3, 100),
        },
    }
    assert done.examples == {'train': 3, 'test': 2}
    assert examples['train']['v_Hammering_g01_c01']['video'].shape == (3, 32, 32, 3)


def test_unusable_videos_are_listed_with_their_reasons(converted, folder):
    done, _, _ = converted
    skipped = {row.id: (row.path, row.reason) for row in done.skipped}
    assert skipped.keys() == {
        'v_JumpRope_g01_c01',
        'v_JumpRope_g01_c02',
        'v_HammerThrow_g01_c02',
        'v_JumpingJack_g01_c02',
    }
    videos = folder / 'UCF-101'
    assert skipped['v_JumpRope_g01_c01'] == (str(videos / EMPTY), 'empty file (0 bytes)')
    assert skipped['v_HammerThrow_g01_c02'] == (str(videos / MISSING), 'file not found')
    assert skipped['v_JumpingJack_g01_c02'] == (
        str(videos / GARBAGE),
        'not a video: FFmpeg cannot open it',
    )
    path, reason = skipped['v_JumpRope_g01_c02']
    assert path == str(videos / TRUNCATED)
    assert reason.startswith('truncated: ')
    assert reason.endswith(' bytes are there, 50% of it is missing')


def test_three_splits(folder, tmp_path):
    names = [config.name for config in catalog.BUILDERS['ucf101'].BUILDER_CONFIGS]
    assert names == [f'split{k}_{modality}' for k in (1, 2, 3) for modality in ('rgb', 'flow')]
    for number in (1, 2, 3):
        for modality in ('rgb', 'flow'):
            config = f'split{number}_{modality}'
            builder = catalog.make_builder('ucf101', config, tmp_path, folder)
            assert builder.builder_config.modality == modality
            splits = builder.split_videos()
            assert list(splits) == ['train', 'test']
            for split, videos in splits.items():
                lines = LISTS[f'{split}list0{number}']
                # v_CLASS_g01_c01 between "/" and ".avi"
                assert ids(videos) == [line.split('/')[1].split('.')[0] for line in lines]
                assert [item.label for item in videos] == [line.split('/')[0] for line in lines]
    assert catalog.BUILDERS['ucf101'].DEFAULT_CONFIG == 'split1_rgb'


def test_published_counts():
    published = catalog.BUILDERS['ucf101'].PUBLISHED.videos
    assert [sum(published[number].values()) for number in (1, 2, 3)] == [13320] * 3
    assert [published[number]['test'] for number in (1, 2, 3)] == [3783, 3734, 3696]


def test_lists_and_videos_flat_in_the_folder(tmp_path):
    folder = tmp_path / 'flat'
    write_lists(folder)
    (folder / 'V_hammering_G01_c01.avi').touch()
    (folder / 'more' / 'deeper').mkdir(parents=True)
    (folder / 'more' / 'deeper' / 'v_JumpRope_g01_c01.avi').touch()
    splits = list_videos(folder, tmp_path)
    paths = {item.id: item.path for item in splits['train']}
    assert paths['v_Hammering_g01_c01'] == str(folder / 'V_hammering_G01_c01.avi')
    assert paths['v_JumpRope_g01_c01'] == str(folder / 'more/deeper/v_JumpRope_g01_c01.avi')
    assert paths['v_HammerThrow_g01_c01'] == str(folder / 'HammerThrow/v_HammerThrow_g01_c01.avi')


def test_lists_in_their_folder_come_before_lists_beside_it(tmp_path):
    folder = tmp_path / 'both'
    write_lists(folder, ['1 Other'], {'trainlist01': [], 'testlist01': []})
    write_lists(folder / 'ucfTrainTestlist')
    assert ids(list_videos(folder, tmp_path)['test'])[-1] == 'v_JumpingJack_g01_c02'


def test_class_numbers_decide_not_lines(tmp_path):
    folder = tmp_path / 'videos'
    # A byte-order mark, blanks, a blank line, no line end at the end, and an order of its own.
    write_lists(folder, [])
    content = '\ufeff3 HandstandPushups \r\n5\tJumpRope\r\n\r\n'
    content += '1  Hammering\r\n4 JumpingJack\r\n2 HammerThrow'
    (folder / 'classInd.txt').write_bytes(content.encode())
    builder = catalog.make_builder('ucf101', 'split1_rgb', tmp_path, folder)
    assert builder.label_names() == CLASSES


def test_numbers_may_be_left_out_or_given(tmp_path):
    folder = tmp_path / 'videos'
    lists = {
        'trainlist01': ['Hammering/v_a.avi', 'Hammering/v_b.AVI\t 1 '],
        'testlist01': ['JumpRope/v_c.avi 5'],
    }
    write_lists(folder, lists=lists)
    splits = list_videos(folder, tmp_path)
    assert {split: ids(videos) for split, videos in splits.items()} == {
        'train': ['v_a', 'v_b'],
        'test': ['v_c'],
    }


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        ([], 'found 0 classes but none with number 1, expected the numbers from 1 without gaps'),
        (['1 A', '3 C'], 'found 2 classes but none with number 2, expected the numbers from 1'),
        (['2 A', '3 C'], 'found 2 classes but none with number 1, expected the numbers from 1'),
        (['1 A', '2 B', '1 C'], "line 3: found '1 C', whose name or number came before"),
        (['1 A', '2 A'], "line 2: found '2 A', whose name or number came before"),
        (['1 A', 'B'], "line 2: found 'B', expected a number from 1 and the name of a class"),
        (['0 A', '1 B'], "line 1: found '0 A', expected a number from 1"),
        (['1 A B'], "line 1: found '1 A B', expected a number from 1"),
        pytest.param(['1' * 5000 + ' A'], 'expected a number from 1', id='huge number'),
        (['-1 A'], "line 1: found '-1 A', expected a number from 1"),
        (['1 \x1b[2J'], r"line 1: found the name '\\x1b\[2J', expected printable characters"),
    ],
)
def test_class_lists_that_do_not_serve(tmp_path, lines, message):
    folder = tmp_path / 'videos'
    write_lists(folder, lines)
    expect_line(folder, tmp_path, folder / 'classInd.txt', message)


@pytest.mark.parametrize(
    ('name', 'line', 'message'),
    [
        ('trainlist01', '../../etc/x.mp4 1', "found the name '../../etc/x.mp4', expected one that"),
        ('testlist01', '/etc/passwd', "found the name '/etc/passwd', expected one that stays"),
        ('testlist01', 'Hammering\\x.avi', 'found the name .*, expected one that stays'),
        ('trainlist01', 'Hammering/../x.avi 1', 'found the name .*, expected one that stays'),
        ('trainlist01', 'Archery/v_x.avi 1', "found class 'Archery', expected one of classInd.txt"),
        ('testlist01', 'hammering/v_x.avi', "found class 'hammering', expected one of classInd"),
        (
            'trainlist01',
            'HammerThrow/v_x.avi 1',
            'found number 1 for class HammerThrow, expected 2 as in classInd.txt',
        ),
        (
            'testlist01',
            'HammerThrow/v_x.avi 0',
            'found number 0 for class HammerThrow, expected 2 as in classInd.txt',
        ),
        (
            'trainlist01',
            'Hammering/v_Hammering_g01_c01.avi 1',
            'found Hammering/v_Hammering_g01_c01.avi, which is also in trainlist01.txt, line 1,',
        ),
        (
            'testlist01',
            'HammerThrow/V_HAMMERING_g01_c01.avi',
            'found HammerThrow/V_HAMMERING_g01_c01.avi, which is also in trainlist01.txt, line 1,',
        ),
        ('trainlist01', 'v_Hammering_g09_c01.avi 1', 'expected CLASS/NAME.avi and, in a training'),
        ('trainlist01', 'UCF/Hammering/v_x.avi 1', 'expected CLASS/NAME.avi and, in a training'),
        ('trainlist01', 'Hammering/v_x.mp4 1', 'expected CLASS/NAME.avi and, in a training'),
        ('trainlist01', 'Hammering/v_x.avi one', 'expected CLASS/NAME.avi and, in a training'),
        pytest.param(
            'trainlist01',
            'Hammering/v_x.avi ' + '1' * 5000,
            'expected CLASS/NAME',
            id='huge number',
        ),
        ('testlist01', 'Hammering/v_x.avi 1 1', 'expected CLASS/NAME.avi and, in a training'),
    ],
)
def test_lists_that_do_not_serve(tmp_path, name, line, message):
    folder = tmp_path / 'videos'
    write_lists(folder, lists=LISTS | {name: [*LISTS[name], line]})
    number = len(LISTS[name]) + 1
    path = folder / f'{name}.txt'
    expect_line(folder, tmp_path, path, f'line {number}: .*{message}')


def test_missing_lists(folder, tmp_path):
    with pytest.raises(
        DatasetError,
        match='expected ucfTrainTestlist/classInd.txt or classInd.txt',
    ):
        list_videos(tmp_path, tmp_path)
    with pytest.raises(DatasetError, match='expected ucfTrainTestlist/trainlist09'):
        list_videos(folder, tmp_path, split_number=9)
