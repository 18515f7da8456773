"""UCF101-24 from small copies of its folders."""

import cv2
import numpy as np
import pytest

from data import catalog
from data.datasets.ucf101_24 import corrected
from data.errors import DatasetError
from tests.data import old_pickles

CLASS_WORDS = (
    'Basketball BasketballDunk Biking CliffDiving CricketBowling Diving Fencing FloorGymnastics'
    ' GolfSwing HorseRiding IceDancing LongJump PoleVault RopeClimbing SalsaSpin SkateBoarding'
    ' Skiing Skijet SoccerJuggling Surfing TennisSwing TrampolineJumping VolleyballSpiking'
    ' WalkingWithDog'
)
CLASSES = CLASS_WORDS.split()
SMALL = {'frame_size': (24, 32)}

TWO = 'SalsaSpin/v_SalsaSpin_g01_c01'
LONGER = 'Biking/v_Biking_g08_c01'
BARE = 'Skijet/v_Skijet_g09_c02'
RENAMED = 'WalkingWithDog/v_WalkingWithDog_g01_c01'
SHORT, SHORTER = 'Diving/v_Diving_g08_c01', 'Diving/v_Diving_g08_c02'
EMPTY, CUT, MISSING = (f'Surfing/v_Surfing_g0{k}_c01' for k in (7, 8, 9))

# Frames that the videos have on disk.
FRAMES = {TWO: 10, LONGER: 12, BARE: 4, RENAMED: 5, SHORT: 7, SHORTER: 7, CUT: 40}


def entry(name, frames, *tubes):
    """A video of the pickle; tubes are (first frame, boxes x y width height)."""
    label = CLASSES.index(name.split('/')[0])
    return {
        'numf': np.uint32(frames),
        'label': label,
        'annotations': [
            {'label': label, 'sf': first, 'ef': first + len(boxes), 'boxes': boxes}
            for first, boxes in tubes
        ],
    }


def same(count, dtype=np.uint8):
    return np.array([[1, 2, 30, 40]] * count, dtype)


PYANNOT = {
    # Sums that pass 255 in 8 bits: 200 + 100, 250 + 70, 130 + 110, 239 + 17.
    TWO: entry(
        TWO,
        10,
        (7, np.array([[200, 130, 100, 110], [250, 239, 70, 17], [0, 0, 255, 239]], np.uint8)),
        (8, np.array([[300, 200, 20, 40], [256, 10, 300, 5]], np.uint16)),
    ),
    LONGER: entry(LONGER, 10, (np.uint8(0), same(10))),
    BARE: entry(BARE, 4),
    RENAMED: entry(RENAMED, 5, (1, np.array([[320, 0, 9, 9], [5, 5, 0, 9]], np.uint16))),
    SHORT: entry(SHORT, 10, (5, same(5))),
    SHORTER: entry(SHORTER, 10, (0, same(3))),
    EMPTY: entry(EMPTY, 5, (0, same(3))),
    CUT: entry(CUT, 40, (0, same(3))),
    MISSING: entry(MISSING, 5, (0, same(3))),
}
TEST = (TWO, BARE, SHORT, CUT)


def frames_of(count):
    return [np.full((24, 32, 3), 5 * number + 5, np.uint8) for number in range(count)]


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_video_file):
    root = tmp_path_factory.mktemp('ucf101_24')
    renamed = {RENAMED: 'walkingwithdog/v_walkingWithDog_G01_c01.AVI'}
    for name, count in FRAMES.items():
        write_video_file(root / 'UCF-101' / renamed.get(name, f'{name}.avi'), frames_of(count), 25)
    # One of the same name, not in the folder of its class, and a hidden one.
    write_video_file(root / 'UCF-101/Archery/v_Biking_g08_c01.avi', frames_of(3), 25)
    write_video_file(root / 'UCF-101/Biking/._v_Biking_g08_c01.avi', frames_of(3), 25)
    cut = root / 'UCF-101' / f'{CUT}.avi'
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES[CUT], 24, 32, 3), np.uint8)
    write_video_file(cut, noise, 25)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (root / 'UCF-101' / f'{EMPTY}.avi').write_bytes(b'')
    # Names as in the published file, whose writer took them out of an array.
    published = {np.str_(name): value for name, value in PYANNOT.items()}
    (root / 'pyannot.pkl').write_bytes(old_pickles.of_python_3(published, protocol=3))
    (root / 'testlist01.txt').write_text('\n'.join(TEST))  # without an end to its last line
    return root


