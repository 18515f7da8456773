"""Reading lists of strangers, and finding what they name."""

import os
import pathlib

import pytest

from data.datasets import lists
from data.errors import DatasetError


@pytest.fixture
def write(tmp_path):
    """Writes a file, bytes as they are."""

    def make(content, name='list.txt'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def error_of(function, *arguments):
    with pytest.raises(DatasetError) as error:
        function(*arguments)
    assert '\n' not in str(error.value)
    return str(error.value)


def read_rows(path, required=('a', 'b'), optional=()):
    return list(lists.read_csv(path, required, optional))


@pytest.mark.parametrize(
    ('content', 'lines'),
    [
        ('one\ntwo\n', [(1, 'one'), (2, 'two')]),
        ('one\ntwo', [(1, 'one'), (2, 'two')]),
        ('one\r\ntwo\r\n', [(1, 'one'), (2, 'two')]),
        ('one\rtwo', [(1, 'one'), (2, 'two')]),
        ('one\r\ntwo\nthree\rfour', [(1, 'one'), (2, 'two'), (3, 'three'), (4, 'four')]),
        ('\ufeffone\r\n', [(1, 'one')]),
        ('\n\n  one two  3 \t\n \t \nfour', [(3, 'one two  3'), (5, 'four')]),
        # Only line ends end lines: these are in the middle of names for all we know.
        ('a\x0bb\u2028c\x85d\x1ce\n', [(1, 'a\x0bb\u2028c\x85d\x1ce')]),
        ('Grüße 東京', [(1, 'Grüße 東京')]),
        ('', []),
        ('\ufeff', []),
        ('\r\n \r\n', []),
    ],
)
def test_lines(write, content, lines):
    assert lists.read_lines(write(content)) == lines


@pytest.mark.parametrize('content', [b'caf\xe9\n', 'one\n'.encode('utf-16'), b'\x89PNG\r\n\x1a\n'])
def test_other_encodings(write, content):
    path = write(content)
    expected = f'{path}: found bytes that are not UTF-8, expected a text file'
    assert error_of(lists.read_lines, path) == expected
    assert error_of(read_rows, path) == expected


def test_files_that_cannot_be_read(tmp_path, write):
    absent = tmp_path / 'absent.txt'
    assert error_of(lists.read_lines, absent) == f'{absent}: found nothing, expected this file'
    assert error_of(read_rows, absent) == f'{absent}: found nothing, expected this file'
    assert error_of(lists.read_lines, tmp_path) == (
        f'{tmp_path}: found a folder, expected a text file'
    )
    below = write('') / 'x.txt'
    assert error_of(lists.read_lines, below) == (f'{below}: Not a directory, expected a text file')
    loop = tmp_path / 'loop.txt'
    loop.symlink_to(loop)
    assert error_of(lists.read_lines, loop) == (
        f'{loop}: Too many levels of symbolic links, expected a text file'
    )
    long = tmp_path / ('x' * 300)
    line = error_of(lists.read_lines, long)  # cut in its middle
    assert line.startswith(f'{tmp_path}/xxx')
    assert line.endswith('xxx: File name too long, expected a text file')


@pytest.mark.parametrize('line_end', ['\n', '\r\n', '\r'])
def test_csv(write, line_end):
    lines = [
        'label,youtube_id,time_start,is_cc',
        '"riding a bike, fast",-_a--bcdefg,12,0',
        '',
        '"say ""cheese""",00000000000,7, 1 ',
        ',,,',
        'plain,"",0,',
    ]
    path = write('\ufeff' + line_end.join(lines))
    assert read_rows(path, ('youtube_id', 'label'), ('is_cc', 'split')) == [
        (
            2,
            {
                'youtube_id': '-_a--bcdefg',
                'label': 'riding a bike, fast',
                'is_cc': '0',
                'split': None,
            },
        ),
        (4, {'youtube_id': '00000000000', 'label': 'say "cheese"', 'is_cc': '1', 'split': None}),
        (6, {'youtube_id': '', 'label': 'plain', 'is_cc': '', 'split': None}),
    ]


def test_csv_columns_are_found_by_name(write):
    path = write(' b ,c,"a"\n1,2,3\n')
    assert read_rows(path) == [(2, {'a': '3', 'b': '1'})]
    assert read_rows(path, ('c',)) == [(2, {'c': '2'})]
    path = write('\n ,\na,b\n1,2\n')
    assert read_rows(path) == [(4, {'a': '1', 'b': '2'})]


def test_csv_quotes_hold_line_ends(write):
    path = write('a,b\r\n"one\r\ntwo",2\r\nthree,4\r\n')
    assert read_rows(path) == [(3, {'a': 'one\ntwo', 'b': '2'}), (4, {'a': 'three', 'b': '4'})]


def test_csv_rows_may_end_with_empty_cells_and_lack_unneeded_ones(write):
    path = write('a,b,c\n1,2,3,, \n4,5\n')
    assert read_rows(path) == [(2, {'a': '1', 'b': '2'}), (3, {'a': '4', 'b': '5'})]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', ": found columns none, expected 'a'"),
        ('\n\n', ": found columns none, expected 'a'"),
        ('1,2\n', ": found columns 1, 2, expected 'a'"),
        ('A,b\n1,2\n', ": found columns A, b, expected 'a'"),
        ('a;b\n1;2\n', ": found columns a;b, expected 'a'"),
        ('a,c\n1,2\n', ": found columns a, c, expected 'b'"),
        ('a,b,c\n1,2,3\n1\n', ', line 3: found 1 columns, expected 3'),
        # The comma of a label is not quoted.
        ('a,b\nriding a bike, fast,2\n', ', line 2: found 3 columns, expected 2'),
        ('a,b\n1,2\n"3,4\n', ', line 3: unexpected end of data, expected CSV'),
        ('a,b\n1,"2"3\n', ", line 2: ',' expected after '\"', expected CSV"),
        (
            f'a,b\n1,{"2" * 200_000}\n',
            ', line 2: field larger than field limit (131072), expected CSV',
        ),
    ],
    ids=range(11),
)
def test_csv_that_does_not_serve(write, content, message):
    path = write(content)
    assert error_of(read_rows, path) == f'{path}{message}'


