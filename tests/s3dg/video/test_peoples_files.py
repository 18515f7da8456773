"""Video files as people have them: containers, codecs and clocks that public trackers report.

FFmpeg's encoders make them here, of frames whose gray level says which one it is; the frames and
times that come back are known by hand.
"""

import json
import os
import pathlib
import subprocess
import sys

import av
import numpy as np
import pytest

from s3dg.errors import VideoError
from s3dg.video import reading
from tests import fuzzing, video_files

COUNT = 40
STEPS = list(range(COUNT))
FINE = {'qmin': '2', 'qmax': '3', 'b': '2000000'}  # for encoders that else are coarse
HEVC = {'x265-params': 'log-level=none'}

# Names of files, by what FFmpeg makes them with: codec, options, sound.
CONTAINERS = {
    'v.mp4': ('libx264', {}, 'aac'),
    'v.mov': ('libx265', HEVC, 'aac'),
    'v.3gp': ('mpeg4', FINE, 'aac'),
    'v.mkv': ('libx264', {}, 'aac'),
    'v.webm': ('libvpx-vp9', {}, 'libopus'),
    'v.ts': ('libx264', {}, 'mp2'),
    'v.mts': ('libx264', {}, 'mp2'),
    'v.flv': ('flv', FINE, 'libmp3lame'),
    'v.ogv': ('libvpx', {'b': '2000000'}, 'libopus'),
    'v.avi': ('mpeg4', FINE, 'libmp3lame'),
    'v.mpg': ('mpeg2video', FINE, 'mp2'),
    'v.wmv': ('wmv2', FINE, 'libmp3lame'),
    'v.asf': ('msmpeg4', FINE, 'libmp3lame'),
    'v.nut': ('mpeg4', FINE, 'libmp3lame'),
}
WITH_TIMES = [name for name in CONTAINERS if name not in ('v.avi', 'v.mpg', 'v.ogv')]


def write(path, frames=None, **options):
    codec, encoding, _ = CONTAINERS[f'v{path.suffix}']
    frames = video_files.stepped_frames(COUNT) if frames is None else frames
    video_files.write_with_ffmpeg(path, frames, 25, codec, options=encoding, **options)


def read(path, *arguments):
    frames = reading.read_frames(path, *arguments)
    return video_files.steps_of(frames), frames


@pytest.mark.parametrize('name', CONTAINERS)
def test_sound_longer_than_the_pictures(tmp_path, name):
    path = tmp_path / name
    write(path, sound=(CONTAINERS[name][2], 6.0))
    steps, frames = read(path)
    assert (steps, frames.faults) == (STEPS, '')
    assert abs(len(read(path, 25)[0]) - COUNT) <= 1


@pytest.mark.parametrize('name', WITH_TIMES)
def test_pictures_that_begin_late(tmp_path, name):
    path = tmp_path / name
    times = 1.2 + np.arange(COUNT) / 25
    write(path, sound=(CONTAINERS[name][2], 3.0), times=times)
    assert read(path)[0] == STEPS
    np.testing.assert_allclose(video_files.frame_times(path), times, atol=0.05)


@pytest.mark.parametrize('name', WITH_TIMES)
def test_variable_rate(tmp_path, name):
    """A picture that stays for 2.04 seconds among those that stay for 0.04."""
    path = tmp_path / name
    times = np.arange(COUNT) / 25 + 2.0 * (np.arange(COUNT) > 20)
    write(path, times=times)
    assert read(path)[0] == STEPS
    np.testing.assert_allclose(video_files.frame_times(path) - times, 0, atol=0.05)
    expected = [*range(20), *[20] * 51, *range(21, COUNT)]
    found = read(path, 25)[0]
    assert abs(len(found) - len(expected)) <= 1
    assert np.mean([one == other for one, other in zip(found, expected, strict=False)]) > 0.95


