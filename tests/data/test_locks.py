"""One process at a time."""

import multiprocessing

from data import locks


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
