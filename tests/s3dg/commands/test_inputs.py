"""The videos that commands are given: files, folders and lists."""

import cv2
import numpy as np
import pytest

from s3dg.commands import inputs
from s3dg.program.entry import UsageError


def test_files_and_folders_are_found_once(tmp_path):
    names = ('b.mp4', 'deep/er/c.AVI', 'deep/notes.txt', '.hidden/d.mp4', 'a.webm', '.e.mp4')
    for name in names:
        (tmp_path / 'videos' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'videos' / name).touch()
    (tmp_path / 'videos' / 'deep' / 'back').symlink_to(tmp_path / 'videos')
    folder = tmp_path / 'videos'
    found = inputs.find_videos([folder / 'b.mp4', folder, folder / 'deep' / '..' / 'a.webm'])
    assert [(video.path.relative_to(folder).as_posix(), video.depth) for video in found] == [
        ('b.mp4', 1),
        ('a.webm', 1),
        ('deep/er/c.AVI', 3),
    ]
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UsageError, match='empty: found no videos, expected files of .3g2 .3gp'):
        inputs.find_videos([tmp_path / 'empty'])


def _write_images(folder, count=3):
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f'img_{number:03d}.png'), np.zeros((4, 4, 3), np.uint8))


def test_folders_of_frames_are_videos(tmp_path):
    _write_images(tmp_path / 'deep' / 'a')
    _write_images(tmp_path / 'b')
    (tmp_path / 'c.mp4').touch()
    found = inputs.find_videos([tmp_path / 'b', tmp_path])
    names = [(video.path.relative_to(tmp_path).as_posix(), video.depth) for video in found]
    assert names == [('b', 1), ('c.mp4', 1), ('deep/a', 2)]
    assert [inputs.video_id(video) for video in found] == ['b', 'c', 'a']


def test_lists_name_videos(tmp_path):
    (tmp_path / 'list.csv').write_text('path,name\nx/a.mp4,first\n/b.mp4,deep/second\n\nc.mp4,\n')
    found = inputs.find_videos([tmp_path / 'list.csv'])
    assert [str(video.path) for video in found] == [
        str(tmp_path / 'x/a.mp4'),
        '/b.mp4',
        str(tmp_path / 'c.mp4'),
    ]
    assert [inputs.video_id(video) for video in found] == ['first', 'deep/second', 'c']
    (tmp_path / 'paths.csv').write_text('\ufeffpath\na.mp4\n', encoding='utf-8')
    assert inputs.find_videos([tmp_path / 'paths.csv'])[0].path == tmp_path / 'a.mp4'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', "first line is '', expected a header"),
        ('a.mp4,b\n', "first line is 'a.mp4,b', expected a header: path,name"),
        ('path,name\na.mp4\n', 'line 2 has 1 cells, expected 2'),
        ('path,name\n,b\n', 'line 2 has no path'),
        ('path,name\na.mp4,../b\n', "line 2 has the name '../b', expected one below a folder"),
        ('path,name\na.mp4,/b\n', "line 2 has the name '/b', expected one below a folder"),
        ('path,name\na.mp4,b\nc.mp4,b\n', "line 3 has the name 'b', as line 2 has"),
        ('path\n', 'it lists no videos'),
        ('path\n"a', 'not a CSV file'),
        ('path\n\udcff', 'not a CSV file in UTF-8'),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / 'list.csv'
    path.write_bytes(content.encode('utf-8', 'surrogateescape'))
    with pytest.raises(UsageError, match=message):
        inputs.find_videos([path])
    with pytest.raises(UsageError, match='No such file or directory, expected a list'):
        inputs.find_videos([tmp_path / 'missing.csv'])