@pytest.mark.parametrize(
    ('name', 'codec', 'pixels', 'size'),
    [
        ('v.mpg', 'mpeg2video', 'yuv420p', (96, 128)),
        ('v.mts', 'libx264', 'yuv420p', (96, 128)),
        ('v.mp4', 'libx264', 'yuv420p', (96, 128)),
        ('v.avi', 'mpeg4', 'yuv420p', (96, 128)),
        ('v.mkv', 'libx265', 'yuv420p', (96, 128)),
        ('v.avi', 'dvvideo', 'yuv420p', (576, 720)),
        ('v.mov', 'prores_ks', 'yuv422p10le', (96, 128)),
    ],
)
def test_interlaced_video_gives_both_fields(tmp_path, name, codec, pixels, size):
    """The rows of the two fields differ by 60 levels, as they do where something moves.

    Every picture must be its own, not another that is still in memory.
    """
    path = tmp_path / name
    frames = []
    for level in range(40, 160, 20):
        frame = np.full((*size, 3), level, np.uint8)
        frame[1::2] += 60
        frames.append(frame)
    options = {'b': '8000000'} if codec in ('mpeg2video', 'mpeg4') else {}
    if codec == 'libx265':
        options = {'x265-params': 'interlace=tff:log-level=none:crf=8'}
    elif codec == 'libx264':
        options = {'crf': '8'}
    video_files.write_with_ffmpeg(
        path, frames, 25, codec, pixels=pixels, options=options, interlaced=codec != 'libx265'
    )
    with av.open(str(path)) as container:
        assert codec == 'libx265' or next(container.decode(video=0)).interlaced_frame
    found = list(reading.read_frames(path))
    # x265 codes the fields as pictures of their own.
    if codec != 'libx265':
        assert len(found) == len(frames)
        for one, expected in zip(found, frames, strict=True):
            assert np.abs(one.astype(int) - expected).mean() < 6
    again = list(reading.read_frames(path))
    np.testing.assert_array_equal(found, again)


def test_interlaced_frames_do_not_depend_on_what_lies_in_memory(tmp_path):
    """glibc fills what it hands out with a byte of one's choice: the pictures stay the same."""
    path = tmp_path / 'v.mts'
    frames = video_files.stepped_frames(6, 96, 128)
    video_files.write_with_ffmpeg(path, frames, 25, 'libx264', interlaced=True)
    program = (
        'import hashlib, sys; from s3dg.video import reading;'
        'print([hashlib.sha256(f.tobytes()).hexdigest() for f in reading.read_frames(sys.argv[1])])'
    )
    root = pathlib.Path(__file__).parents[3]
    said = {
        subprocess.run(
            [sys.executable, '-c', program, path],
            env=os.environ | {'MALLOC_PERTURB_': value, 'S3DG_WITHOUT_TENSORFLOW': '1'},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for value in ('1', '77', '200')
    }
    assert len(said) == 1
    assert len(set(json.loads(said.pop().replace("'", '"')))) == 6


@pytest.mark.parametrize('name', ['v.mp4', 'v.mkv', 'v.webm'])
def test_av1(tmp_path, name):
    video_files.write_with_ffmpeg(
        tmp_path / name, video_files.stepped_frames(COUNT, 64, 64), 25, 'libsvtav1'
    )
    assert read(tmp_path / name)[0] == STEPS


def test_animated_gif(tmp_path):
    frames = video_files.stepped_frames(COUNT)
    video_files.write_with_ffmpeg(tmp_path / 'v.gif', frames, 25, 'gif', pixels='gray')
    assert read(tmp_path / 'v.gif')[0] == STEPS
    assert abs(len(read(tmp_path / 'v.gif', 25)[0]) - COUNT) <= 1


def test_slides_of_ninety_seconds(tmp_path):
    times = [0, 90, 180, 270]
    write(tmp_path / 'v.mkv', video_files.stepped_frames(4), times=times)
    assert read(tmp_path / 'v.mkv')[0] == [0, 1, 2, 3]
    assert read(tmp_path / 'v.mkv', 0.1)[0] == [0] * 9 + [1] * 9 + [2] * 9


def test_a_single_picture(tmp_path):
    write(tmp_path / 'v.mp4', video_files.stepped_frames(1))
    assert read(tmp_path / 'v.mp4')[0] == [0]
    assert read(tmp_path / 'v.mp4', 25)[0] == [0]


def test_an_edit_list_hides_frames(tmp_path):
    """A recording whose beginning was cut off without coding it anew: decoding begins earlier."""
    times = (np.arange(COUNT) - 10) / 25
    write(tmp_path / 'v.mp4', times=times, container_options={'avoid_negative_ts': 'disabled'})
    with av.open(str(tmp_path / 'v.mp4')) as container:
        assert container.streams.video[0].frames == COUNT
    assert read(tmp_path / 'v.mp4')[0] == STEPS[10:]


def test_sound_only_is_called_that(tmp_path):
    path = tmp_path / 'v.mp4'
    with av.open(str(path), 'w') as output:
        stream = output.add_stream('aac', rate=44100)
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), 'fltp', 'stereo')
            frame.sample_rate, frame.pts = 44100, 1024 * number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    with pytest.raises(VideoError, match='^only sound, no pictures$'):
        read(path)