@pytest.fixture(scope='module')
def converted(folder, tmp_path_factory, convert_dataset):
    data_dir = tmp_path_factory.mktemp('data')
    return convert_dataset('ucf101_24', 'split1_rgb', data_dir, folder, **SMALL)


def boxes_of(example):
    """Boxes in pixels of 320x240, as ymin, xmin, ymax, xmax, and their frames."""
    return example['boxes']['frame'].tolist(), example['boxes']['box'] * [240, 320, 240, 320]


def test_splits_and_labels(converted):
    _, opened, examples = converted
    assert {split: set(found) for split, found in examples.items()} == {
        'train': {LONGER, RENAMED},
        'test': {TWO, BARE},
    }
    assert opened.info.features['label'].names == CLASSES
    assert opened.info.features['boxes']['label'].names == CLASSES
    assert opened.info.metadata['annotations'] == 'corrected'
    for name, label in ((TWO, 14), (BARE, 17)):
        assert examples['test'][name]['label'] == label == CLASSES.index(name.split('/')[0])


def test_frames_are_those_of_the_video(converted):
    """None is dropped or repeated; the video in the folder of its class is the one."""
    for examples in converted[2].values():
        for name, example in examples.items():
            levels = example['video'].mean((1, 2, 3))
            np.testing.assert_allclose(levels, 5 * np.arange(FRAMES[name]) + 5, atol=2)
            assert example['video'].shape == (FRAMES[name], 24, 32, 3)


def test_boxes_are_added_in_more_than_8_bits(converted):
    example = converted[2]['test'][TWO]
    frames, found = boxes_of(example)
    assert frames == [7, 8, 8, 9, 9]
    expected = [
        [130, 200, 240, 300],
        [239, 250, 240, 320],  # to y 256, cut at the border
        [200, 300, 240, 320],
        [0, 0, 239, 255],
        [10, 256, 15, 320],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(example['boxes']['tube'], [0, 0, 1, 0, 1])
    np.testing.assert_array_equal(example['boxes']['label'], [14] * 5)


def test_frames_after_the_annotated_ones_have_no_boxes(converted):
    frames, found = boxes_of(converted[2]['train'][LONGER])
    assert frames == list(range(10))
    np.testing.assert_allclose(found, [[2, 1, 42, 31]] * 10, atol=1e-4)


def test_videos_without_boxes(converted, folder):
    for split, name in (('test', BARE), ('train', RENAMED)):
        example = converted[2][split][name]['boxes']
        assert {key: len(values) for key, values in example.items()} == dict.fromkeys(
            ('frame', 'box', 'label', 'tube'), 0
        )
    lines = []
    catalog.make_builder('ucf101_24', manual_dir=folder).prepare_videos(lines.append)
    assert lines == [
        'ucf101_24: left out 2 boxes without area in the picture, of 1 videos,'
        f' for example {RENAMED}'
    ]


def test_unusable_videos_are_listed_with_their_reasons(converted, folder):
    done = converted[0]
    left = (folder / 'UCF-101' / f'{CUT}.avi').stat().st_size
    assert {row.id: row.reason for row in done.skipped} == {
        SHORT: '7 frames, but its boxes go on to the 10th',
        SHORTER: '7 frames of the 10 that were annotated',
        EMPTY: 'empty file (0 bytes)',
        CUT: f'truncated: {left:,} of {2 * left:,} bytes are there, 50% of it is missing',
        MISSING: 'file not found',
    }
    paths = {row.id: row.path for row in done.skipped}
    assert paths[MISSING] == str(folder / 'UCF-101' / f'{MISSING}.avi')


def test_flow_has_the_same_boxes(converted, folder, tmp_path, convert_dataset):
    _, _, examples = convert_dataset(
        'ucf101_24', 'split1_flow', tmp_path, folder, flow_algorithm='dis', **SMALL
    )
    for split in ('train', 'test'):
        assert set(examples[split]) == set(converted[2][split])
        for name, example in examples[split].items():
            assert example['video'].shape == (FRAMES[name] - 1, 24, 64, 1)
            for key, values in converted[2][split][name]['boxes'].items():
                np.testing.assert_array_equal(example['boxes'][key], values)


def link(folder, root, *names):
    root.mkdir(exist_ok=True)
    for name in names:
        (root / name).symlink_to(folder / name)
    return root


def listed(root, config='split1_rgb'):
    builder = catalog.make_builder('ucf101_24', config, manual_dir=root)
    return builder.split_videos()


@pytest.mark.parametrize('place', ['', 'splitfiles', 'ucfTrainTestlist'])
def test_lists_of_ucf101(folder, tmp_path, place):
    """CRLF, suffixes, classes that have no boxes; in any of the folders that are usual."""
    link(folder, tmp_path, 'UCF-101')
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / 'pyannot.pkl').write_bytes(old_pickles.of_numpy_2(PYANNOT))
    lines = ['Archery/v_Archery_g01_c01.avi', *(f'{name}.avi' for name in TEST)]
    lines[2] = lines[2].replace('Skijet/v_Skijet', 'SkiJet/v_SkiJet')
    (tmp_path / place / 'testlist01.txt').write_bytes('\r\n'.join(lines).encode())
    splits = listed(tmp_path)
    assert [item.id for item in splits['test']] == sorted(TEST)
    assert [item.id for item in splits['train']] == sorted(set(PYANNOT) - set(TEST))
    assert {item.annotation for item in splits['test']} == {str(tmp_path / place / 'pyannot.pkl')}


