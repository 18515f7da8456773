"""something_something_v2 on generated copies of its layout, and the action groups."""

import json
import pathlib

import numpy as np
import pytest

from data import catalog
from data.datasets import lists
from data.datasets.something_something_v2 import action_groups
from data.errors import DatasetError
from data.listing import Video

PREFIX = 'something-something-v2-'
VIDEOS = '20bn-something-something-v2'

# The 174 labels in the order of release 1's file, each with its index in release 2's:
# "16;Holding something".
PUBLISHED = [
    line.split(';')
    for line in pathlib.Path(__file__)
    .parents[1]
    .joinpath('something_something_labels.csv')
    .read_text()
    .splitlines()
]


def gray(count, first, size=32):
    return [np.full((size, size, 3), first + 16 * k, np.uint8) for k in range(count)]


def entry(video_id, template):
    """As in the published lists: the label names the things that the template leaves open."""
    return {
        'id': video_id,
        'label': 'putting, "a cup" [of tea]',
        'template': template,
        'placeholders': ['a cup'],
    }


@pytest.fixture(scope='module')
def converted(write_video_file, convert_dataset, tmp_path_factory):
    root = tmp_path_factory.mktemp('something')
    videos = root / VIDEOS

    def write(name, frames):  # lossless, though in another container than the published VP9
        write_video_file(videos / 'lossless.avi', frames, 12)
        (videos / 'lossless.avi').rename(videos / name)

    write_video_file(videos / '78687.webm', gray(12, 30, 64), 12, 'VP90')
    write('9.webm', gray(5, 100))
    write('10.webm', gray(4, 60))
    write('20.webm', gray(3, 10))
    write('30.webm', gray(7, 10))
    (videos / '40.webm').touch()
    noise = np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3), np.uint8)
    write_video_file(videos / '41.webm', list(noise), 12, 'VP90')
    whole = (videos / '41.webm').read_bytes()
    (videos / '41.webm').write_bytes(whole[: len(whole) // 2])
    (videos / '42.webm').write_text('a page that says no\n')
    (videos / '43.webm').mkdir()
    labels = {  # in no order
        'Showing something': '3',
        'Holding something next to something': '1',
        'Putting something, something and something on the table': '2',
        'Burying something in something': '0',
    }
    # The byte-order mark and the line ends of an editor.
    text = '\ufeff' + json.dumps(labels, indent=1).replace('\n', '\r\n')
    (root / f'{PREFIX}labels.json').write_bytes(text.encode())
    train = [
        entry('78687', 'Holding [something] next to [something]'),
        entry(9, 'Putting [something], [something] and [something] on the table '),
        *(entry(str(name), 'Showing [something]') for name in (40, 41, 42, 43, 44)),
        {'template': 'Burying [something] in [something]', 'id': '10'},
    ]
    (root / f'{PREFIX}train.json').write_text(json.dumps(train))
    (root / f'{PREFIX}validation.json').write_text(json.dumps([entry('20', 'Showing [something]')]))
    (root / f'{PREFIX}test.json').write_text('[{"id": "30"}]')
    data_dir = tmp_path_factory.mktemp('data')
    return root, *convert_dataset('something_something_v2', 'rgb', data_dir, root)


def test_examples(converted):
    _, done, opened, examples = converted
    assert done.examples == {'train': 3, 'validation': 1, 'test': 1}
    assert opened.info.features['label'].names == [
        'Burying something in something',
        'Holding something next to something',
        'Putting something, something and something on the table',
        'Showing something',
    ]
    found = {
        split: {name: int(example['label']) for name, example in videos.items()}
        for split, videos in examples.items()
    }
    assert found == {
        'train': {'78687': 1, '9': 2, '10': 0},
        'validation': {'20': 3},
        'test': {'30': -1},
    }


@pytest.mark.parametrize(
    ('split', 'name', 'count', 'first', 'error'),
    [
        ('train', '78687', 12, 30, 7),  # VP9 loses a little, and neighbours are 16 apart
        ('train', '9', 5, 100, 2),
        ('validation', '20', 3, 10, 2),
        ('test', '30', 7, 10, 2),
    ],
)
def test_every_frame_is_stored_once_at_12_a_second(converted, split, name, count, first, error):
    video = converted[3][split][name]['video']
    assert video.shape == (count, 256, 256, 3)
    for k in range(count):
        assert np.abs(video[k].astype(int) - (first + 16 * k)).max() <= error


def test_skipped_with_reasons(converted):
    root, done, _, _ = converted
    skipped = {row.id: row for row in done.skipped}
    assert {name: row.path for name, row in skipped.items()} == {
        name: str(root / VIDEOS / f'{name}.webm') for name in ('40', '41', '42', '43', '44')
    }
    reasons = {name: row.reason for name, row in skipped.items()}
    assert reasons.pop('41').startswith('truncated: ')
    assert reasons == {
        '40': 'empty file (0 bytes)',
        '42': 'not a video: FFmpeg cannot open it',
        '43': 'a folder, not a file',
        '44': 'file not found',
    }


def test_metadata(converted):
    metadata = converted[2].info.metadata
    assert metadata['flip_left_right'] is False
    assert metadata['frames_per_second'] == 12
    assert list(metadata['frame_size']) == [256, 256]


@pytest.fixture
def make(tmp_path):
    """Writes the lists, values or text, and empty videos 1, 2 and 3; gives a builder."""

    def make(videos=VIDEOS, lists='', prefix=PREFIX, **contents):
        root = tmp_path / 'manual'
        (root / videos).mkdir(parents=True)
        for name in ('1', '2', '3'):
            (root / videos / f'{name}.webm').touch()
        (root / lists).mkdir(exist_ok=True)
        contents = {
            'labels': {'A something': '0', 'B': '1'},
            'train': [entry('1', 'B'), entry('2', 'A [something]')],
            'validation': [entry('3', 'B')],
        } | contents
        for name, content in contents.items():
            if content is not None:
                text = content if isinstance(content, str) else json.dumps(content)
                (root / lists / f'{prefix}{name}.json').write_text(text)
        return catalog.make_builder('something_something_v2', None, tmp_path / 'data', root)

    return make


def test_without_a_test_list(make, tmp_path):
    folder = tmp_path / 'manual' / VIDEOS
    assert make().split_videos() == {
        'train': [
            Video('1', str(folder / '1.webm'), 'B'),
            Video('2', str(folder / '2.webm'), 'A something'),
        ],
        'validation': [Video('3', str(folder / '3.webm'), 'B')],
    }


@pytest.mark.parametrize(
    'videos',
    [VIDEOS, f'{VIDEOS}/{VIDEOS}', 'something-something-v2', 'videos', f'videos/{VIDEOS}', '.'],
)
def test_other_folders_of_videos(make, tmp_path, videos):
    splits = make(videos).split_videos()
    assert splits['validation'][0].path == str((tmp_path / 'manual' / videos / '3.webm').resolve())


@pytest.mark.parametrize('lists', ['', 'labels', 'annotations'])
@pytest.mark.parametrize('prefix', [PREFIX, ''])
def test_other_names_of_lists(make, lists, prefix):
    splits = make(lists=lists, prefix=prefix, test=[{'id': 4}]).split_videos()
    assert {split: [(item.id, item.label) for item in splits[split]] for split in splits} == {
        'train': [('1', 'B'), ('2', 'A something')],
        'validation': [('3', 'B')],
        'test': [('4', None)],
    }


def test_labels_follow_the_indices(make):
    names = make(labels={'B': 2, 'A something': '0', 'C': '1'}).info.features['label'].names
    assert names == ['A something', 'C', 'B']


@pytest.mark.parametrize(
    ('contents', 'message'),
    [
        ({'labels': None}, 'expected something-something-v2-labels.json or labels.json or labels/'),
        ({'train': None}, 'expected something-something-v2-train.json or train.json or labels/'),
        ({'labels': '{"A": "0",\n"B" "1"}'}, "labels.json, line 2: Expecting ':' delimiter, expe"),
        ({'labels': ''}, 'labels.json, line 1: Expecting value, expected JSON'),
        ({'labels': '[' * 100_000}, 'labels.json: found a number too long or lists nested too'),
        ({'train': '[{"id": ' + '1' * 5000 + '}]'}, 'train.json: found a number too long or'),
        ({'labels': ['A']}, "labels.json: found ['A'], expected the index of each label by its"),
        ({'labels': {}}, 'labels.json: found {}, expected the index of each label'),
        (
            {'labels': {'A': '0', 'B': '2'}},
            'found 2 labels but none of index 1, expected each of 0',
        ),
        (
            {'labels': {'A': '1', 'B': '1'}},
            'found 2 labels but none of index 0, expected each of 0',
        ),
        (
            {'labels': {'A': '1', 'B': '2'}},
            'found 2 labels but none of index 0, expected each of 0',
        ),
        ({'labels': {'A': '0', 'A ': '1'}}, "found the label 'A' again, expected every label once"),
        ({'labels': {'A': True, 'B': '1'}}, "found the index True of 'A', expected a number"),
        ({'labels': {'A': '-1', 'B': '0'}}, "found the index '-1' of 'A', expected a number"),
        ({'labels': {'A': [0], 'B': '0'}}, "found the index [0] of 'A', expected a number"),
        (
            {'labels': {'A\nB': '0'}},
            r"labels.json: found the label 'A\nB', expected a line of text",
        ),
        ({'labels': {'\ud800': '0'}}, r"found the label '\ud800', expected a line of text"),
        ({'labels': {' ': '0'}}, "found the label ' ', expected a line of text"),
        ({'train': {'id': '1'}}, "train.json: found {'id': '1'}, expected a list of videos"),
        ({'train': []}, 'train.json: found no videos, expected at least one'),
        (
            {'train': [entry('1', 'B'), 'x']},
            "train.json, entry 2: found 'x', expected a field 'id'",
        ),
        ({'train': [{'template': 'B'}]}, "entry 1: found {'template': 'B'}, expected a field 'id'"),
        ({'train': [{'id': '1'}]}, "entry 1: found {'id': '1'}, expected a field 'template'"),
        ({'train': [entry('1', None)]}, 'entry 1: found the label None, expected a line of text'),
        ({'train': [entry('1', 'A')]}, "entry 1: found the label 'A', expected one of MANUAL"),
        (
            {'train': [entry('1', 'B'), entry('../../etc/x', 'B')]},
            "train.json, entry 2: found the id '../../etc/x', expected a number",
        ),
        ({'test': [{'id': '../../etc/x'}]}, "test.json, entry 1: found the id '../../etc/x', exp"),
        ({'test': [{'id': '\ud800'}]}, r"test.json, entry 1: found the id '\ud800', expected a n"),
        ({'test': [{'id': None}]}, 'test.json, entry 1: found the id None, expected a number'),
        ({'test': [{'id': True}]}, 'test.json, entry 1: found the id True, expected a number'),
        ({'test': [{'id': 4.0}]}, 'test.json, entry 1: found the id 4.0, expected a number'),
        ({'test': [{'id': '4'}, {'id': 4}]}, 'test.json, entry 2: found the id 4, which is also'),
        ({'test': [{'id': '1'}]}, 'test.json, entry 1: found the id 1, which is also in MANUAL'),
        (
            {'train': [entry('8', 'B')], 'validation': [entry('9', 'B')]},
            f'found none of the 2 videos listed, expected 8.webm and so on in {VIDEOS} or',
        ),
    ],
)
def test_lists_that_do_not_serve(make, tmp_path, contents, message):
    with pytest.raises(DatasetError) as error:
        make(**contents).split_videos()
    line = str(error.value)
    assert line.startswith(str(tmp_path / 'manual'))
    assert message.replace('MANUAL', str(tmp_path / 'manual')) in line
    assert len(line.splitlines()) == 1


def test_read_json_gives_what_is_there(tmp_path):
    path = tmp_path / 'x.json'
    path.write_bytes(b'\xef\xbb\xbf{"a": [1,\r\n "2", null]}')
    assert lists.read_json(path) == {'a': [1, '2', None]}
    with pytest.raises(DatasetError, match='y.json: found nothing, expected this'):
        lists.read_json(tmp_path / 'y.json')


def test_both_releases_order_the_published_labels_alike(tmp_path):
    names = [name for _, name in PUBLISHED]
    assert len(set(names)) == 174
    one, two = tmp_path / 'one', tmp_path / 'two'
    for folder in (one, two):
        folder.mkdir()
    (one / 'something-something-v1-labels.csv').write_text('\n'.join(names))
    (two / f'{PREFIX}labels.json').write_text(
        json.dumps({name: index for index, name in PUBLISHED})
    )
    orders = [
        catalog.make_builder(f'something_something_{release}', None, tmp_path, folder)
        .info.features['label']
        .names
        for release, folder in (('v1', one), ('v2', two))
    ]
    assert orders[0] == orders[1]
    assert orders[0] != names
    assert orders[0][117] == (
        'Putting something that cannot actually stand upright upright on the table, so it falls on'
        ' its side'
    )
    assert orders[0][173] == 'Wiping something off of something'


def test_action_groups_are_the_transcribed_ones():
    # Indices of the labels in a transcription of Goyal et al. 2017, Table 7.
    expected = [
        {134, 135, 151, 154, 155},
        {87, 94},
        {86, 93},
        {27, 29, 45, 47, 146, 147, 148},
        {103, 104, 107, 108, 109, 112, 114, 116, 120},
        {53, 54, 56, 57},
        {149, 150},
        {59, 60, 61, 62, 163},
        {16, 18},
        {125, 126, 127},
    ]
    found = [set() for _ in range(10)]
    for index, name in PUBLISHED:
        group = action_groups.group_index(name)
        if group is not None:
            found[group].add(int(index))
    assert found == expected
    # No member is outside the published labels, or in two groups.
    sizes = [len(labels) for labels in action_groups.ACTION_GROUPS.values()]
    assert sizes == [5, 2, 2, 7, 9, 4, 2, 5, 2, 3]


def test_action_group_of_a_label():
    assert list(action_groups.ACTION_GROUPS) == [
        'Dropping',
        'Moving right to left',
        'Moving left to right',
        'Picking',
        'Putting',
        'Poking',
        'Tearing',
        'Pouring',
        'Holding',
        'Showing',
    ]
    assert action_groups.group_index('Pulling something from right to left') == 1
    assert action_groups.group_index('Pulling something from left to right') == 2
    assert action_groups.group_index('Dropping something onto something') is None
    assert action_groups.group_index('') is None