def test_damaged_packets_are_left_out_and_counted(tmp_path):
    path = tmp_path / 'v.mp4'
    video_files.write_with_ffmpeg(
        path, video_files.stepped_frames(COUNT), 25, options={'g': '4', 'bf': '0'}
    )
    video_files.damage_packet(path, 19)  # the last of its group: none is built on it
    steps, frames = read(path)
    assert steps == [k for k in STEPS if k != 19]
    assert frames.faults == '1 of 40 packets damaged'
    # The picture before stays until the next one comes.
    assert read(path, 25)[0] == [18 if k == 19 else k for k in STEPS]


def test_a_video_damaged_in_many_places_is_refused(tmp_path):
    path = tmp_path / 'v.mp4'
    video_files.write_with_ffmpeg(path, video_files.stepped_frames(COUNT), 25, options={'g': '1'})
    for number in range(5, 10):
        video_files.damage_packet(path, number)
    with pytest.raises(VideoError) as error:
        read(path)
    assert str(error.value) == '5 of 40 packets are damaged, more than the share of 0.1 allowed'


def test_a_whole_file_of_damaged_packets_is_not_called_truncated(tmp_path):
    path = tmp_path / 'v.mp4'
    video_files.write_with_ffmpeg(
        path, video_files.stepped_frames(4), 25, container_options={'movflags': 'faststart'}
    )
    for number in range(4):
        video_files.damage_packet(path, number)
    with pytest.raises(VideoError, match='^4 of 4 packets are damaged, more than the share of 0.1'):
        read(path)


QUARTER_TURNS = {
    # (a, b, c, d) of the matrix: where a step to the right (a, b) and one down (c, d) lead.
    'upright': (1, 0, 0, 1),
    'clockwise': (0, 1, -1, 0),
    'upside down': (-1, 0, 0, -1),
    'anticlockwise': (0, -1, 1, 0),
    'mirrored': (-1, 0, 0, 1),
    'flipped': (1, 0, 0, -1),
    'transposed': (0, 1, 1, 0),
    'transposed the other way': (0, -1, -1, 0),
}


