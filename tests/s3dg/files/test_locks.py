"""One process at a time."""

import errno
import fcntl
import multiprocessing
import os

import pytest

from s3dg.files import locks


@pytest.fixture(autouse=True)
def without_tensorflow(monkeypatch):
    """The other processes need none, and are there in a tenth of the time."""
    monkeypatch.setenv('S3DG_WITHOUT_TENSORFLOW', '1')


def _hold(path, held, release):
    with locks.held(path, lambda: None):
        held.set()
        release.wait(60)


def test_the_second_waits_until_the_first_is_done(tmp_path):
    path = tmp_path / 'folder' / '.lock'
    context = multiprocessing.get_context('spawn')
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(path, held, release))
    other.start()
    assert held.wait(60)
    waited = []

    def waiting():
        waited.append(other.is_alive())
        release.set()

    with locks.held(path, waiting):
        assert waited == [True]
    other.join(60)
    with locks.held(path, lambda: waited.append('again')):
        assert waited == [True]


def test_a_lock_goes_with_its_process(tmp_path):
    path = tmp_path / '.lock'
    context = multiprocessing.get_context('spawn')
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(path, held, release))
    other.start()
    assert held.wait(60)
    other.kill()
    other.join(60)
    waited = []
    with locks.held(path, lambda: waited.append(True)):
        assert not waited


def test_what_is_not_waited_for_is_refused(tmp_path):
    path = tmp_path / '.lock'
    context = multiprocessing.get_context('spawn')
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(path, held, release))
    other.start()
    assert held.wait(60)
    with pytest.raises(locks.InUseError, match='lock is held by another process'):
        locks.lock(path)
    release.set()
    other.join(60)
    first = locks.lock(path)
    assert locks.lock(path) is first  # a process may take again what it holds


def test_file_systems_without_locks(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOSYS, 'Function not implemented')

    monkeypatch.setattr(fcntl, 'flock', flock)
    with locks.held(tmp_path / '.lock', waiting=None):
        pass


def test_where_the_lock_of_a_folder_lies(tmp_path, monkeypatch):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'folder')
    assert locks.beside(tmp_path / 'link') == tmp_path / '.folder.lock'
    monkeypatch.setattr(os, 'access', lambda path, mode: path != tmp_path)
    assert locks.beside(tmp_path / 'link') == tmp_path / 'folder' / '.lock'
