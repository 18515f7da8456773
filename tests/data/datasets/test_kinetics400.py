"""Kinetics-400 from generated CSVs and videos in the layouts that circulate, some broken."""

import pathlib

import cv2
import numpy as np
import pytest

from data import catalog
from data.datasets.kinetics400 import listing
from data.errors import DatasetError
from data.listing import Video

HEADER = 'label,youtube_id,time_start,time_end,split,is_cc'
# Sorted by code point, as the C locale does: capitals before small letters.
LABELS = ['Zorbing', 'abseiling', 'making tea', 'tying a knot, not on a tie']

TRAIN = (
    HEADER,
    '"making tea",--aB_cD-eF1,12,22,train,0',
    '"tying a knot, not on a tie",aaaaaaaaaa_,0,10,train,0',
    'Zorbing,-bbbb-bbbb-,3,13,train,1',
    'abseiling,ccccccccccc,100,110,train,0',
    '"making tea",missing_-__,5,15,train,0',
    'abseiling,empty_____0,5,15,train,0',
    'abseiling,truncated_0,5,15,train,0',
)
# As other tools write it: a byte-order mark, CRLF, other columns in another order, decimals.
VALIDATION = (
    'youtube_id,time_start,time_end,label',
    'ddddddddddd,7.0,17.0,abseiling',
    'eeeee_eeeee,1234,1244,making tea',
)
TEST = ('youtube_id,time_start,time_end,split', 'fffffffffff,1,11,test', 'ggggggggggg,2,12,test')

# Gray level of each video, and where it lies.
VIDEOS = {
    'train/--aB_cD-eF1_000012_000022.avi': 20,  # flat
    'train_256/tying_a_knot,_not_on_a_tie/aaaaaaaaaa_.avi': 40,  # by label, the id only
    'train/Zorbing/-bbbb-bbbb-_000003_000013.avi': 60,
    'replacement/replacement_for_corrupted_k400/ccccccccccc.avi': 80,
    'val/abseiling/ddddddddddd_000007_000017.avi': 100,
    'val/making tea/eeeee_eeeee_001234_001244.AVI': 120,
    'test/fffffffffff.avi': 140,
    'test/ggggggggggg_000002_000012.avi': 160,
    # Not listed: they are neither stored nor reported.
    'train/unlisted_id_000000_000010.avi': 250,
    'train/--aB_cD-eF1x.avi': 250,
}


@pytest.fixture(scope='module')
def converted(tmp_path_factory, write_video_file, convert_dataset):
    root = tmp_path_factory.mktemp('kinetics400')
    folder = root / 'videos'
    for name, level in VIDEOS.items():
        write_video_file(folder / name, [np.full((32, 32, 3), level, np.uint8)] * 4, 25)
    (folder / 'train' / 'ccccccccccc_000100_000110.mp4').touch()
    (folder / 'train' / 'empty_____0_000005_000015.mp4').touch()
    cut = folder / 'train' / 'truncated_0_000005_000015.mp4'
    noise = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    write_video_file(cut, noise, 25, codec='mp4v')
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (folder / 'annotations').mkdir()
    (folder / 'train.csv').write_text('\n'.join(TRAIN))
    (folder / 'annotations' / 'kinetics-400_val.csv').write_bytes(
        b'\xef\xbb\xbf' + '\r\n'.join((*VALIDATION, '')).encode()
    )
    (folder / 'annotations' / 'test.csv').write_text('\n'.join((*TEST, '')))
    done, opened, examples = convert_dataset(
        'kinetics400', 'rgb', root / 'data', folder, frame_size=(32, 32)
    )
    return folder, done, opened, examples


def test_examples_are_exact(converted):
    _, done, opened, examples = converted
    assert opened.info.features['label'].names == LABELS
    found = {
        split: {
            video_id: (int(example['label']), round(float(np.mean(example['video'])) / 20) * 20)
            for video_id, example in some.items()
        }
        for split, some in examples.items()
    }
    assert found == {
        'train': {
            '--aB_cD-eF1_000012_000022': (2, 20),
            'aaaaaaaaaa__000000_000010': (3, 40),
            '-bbbb-bbbb-_000003_000013': (0, 60),
            'ccccccccccc_000100_000110': (1, 80),
        },
        'validation': {
            'ddddddddddd_000007_000017': (1, 100),
            'eeeee_eeeee_001234_001244': (2, 120),
        },
        'test': {'fffffffffff_000001_000011': (-1, 140), 'ggggggggggg_000002_000012': (-1, 160)},
    }
    assert {len(e['video']) for some in examples.values() for e in some.values()} == {4}
    assert done.examples == {'train': 4, 'validation': 2, 'test': 2}


