"""Files that appear only when they are whole."""

import errno
import json

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
