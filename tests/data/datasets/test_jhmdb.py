"""JHMDB from a small copy of its folders."""

import csv
import pathlib

import cv2
import numpy as np
import pytest
import scipy.io

from data import catalog
from data.conversion import beam
from data.conversion.convert import convert_dataset
from data.datasets.jhmdb import masks
from data.errors import DatasetError
from tests.data import jobs, old_pickles

CLASSES = (
    'brush_hair catch clap climb_stairs golf jump kick_ball pick pour pullup push run shoot_ball'
    ' shoot_bow shoot_gun sit stand swing_baseball throw walk wave'
)
HEIGHT, WIDTH = 24, 32
SMALL = {'frame_size': (HEIGHT, WIDTH)}

# Videos and their frames. All are in split 1, those of UNUSABLE too.
FRAMES = {
    'brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0': 6,
    'brush_hair/Brushing (2) #1 & [more]!_0': 3,
    'catch/ball.catch_0': 9,
    'clap/wide_0': 4,
    'golf/still_0': 3,
}
UNUSABLE = {
    'jump/no_frames_0': 'file not found',
    'kick_ball/gap_0': 'frame 2 is missing: 2 frames are numbered 1 to 3',
    'pick/empty_0': 'frame 00002.png is empty (0 bytes)',
    'pour/no_masks_0': 'puppet_mask.mat: file not found',
    'pullup/short_0': '3 frames, but its boxes go on to the 5th',
    'push/much_shorter_0': '8 frames of the 10 that were annotated',
    'run/version_7_3_0': (
        'puppet_mask.mat cannot be read '
        '(a MATLAB file of version 7.3, HDF5; save it again with -v7)'
    ),
    'shoot_ball/truncated_0': 'puppet_mask.mat cannot be read (',
    'shoot_bow/other_0': "puppet_mask.mat holds 'part_masks', expected 'part_mask'",
    'sit/cell_0': (
        "puppet_mask.mat holds 'part_mask' of type cell and shape (1, 2), expected numbers"
    ),
    'stand/text_0': 'puppet_mask.mat cannot be read (',
}


def write_frames(folder, count, numbers=None):
    folder.mkdir(parents=True)
    for number in numbers or range(1, count + 1):
        picture = np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)
        cv2.imwrite(str(folder / f'{number:05d}.png'), picture)


def write_masks(root, name, values, **options):
    path = root / 'puppet_mask' / name / 'puppet_mask.mat'
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, values if isinstance(values, dict) else {'part_mask': values}, **options)
    return path


def mask(*extents, height=HEIGHT, width=WIDTH, dtype=np.uint8):
    """Masks that cover rows and columns, the last ones included: (top, left, bottom, right)."""
    masks = np.zeros((height, width, len(extents)), dtype)
    for k, extent in enumerate(extents):
        if extent is not None:
            top, left, bottom, right = extent
            masks[top, left, k] = masks[bottom, right, k] = 1  # corners alone
    return masks


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('jhmdb')
    frames = root / 'Rename_Images'
    for name, count in FRAMES.items():
        write_frames(frames / name, count)
    # Fewer masks than frames, one of them empty; the .mat also holds something else.
    first, special, many, wide, still = FRAMES
    four = mask((2, 3, 10, 20), None, (0, 0, 23, 31), (5, 5, 5, 5))
    write_masks(root, first, {'part_mask': four, 'other': 'x'}, do_compression=True)
    write_masks(root, special, mask((1, 1, 2, 2))[..., 0].astype(bool))  # one mask, logical
    write_masks(root, many, mask(*[(4, 4, 7, 7)] * 8, None, None))  # more masks than frames
    # At the size of the published ones, near 255 and at the border.
    big = mask((100, 250, 239, 256), (200, 254, 220, 319), height=240, width=320, dtype=np.float64)
    write_masks(root, wide, big)
    write_masks(root, still, mask(None, None, None))

    for name in UNUSABLE:
        if 'no_frames' not in name and 'gap' not in name:
            write_frames(frames / name, {'push/much_shorter_0': 8}.get(name, 3))
        if name.split('/')[0] in ('jump', 'kick_ball', 'pick'):
            write_masks(root, name, mask((1, 1, 2, 2)))
    write_frames(frames / 'kick_ball/gap_0', 2, numbers=(1, 3))
    (frames / 'pick/empty_0/00002.png').write_bytes(b'')
    write_masks(root, 'pullup/short_0', mask(*[(1, 1, 2, 2)] * 5))
    write_masks(root, 'push/much_shorter_0', mask((1, 1, 2, 2), *[None] * 9))
    header = b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM'
    write_masks(root, 'run/version_7_3_0', mask(None)).write_bytes(
        header + b'\x89HDF\r\n\x1a\n' * 99
    )
    noise = np.random.default_rng(0).integers(0, 2, (HEIGHT, WIDTH, 3), np.uint8)
    truncated = write_masks(root, 'shoot_ball/truncated_0', noise, do_compression=True)
    truncated.write_bytes(truncated.read_bytes()[:-100])
    write_masks(root, 'shoot_bow/other_0', {'part_masks': mask(None)})
    cell = np.empty(2, object)
    cell[:] = ['a', 'b']
    write_masks(root, 'sit/cell_0', {'part_mask': cell})
    write_masks(root, 'stand/text_0', mask(None)).write_text('no MATLAB file at all')

    lists = root / 'splits'
    lists.mkdir()
    for label in CLASSES.split():
        names = [
            name.split('/')[1] for name in (*FRAMES, *UNUSABLE) if name.startswith(f'{label}/')
        ]
        for number in (1, 2, 3):
            # In split 1 the first video of a class is for training; clap and golf have it for test.
            lines = [
                f'{name}.avi {1 + ((k > 0 or label in ("clap", "golf")) == (number == 1))} '
                for k, name in enumerate(names)
            ]
            path = lists / f'{label}_test_split{number}.txt'
            path.write_bytes('\r\n'.join(lines).encode())
    return root


