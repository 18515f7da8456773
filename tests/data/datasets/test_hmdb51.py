"""HMDB-51 from a small copy of its folders."""

import numpy as np
import pytest

from data import catalog
from data.errors import DatasetError

# By class and split: lines "NAME USE", where 1 is for training, 2 for testing and 0 for neither.
LISTS = {
    ('brush_hair', 1): [
        'April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 ',
        'Brush!(hair)#[1]&+;~@_u_cm_np1_le_goo_0.avi 1 ',
        'two  blanks and.some.dots..avi 2 ',
        'same_name.avi 2 ',
        'unused.avi 0 ',
    ],
    ('brush_hair', 2): ['April_09_brush_hair_u_nm_np1_ba_goo_0.avi 2 ', 'unused.avi 1 '],
    ('brush_hair', 3): ['same_name.avi 1 ', 'unused.avi 2 '],
    # A class may have the mark in its name, and a capital sorts before all small letters.
    ('Sit_test_split2', 1): ['same_name.avi 1 ', 'empty.avi 1 ', 'truncated.avi 2 '],
    ('Sit_test_split2', 2): ['same_name.avi 1 '],
    ('Sit_test_split2', 3): ['same_name.avi 2 '],
    ('sword', 1): ['missing.avi 2 ', '[ab]*?.avi 1 ', '$(touch x) `y` -rf.avi 1 '],
    ('sword', 2): ['[ab]*?.avi 2 '],
    ('sword', 3): ['[ab]*?.avi 1 '],
}
LABELS = ['Sit_test_split2', 'brush_hair', 'sword']

# Gray levels of the videos on disk.
VIDEOS = {
    'brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi': 20,
    'brush_hair/Brush!(hair)#[1]&+;~@_u_cm_np1_le_goo_0.avi': 40,
    'brush_hair/two  blanks and.some.dots..avi': 60,
    'brush_hair/same_name.avi': 80,
    'brush_hair/unused.avi': 100,
    'Sit_test_split2/same_name.avi': 120,
    'sword/[ab]*?.avi': 140,
    'sword/$(touch x) `y` -rf.avi': 160,
    # What the patterns of other names would find.
    'sword/a1.avi': 200,
    'sword/ab.avi': 200,
    'brush_hair/Brush!(hair)#1&+;~@_u_cm_np1_le_goo_0.avi': 200,
}


def write_lists(folder, lists=LISTS):
    folder.mkdir(parents=True, exist_ok=True)
    for (class_name, number), lines in lists.items():
        path = folder / f'{class_name}_test_split{number}.txt'
        path.write_text(''.join(f'{line}\n' for line in lines))


def make_builder(folder, tmp_path, config='split1_rgb', **fields):
    return catalog.make_builder('hmdb51', config, tmp_path, folder, **fields)