@pytest.mark.parametrize('turn', QUARTER_TURNS)
def test_the_headers_turns_and_mirrorings(tmp_path, turn):
    """The four corners of a picture say where they went."""
    height, width = 48, 96
    frame = np.full((height, width, 3), 20, np.uint8)
    frame[:16, :16], frame[:16, -16:], frame[-16:, :16], frame[-16:, -16:] = 80, 130, 180, 230
    path = tmp_path / 'v.mp4'
    video_files.write_with_ffmpeg(path, [frame] * 3, 25)
    a, b, c, d = QUARTER_TURNS[turn]
    content = path.read_bytes()
    matrix = [(a, b, 0), (c, d, 0), (0, 0, 1 << 14)]
    level = [(1, 0, 0), (0, 1, 0), (0, 0, 1 << 14)]
    old, new = (
        b''.join((v << 16 & 0xFFFFFFFF).to_bytes(4, 'big') for row in rows for v in row)
        for rows in (level, matrix)
    )
    track = content.index(b'tkhd')
    path.write_bytes(content[:track] + content[track:].replace(old, new, 1))
    (found, *_) = reading.read_frames(path)
    x, y = np.meshgrid(np.arange(width) - 47.5, np.arange(height) - 23.5)
    shown_x, shown_y = a * x + c * y, b * x + d * y
    expected = np.zeros(found.shape[:2])
    rows = np.rint(shown_y + (found.shape[0] - 1) / 2).astype(int)
    columns = np.rint(shown_x + (found.shape[1] - 1) / 2).astype(int)
    expected[rows, columns] = frame[:, :, 0]
    assert np.abs(found[:, :, 0] - expected).mean() < 4