@pytest.fixture(scope='module')
def converted(folder, tmp_path_factory, convert_dataset):
    return convert_dataset('jhmdb', 'split1_rgb', tmp_path_factory.mktemp('data'), folder, **SMALL)


def boxes_of(example, size=(HEIGHT, WIDTH)):
    """Boxes in pixels of the masks, and their frames."""
    return example['boxes']['frame'].tolist(), example['boxes']['box'] * np.tile(size, 2)


def test_splits_and_labels(converted):
    _, opened, examples = converted
    first, special, many, wide, still = FRAMES
    assert set(examples['train']) == {first, many}
    assert set(examples['test']) == {special, wide, still}
    assert opened.info.features['label'].names == CLASSES.split()
    assert opened.info.features['boxes']['label'].names == CLASSES.split()
    labels = {name: int(example['label']) for name, example in examples['test'].items()}
    assert labels == {special: 0, wide: 2, still: 4}


def test_frames_are_those_of_the_folder(converted):
    """None is dropped or repeated, and each is where its number says."""
    examples = converted[2]['train'] | converted[2]['test']
    for name, count in FRAMES.items():
        assert examples[name]['video'].shape == (count, HEIGHT, WIDTH, 3)
        levels = examples[name]['video'].mean((1, 2, 3))
        np.testing.assert_allclose(levels, 10 * np.arange(1, count + 1), atol=2)


def test_boxes_are_the_extents_of_the_masks(converted):
    examples = converted[2]['train'] | converted[2]['test']
    first, special, many, wide, still = FRAMES
    frames, found = boxes_of(examples[first])
    assert frames == [0, 2, 3]
    np.testing.assert_allclose(found, [[2, 3, 11, 21], [0, 0, 24, 32], [5, 5, 6, 6]], atol=1e-5)
    frames, found = boxes_of(examples[special])
    assert frames == [0]
    np.testing.assert_allclose(found, [[1, 1, 3, 3]], atol=1e-5)
    assert boxes_of(examples[many])[0] == list(range(8))
    frames, found = boxes_of(examples[wide], (240, 320))
    assert frames == [0, 1]
    np.testing.assert_allclose(found, [[100, 250, 240, 257], [200, 254, 221, 320]], atol=1e-4)
    assert boxes_of(examples[still])[0] == []
    assert examples[still]['boxes']['box'].shape == (0, 4)
    assert set(examples[many]['boxes']['label'].tolist()) == {1}
    assert set(examples[many]['boxes']['tube'].tolist()) == {0}


