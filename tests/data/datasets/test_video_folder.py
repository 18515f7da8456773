"""Listing and splitting of a user's folder."""

import pytest

from data import catalog
from data.datasets.video_folder import listing
from data.errors import DatasetError


@pytest.fixture
def touch(tmp_path):
    """Makes empty files; listing does not open them."""

    def make(*names):
        for name in names:
            path = tmp_path / 'videos' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / 'videos'

    return make


def ids(videos):
    return [item.id for item in videos]


def test_given_splits(touch):
    folder = touch('train/b/2.mp4', 'train/b/1.MOV', 'train/a/x.webm', 'validation/b/1.mp4')
    found = listing.list_videos(folder)
    assert list(found.splits) == ['train', 'validation']
    assert ids(found.splits['train']) == ['train/a/x.webm', 'train/b/1.MOV', 'train/b/2.mp4']
    assert [item.label for item in found.splits['train']] == ['a', 'b', 'b']
    assert ids(found.splits['validation']) == ['validation/b/1.mp4']
    assert found.splits['train'][0].path == str(folder / 'train/a/x.webm')
    touch('test/a/1.mp4')
    assert list(listing.list_videos(folder).splits) == ['train', 'validation', 'test']


def test_seeded_split_is_stratified_and_stable(touch):
    folder = touch(
        *(f'many/{k}.mp4' for k in range(50)),
        *(f'few/{k}.mp4' for k in range(4)),
        *(f'two/{k}.mp4' for k in range(2)),
        'one/0.mp4',
    )
    found = listing.list_videos(folder, 0.2, seed=3).splits
    counts = {
        name: [sum(item.label == name for item in found[split]) for split in found]
        for name in ('many', 'few', 'two', 'one')
    }
    assert counts == {'many': [40, 10], 'few': [3, 1], 'two': [1, 1], 'one': [1, 0]}
    assert not set(ids(found['train'])) & set(ids(found['validation']))
    assert listing.list_videos(folder, 0.2, seed=3).splits == found
    assert listing.list_videos(folder, 0.2, seed=4).splits != found
    assert list(listing.list_videos(folder, 0).splits) == ['train']


def test_other_files_are_ignored_and_counted(touch):
    folder = touch(
        'readme.txt',
        '.DS_Store',
        'a/1.mp4',
        'a/2.mp4',
        'a/.3.mp4',
        'a/list.csv',
        'a/deeper/4.mp4',
        'empty/notes.md',
        '.git/config/x.mp4',
    )
    found = listing.list_videos(folder)
    assert sorted(ids(found.splits['train'] + found.splits['validation'])) == ['a/1.mp4', 'a/2.mp4']
    assert found.ignored == ['a/deeper', 'a/list.csv', 'empty', 'empty/notes.md', 'readme.txt']


def test_links_are_followed(touch, tmp_path):
    folder = touch('a/1.mp4', 'a/2.mp4')
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / '3.mp4').touch()
    (folder / 'b').symlink_to(elsewhere)
    (folder / 'a' / '4.mp4').symlink_to(elsewhere / '3.mp4')
    found = listing.list_videos(folder).splits
    assert sorted(ids(found['train'] + found['validation'])) == [
        'a/1.mp4',
        'a/2.mp4',
        'a/4.mp4',
        'b/3.mp4',
    ]


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        (['.hidden'], 'found no videos, expected one folder per class'),
        (['1.mp4', '2.avi'], 'found 2 videos directly in it, expected one folder per class'),
        (['a/notes.txt'], 'found no videos in its 1 class folders'),
        (['a/1.mp4', 'b/1.mp4'], 'found one video in every class'),
        (['train/a/1.mp4'], "found train, expected the folders 'train' and 'validation'"),
        (['train/a/1.mp4', 'val/a/1.mp4'], 'found train, val, expected the folders'),
        (
            ['train/a/1.mp4', 'validation/b/1.mp4'],
            "found class 'b', which has no videos in 'train'",
        ),
        (['train/a/1.mp4', 'validation/1.mp4'], 'validation: found no videos, expected one folder'),
        (['train/a/1.mp4', 'validation/a/1.mp4', 'x/1.mp4'], "found 'x' beside 'train'"),
    ],
)
def test_folders_that_do_not_serve(touch, files, message):
    folder = touch(*files)
    with pytest.raises(DatasetError, match=message) as error:
        listing.list_videos(folder)
    assert str(error.value).startswith(str(folder))
    assert '\n' not in str(error.value)


def test_no_folder(tmp_path):
    with pytest.raises(DatasetError, match='missing: found nothing, expected a folder'):
        catalog.make_builder('video_folder', 'x', tmp_path, tmp_path / 'missing')
    with pytest.raises(DatasetError, match='found a file'):
        catalog.make_builder('video_folder', 'x', tmp_path, __file__)
    with pytest.raises(DatasetError, match='expected --manual_dir=FOLDER'):
        catalog.make_builder('video_folder', 'x', tmp_path)
    with pytest.raises(DatasetError, match='validation_fraction: found 1'):
        catalog.make_builder('video_folder', 'x', tmp_path, tmp_path, validation_fraction=1)


def test_labels_are_the_sorted_class_names(touch, tmp_path):
    folder = touch('b c/1.mp4', 'b c/2.mp4', 'a/1.mp4', 'Z/1.mp4')
    builder = catalog.make_builder('video_folder', 'x', tmp_path, folder)
    assert builder.info.features['label'].names == ['Z', 'a', 'b c']


@pytest.mark.parametrize('name', ['b\nc', 'a ', ' ', 'b\x0bc'])
def test_class_names_that_tfds_would_change(touch, tmp_path, name):
    """It keeps them in the lines of a file, stripped."""
    folder = touch('a/1.mp4', 'a/2.mp4', f'{name}/1.mp4')
    with pytest.raises(DatasetError, match='found the class .* of one line'):
        catalog.make_builder('video_folder', 'x', tmp_path, folder)
