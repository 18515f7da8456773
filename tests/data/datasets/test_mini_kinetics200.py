"""Mini-Kinetics-200: generated lists, joined with generated Kinetics-400 CSVs."""

import collections

import numpy as np
import pytest

from data import catalog
from data.errors import DatasetError
from data.listing import Video

HEADER = 'label,youtube_id,time_start,time_end,split,is_cc'
LISTS = {'train': 'train_ytid_list.txt', 'validation': 'val_ytid_list.txt'}


def row(label, youtube_id, split, start=7):
    return f'"{label}",{youtube_id},{start},{start + 10},{split},0'


def write_lists(folder, **lists):
    for split, lines in lists.items():
        (folder / LISTS[split]).write_text('\n'.join([*lines, '']))


def write_csvs(folder, **rows):
    for name, lines in rows.items():
        (folder / f'{name}.csv').write_text('\n'.join([HEADER, *lines]))


def make_builder(folder):
    return catalog.make_builder('mini_kinetics200', data_dir=folder, manual_dir=folder)


@pytest.fixture(scope='module')
def converted(tmp_path_factory, write_video_file, convert_dataset):
    """Of 20 training ids four have files, two are in no CSV, and one of those has a file."""
    root = tmp_path_factory.mktemp('mini_kinetics200')
    folder = root / 'videos'
    train = [f'train_id-{number:02d}' for number in range(18)]
    labels = ['zumba', 'Archery'] * 9
    for name, level in {
        f'train/{train[0]}_000007_000017.avi': 20,
        f'train/Archery/{train[1]}.avi': 40,
        f'val/{train[2]}_000007_000017.avi': 60,  # the CSV of validation has it
        f'replacement_for_corrupted_k400/{train[3]}.avi': 80,
        'train/in_no_CSV_a.avi': 100,
        'val/zumba/valid_vid-0_000009_000019.avi': 120,
        'val/valid_vid-1.avi': 140,
        'train/not_on_list_000007_000017.avi': 160,
    }.items():
        write_video_file(folder / name, [np.full((32, 32, 3), level, np.uint8)] * 3, 25)
    (folder / 'train' / f'{train[4]}_000007_000017.mp4').touch()
    write_lists(
        folder,
        train=[*train, 'in_no_CSV_a', 'in_no_CSV_b'],
        validation=['valid_vid-1', 'valid_vid-0'],
    )
    pairs = list(zip(labels, train, strict=True))
    write_csvs(
        folder,
        train=[row(*pair, 'train') for pair in pairs if pair[1] != train[2]]
        + [row('not in the subset', 'not_on_list', 'train')],
        val=[
            row(*pairs[2], 'val'),
            row('zumba', 'valid_vid-0', 'val', 9),
            row('Archery', 'valid_vid-1', 'val'),
        ],
        test=['this file is not read'],
    )
    done, opened, examples = convert_dataset(
        'mini_kinetics200', 'rgb', root / 'data', folder, frame_size=(32, 32)
    )
    return folder, train, done, opened, examples


def test_examples_are_exact(converted):
    _, train, _, opened, examples = converted
    assert opened.info.features['label'].names == ['Archery', 'zumba']
    found = {
        split: {
            video_id: (int(example['label']), round(float(np.mean(example['video'])) / 20) * 20)
            for video_id, example in some.items()
        }
        for split, some in examples.items()
    }
    assert found == {
        'train': {
            f'{train[0]}_000007_000017': (1, 20),
            f'{train[1]}_000007_000017': (0, 40),
            f'{train[2]}_000007_000017': (1, 60),
            f'{train[3]}_000007_000017': (0, 80),
        },
        'validation': {
            'valid_vid-0_000009_000019': (1, 120),
            'valid_vid-1_000007_000017': (0, 140),
        },
    }


def test_skipped_videos_have_their_reason(converted):
    folder, train, done, _, _ = converted
    kept = folder / 'train'
    assert {(row.id, row.path, row.reason) for row in done.skipped} == {
        (
            'in_no_CSV_a',
            str(kept / 'in_no_CSV_a.avi'),
            'its id is not in the Kinetics-400 CSVs, so it has no label',
        ),
        ('in_no_CSV_b', str(kept / 'in_no_CSV_b.mp4'), 'file not found'),
        (
            f'{train[4]}_000007_000017',
            str(kept / f'{train[4]}_000007_000017.mp4'),
            'empty file (0 bytes)',
        ),
        *(
            (f'{name}_000007_000017', str(kept / f'{name}_000007_000017.mp4'), 'file not found')
            for name in train[5:]
        ),
    }