def test_broken_and_missing_videos_are_skipped_with_their_reason(converted):
    folder, done, _, _ = converted
    train = folder / 'train'
    there = (train / 'truncated_0_000005_000015.mp4').stat().st_size
    (lost,) = (row.reason for row in done.skipped if row.id == 'truncated_0_000005_000015')
    assert lost.startswith('truncated mp4: its index ("moov" atom) is missing, ')
    assert f' {there:,} of at least ' in lost
    assert {(row.id, row.path, row.reason) for row in done.skipped} == {
        (name, str(train / f'{name}.mp4'), reason)
        for name, reason in (
            ('missing_-___000005_000015', 'file not found'),
            ('empty_____0_000005_000015', 'empty file (0 bytes)'),
            ('truncated_0_000005_000015', lost),
        )
    }


def test_files_found_are_reported(converted):
    lines = []
    catalog.make_builder('kinetics400', manual_dir=converted[0]).prepare_videos(lines.append)
    assert lines == [
        'kinetics400: found the files of 6 of 7 train, 2 of 2 validation, 2 of 2 test videos'
    ]


def test_stored_frames_are_those_of_the_file(converted):
    """The gray levels above tell videos apart; this holds one against OpenCV's own reading."""
    folder, _, _, examples = converted
    capture = cv2.VideoCapture(str(folder / 'val/making tea/eeeee_eeeee_001234_001244.AVI'))
    _, frame = capture.read()
    stored = examples['validation']['eeeee_eeeee_001234_001244']['video'][0]
    assert stored.shape == (32, 32, 3)
    assert np.abs(stored.astype(int) - frame[:, :, ::-1]).max() <= 2


def clip(youtube_id='abcdefghij_', start=12, split='train'):
    return listing.Clip(youtube_id, f'{youtube_id}_{start:06d}_{start + 10:06d}', 'x', split)