@pytest.mark.parametrize(
    ('matrix', 'colorspace', 'weights'),
    [('bt709', 1, (0.2126, 0.0722)), ('bt601', 6, (0.299, 0.114)), ('unstated', 2, (0.299, 0.114))],
)
@pytest.mark.parametrize(('full', 'color_range'), [(False, 1), (True, 2)])
def test_colours_by_the_files_own_matrix_and_range(
    tmp_path, matrix, colorspace, weights, full, color_range
):
    """Stored as lossless Y'CbCr whose values are computed here from the matrix's definition."""
    red, blue = weights
    rgb = np.float64([[200, 40, 60], [30, 180, 70], [50, 60, 210], [120, 120, 120]])
    luma = rgb @ [red, 1 - red - blue, blue]
    cb, cr = (rgb[:, 2] - luma) / (2 - 2 * blue), (rgb[:, 0] - luma) / (2 - 2 * red)
    span = (1, 0, 1) if full else (219 / 255, 16, 224 / 255)
    planes = [luma * span[0] + span[1], cb * span[2] + 128, cr * span[2] + 128]
    picture = av.VideoFrame(64, 16, 'yuv444p')
    for plane, values in zip(picture.planes, planes, strict=True):
        rows = np.repeat(np.rint(values).astype(np.uint8), 16)
        padded = np.zeros((16, plane.line_size), np.uint8)
        padded[:, :64] = rows
        plane.update(padded.tobytes())
    path = tmp_path / 'v.mkv'
    with av.open(str(path), 'w') as output:
        stream = output.add_stream('ffv1', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 16, 'yuv444p'
        stream.codec_context.colorspace, stream.codec_context.color_range = colorspace, color_range
        picture.colorspace, picture.color_range = colorspace, color_range
        picture.pts = 0
        output.mux([*stream.encode(picture), *stream.encode()])
    (found,) = reading.read_frames(path)
    for index, colour in enumerate(rgb):
        np.testing.assert_allclose(found[8, 16 * index + 8], colour, atol=3)


def test_frames_above_8k_are_refused_and_take_no_memory(tmp_path):
    path = tmp_path / 'v.mkv'
    video_files.write_with_ffmpeg(
        path, [np.zeros((4400, 8200, 3), np.uint8)], 25, 'mjpeg', pixels='yuvj420p'
    )
    with pytest.raises(VideoError, match='more than 35,389,440 pixels are not$'):
        read(path)


def test_lists_of_other_files_are_not_followed(tmp_path):
    write(tmp_path / 'a.ts')
    lists = {
        'hls.mp4': '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\na.ts\n#EXT-X-ENDLIST\n',
        'concat.mp4': 'ffconcat version 1.0\nfile a.ts\n',
        'spaced.mp4': '\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\na.ts\n#EXT-X-ENDLIST\n',
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(VideoError, match='a list of other files|FFmpeg cannot open it'):
            read(tmp_path / name)


DAMAGED = ['v.mp4', 'v.mkv', 'v.webm', 'v.ts', 'v.flv', 'v.avi', 'v.mpg', 'v.wmv', 'v.ogv', 'v.nut']


def check_damaged(tmp_path, name, examples):
    whole = tmp_path / f'whole{pathlib.Path(name).suffix}'
    write(whole, video_files.stepped_frames(10, 32, 32))

    def read_all(path):
        for _ in reading.read_frames(path, None, (16, 16)):
            pass

    fuzzing.check(read_all, whole.read_bytes(), tmp_path / name, examples)


@pytest.mark.parametrize('name', DAMAGED)
def test_damaged_copies(tmp_path, name):
    check_damaged(tmp_path, name, fuzzing.FEW // 4)


@pytest.mark.slow
@pytest.mark.parametrize('name', DAMAGED)
def test_many_damaged_copies(tmp_path, name):
    check_damaged(tmp_path, name, fuzzing.MANY // 5)


FIELD = pathlib.Path(__file__).parents[4] / 'shared' / 'data' / 'field_videos'


@pytest.mark.skipif(not FIELD.is_dir(), reason='the files from the field are not here')
def test_files_from_the_field():
    """What FFmpeg's own program decodes of each: frames, damage, seconds, levels, size."""
    for name, expected in json.loads((FIELD / 'expected.json').read_text()).items():
        if name.startswith('half_'):
            with pytest.raises(VideoError, match='^truncated: .* is missing$'):
                read(FIELD / name)
            continue
        frames = reading.read_frames(FIELD / name)
        found = list(frames)
        assert len(found) == expected['frames'], name
        assert found[0].shape[:2] == tuple(expected['size']), name
        assert abs(found[0].mean() - expected['mean_first']) < 1, name
        assert abs(found[-1].mean() - expected['mean_last']) < 1, name
        assert abs(found[0].std() - expected['std_first']) < 1, name
        damaged = f'{expected["damaged"]} of ' if expected['damaged'] else ''
        assert frames.faults.startswith(damaged), name
        assert bool(frames.faults) == bool(damaged), name
        resampled = sum(1 for _ in reading.read_frames(FIELD / name, 25))
        assert abs(resampled - 25 * expected['seconds']) <= 1, name


def test_a_last_picture_of_endless_length(tmp_path):
    frames, endless = tmp_path / 'v.mkv', tmp_path / 'endless.mkv'
    video_files.write_with_ffmpeg(frames, video_files.stepped_frames(4), 25)
    with av.open(str(frames)) as container, av.open(str(endless), 'w') as output:
        stream = output.add_stream_from_template(container.streams.video[0])
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
        last = max(packet.pts for packet in packets)
        for packet in packets:
            packet.stream = stream
            packet.duration = 10_000_000 if packet.pts == last else 40  # milliseconds
            output.mux(packet)
    assert len(video_files.frame_times(endless, 25)) == 4


def test_strips_take_no_memory(tmp_path):
    path = tmp_path / 'v.mov'
    strip = [np.zeros((1, 60_000, 3), np.uint8)]
    video_files.write_with_ffmpeg(path, strip, codec='png', pixels='rgb24')
    (frame,) = reading.read_frames(path)
    assert frame.shape == (1, 60_000, 3)
    with pytest.raises(VideoError, match='frames of 1x60000 .* would become 256x15360000'):
        list(reading.read_frames(path, short_side=256))


@pytest.mark.parametrize(
    ('codec', 'options'),
    [('libx264', {}), ('libx264', {'bf': '0'}), ('mpeg4', {**FINE, 'bf': '2'})],
)
def test_b_frames_in_avi_follow_each_other_evenly(tmp_path, codec, options):
    path = tmp_path / 'v.avi'
    video_files.write_with_ffmpeg(
        path, video_files.stepped_frames(COUNT), 25, codec, options=options
    )
    np.testing.assert_allclose(np.diff(video_files.frame_times(path)), 0.04, atol=1e-6)
    frames = list(reading.read_frames(path, 25))
    assert video_files.steps_of(frames) == STEPS