def test_counts_are_reported(converted):
    lines = []
    make_builder(converted[0]).prepare_videos(lines.append)
    assert lines == ['mini_kinetics200: found the files of 6 of 20 train, 2 of 2 validation videos']


def test_join(tmp_path):
    """Seven of ten classes are in the lists, with four training and two validation videos each."""
    rng = np.random.default_rng(0)
    rows = {'train': [], 'val': []}
    lists = {'train': [], 'validation': []}
    for label in range(10):
        for split, csv, listed, others in (('train', 'train', 4, 3), ('validation', 'val', 2, 1)):
            some = [f'{csv:_<5}-{label:02d}_{k:02d}' for k in range(listed + others)]
            rows[csv] += [row(f'class {label}', youtube_id, csv) for youtube_id in some]
            lists[split] += some[:listed] if label not in (0, 4, 9) else []
    for lines in (*rows.values(), *lists.values()):
        rng.shuffle(lines)
    write_csvs(tmp_path, **rows)
    write_lists(tmp_path, **lists)
    builder = make_builder(tmp_path)
    assert builder.info.features['label'].names == [f'class {k}' for k in (1, 2, 3, 5, 6, 7, 8)]
    splits = builder.split_videos()
    assert {name: len(videos) for name, videos in splits.items()} == {'train': 28, 'validation': 14}
    for name, count in (('train', 4), ('validation', 2)):
        assert set(collections.Counter(item.label for item in splits[name]).values()) == {count}
        # The label is that of the id, in the order of the list.
        assert [item.id[:11] for item in splits[name]] == lists[name]
        assert all(int(item.label[6:]) == int(item.id[6:8]) for item in splits[name])


def test_one_list_will_do(tmp_path):
    write_csvs(tmp_path, val=[row('x', 'abcdefghijk', 'val')])
    (tmp_path / LISTS['validation']).write_bytes(b'\xef\xbb\xbfabcdefghijk\r\n\r\n')
    assert make_builder(tmp_path).split_videos() == {
        'validation': [
            Video(
                'abcdefghijk_000007_000017',
                str(tmp_path / 'val' / 'abcdefghijk_000007_000017.mp4'),
                'x',
            )
        ]
    }


@pytest.mark.parametrize(
    ('lists', 'message'),
    [
        ({}, '{0}: found no list of Mini-Kinetics-200, expected train_ytid_list.txt and val_'),
        (
            {'train': ['___________', 'abcdefghijk', '___________']},
            '{0}/train_ytid_list.txt, line 3: found ___________ again,'
            ' after {0}/train_ytid_list.txt, line 1, expected every id once',
        ),
        (
            {'train': ['___________'], 'validation': ['abcdefghijk', '___________']},
            '{0}/val_ytid_list.txt, line 2: found ___________ again,'
            ' after {0}/train_ytid_list.txt, line 1, expected every id once',
        ),
        (
            {'train': ['___________', '../../etc/x.mp4']},
            "{0}/train_ytid_list.txt, line 2: found the YouTube id '../../etc/x.mp4', expected 11",
        ),
        (
            {'train': ['___________', 'two_of_them']},
            '{0}/train_ytid_list.txt, line 2: found two_of_them_000007_000017 (x) and'
            ' two_of_them_000050_000060 (y) in the Kinetics-400 CSVs, expected one clip of this id',
        ),
        (
            {'train': ['___________'], 'validation': ['abcdefghijk', 'absent____0', 'absent____1']},
            '{0}/val_ytid_list.txt: found 2 of 3 ids in no Kinetics-400 CSV, for example'
            ' absent____0 of line 2, expected train.csv and val.csv to hold them',
        ),
    ],
)
def test_lists_that_do_not_serve(tmp_path, lists, message):
    write_csvs(
        tmp_path,
        train=[
            row('x', '___________', 'train'),
            row('x', 'two_of_them', 'train'),
            row('y', 'abcdefghijk', 'train'),
        ],
        val=[row('y', 'two_of_them', 'val', 50)],
    )
    write_lists(tmp_path, **lists)
    with pytest.raises(DatasetError) as error:
        make_builder(tmp_path)
    assert str(error.value).startswith(message.format(tmp_path))
    assert '\n' not in str(error.value)


def test_the_csvs_are_needed(tmp_path):
    write_lists(tmp_path, train=['___________'])
    with pytest.raises(DatasetError) as error:
        make_builder(tmp_path)
    assert str(error.value) == (
        f'{tmp_path}: found none, expected a Kinetics-400 CSV with labels: train.csv or val.csv,'
        ' here or in annotations/'
    )