@pytest.mark.parametrize(
    'name',
    [
        'x.mp4',
        'a/b/c d.avi',
        '...',
        '..x/x..',
        '.hidden',
        '~',
        '~root/x',
        '-rf',
        '!()#[]&+;~@{}*?$%d|"\'`<>:=',
        'C:',
        'e\u0301 東京 😀',
        'x' * 255,
    ],
)
def test_names_that_stay(name):
    assert lists.check_name(name, 'list.txt', 3) == name


@pytest.mark.parametrize(
    'name',
    [
        '',
        '.',
        '..',
        '/',
        '/etc/passwd',
        '//host/share/x',
        'file:///etc/passwd',
        '../x',
        '../../etc/x.mp4',
        'a/../x',
        'a/../../x',
        'a/..',
        'a/.',
        './x',
        'a//b',
        'a/',
        '..\\x',
        'a\\b',
        'C:\\x',
        '\\\\host\\x',
    ],
)
def test_names_that_leave_the_folder(name):
    assert error_of(lists.check_name, name, 'lists/a.txt', 3) == (
        f'lists/a.txt, line 3: found the name {name!r},'
        ' expected one that stays in the folder of videos'
    )
    assert error_of(lists.check_name, name, pathlib.Path('a.json')).startswith(
        f'a.json: found the name {name!r}, '
    )


@pytest.mark.parametrize(
    'name',
    [
        'a\nb',
        'a\rb',
        'a\0b',
        'a\tb',
        '\x1b[2Jx',
        'a\x7f',
        'a\u2028b',
        'x\u202e4pm.exe',  # would be shown backwards
        'latin-\udce9',  # what a byte that is not UTF-8 becomes
        '\ud800',  # JSON can say this
        'x' * 256,
        'é' * 128,
        'a/' * 127 + 'bc',
    ],
)
def test_names_that_are_no_paths(name):
    assert error_of(lists.check_name, name, 'a.txt', 3) == (
        f'a.txt, line 3: found the name {name!r}, expected printable characters, at most 255 bytes'
    )


def test_names_that_are_allowed_can_be_asked_for(tmp_path):
    name = lists.check_name('x' * 255, 'list.txt')
    assert not (tmp_path / name).exists()
    with pytest.raises(OSError, match='too long'):
        (tmp_path / ('x' * 256)).stat()


