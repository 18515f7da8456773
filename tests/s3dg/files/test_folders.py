"""Folders that are replaced whole, and those that nobody may replace."""

import errno
import json
import os
import pathlib
import shutil

import pytest

from s3dg.files import folders
from tests import kills
from tests.kills import contents

KNOWN = ('*.txt', 'sub/*')
OLD = {'a.txt': b'old', 'sub/b.txt': b'old b', 'sub/deep/c.txt': b'old c'}
NEW = {'a.txt': b'new', 'sub/d.txt': b'new d'}


def write(folder, files):
    for name, content in files.items():
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def replace(place, keep=False):
    with folders.unfinished_folder(place, KNOWN, keep) as folder:
        write(folder, NEW)


@pytest.mark.parametrize('exchanges', [True, False])
@pytest.mark.parametrize('old', [None, {}, OLD])
def test_a_folder_is_made_or_replaced_whole(tmp_path, monkeypatch, exchanges, old):
    if not exchanges:
        monkeypatch.setattr(folders, 'exchange', lambda one, other: False)
    place = tmp_path / 'some' / 'place'
    if old is not None:
        place.mkdir(parents=True)
        write(place, old)
    with folders.unfinished_folder(place, KNOWN) as folder:
        assert list(folder.iterdir()) == []
        write(folder, NEW)
        assert contents(place) == old
    assert contents(place) == NEW
    assert [path.name for path in place.parent.iterdir()] == ['place']


def test_this_system_exchanges_in_one_step(tmp_path):
    write(tmp_path / 'one', OLD)
    write(tmp_path / 'other', NEW)
    assert folders.exchange(tmp_path / 'one', tmp_path / 'other')
    assert contents(tmp_path / 'one') == NEW
    assert contents(tmp_path / 'other') == OLD
    assert not folders.exchange(tmp_path / 'one', tmp_path / 'nowhere')


@pytest.mark.parametrize('exchanges', [True, False])
@pytest.mark.parametrize('old', [None, OLD])
@pytest.mark.parametrize('keep', [True, False])
def test_killed_at_every_step(tmp_path, exchanges, old, keep):
    """The old folder or the new one is there, whole; the next start ends with the new one alone."""
    step, killed, swapped = 0, True, 0
    while killed:
        step += 1
        place = tmp_path / str(step) / 'place'
        place.parent.mkdir()
        if old is not None:
            write(place, old)
        killed = kills.killed_at(step, lambda place=place: replace(place, keep), exchanges)
        found = contents(place)
        assert found in (old, NEW) or (not exchanges and found is None), step
        if found is None and old is not None:  # between the two renames
            assert NEW in kills.hidden_contents(place)
            assert old in kills.hidden_contents(place)
            swapped += 1
        complete = NEW in kills.hidden_contents(place) and any(
            place.parent.glob('.s3dg-*/complete.json')
        )
        assert folders.finish_swap(place) or not complete
        assert contents(place) == (NEW if complete else found)
        replace(place, keep)
        assert contents(place) == NEW
        assert [path.name for path in place.parent.iterdir()] == ['place'], step
    assert step > (10 if old is None else 20)
    assert swapped == (0 if exchanges or old is None else 1)


def test_what_is_kept_goes_on(tmp_path):
    place = tmp_path / 'place'

    def interrupted():
        with folders.unfinished_folder(place, KNOWN, keep=True) as folder:
            write(folder, OLD)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not place.exists()
    assert not folders.finish_swap(place)
    with folders.unfinished_folder(place, KNOWN, keep=True) as folder:
        assert contents(folder) == OLD
        folders.clear(folder, keep=['sub'])
        (folder / 'new.txt').touch()
    assert sorted(contents(place)) == ['new.txt', 'sub/b.txt', 'sub/deep/c.txt']


def test_a_failure_leaves_the_old_folder_alone(tmp_path):
    write(tmp_path / 'place', OLD)
    with pytest.raises(ZeroDivisionError), folders.unfinished_folder(tmp_path / 'place', KNOWN):
        raise ZeroDivisionError
    assert contents(tmp_path) == {f'place/{name}': content for name, content in OLD.items()}


