"""Videos that come as folders of frame images."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from s3dg.errors import VideoError
from s3dg.video import frame_folder, reading


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'frames'


def write_frames(folder, names, levels=None, height=4, width=6):
    """Writes images of one gray level each, by default their place in the list."""
    folder.mkdir(exist_ok=True)
    for name, level in zip(names, levels or range(len(names)), strict=True):
        done = cv2.imwrite(str(folder / name), np.full((height, width, 3), level, np.uint8))
        assert done


def levels_of(folder, *arguments, **options):
    """Gray levels of the frames read back; PNG and flat JPEG keep them exactly."""
    return [
        int(frame.mean())
        for frame in frame_folder.read_frames(folder, *(arguments or (25,)), **options)
    ]


def reason(folder, *arguments, **options):
    with pytest.raises(VideoError) as error:
        levels_of(folder, *arguments, **options)
    assert '\n' not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    'pattern',
    [
        '{:05d}.jpg',
        '{}.png',
        'img_{:05d}.JPG',
        'frame{}.jpeg',
        'v_Run_g01_c02-{:03d}.bmp',
        '1 [x] 2.5-{}.png',
    ],
)
@pytest.mark.parametrize('first', [0, 1])
def test_frames_come_in_the_order_of_their_numbers(folder, pattern, first):
    names = [pattern.format(number) for number in range(first, first + 112)]
    write_frames(folder, names)
    assert levels_of(folder) == list(range(112))


def test_numbers_need_not_be_padded_alike(folder):
    write_frames(folder, ['8.png', '09.png', '010.png', '0000011.png', '12.png'])
    write_frames(folder, [f'{number}.png' for number in range(1, 8)], range(10, 17))
    assert levels_of(folder) == [10, 11, 12, 13, 14, 15, 16, 0, 1, 2, 3, 4]


def test_other_files_are_ignored(folder):
    write_frames(folder, ['1.png', '2.png'])
    for name in (
        'Thumbs.db',
        'notes.txt',
        '3.txt',
        '.3.png',
        '._3.png',
        'cover.png',
        '3.png.part',
        '3',
    ):
        (folder / name).write_bytes(b'not an image')
    (folder / 'sub').mkdir()
    assert levels_of(folder) == [0, 1]


def test_colours_and_kinds_of_pixels(folder):
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 2] = 200  # OpenCV's order is blue, green, red
    gray = np.full((4, 6), 100, np.uint8)
    deep = np.full((4, 6, 3), 50 * 257, np.uint16)
    clear = np.dstack([red, np.full((4, 6), 7, np.uint8)])
    folder.mkdir()
    for number, image in enumerate((red, gray, deep, clear), start=1):
        assert cv2.imwrite(str(folder / f'{number}.png'), image)
    frames = list(frame_folder.read_frames(folder, 25))
    for frame, colour in zip(frames, ([200, 0, 0], [100] * 3, [50] * 3, [200, 0, 0]), strict=True):
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame, np.broadcast_to(np.array(colour, np.uint8), (4, 6, 3)))


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['1.png', '3.png'], 'frame 2 is missing: 2 frames are numbered 1 to 3'),
        (['0.png', '1.png', '4.png'], 'frame 2 is missing: 3 frames are numbered 0 to 4'),
        (['00002.png', '00003.png'], 'frame 1 is missing: 2 frames are numbered 2 to 3'),
        (['0.png', '2.png'], 'frame 1 is missing: 2 frames are numbered 0 to 2'),
        (['1.png', '2.png', '02.png'], 'frame 2 twice: 02.png and 2.png'),
        (['1.jpg', '1.png', '2.png'], 'frame 1 twice: 1.jpg and 1.png'),
        (['x_1.png', 'x_2.png', 'y_1.png'], 'frame 1 twice: x_1.png and y_1.png'),
        (['1.png'], 'only one frame'),
        (['a.png'], 'no frames in this folder'),
        ([], 'no frames in this folder'),
    ],
)
def test_numbers_that_do_not_serve(folder, names, expected):
    write_frames(folder, names)
    assert reason(folder) == expected


def test_folders_that_do_not_serve(folder, tmp_path):
    assert reason(folder) == reading.MISSING == 'file not found'
    (tmp_path / 'file').touch()
    assert reason(tmp_path / 'file') == 'a file, not a folder of frames'
    (tmp_path / 'loop').symlink_to('loop')
    assert reason(tmp_path / 'loop') == 'Too many levels of symbolic links'
    assert reason(tmp_path / ('x' * 300)) == 'File name too long'


def noise(kind):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    done, encoded = cv2.imencode(kind, image)
    assert done
    return encoded.tobytes()


def png_header(width, height):
    """A PNG file that states a size and has no pixels for it."""

    def chunk(kind, content):
        return (
            struct.pack('>I', len(content))
            + kind
            + content
            + struct.pack('>I', zlib.crc32(kind + content))
        )

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b'IDAT', zlib.compress(bytes(100)))
    return b'\x89PNG\r\n\x1a\n' + header + pixels + chunk(b'IEND', b'')


@pytest.mark.parametrize(
    ('name', 'content', 'expected'),
    [
        ('3.png', b'', 'frame 3.png is empty (0 bytes)'),
        ('3.jpg', b'not an image', 'frame 3.jpg cannot be decoded'),
        ('3.jpg', noise('.jpg')[:-2], 'frame 3.jpg cannot be decoded'),
        ('3.jpg', noise('.jpg')[:2000], 'frame 3.jpg cannot be decoded'),
        ('3.png', noise('.png')[:2000], 'frame 3.png cannot be decoded'),
        ('3.bmp', noise('.bmp')[:2000], 'frame 3.bmp cannot be decoded'),
        ('3.png', png_header(100_000, 100_000), 'frame 3.png cannot be decoded'),
        ('3.png', png_header(2**31 - 1, 1), 'frame 3.png cannot be decoded'),
        ('3.png', None, 'frame 3.png cannot be read: Is a directory'),
    ],
    ids=['empty', 'text', 'end', 'jpg', 'png', 'bmp', 'too many pixels', 'too wide', 'folder'],
)
def test_broken_images(folder, name, content, expected):
    write_frames(folder, ['1.png', '2.png', '4.png'])
    if content is None:
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(content)
    assert reason(folder) == expected


def test_broken_links(folder):
    write_frames(folder, ['1.png', '2.png'])
    (folder / '3.png').symlink_to('nothing.png')
    assert reason(folder) == 'frame 3.png cannot be read: No such file or directory'
    (folder / '3.png').unlink()
    (folder / '3.png').symlink_to('3.png')
    assert reason(folder) == 'frame 3.png cannot be read: Too many levels of symbolic links'


def test_resampling(folder):
    write_frames(folder, [f'{number}.png' for number in range(1, 7)])
    # Output frame k is the one on the screen at (k + 1/2) / rate; of two that meet, the later.
    assert levels_of(folder, 12, 24) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert levels_of(folder, 24, 12) == [1, 3, 5]
    # 1/50, 3/50, 5/50, ... of a second, at 12 a second: 0.24, 0.72, 1.2, 1.68, 2.16, ... frames.
    assert levels_of(folder, 12, 25) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5]
    assert levels_of(folder, 12, 12) == levels_of(folder, 12) == [0, 1, 2, 3, 4, 5]
    assert reason(folder, 1000, 1) == 'lasts 0.006 seconds, less than one frame at 1 a second'


def test_resampling_odd_numbers_of_frames(folder):
    write_frames(folder, [f'{number}.png' for number in range(5)])
    # Two frames and a half are three: the last one stands for the half.
    assert levels_of(folder, 24, 12) == [1, 3, 4]
    assert levels_of(folder, 12, 24) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_sizes(folder):
    write_frames(folder, ['1.png', '2.png'], height=20, width=30)

    def shapes(**options):
        return {frame.shape for frame in frame_folder.read_frames(folder, 25, **options)}

    assert shapes() == {(20, 30, 3)}
    assert shapes(frame_size=(7, 9)) == {(7, 9, 3)}
    assert shapes(short_side=10) == {(10, 15, 3)}
    assert shapes(short_side=40) == {(40, 60, 3)}
    with pytest.raises(ValueError, match='expected at most one'):
        shapes(frame_size=(7, 9), short_side=10)
    with pytest.raises(ValueError, match='frames_per_second: found 0'):
        shapes(frames_per_second=0)


def test_sizes_that_change(folder):
    write_frames(folder, ['1.png', '2.png'], height=20, width=30)
    write_frames(folder, ['3.png'], height=30, width=20)
    assert reason(folder) == 'frame size changes from 30x20 to 20x30'
    assert reason(folder, short_side=10) == 'frame size changes from 30x20 to 20x30'
    assert levels_of(folder, frame_size=(8, 8)) == [0, 1, 0]


def test_frames_are_read_as_they_are_needed(folder):
    write_frames(folder, ['1.png', '2.png', '3.png'])
    (folder / '3.png').write_bytes(b'')
    frames = frame_folder.read_frames(folder, 25)
    assert [int(next(frames).mean()) for _ in range(2)] == [0, 1]
    with pytest.raises(VideoError, match=r'frame 3\.png is empty'):
        next(frames)


def test_a_pipe_is_not_waited_for(folder):
    write_frames(folder, ['1.png', '2.png'])
    os.mkfifo(folder / '3.png')
    assert reason(folder) == 'frame 3.png is not a regular file'
