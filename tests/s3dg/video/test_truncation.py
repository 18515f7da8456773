"""Files that are cut off, and files that merely look so."""

import numpy as np
import pytest

from s3dg.errors import VideoError
from s3dg.video import reading, truncation
from tests import video_files

COUNT = 48
FINE = {'qmin': '2', 'qmax': '4', 'b': '2000000'}
FRAGMENTS = {'movflags': 'frag_keyframe+empty_moov'}

# Name of the file, how it is made, what is said of its half.
KINDS = {
    'index first': ('v.mp4', {'container_options': {'movflags': 'faststart'}}, 'seconds'),
    'index last': ('v.mp4', {}, 'index'),
    'quicktime': ('v.mov', {}, 'index'),
    'fragments': ('v.mp4', {'container_options': FRAGMENTS, 'options': {'g': '8'}}, 'block'),
    'matroska': ('v.mkv', {}, 'seconds'),
    'webm': ('v.webm', {'codec': 'libvpx', 'options': {'b': '2000000'}}, 'seconds'),
    'live': ('v.mkv', {'container_options': {'live': '1'}}, 'block'),
    'avi': ('v.avi', {'codec': 'mpeg4', 'options': FINE}, 'bytes'),
    'flash': ('v.flv', {'codec': 'flv', 'options': FINE}, 'bytes'),
    'flash without its size': (
        'v.flv',
        {
            'codec': 'flv',
            'options': FINE,
            'container_options': {'flvflags': 'no_duration_filesize'},
        },
        'block',
    ),
    'windows media': ('v.wmv', {'codec': 'wmv2', 'options': FINE}, 'bytes'),
    'ogg': ('v.ogv', {'codec': 'libvpx', 'options': {'b': '2000000'}}, 'block'),
    'gif': ('v.gif', {'codec': 'gif', 'pixels': 'rgb8'}, 'block'),
}
SAID = {
    'seconds': (
        r'^truncated: its pictures end after (\d\.\d) of 1\.9 seconds, \d\d% of it is missing$'
    ),
    'index': (
        r'^truncated mp4: its index \("moov" atom\) is missing, [\d,]+ of at least [\d,]+ bytes'
    ),
    'block': r'^truncated: its last block goes on to byte [\d,]+, the file ends with byte [\d,]+$',
    'bytes': r'^truncated: [\d,]+ of [\d,]+ bytes are there, 50% of it is missing$',
}


@pytest.fixture(scope='module')
def frames():
    """Gray levels that say which frame it is, under noise, so that all frames take space."""
    noise = np.random.default_rng(0).integers(-4, 5, (COUNT, 64, 96, 1))
    plain = video_files.stepped_frames(COUNT, 64, 96)
    return [np.clip(f + n, 0, 255).astype(np.uint8) for f, n in zip(plain, noise, strict=True)]


def read(path):
    found = reading.read_frames(path)
    return video_files.steps_of(found), found.faults


@pytest.mark.parametrize('kind', KINDS)
def test_halves_are_refused_and_wholes_are_not(tmp_path, frames, kind):
    name, options, said = KINDS[kind]
    path = tmp_path / name
    video_files.write_with_ffmpeg(path, frames, 25, **options)
    steps, faults = read(path)
    assert len(steps) == COUNT
    assert faults == ''
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(VideoError, match=SAID[said]):
        read(path)


@pytest.mark.parametrize('kind', ['matroska', 'avi', 'flash', 'windows media'])
def test_a_little_may_be_missing_and_is_told(tmp_path, frames, kind):
    name, options, _ = KINDS[kind]
    path = tmp_path / name
    video_files.write_with_ffmpeg(path, frames, 25, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.95 * len(content))])
    steps, faults = read(path)
    assert COUNT * 0.9 <= len(steps) < COUNT
    assert faults.startswith('cut off, ')


def test_pictures_that_are_all_there_are_enough(tmp_path, frames):
    """Of a file whose sound lasts longer, half the bytes hold all pictures."""
    path = tmp_path / 'v.mkv'
    video_files.write_with_ffmpeg(path, frames[:12], 25, sound=('aac', 8.0))
    content = path.read_bytes()
    path.write_bytes(content[: int(0.8 * len(content))])
    steps, faults = read(path)
    assert (len(steps), faults) == (12, '')


@pytest.mark.parametrize('tail', [b'\0' * 5000, b'SEFT' * 900, b'\x7f\xff\xff\xffabcd' * 40])
@pytest.mark.parametrize('kind', ['index first', 'fragments', 'matroska', 'avi', 'flash', 'gif'])
def test_what_other_programs_have_appended_is_no_cut(tmp_path, frames, kind, tail):
    name, options, _ = KINDS[kind]
    path = tmp_path / name
    video_files.write_with_ffmpeg(path, frames, 25, **options)
    path.write_bytes(path.read_bytes() + tail)
    assert len(read(path)[0]) == COUNT


def test_boxes_of_endless_length_are_no_loop(tmp_path):
    """Millions of empty boxes, and lengths beyond any file."""
    path = tmp_path / 'v.mp4'
    path.write_bytes(b'\0\0\0\x08free' * 1_000_000)
    assert truncation.measure(path, 'mov,mp4,m4a,3gp,3g2,mj2').size == 8_000_000
    path.write_bytes(b'\0\0\0\x01mdat' + b'\xff' * 8 + bytes(100))
    assert truncation.measure(path, 'mov,mp4,m4a,3gp,3g2,mj2').bytes_missing
    path.write_bytes(
        b'\x1aE\xdf\xa3\x80' + b'\x18S\x80g\x01' + b'\xff' * 7 + b'\xec\x01' + b'\xfe' * 7
    )
    assert truncation.measure(path, 'matroska,webm').bytes_missing


def test_formats_that_say_nothing_of_their_length(tmp_path, frames):
    path = tmp_path / 'v.ts'
    video_files.write_with_ffmpeg(path, frames, 25)
    assert truncation.measure(path, 'mpegts') is None


def test_files_cut_within_their_index_are_called_truncated(tmp_path):
    """FFmpeg takes a part of an index for all of it, and finds no pictures there."""
    path = tmp_path / 'v.mp4'
    video_files.write_with_ffmpeg(path, video_files.stepped_frames(4), 25)
    content = path.read_bytes()
    index = content.index(b'moov')
    for end in range(index + 4, content.index(b'stsd'), 16):
        path.write_bytes(content[:end])
        with pytest.raises(VideoError, match='^truncated'):
            read(path)
