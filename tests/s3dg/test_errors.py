"""Messages as lines, and third-party readers behind one error."""

import pathlib
import pickle

import pytest

from s3dg.errors import LONGEST_LINE, S3dgError, VideoError, one_line, reading


def test_a_message_is_one_line_of_printable_characters():
    assert one_line('a\nb\t c \x1b[31m d\x00') == 'a b c [31m d'
    assert one_line('wie ist das möglich') == 'wie ist das möglich'


@pytest.mark.parametrize('length', [401, 1000, 1601, 200_000])
def test_long_messages_keep_their_beginning_and_their_end(length):
    error = S3dgError('found ' + 'x' * length + ', expected a name')
    line = str(error)
    assert len(line) <= LONGEST_LINE
    assert line.startswith('found xxx')
    assert line.endswith('xxx, expected a name')
    assert ' ... ' in line


def test_messages_of_the_longest_kind_are_whole():
    assert str(S3dgError('x' * LONGEST_LINE)) == 'x' * LONGEST_LINE


def test_errors_cross_processes():
    error = pickle.loads(pickle.dumps(VideoError('empty file (0 bytes)')))
    assert (type(error), str(error)) == (VideoError, 'empty file (0 bytes)')


def test_what_a_reader_raises_becomes_one_error():
    with (
        pytest.raises(VideoError, match=r'^x.npz is no archive \(KeyError: 3\)$'),
        reading('x.npz is no archive', VideoError),
    ):
        {}[3]
    with pytest.raises(VideoError, match='^x is y .MemoryError.$'), reading('x is y', VideoError):
        raise MemoryError


def test_what_says_enough_itself_passes_a_reader():
    with pytest.raises(FileNotFoundError), reading('x', VideoError):
        pathlib.Path('/nowhere/at/all').read_bytes()
    with pytest.raises(S3dgError, match='^said$'), reading('x', VideoError):
        raise S3dgError('said')
    with pytest.raises(KeyboardInterrupt), reading('x', VideoError):
        raise KeyboardInterrupt
