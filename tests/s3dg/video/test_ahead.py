"""Videos that another process decodes: what comes of them, and how it ends."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from s3dg.errors import VideoError
from s3dg.video import ahead, reading
from tests import video_files

# In place of the module in the other process: it notes what is opened, and some names are trouble.
_TROUBLE = """
import os, pathlib, time
from s3dg.video import ahead, reading
serve, read_frames = ahead.serve, reading.read_frames

def read(path, **options):
    name = os.path.basename(path)
    with open(pathlib.Path(__file__).with_name('opened.txt'), 'a') as file:
        print(name, file=file)
    return Crashing(name, read_frames(path, **options))

class Crashing(reading.Frames):
    def __init__(self, name, frames):
        self.name, self.frames, self.number = name, frames, 0
    def __next__(self):
        self.number += 1
        if self.name.startswith('crash') and self.number == 3:
            os.abort()
        frame = next(self.frames)
        self.time = self.frames.time
        return frame
    faults = property(lambda self: self.frames.faults)

reading.read_frames = read
"""


@pytest.fixture
def trouble(tmp_path, monkeypatch):
    """The file in which the other process notes what it opens."""
    (tmp_path / 'trouble.py').write_text(_TROUBLE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ahead, '__name__', 'trouble')
    return tmp_path / 'opened.txt'


@pytest.fixture
def write(tmp_path, write_video_file, numbered):
    def write(name, length=10):
        write_video_file(tmp_path / name, numbered(length, 16, 24), 25)
        return tmp_path / name

    return write


def _levels(frames):
    """Levels of frames, and the error after them, if any."""
    found = []
    try:
        for frame in frames:
            found.append(int(frame[0, 0, 0]))
    except VideoError as error:
        return found, str(error)
    return found, None


def _all(paths, most_frames=4, **options):
    with ahead.Reader() as reader:
        return [_levels(frames) for frames in reader.videos(paths, most_frames, **options)]


def test_frames_times_and_faults_are_those_of_the_file(tmp_path):
    path = tmp_path / 'v.mp4'
    frames = video_files.stepped_frames(30, 48, 64)
    video_files.write_with_ffmpeg(path, frames, 25, options={'g': '5'})
    video_files.damage_packet(path, 12)
    options = {'frames_per_second': 30.0, 'short_side': 24, 'crop_size': (20, 22)}
    here = reading.read_frames(path, **options)
    expected = [(frame, here.time) for frame in here]
    assert here.faults == '1 of 30 packets damaged'
    with ahead.Reader() as reader:
        for there in reader.videos([path, path], 3, **options):
            found = [(frame, there.time) for frame in there]
            assert there.faults == here.faults
            assert [time for _, time in found] == [time for _, time in expected]
            np.testing.assert_array_equal(
                *([frame for frame, _ in one] for one in (found, expected))
            )


def test_videos_come_in_order_with_their_errors(write, tmp_path):
    first, second = write('a.avi'), write('b.avi', 3)
    (tmp_path / 'c.avi').write_text('no video')
    found = _all([first, tmp_path / 'c.avi', 'x' * 5000, tmp_path / '\udcff.avi', second])
    whole, broken, long, unnamed, last = found
    assert (whole, last) == (([*range(10)], None), ([0, 1, 2], None))
    assert broken == ([], 'not a video: FFmpeg cannot open it')
    assert long == ([], 'File name too long')
    assert unnamed == ([], 'its name or folder is not valid UTF-8; rename it')


def test_a_crash_takes_one_video(write, trouble):
    names = ['a.avi', 'crash.avi', 'crash_too.avi', 'b.avi']
    found = _all([write(name) for name in names])
    whole, crashed = ([*range(10)], None), ([0, 1], 'its decoder crashed')
    assert found == [whole, crashed, crashed, whole]
    assert trouble.read_text().split() == names  # each is opened once


def test_a_fault_of_the_program_s_comes_with_its_trace(write):
    with ahead.Reader() as reader:
        frames = next(reader.videos([write('a.avi')], 4, frame_size=(9, 9), short_side=9))
        with pytest.raises(ValueError, match='expected at most one') as error:
            next(frames)
    assert 'check_arguments' in error.value.__notes__[0]


@pytest.mark.parametrize('seen', [0, 1, 8])
def test_what_is_left_of_a_video_is_skipped(write, seen):
    paths = [write('a.avi', 200), write('b.avi'), write('c.avi', 2), write('d.avi')]
    lengths = []
    with ahead.Reader() as reader:
        for number, frames in enumerate(reader.videos(paths, 4)):
            if number % 2:
                lengths.append(_levels(frames))
            else:
                for _ in zip(range(seen), frames, strict=False):
                    pass
    assert lengths == [([*range(10)], None)] * 2


@pytest.mark.parametrize(('most_bytes', 'waiting'), [(ahead.MOST_BYTES, 5), (2880, 2), (1, 1)])
def test_frames_that_wait_are_few(write, monkeypatch, most_bytes, waiting):
    """Frames have 1152 bytes: two fifths of 2880."""
    monkeypatch.setattr(ahead, 'MOST_BYTES', most_bytes)
    with ahead.Reader() as reader:
        for frames in reader.videos([write('a.avi', 200), write('b.avi', 200)], 5):
            for number, _ in enumerate(frames):
                if number in (0, 100):
                    time.sleep(0.5)
                    assert reader._messages.qsize() == waiting


def test_a_thread_that_waits_for_a_frame_is_told_of_the_end(write):
    found = []
    with ahead.Reader() as reader:
        frames = next(reader.videos([write('a.avi', 200)], 4))
        next(frames)
        thread = threading.Thread(target=lambda: found.append(_levels(frames)[1]))
        reader._process.send_signal(signal.SIGSTOP)  # no frames come any more
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive()
    thread.join(10)
    assert found == ['its reader has ended']


_PROGRAM = """
import sys, time
from s3dg.video import ahead
try:
    with ahead.Reader() as reader:
        print(reader._process.pid, flush=True)
        if sys.argv[2] == 'idle':
            time.sleep(60)
        for frames in reader.videos(sys.argv[1:2], 2):
            next(frames)
            print('reading', flush=True)
            time.sleep(60)
except KeyboardInterrupt:
    print('interrupted', file=sys.stderr)
    sys.exit(130)
"""


@pytest.mark.parametrize('state', ['idle', 'reading'])
@pytest.mark.parametrize(('number', 'code', 'said'), [(9, -9, ''), (2, 130, 'interrupted\n')])
def test_the_process_ends_with_the_program(write, state, number, code, said):
    """Killed, or by Ctrl-C, which a terminal sends to all processes of a group."""
    program = subprocess.Popen(
        [sys.executable, '-c', _PROGRAM, write('a.avi', 250), state],
        env={**os.environ, 'S3DG_WITHOUT_TENSORFLOW': '1'},
        cwd=pathlib.Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    reader = int(program.stdout.readline())
    if state == 'reading':
        program.stdout.readline()
    else:
        time.sleep(1)  # until it waits
    (os.killpg if number == signal.SIGINT else os.kill)(program.pid, number)
    _, errors = program.communicate(timeout=20)
    assert (program.returncode, errors) == (code, said)
    end = time.monotonic() + 20
    while _is_running(reader):
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_running(number):
    try:
        status = pathlib.Path(f'/proc/{number}/stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(')')[2].split()[0] != 'Z'  # waits for an init that is none