def test_unusable_videos_are_listed_with_their_reasons(converted, folder):
    done = converted[0]
    reasons = {row.id: row.reason for row in done.skipped}
    assert set(reasons) == set(UNUSABLE)
    for name, reason in UNUSABLE.items():
        exact = not reason.endswith((' (', ' numbers'))
        assert reasons[name] == reason if exact else reasons[name].startswith(reason)
    assert {row.path for row in done.skipped} == {
        str(folder / 'Rename_Images' / name) for name in UNUSABLE
    }
    with open(pathlib.Path(done.data_path) / 'skipped.csv', newline='') as file:
        rows = {row['id']: row['reason'] for row in csv.DictReader(file)}
    assert rows == reasons


def test_the_configuration_is_kept(converted):
    metadata = converted[1].info.metadata
    assert metadata['annotations'] == 'masks'
    assert metadata['frames_per_second'] is None
    assert metadata['flip_left_right'] is True
    assert catalog.make_builder('jhmdb').builder_config.frame_size == (320, 400)


def test_flow_has_the_same_boxes(converted, folder, tmp_path, convert_dataset):
    done, _, examples = convert_dataset(
        'jhmdb', 'split1_flow', tmp_path, folder, flow_algorithm='dis', **SMALL
    )
    assert {row.id for row in done.skipped} == set(UNUSABLE)
    for split in ('train', 'test'):
        assert set(examples[split]) == set(converted[2][split])
        for name, example in examples[split].items():
            assert example['video'].shape == (FRAMES[name] - 1, HEIGHT, 2 * WIDTH, 1)
            for key, values in converted[2][split][name]['boxes'].items():
                np.testing.assert_array_equal(example['boxes'][key], values)


def test_the_other_splits(folder):
    """In the generated lists, 2 and 3 are 1 turned round."""
    listed = {}
    for number in (1, 2, 3):
        builder = catalog.make_builder('jhmdb', f'split{number}_rgb', manual_dir=folder)
        splits = builder.split_videos()
        listed[number] = [{item.id for item in splits[split]} for split in ('train', 'test')]
    assert listed[2] == listed[3] == listed[1][::-1]
    assert listed[1][0] | listed[1][1] == {*FRAMES, *UNUSABLE}


def test_another_mask_makes_another_dataset(folder):
    """The digest of the plan knows the masks."""
    item = catalog.make_builder('jhmdb', manual_dir=folder).split_videos()['train'][0]
    assert item.annotation == str(folder / 'puppet_mask' / item.id / 'puppet_mask.mat')


@pytest.fixture
def lists(folder, tmp_path):
    """The same folder with lists that can be changed."""
    for name in ('Rename_Images', 'puppet_mask'):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / 'splits').mkdir()
    for path in (folder / 'splits').iterdir():
        (tmp_path / 'splits' / path.name).write_bytes(path.read_bytes())
    return tmp_path


def fault(root, config='split1_rgb'):
    with pytest.raises(DatasetError) as error:
        catalog.make_builder('jhmdb', config, manual_dir=root).split_videos()
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('../../etc/x.avi 1', "line 2: found the name '../../etc/x', expected one that stays"),
        ('/etc/x.avi 1', "line 2: found the name '/etc/x', expected"),
        ('a.avi 1', "line 2: found 'a' again, expected every video once"),
        ('b.avi 3', "line 2: found 'b.avi 3', expected NAME.avi and 1 (training) or 2 (test)"),
        ('b.avi', "line 2: found 'b.avi', expected NAME.avi and 1"),
        ('b 1', "line 2: found 'b 1', expected NAME.avi and 1"),
    ],
)
def test_broken_lists(lists, line, message):
    path = lists / 'splits' / 'catch_test_split1.txt'
    path.write_text(f'a.avi 1\n{line}\n')
    assert fault(lists).startswith(f'{path}, {message}')


def test_missing_lists_and_folders(lists, tmp_path):
    path = lists / 'splits' / 'wave_test_split2.txt'
    path.unlink()
    assert fault(lists, 'split2_rgb') == f'{path}: found nothing, expected this file'
    (lists / 'puppet_mask').unlink()
    assert 'expected puppet_mask' in fault(lists)
    (lists / 'Rename_Images').unlink()
    assert 'expected Rename_Images or Frames' in fault(lists)
    assert 'expected JHMDB-GT.pkl' in fault(folder_with_frames(lists), 'split1_act_rgb')