def touch(folder: pathlib.Path, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


EXACT = 'abcdefghij__000012_000022'


@pytest.mark.parametrize(
    ('files', 'taken'),
    [
        # In order of preference.
        ([f'train/{EXACT}.mp4', 'a/replacement_for_corrupted_k400/abcdefghij_.mp4'], 1),
        (['train/abcdefghij_.mp4', f'val/{EXACT}.mp4'], 1),
        (['train/abcdefghij__000030_000040.mp4', f'other/{EXACT}.mp4'], 1),
        ([f'test/{EXACT}.mp4', f'train/x/{EXACT}.mp4'], 1),
        ([f'a/{EXACT}.mp4', f'kinetics_train_256/{EXACT}.webm'], 1),
        ([f'constrained/{EXACT}.mp4', f'videos_train/{EXACT}.mp4'], 1),
        ([f'b/{EXACT}.mp4', f'a/{EXACT}.mp4'], 1),
        # Names of the id alone, or with the id and "_" in front.
        (['abcdefghij_.mkv'], 0),
        (['abcdefghij__256.mp4'], 0),
        (['x/abcdefghij__000030_000040.mp4'], 0),
        # None of these is a file of the id.
        (['abcdefghij.mp4', 'abcdefghij__.txt', 'abcdefghij_', '12/abcdefghij_/x.mp4'], None),
        (['abcdefghij_x.mp4', 'abcdefghij_-000012_000022.mp4', 'abcdefghij_.f137.mp4'], None),
        (['abcdefghij_0_000012_000022.mp4', 'x_abcdefghij_.mp4', '_abcdefghij__0_1.mp4'], None),
        (['Abcdefghij__000012_000022.mp4', 'abcdefghiJ_.mp4'], None),
        (['abcdefghij__000012_000022.mp4.part', '.abcdefghij_.mp4', '.x/abcdefghij_.mp4'], None),
    ],
)
def test_which_file_is_taken(tmp_path, files, taken):
    touch(tmp_path, *files)
    found = listing.find_videos(tmp_path, {'train': [clip()]})
    expected = f'train/{EXACT}.mp4' if taken is None else files[taken]
    assert found.splits == {
        'train': [Video(EXACT, str(tmp_path / expected), 'x')],
    }
    assert found.files == {'train': int(taken is not None)}


def test_ids_that_begin_alike_keep_their_own_files(tmp_path):
    ids = ['a_b_c_d_e_f', 'a_b_c_d_e_-', '-a_b_c_d_e_', 'A_b_c_d_e_f', 'a_b_c_d_e__']
    clips = [clip(youtube_id, start) for start, youtube_id in enumerate(ids)]
    touch(tmp_path, *(f'{c.name}.mp4' for c in clips[:3]), *(f'{i}.mp4' for i in ids[3:]))
    found = listing.find_videos(tmp_path, {'train': clips}).splits['train']
    assert [pathlib.Path(item.path).name for item in found] == [
        'a_b_c_d_e_f_000000_000010.mp4',
        'a_b_c_d_e_-_000001_000011.mp4',
        '-a_b_c_d_e__000002_000012.mp4',
        'A_b_c_d_e_f.mp4',
        'a_b_c_d_e__.mp4',
    ]


def test_clips_of_one_video_need_the_published_name(tmp_path):
    clips = {'train': [clip(start=12), clip(start=30)], 'validation': [clip(start=50)]}
    touch(tmp_path, 'abcdefghij_.mp4', 'abcdefghij__000012_000022.mp4', 'x/abcdefghij__256.mp4')
    touch(tmp_path, 'x/abcdefghij__000050_000060.mp4')
    found = listing.find_videos(tmp_path, clips)
    assert [item.path for items in found.splits.values() for item in items] == [
        str(tmp_path / 'abcdefghij__000012_000022.mp4'),
        str(tmp_path / 'train/abcdefghij__000030_000040.mp4'),  # not there
        str(tmp_path / 'x/abcdefghij__000050_000060.mp4'),
    ]
    assert found.files == {'train': 1, 'validation': 1}


def test_files_of_other_seconds_are_reported(tmp_path):
    other = 'train/abcdefghij__000030_000040.mp4'
    touch(tmp_path, other, 'train/-2345678901_000012_000022_x.mp4', 'train/--345678901.mp4')
    clips = [clip(), clip('-2345678901'), clip('--345678901'), clip('---45678901')]
    assert listing.find_videos(tmp_path, {'train': clips}).describe() == (
        'found the files of 3 of 4 train videos; 1 of them are named after other seconds than the'
        f' CSVs say, for example {other}'
    )


def write(folder, **files):
    """Writes CSVs; "annotations__train" is annotations/train.csv."""
    for name, lines in files.items():
        path = folder / (name.replace('__', '/') + '.csv')
        path.parent.mkdir(exist_ok=True)
        path.write_text('\n'.join(lines))


ROW = 'abseiling,abcdefghijk,1,11,train,0'
OTHER_ROW = 'Zorbing,abcdefghijl,1,11,val,0'


@pytest.mark.parametrize('word', ['val', 'validate', 'validation'])
@pytest.mark.parametrize('prefix', ['', 'kinetics_', 'kinetics-400_', 'kinetics400_', 'k400_'])
@pytest.mark.parametrize('folder', ['', 'annotations__'])
def test_names_of_csvs(tmp_path, folder, prefix, word):
    files = {
        f'{folder}{prefix}{word}': [HEADER, OTHER_ROW],
        f'{folder}{prefix}train': [HEADER, ROW],
    }
    write(tmp_path, **files)
    clips = listing.read_clips(tmp_path)
    assert {split: [c.name for c in some] for split, some in clips.items()} == {
        'train': ['abcdefghijk_000001_000011'],
        'validation': ['abcdefghijl_000001_000011'],
    }


def test_one_csv_will_do(tmp_path):
    write(tmp_path, test=[HEADER, ROW, ',abcdefghijl,2,12,test,0'])
    builder = catalog.make_builder('kinetics400', data_dir=tmp_path, manual_dir=tmp_path)
    assert builder.info.features['label'].names == ['abseiling']
    assert [item.label for item in builder.split_videos()['test']] == ['abseiling', None]


def test_labels_of_train_and_validation_are_joined(tmp_path):
    write(tmp_path, train=[HEADER, ROW], val=[HEADER, OTHER_ROW])
    write(tmp_path, test=['youtube_id,time_start,time_end', '___________,1,11'])
    builder = catalog.make_builder('kinetics400', data_dir=tmp_path, manual_dir=tmp_path)
    assert builder.info.features['label'].names == ['Zorbing', 'abseiling']
    assert list(builder.split_videos()) == ['train', 'validation', 'test']


def test_configurations():
    names = [config.name for config in catalog.builder_class('kinetics400').BUILDER_CONFIGS]
    assert names == ['rgb', 'flow']


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ({}, '{0}: found none, expected a Kinetics-400 CSV with labels: train.csv or val.csv'),
        ({'test': TEST}, '{0}: found test.csv, expected a Kinetics-400 CSV with labels'),
        ({'train': [HEADER]}, '{0}: found train.csv, expected a Kinetics-400 CSV with labels'),
        ({'train': TEST}, "{0}/train.csv: found columns {1}, expected 'label'"),
        (
            {'train': ['label,youtube_id', 'x,abcdefghijk']},
            "{0}/train.csv: found columns label, youtube_id, expected 'time_start'",
        ),
        (
            {'train': [HEADER, ROW, 'x,../../etc/x.mp4,1,11,train,0']},
            "{0}/train.csv, line 3: found the YouTube id '../../etc/x.mp4', expected 11 letters",
        ),
        (
            {'train': [HEADER, 'x,abcdefghij/,1,11,train,0']},
            "{0}/train.csv, line 2: found the YouTube id 'abcdefghij/', expected 11 letters",
        ),
        (
            {'train': [HEADER, 'x,#NAME?,1,11,train,0']},
            "{0}/train.csv, line 2: found the YouTube id '#NAME?', expected 11 letters",
        ),
        (
            {'train': [HEADER, 'x,abcdefghijk,12.5,22,train,0']},
            "{0}/train.csv, line 2: found time_start '12.5', expected whole seconds",
        ),
        (
            {'train': [HEADER, 'x,abcdefghijk,12,,train,0']},
            "{0}/train.csv, line 2: found time_end '', expected whole seconds",
        ),
        (
            {'train': [HEADER, 'x,abcdefghijk,-1,9,train,0']},
            "{0}/train.csv, line 2: found time_start '-1', expected whole seconds",
        ),
        (
            {'train': [HEADER, ',abcdefghijk,1,11,train,0']},
            "{0}/train.csv, line 2: found the label '', expected a class",
        ),
        (
            {'train': [HEADER, '"a', 'b",abcdefghijk,1,11,train,0']},
            "{0}/train.csv, line 3: found the label 'a\\nb', expected a class",
        ),
        ({'train': [HEADER, ROW, 'x,abcd']}, '{0}/train.csv, line 3: found 2 columns, expected 6'),
        (
            {'train': [HEADER, ROW, ROW]},
            '{0}/train.csv, line 3: found abcdefghijk_000001_000011 again,'
            ' after {0}/train.csv, line 2, expected every clip once',
        ),
        (
            {'train': [HEADER, ROW], 'annotations__val': [HEADER, OTHER_ROW, ROW]},
            '{0}/annotations/val.csv, line 3: found abcdefghijk_000001_000011 again,'
            ' after {0}/train.csv, line 2',
        ),
        (
            {'train': [HEADER, ROW], 'test': [HEADER, OTHER_ROW]},
            "{0}/test.csv, line 2: found the label 'Zorbing', expected one of the other CSVs",
        ),
        (
            {'train': [HEADER, ROW], 'val': [HEADER], 'validate': [HEADER]},
            '{0}/val.csv: found {0}/validate.csv too, expected one CSV of this split',
        ),
    ],
)
def test_csvs_that_do_not_serve(tmp_path, files, message):
    write(tmp_path, **files)
    with pytest.raises(DatasetError) as error:
        catalog.make_builder('kinetics400', data_dir=tmp_path, manual_dir=tmp_path)
    expected = message.format(tmp_path, 'youtube_id, time_start, time_end, split')
    assert str(error.value).startswith(expected)
    assert '\n' not in str(error.value)