def test_find(tmp_path, write):
    first, second = write('', 'lists/one.txt'), write('', 'two.txt')
    assert lists.find(tmp_path, 'lists/one.txt', 'two.txt') == first
    assert lists.find(tmp_path, 'one.txt', 'two.txt') == second
    assert lists.find(tmp_path, 'none', 'lists') == first.parent
    assert lists.find(str(tmp_path), '.') == tmp_path
    (tmp_path / 'loop').symlink_to('loop')
    (tmp_path / 'broken').symlink_to('nothing')
    names = ('loop', 'broken', 'TWO.txt', 'two.tx?', 'two.txt/x')
    assert error_of(lists.find, tmp_path, *names) == (
        f'{tmp_path}: found none of its files, expected {" or ".join(names)}'
    )
    assert error_of(lists.find, tmp_path, 'x' * 300).endswith('xxx')


def test_files_of_all_folders(tmp_path, write):
    for name in (
        'b.mp4',
        'B.MP4',
        'a/[x]*?.webm',
        'a/b/c/1.avi',
        'a-b/1.avi',
        'a/notes.txt',
        'a/no_suffix',
        'a/.mp4',
        '.hidden/x.mp4',
        'a/._x.mp4',
        'folder.mp4/x.txt',
        'two\nlines.mp4',
    ):
        write('', f'videos/{name}')
    os.mkdir(os.fsencode(tmp_path / 'videos') + b'/latin-\xe9')
    pathlib.Path(os.fsdecode(os.fsencode(tmp_path / 'videos') + b'/latin-\xe9/\xff.mp4')).touch()
    assert lists.list_files(tmp_path / 'videos') == sorted(
        [
            'b.mp4',
            'B.MP4',
            'a/[x]*?.webm',
            'a/b/c/1.avi',
            'a-b/1.avi',
            'two\nlines.mp4',
            'latin-\udce9/\udcff.mp4',
        ]
    )
    assert lists.list_files(str(tmp_path / 'videos'), ('.txt',)) == [
        'a/notes.txt',
        'folder.mp4/x.txt',
    ]
    assert lists.list_files(tmp_path / 'videos', ()) == []


def test_links_are_followed_once_and_not_in_circles(tmp_path, write):
    for name in ('videos/m/1.mp4', 'videos/m/n/2.mp4', 'elsewhere/3.mp4', 'elsewhere/deep/4.mp4'):
        write('', name)
    videos = tmp_path / 'videos'
    for link, target in {
        'a': 'm',  # sorts before the folder itself, which is named all the same
        'm/n/up': '..',
        'm/root': '..',
        'here': '.',
        'self': 'self',
        'self.mp4': 'self.mp4',
        'ping': 'pong',
        'pong': 'ping',
        'y': '../elsewhere',
        'z': '../elsewhere',
        'file.mp4': '../elsewhere/3.mp4',
        'broken.mp4': 'nothing.mp4',
        'broken': 'nothing',
    }.items():
        (videos / link).symlink_to(target)
    (tmp_path / 'elsewhere' / 'back').symlink_to('../videos')
    expected = [
        'broken.mp4',
        'file.mp4',
        'm/1.mp4',
        'm/n/2.mp4',
        'y/3.mp4',
        'y/deep/4.mp4',
    ]
    assert lists.list_files(videos) == expected
    assert lists.list_files(tmp_path / 'videos' / 'here') == expected


def test_folders_linked_to_each_other_are_searched_once(tmp_path, write):
    """Followed along every way there is, these would be searched more than 10^12 times."""
    for k in range(16):
        write('', f'videos/{k}/{k}.mp4')
        for other in range(16):
            (tmp_path / 'videos' / str(k) / f'to{other}').symlink_to(f'../{other}')
    assert lists.list_files(tmp_path / 'videos') == sorted(f'{k}/{k}.mp4' for k in range(16))


def test_folders_that_cannot_be_searched(tmp_path, write, monkeypatch):
    path = write('', 'videos/x.mp4')
    write('', 'videos/lost+found/y.mp4')
    assert error_of(lists.list_files, path) == (
        f'{path}: Not a directory, expected a folder to search'
    )
    absent = tmp_path / 'absent'
    assert error_of(lists.list_files, absent) == (
        f'{absent}: No such file or directory, expected a folder to search'
    )
    scandir = os.scandir

    def guarded(folder):  # permissions would not keep a superuser out
        if str(folder).rstrip('/').endswith('lost+found'):
            raise PermissionError(13, 'Permission denied', folder)
        return scandir(folder)

    monkeypatch.setattr(os, 'scandir', guarded)
    assert lists.list_files(path.parent) == ['x.mp4']
    assert error_of(lists.list_files, path.parent / 'lost+found') == (
        f'{path.parent}/lost+found: Permission denied, expected a folder to search'
    )