def expected_ids(number, use):
    """Worked out from the names: lines end with ".avi USE "."""
    return sorted(
        f'{class_name}/{line[:-7]}'
        for (class_name, split), lines in LISTS.items()
        for line in lines
        if split == number and line.endswith(f' {use} ')
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_video_file):
    root = tmp_path_factory.mktemp('hmdb51')
    write_lists(root / 'testTrainMulti_7030_splits')
    videos = root / 'hmdb51_org'
    for name, level in VIDEOS.items():
        write_video_file(videos / name, [np.full((24, 32, 3), level, np.uint8)] * 3, 25)
    noise = np.random.default_rng(0).integers(0, 256, (20, 24, 32, 3), np.uint8)
    truncated = videos / 'Sit_test_split2' / 'truncated.avi'
    write_video_file(truncated, noise, 25)
    content = truncated.read_bytes()
    truncated.write_bytes(content[: len(content) // 2])
    (videos / 'Sit_test_split2' / 'empty.avi').touch()
    return root


@pytest.fixture(scope='module')
def converted(folder, tmp_path_factory, convert_dataset):
    data_dir = tmp_path_factory.mktemp('data')
    return convert_dataset('hmdb51', 'split1_rgb', data_dir, folder, frame_size=(32, 32))


def test_examples(converted):
    done, opened, examples = converted
    assert opened.info.features['label'].names == LABELS
    stored = {
        split: {
            video_id: (int(example['label']), len(example['video']), int(example['video'].mean()))
            for video_id, example in videos.items()
        }
        for split, videos in examples.items()
    }
    assert stored == {
        'train': {
            'Sit_test_split2/same_name': (0, 3, 120),
            'brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0': (1, 3, 20),
            'brush_hair/Brush!(hair)#[1]&+;~@_u_cm_np1_le_goo_0': (1, 3, 40),
            'sword/[ab]*?': (2, 3, 140),
            'sword/$(touch x) `y` -rf': (2, 3, 160),
        },
        'test': {
            'brush_hair/two  blanks and.some.dots.': (1, 3, 60),
            'brush_hair/same_name': (1, 3, 80),
        },
    }
    assert done.examples == {'train': 5, 'test': 2}


def test_unusable_videos_are_listed_with_their_reasons(converted, folder):
    done, _, _ = converted
    videos = folder / 'hmdb51_org'
    there = (videos / 'Sit_test_split2' / 'truncated.avi').stat().st_size
    assert {(row.id, row.path, row.reason) for row in done.skipped} == {
        (
            'Sit_test_split2/empty',
            str(videos / 'Sit_test_split2' / 'empty.avi'),
            'empty file (0 bytes)',
        ),
        (
            'Sit_test_split2/truncated',
            str(videos / 'Sit_test_split2' / 'truncated.avi'),
            f'truncated: {there:,} of {2 * there:,} bytes are there, 50% of it is missing',
        ),
        ('sword/missing', str(videos / 'sword' / 'missing.avi'), 'file not found'),
    }


def test_three_splits(folder, tmp_path):
    names = [config.name for config in catalog.BUILDERS['hmdb51'].BUILDER_CONFIGS]
    assert names == [f'split{k}_{modality}' for k in (1, 2, 3) for modality in ('rgb', 'flow')]
    for number in (1, 2, 3):
        for modality in ('rgb', 'flow'):
            builder = make_builder(folder, tmp_path, f'split{number}_{modality}')
            assert builder.builder_config.modality == modality
            assert builder.label_names() == LABELS
            splits = builder.split_videos()
            assert list(splits) == ['train', 'test']
            for use, videos in zip('12', splits.values(), strict=True):
                assert sorted(item.id for item in videos) == expected_ids(number, use)
                assert all(item.id.startswith(f'{item.label}/') for item in videos)
    assert catalog.BUILDERS['hmdb51'].DEFAULT_CONFIG == 'split1_rgb'


def test_published_counts():
    published = catalog.BUILDERS['hmdb51'].PUBLISHED.videos
    assert published == {k: {'train': 51 * 70, 'test': 51 * 30} for k in (1, 2, 3)}


@pytest.mark.parametrize(
    'lists',
    [
        'test_train_splits/testTrainMulti_7030_splits',
        'testTrainMulti_7030_splits/testTrainMulti_7030_splits',
        'test_train_splits',
    ],
)
def test_unpacked_lists(tmp_path, lists):
    folder = tmp_path / 'videos'
    (folder / 'hmdb51_org').mkdir(parents=True)
    write_lists(folder / lists)
    # Not lists of this set: notes, hidden files that archives of Macs have, lists of other sets.
    (folder / lists / 'readme.txt').write_text('not a list')
    (folder / lists / '._sword_test_split1.txt').write_bytes(b'\xff\xfe')
    write_lists(folder / 'splits', {('walk', 1): ['x.avi 1']})
    builder = make_builder(folder, tmp_path)
    assert builder.label_names() == LABELS
    assert sorted(item.id for item in builder.split_videos()['test']) == expected_ids(1, '2')


def test_line_ends_and_blanks(tmp_path):
    folder = tmp_path / 'videos'
    (folder / 'hmdb51_org').mkdir(parents=True)
    lists = folder / 'testTrainMulti_7030_splits'
    lists.mkdir()
    content = '\ufeffa b.avi   1\r\n\r\n c.AVI\t2  \r\nd 1.avi 1'
    (lists / 'run_test_split1.txt').write_bytes(content.encode())
    splits = make_builder(folder, tmp_path).split_videos()
    names = {split: [(item.id, item.path) for item in videos] for split, videos in splits.items()}
    run = folder / 'hmdb51_org' / 'run'
    assert names == {
        'train': [('run/a b', str(run / 'a b.avi')), ('run/d 1', str(run / 'd 1.avi'))],
        'test': [('run/c', str(run / 'c.AVI'))],
    }


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('../../etc/x.mp4 1', "found the name '../../etc/x.mp4', expected one that stays in"),
        ('/etc/x.avi 1', "found the name '/etc/x.avi', expected one that stays in"),
        ('..\\x.avi 1', 'found the name .*, expected one that stays in'),
        ('../x.avi', "found the name '../x.avi', expected one that stays in"),
        ('sub/x.avi 1', "found 'sub/x.avi 1', expected NAME.avi and 0, 1 or 2"),
        ('x.avi', "found 'x.avi', expected NAME.avi and 0, 1 or 2"),
        ('x.avi 3', "found 'x.avi 3', expected NAME.avi and 0, 1 or 2"),
        ('x.avi 11', "found 'x.avi 11', expected NAME.avi and 0, 1 or 2"),
        ('x.avi1', "found 'x.avi1', expected NAME.avi and 0, 1 or 2"),
        ('x.mp4 1', "found 'x.mp4 1', expected NAME.avi and 0, 1 or 2"),
        ('1', "found '1', expected NAME.avi and 0, 1 or 2"),
        (
            'missing.avi 1',
            "found 'missing.avi', which is also in line 1, expected every video once",
        ),
        (
            'missing.AVI 0',
            "found 'missing.AVI', which is also in line 1, expected every video once",
        ),
    ],
)
def test_lines_that_do_not_serve(tmp_path, line, message):
    folder = tmp_path / 'videos'
    (folder / 'hmdb51_org').mkdir(parents=True)
    lists = folder / 'testTrainMulti_7030_splits'
    write_lists(lists, LISTS | {('sword', 1): [*LISTS['sword', 1], line]})
    with pytest.raises(DatasetError, match=message) as error:
        make_builder(folder, tmp_path).split_videos()
    assert str(error.value).startswith(f'{lists / "sword_test_split1.txt"}, line 4: ')
    assert '\n' not in str(error.value)


