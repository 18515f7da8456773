"""Damaged copies of every list and pickle: a line that names the file, or what is left of it."""

import json
import pickle

import numpy as np
import pytest

from data import catalog
from data.datasets import act_tubes, pickles
from data.datasets.kinetics400 import listing as kinetics400
from data.datasets.mini_kinetics200 import listing as mini_kinetics200
from data.datasets.something_something_v2 import something_something_v2_dataset_builder as second
from data.datasets.ucf101_24 import corrected
from data.datasets.ucf101_24 import listing as ucf101_24
from data.errors import DatasetError
from tests import fuzzing
from tests.data import old_pickles

CLASSES = ('Basketball', 'Fencing', 'WalkingWithDog')
NAMES = [f'{name}/v_{name}_g0{k}_c01' for name in CLASSES for k in (1, 2)]
BOXES = np.array([[200, 130, 100, 110], [250, 239, 70, 17]], np.uint8)
CORRECTED = {
    np.str_(name): {
        'numf': np.uint32(2),
        'label': CLASSES.index(name.split('/')[0]),
        'annotations': [{'label': 0, 'sf': 0, 'ef': 2, 'boxes': BOXES}],
    }
    for name in NAMES
}
ACT = {
    'labels': list(CLASSES),
    'train_videos': [NAMES[:3]],
    'test_videos': [NAMES[3:]],
    'nframes': dict.fromkeys(NAMES, 2),
    'resolution': dict.fromkeys(NAMES, (240, 320)),
    'gttubes': {
        name: {0: [np.array([[1, 30, 20, 89, 119], [2, 0, 0, 319, 239]], np.float32)]}
        for name in NAMES
    },
}

IDS = [f'{letter}0-_{"xyzxyzx"}' for letter in 'abcdefgh']
KINETICS = 'label,youtube_id,time_start,time_end,split,is_cc\n' + ''.join(
    f'"massaging person\'s head","{name}",{k},{k + 10},train,0\n' for k, name in enumerate(IDS)
)
SOMETHING = [
    {
        'id': f'{k}',
        'label': 'holding a "cup", in front of it',
        'template': 'Holding [something]',
        'placeholders': ['a "cup"'],
    }
    for k in range(8)
]


def builder(name, config, folder):
    return catalog.make_builder(name, config, folder / 'data', folder)


def write_something(folder):
    labels = ['Holding something', 'Pushing something, so it falls', 'Zipping something']
    (folder / 'something-something-v1-labels.csv').write_text('\n'.join(labels))
    for split, number in (('train', 0), ('validation', 100)):
        lines = ''.join(f'{number + k};{labels[k % 3]}\n' for k in range(8))
        (folder / f'something-something-v1-{split}.csv').write_text(lines)
    (folder / '0').mkdir()


def write_ucf101(folder):
    lists = folder / 'ucfTrainTestlist'
    lists.mkdir()
    (lists / 'classInd.txt').write_text(
        ''.join(f'{k} {name}\r\n' for k, name in enumerate(CLASSES, 1))
    )
    (lists / 'trainlist01.txt').write_text(
        ''.join(f'{name}.avi {CLASSES.index(name.split("/")[0]) + 1}\r\n' for name in NAMES[::2])
    )
    (lists / 'testlist01.txt').write_text(''.join(f'{name}.avi\r\n' for name in NAMES[1::2]))
    (folder / 'UCF-101').mkdir()


def write_hmdb51(folder):
    lists = folder / 'testTrainMulti_7030_splits'
    lists.mkdir()
    (folder / 'hmdb51_org').mkdir()
    for label in ('brush_hair', 'cartwheel'):
        (lists / f'{label}_test_split1.txt').write_text(
            ''.join(f'(Rad)_#{k}![x]_{label}_f_cm.avi {k % 3} \n' for k in range(8))
        )


def write_jhmdb(folder):
    (folder / 'splits').mkdir()
    for name in ('Rename_Images', 'puppet_mask'):
        (folder / name).mkdir()
    for label in catalog.make_builder('jhmdb', manual_dir=folder).label_names():
        (folder / 'splits' / f'{label}_test_split1.txt').write_text(
            ''.join(f'#{k}_{label}_f_cm.avi {k % 2 + 1} \n' for k in range(4))
        )