def test_a_swap_that_cannot_be_leaves_all_as_it_was(tmp_path, monkeypatch):
    write(tmp_path / 'place', OLD)
    monkeypatch.setattr(folders, 'exchange', lambda one, other: False)
    original = os.rename

    def rename(source, target):
        if os.path.basename(source) == 'new':
            raise OSError(errno.EBUSY, 'Device or resource busy', str(target))
        original(source, target)

    monkeypatch.setattr(os, 'rename', rename)
    with pytest.raises(OSError, match='busy'):
        replace(tmp_path / 'place')
    assert contents(tmp_path) == {f'place/{name}': content for name, content in OLD.items()}


def test_folders_of_processes_at_work_are_left_alone(tmp_path):
    place = tmp_path / 'place'
    with folders.unfinished_folder(place, KNOWN) as folder:
        write(folder, NEW)
        # As if of another process: locks go with open files.
        assert not folders.finish_swap(place)
        replace(place)
        assert contents(folder) == NEW
    assert contents(place) == NEW


@pytest.mark.parametrize(
    'name', ['place.new', 'place.converting', '.place.deleted', '.s3dg-place-x']
)
def test_folders_of_others_beside_it_are_left_alone(tmp_path, name):
    write(tmp_path / name, {'mine.txt': b'mine', 's3dg.json': b'{"becomes": "place"}'})
    write(tmp_path / 'place', OLD)
    replace(tmp_path / 'place')
    assert contents(tmp_path / name)['mine.txt'] == b'mine'
    assert contents(tmp_path / 'place') == NEW


def test_what_came_to_the_place_meanwhile_is_not_replaced(tmp_path):
    """A swap was cut off; since then somebody has put another folder there."""
    place = tmp_path / 'place'
    write(place, OLD)
    step, killed = 0, True
    while killed and not any(tmp_path.glob('.s3dg-*/complete.json')):
        for path in tmp_path.glob('.s3dg-*'):
            shutil.rmtree(path)
        step += 1
        killed = kills.killed_at(step, lambda: replace(place), exchanges=True)
    place.rename(tmp_path / 'moved')
    write(place, {'other.txt': b'other'})
    assert not folders.finish_swap(place)
    assert contents(place) == {'other.txt': b'other'}
    assert NEW in kills.hidden_contents(place)


def test_files_of_others_in_it_are_not_deleted(tmp_path):
    place = tmp_path / 'place'
    write(place, OLD | {'sub/holiday.jpg': b'', 'notes.odt': b'mine'})
    with pytest.raises(folders.FolderError, match='place: holds notes.odt, which this program did'):
        replace(place)
    (place / 'notes.odt').unlink()
    replace(place)
    place.joinpath('link.txt.d').symlink_to(tmp_path)
    with pytest.raises(folders.FolderError, match='holds link.txt.d,'):
        replace(place)
    (place / 'link.txt.d').unlink()
    with (
        pytest.raises(folders.FolderError, match='holds late.odt,'),
        folders.unfinished_folder(place, KNOWN),
    ):
        (place / 'late.odt').touch()  # while the new one is being written
    assert contents(place) == NEW | {'late.odt': b''}
    assert [path.name for path in tmp_path.iterdir()] == ['place']
    with pytest.raises(folders.FolderError, match='late.odt: is a file, expected a folder'):
        replace(place / 'late.odt')


def test_places_that_are_nobody_s_to_replace(tmp_path, monkeypatch):
    work, home = tmp_path / 'work' / 'here', tmp_path / 'home' / 'me'
    for folder in (work, home):
        folder.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv('HOME', str(home))
    (tmp_path / 'link').symlink_to(work.parent)
    code = pathlib.Path(folders.__file__).parents[2]
    for path, what in {
        '.': 'the current folder',
        '..': 'the current folder',
        str(work): 'the current folder',
        tmp_path / 'link': 'the current folder',
        '/': 'the current folder',
        '~': 'the home folder',
        '~/..': 'the home folder',
        code: 'the folder of the code',
        code / 's3dg': 'the folder of the code',
        code.parent: 'the folder of the code',
        '': 'the current folder',
    }.items():
        with pytest.raises(folders.FolderError, match=f'is {what} or holds it'):
            replace(path)
    replace('below')
    replace('~/below')
    assert contents(work / 'below') == contents(home / 'below') == NEW


def test_a_mark_says_whose_a_folder_is(tmp_path):
    with folders.unfinished_folder(tmp_path / 'place', KNOWN) as folder:
        mark = json.loads((folder.parent / 's3dg.json').read_text())
        assert mark == {'made_by': 's3dg', 'becomes': 'place', 'keep': False}
    with pytest.raises(ValueError, match='was not made by unfinished_folder'):
        folders.clear(tmp_path / 'place')