def test_folders_of_frames_come_first(folder, tmp_path, convert_dataset):
    link(folder, tmp_path, 'UCF-101', 'testlist01.txt')
    few = {name: PYANNOT[name] for name in (TWO, LONGER, MISSING)}
    (tmp_path / 'pyannot.pkl').write_bytes(old_pickles.of_python_2(few))
    for name in (TWO, LONGER.replace('v_Biking', 'v_biking')):
        pictures = tmp_path / 'rgb-images' / name
        pictures.mkdir(parents=True)
        for number in range(1, 11):
            cv2.imwrite(
                str(pictures / f'{number:05d}.jpg'), np.full((24, 32, 3), 20 * number, np.uint8)
            )
    done, _, examples = convert_dataset(
        'ucf101_24', 'split1_rgb', tmp_path / 'data', tmp_path, **SMALL
    )
    for example in (examples['test'][TWO], examples['train'][LONGER]):
        levels = example['video'].mean((1, 2, 3))
        np.testing.assert_allclose(levels, 20 * np.arange(1, 11), atol=2)
    assert boxes_of(examples['test'][TWO])[0] == [7, 8, 8, 9, 9]
    expected = str(tmp_path / 'rgb-images' / MISSING)
    assert [(row.path, row.reason) for row in done.skipped] == [(expected, 'file not found')]


def test_boxes_of_the_act_detector(folder, tmp_path, convert_dataset):
    link(folder, tmp_path, 'UCF-101')
    tube = np.array([[3, 200, 100, 255, 199], [4, 0, 0, 319, 239]], np.float32)
    content = {
        'labels': CLASSES,
        'train_videos': [[TWO, LONGER]],
        'test_videos': [[BARE]],
        'nframes': {TWO: 10, LONGER: 20, BARE: 4},
        'resolution': dict.fromkeys((TWO, LONGER, BARE), (240, 320)),
        'gttubes': {TWO: {14: [tube, tube[:1]]}, LONGER: {2: [tube]}, BARE: {17: [tube]}},
    }
    (tmp_path / 'UCF101v2-GT.pkl').write_bytes(old_pickles.of_python_2(content))
    done, opened, examples = convert_dataset(
        'ucf101_24', 'split1_act_rgb', tmp_path / 'data', tmp_path, **SMALL
    )
    assert opened.info.metadata['annotations'] == 'act'
    assert {split: set(found) for split, found in examples.items()} == {
        'train': {TWO},
        'test': {BARE},
    }
    frames, found = boxes_of(examples['train'][TWO])
    assert frames == [2, 2, 3]
    np.testing.assert_allclose(
        found, [[100, 200, 200, 256], [100, 200, 200, 256], [0, 0, 240, 320]], atol=1e-4
    )
    np.testing.assert_array_equal(examples['train'][TWO]['boxes']['tube'], [0, 1, 0])
    reasons = {row.id: row.reason for row in done.skipped}
    assert reasons == {LONGER: '12 frames of the 20 that were annotated'}
    (tmp_path / 'UCF101v2-GT.pkl').rename(tmp_path / 'UCF101-GT.pkl')
    assert [item.id for item in listed(tmp_path, 'split1_act_flow')['test']] == [BARE]


def fault(root, config='split1_rgb'):
    with pytest.raises(DatasetError) as error:
        listed(root, config)
    assert str(error.value).isprintable()
    return str(error.value)


def test_missing_lists_and_folders(folder, tmp_path):
    assert 'expected pyannot.pkl or splitfiles/pyannot.pkl' in fault(tmp_path)
    assert 'expected UCF101v2-GT.pkl' in fault(tmp_path, 'split1_act_rgb')
    link(folder, tmp_path, 'pyannot.pkl')
    assert 'expected testlist01.txt' in fault(tmp_path)
    link(folder, tmp_path, 'testlist01.txt')
    assert 'expected rgb-images or Frames or UCF-101' in fault(tmp_path)