def test_lists_that_are_missing_or_double(tmp_path):
    folder = tmp_path / 'videos'
    folder.mkdir()
    lists = folder / 'testTrainMulti_7030_splits'

    def error(config='split1_rgb', **fields):
        with pytest.raises(DatasetError) as caught:
            make_builder(folder, tmp_path, config, **fields).split_videos()
        assert '\n' not in str(caught.value)
        return str(caught.value)

    assert error() == (
        f'{folder}: found none of its files,'
        ' expected testTrainMulti_7030_splits or test_train_splits'
    )
    lists.mkdir()
    assert error() == f'{lists}: found no lists, expected CLASS_test_split1.txt and so on'
    write_lists(lists)
    assert error() == f'{folder}: found none of its files, expected hmdb51_org'
    (folder / 'hmdb51_org').mkdir()
    (lists / 'brush_hair_test_split2.txt').unlink()
    assert error('split2_flow') == (
        f'{lists}: found no brush_hair_test_split2.txt, expected one for every class'
    )
    assert 'found no Sit_test_split2_test_split7.txt' in error(split_number=7)
    make_builder(folder, tmp_path).split_videos()
    write_lists(lists / 'copy', {('sword', 1): []})
    doubled = sorted([lists / 'sword_test_split1.txt', lists / 'copy' / 'sword_test_split1.txt'])
    assert error() == (
        f'{doubled[1]}: found a list that is also in {doubled[0].parent}, expected one of them'
    )


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('up\\..\\x', 'one that stays in the folder of videos'),
        ('latin-\udce9', 'printable characters, at most 255 bytes'),
    ],
)
def test_class_names_that_are_no_folder_names(tmp_path, name, expected):
    folder = tmp_path / 'videos'
    lists = folder / 'testTrainMulti_7030_splits'
    write_lists(lists, {(name, 1): ['x.avi 1']})
    with pytest.raises(DatasetError) as error:
        make_builder(folder, tmp_path)
    assert str(error.value) == f'{lists}: found the name {name!r}, expected {expected}'