def listing(name, config, write, *files):
    """Cases of a dataset whose builder reads all of its lists: one for each file."""

    def read_of(folder):
        write(folder)
        return lambda path: builder(name, config, folder).split_videos()

    return {f'{name} {file}': (file, None, read_of) for file in files}


def of_kinetics(folder):
    return lambda path: kinetics400.read_clips(folder)


def of_mini_kinetics(folder):
    (folder / 'train.csv').write_text(KINETICS)
    return lambda path: mini_kinetics200.read_clips(folder, 0.5)


def simple(read):
    """A reader of one file that looks at no other."""
    return lambda folder: read


# {what: (file, its content or None where it is written already, folder -> reader)}
CASES = {
    'pickle of python 2': ('x.pkl', old_pickles.of_python_2(CORRECTED), simple(pickles.load)),
    'pickle as text': ('x.pkl', old_pickles.of_python_2_as_text(ACT), simple(pickles.load)),
    'pickle of protocol 5': ('x.pkl', pickle.dumps(CORRECTED, 5), simple(pickles.load)),
    'corrected boxes': (
        'pyannot.pkl',
        old_pickles.of_python_3(CORRECTED, 3),
        simple(lambda path: corrected.read(path, CLASSES)),
    ),
    'corrected boxes, protocol 5': (
        'pyannot.pkl',
        pickle.dumps(CORRECTED, 5),
        simple(lambda path: corrected.read(path, CLASSES)),
    ),
    'tubes of act': (
        'UCF101v2-GT.pkl',
        old_pickles.of_python_2(ACT),
        simple(lambda path: act_tubes.read(path, 1, CLASSES)),
    ),
    'test list of ucf101_24': (
        'testlist01.txt',
        '\n'.join(NAMES).encode(),
        simple(ucf101_24.read_test_names),
    ),
    'kinetics': ('train.csv', KINETICS.encode(), of_kinetics),
    'mini-kinetics': ('train_ytid_list.txt', '\n'.join(IDS).encode(), of_mini_kinetics),
    'something v2, list': (
        'train.json',
        json.dumps(SOMETHING).encode(),
        simple(lambda path: second._read_list(path, True)),
    ),
    'something v2, labels': (
        'labels.json',
        json.dumps({f'Holding {"xyz"[k]}': str(k) for k in range(3)}).encode(),
        simple(second._read_labels),
    ),
    **listing(
        'something_something_v1',
        'rgb',
        write_something,
        'something-something-v1-labels.csv',
        'something-something-v1-train.csv',
    ),
    **listing(
        'ucf101',
        'split1_rgb',
        write_ucf101,
        *(f'ucfTrainTestlist/{name}.txt' for name in ('classInd', 'trainlist01', 'testlist01')),
    ),
    **listing(
        'hmdb51',
        'split1_rgb',
        write_hmdb51,
        'testTrainMulti_7030_splits/cartwheel_test_split1.txt',
    ),
    **listing('jhmdb', 'split1_rgb', write_jhmdb, 'splits/catch_test_split1.txt'),
}


def check(folder, case, examples):
    file, content, reader_of = CASES[case]
    read = reader_of(folder)
    path = folder / file
    if content is None:
        content = path.read_bytes()
    fuzzing.check(read, content, path, examples, refused=DatasetError)


@pytest.mark.parametrize('case', CASES)
def test_few_damaged_copies(tmp_path, case):
    check(tmp_path, case, fuzzing.FEW)


@pytest.mark.slow
@pytest.mark.parametrize('case', CASES)
def test_many_damaged_copies(tmp_path, case):
    check(tmp_path, case, fuzzing.MANY)


@pytest.mark.parametrize('text', ['[' * 200_000, '{"a":' * 200_000, '[' * 900 + ']' * 900])
def test_json_that_is_nested_deeply(tmp_path, text):
    path = tmp_path / 'train.json'
    path.write_text(text)
    with pytest.raises(DatasetError) as error:
        second._read_list(path, True)
    assert str(error.value).startswith(f'{path}')
    assert len(str(error.value)) < 300 + len(str(path))