def test_broken_lists(folder, tmp_path):
    link(folder, tmp_path, 'pyannot.pkl', 'UCF-101')
    path = tmp_path / 'testlist01.txt'
    for line, message in [
        ('../../etc/x.avi', "found the name '../../etc/x.avi', expected one that stays in"),
        ('v_Biking_g08_c01', "found 'v_Biking_g08_c01', expected CLASS/VIDEO.avi"),
        ('a/b/c.avi', "found 'a/b/c.avi', expected CLASS/VIDEO.avi"),
    ]:
        path.write_text(f'{TWO}\n{line}')
        assert fault(tmp_path).startswith(f'{path}, line 2: {message}')


def tubes_of(**changes):
    """A pickle whose only tube differs from a good one."""
    tube = {'label': 2, 'sf': 0, 'ef': 2, 'boxes': same(2)} | changes
    return {LONGER: {'numf': 5, 'label': 2, 'annotations': [tube]}}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({}, 'found nothing in it, expected a dictionary of videos'),
        ([1, 2], 'found a list, expected a dictionary of videos'),
        ({'../../etc/x': {}}, "found the name '../../etc/x', expected one that stays"),
        ({'Archery/v_x': {}}, "found the video 'Archery/v_x', expected one of a class"),
        ({3: {}}, 'found int for the name of a video'),
        ({LONGER: []}, f"{LONGER}: found a list as '{LONGER}', expected a dictionary"),
        ({LONGER: {'numf': 3, 'label': 2}}, f"{LONGER}: found no entry 'annotations'"),
        ({LONGER: {'label': 2, 'annotations': []}}, f"{LONGER}: found no entry 'numf'"),
        ({LONGER: {'numf': 3, 'label': 3, 'annotations': []}}, 'found label 3, expected 2'),
        ({LONGER: {'numf': 3, 'label': 24, 'annotations': []}}, 'found label 24, expected 0 to 23'),
        ({LONGER: {'numf': 'x', 'label': 2, 'annotations': []}}, "found text as 'numf'"),
        (tubes_of(label=-1), 'tube 0: found label -1, expected 0 to 23'),
        (tubes_of(sf=-1, ef=1), 'found the frames -1 to 1, expected rising ones from 0'),
        (tubes_of(sf=3, ef=1), 'found the frames 3 to 1, expected rising'),
        (tubes_of(ef=2**40), 'found the frames 0 to 1099511627776'),
        (tubes_of(ef=10**5000), "as 'ef', expected a whole number"),
        (tubes_of(ef=3), 'found boxes of shape (2, 4), expected (3, 4)'),
        (tubes_of(boxes=same(2)[:, :3]), 'found boxes of shape (2, 3), expected (2, 4)'),
        (tubes_of(boxes=[1, 2, 3, 4]), "found a list as 'boxes', expected an array"),
        (tubes_of(boxes=np.full((2, 4), np.nan)), 'found a box with NaN or infinity'),
        (tubes_of(boxes=np.full((2, 4), {}, object)), 'found no whole pickle of plain values'),
    ],
)
def test_pickles_of_another_shape(tmp_path, content, message):
    path = tmp_path / 'pyannot.pkl'
    path.write_bytes(old_pickles.of_python_2(content))
    with pytest.raises(DatasetError) as error:
        corrected.read(path, CLASSES)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert str(error.value).isprintable()


def test_a_pickle_that_runs_code(folder, tmp_path):
    link(folder, tmp_path, 'UCF-101', 'testlist01.txt')
    path = tmp_path / 'pyannot.pkl'
    marker = tmp_path / 'marker'
    path.write_bytes(b'cos\nsystem\n(Vtouch %s\ntR.' % str(marker).encode())
    assert fault(tmp_path) == (
        f"{path}: found a pickle that asks for 'os.system', expected plain values and arrays of"
        ' numbers; it was not read'
    )
    assert not marker.exists()


def test_the_pickle_is_read_once(folder, monkeypatch):
    reads = []
    read = corrected.read
    monkeypatch.setattr(corrected, 'read', lambda *given: reads.append(given) or read(*given))
    builder = catalog.make_builder('ucf101_24', manual_dir=folder)
    builder.prepare_videos()
    items = builder.split_videos()['test']
    for _ in range(2):
        builder.split_videos()
        builder.annotate(items[0], 1000, None)
    assert len(reads) == 1