def folder_with_frames(root):
    (root / 'Frames').mkdir()
    return root


def test_boxes_of_the_act_detector(folder, tmp_path, convert_dataset):
    first, special, many, wide, _ = FRAMES
    names = [first, many, wide, special]
    content = {
        'labels': CLASSES.split(),
        'train_videos': [[], [], [first, many]],
        'test_videos': [[], [], [wide, special]],
        'nframes': {first: 6, many: 9, wide: 40, special: 3},
        'resolution': dict.fromkeys(names, (240, 320)),
        'gttubes': {
            first: {0: [np.array([[1, 30, 20, 89, 119], [2, 0, 0, 319, 239]], np.float32)]},
            many: {1: [np.array([[9, 400, 0, 500, 9]], np.float32)]},  # all of it outside
            wide: {2: [np.array([[1, 0, 0, 9, 9]], np.float32)]},  # drawn on 40 frames
            special: {},
        },
    }
    manual = tmp_path / 'manual'
    manual.mkdir()
    (manual / 'Frames').symlink_to(folder / 'Rename_Images')
    (manual / 'JHMDB-GT.pkl').write_bytes(old_pickles.of_python_2(content))
    done, opened, examples = convert_dataset(
        'jhmdb', 'split3_act_rgb', tmp_path / 'data', manual, **SMALL
    )
    assert opened.info.metadata['annotations'] == 'act'
    assert {split: set(found) for split, found in examples.items()} == {
        'train': {first, many},
        'test': {special},
    }
    frames, found = boxes_of(examples['train'][first], (240, 320))
    assert frames == [0, 1]
    np.testing.assert_allclose(found, [[20, 30, 120, 90], [0, 0, 240, 320]], atol=1e-4)
    assert len(examples['train'][many]['boxes']['frame']) == 0
    reasons = {row.id: row.reason for row in done.skipped}
    assert reasons == {wide: '4 frames of the 40 that were annotated'}
    lines = []
    builder = catalog.make_builder('jhmdb', 'split3_act_rgb', manual_dir=manual)
    builder.prepare_videos(lines.append)
    assert lines == [
        f'jhmdb: left out 1 boxes without area in the picture, of 1 videos, for example {many}'
    ]
    assert {item.annotation for item in builder.split_videos()['test']} == {
        str(manual / 'JHMDB-GT.pkl')
    }


@pytest.mark.parametrize('way', ['processes', 'beam', 'tfds'])
def test_masks_that_kill_what_reads_them(tmp_path, monkeypatch, way):
    """In whichever way the dataset is made, no more than that video is lost."""
    write_few(tmp_path / 'manual')
    monkeypatch.setattr(masks, 'read', jobs.read_masks)
    builder = catalog.make_builder(
        'jhmdb', 'split1_rgb', tmp_path / 'data', tmp_path / 'manual', **SMALL
    )
    if way == 'tfds':
        builder.MAX_SKIPPED_FRACTION = 0.5
        builder.download_and_prepare()
    else:
        write = None
        if way == 'beam':
            pytest.importorskip('apache_beam')
            write = beam.writer('DirectRunner')
        convert_dataset(builder, processes=1, max_skipped_fraction=0.5, write=write)
    opened = catalog.open_dataset('jhmdb', 'split1_rgb', tmp_path / 'data')
    assert {split: info.num_examples for split, info in opened.info.splits.items()} == {
        'train': 1,
        'test': 1,
    }
    with open(pathlib.Path(opened.data_path) / 'skipped.csv', newline='') as file:
        (row,) = csv.DictReader(file)
    assert row['id'] == 'catch/deadly'
    assert row['reason'] == (
        'reading it or its annotation kills the process, or takes more memory than there is'
    )


def write_few(root):
    """Two good videos, and one whose masks are the end of what reads them."""
    (root / 'splits').mkdir(parents=True)
    for label in CLASSES.split():
        for number in (1, 2, 3):
            path = root / 'splits' / f'{label}_test_split{number}.txt'
            path.write_text('one.avi 1\ntwo.avi 2\ndeadly.avi 1\n' if label == 'catch' else '')
    for name in ('one', 'two', 'deadly'):
        write_frames(root / 'Rename_Images/catch' / name, 3)
        write_masks(root, f'catch/{name}', mask(*[(2, 3, 10, 20)] * 3))
