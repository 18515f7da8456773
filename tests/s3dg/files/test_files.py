"""Files that appear only when they are whole."""

import errno
import json
import os
import signal

import pytest

from s3dg import files


def test_a_file_is_replaced_when_it_is_whole(tmp_path):
    path = tmp_path / 'x.txt'
    path.write_text('old')
    with files.unfinished(path) as temporary:
        temporary.write_text('new')
        assert path.read_text() == 'old'
        assert temporary.suffix == '.txt'
    assert path.read_text() == 'new'
    assert [entry.name for entry in tmp_path.iterdir()] == ['x.txt']


def test_a_failure_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / 'x.txt'
    path.write_text('old')

    def interrupted():
        with files.unfinished(path) as temporary:
            temporary.write_text('half')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == 'old'
    assert [entry.name for entry in tmp_path.iterdir()] == ['x.txt']


def test_a_full_disk_names_the_file(tmp_path):
    path = tmp_path / 'x.json'
    with pytest.raises(OSError, match='No space left') as error, files.unfinished(path):
        raise OSError(errno.ENOSPC, 'No space left on device')
    assert error.value.filename == str(path)


def test_the_longest_names(tmp_path):
    path = tmp_path / ('x' * 251 + '.txt')
    files.write_text(path, 'content')
    assert path.read_text() == 'content'


def test_json(tmp_path):
    files.write_json(tmp_path / 'x.json', {'a': [1, 2]})
    assert json.loads((tmp_path / 'x.json').read_text()) == {'a': [1, 2]}


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    """Two processes that made the same features wrote into one file, which was neither's."""
    path = tmp_path / 'x.npz'
    with files.unfinished(path) as one, files.unfinished(path) as other:
        assert one != other
        one.write_text('one')
        other.write_text('other')
    assert path.read_text() == 'one'  # the last to end
    assert [entry.name for entry in tmp_path.iterdir()] == ['x.npz']


def test_what_killed_writers_left_is_removed(tmp_path):
    """By the next process; not what a living one is writing, nor what is somebody else's."""

    def write():
        with files.unfinished(tmp_path / 'x.txt'):
            os.kill(os.getpid(), signal.SIGKILL)

    with files.unfinished(tmp_path / 'y.txt') as living:
        child = os.fork()
        if not child:
            write()
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        (tmp_path / '.mine.new').touch()
        assert len(list(tmp_path.glob('.s3dg-unfinished-*'))) == 2
        files._swept.clear()  # as another process
        files.write_text(tmp_path / 'x.txt', 'content')
        assert list(tmp_path.glob('.s3dg-unfinished-*')) == [living]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['.mine.new', 'x.txt', 'y.txt']
