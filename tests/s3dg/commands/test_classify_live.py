"""`classify --live`: what it tells of a source while it plays, and how late it says it is."""

import csv
import json
import os
import re
import signal
import subprocess
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import s3dg
from s3dg.commands import classify, classify_live
from s3dg.video import ahead
from tests import in_process, live_streams, programs, video_files


class _Model:
    """Says how bright the last frame of a window is; each answer takes `seconds`."""

    config = SimpleNamespace(head='classifier', channels=3, num_classes=2)
    class_names = ('dark', 'bright')
    video_format = s3dg.VideoFormat(
        25.0, (32, 32), crop_size=(24, 24), clip_frames=8, evaluation_frames=16
    )

    def __init__(self, seconds=0.0):
        self._seconds = seconds

    def serve(self, video):
        time.sleep(self._seconds)
        level = float(video[0, -1].mean())
        return {'logits': tf.constant([[0.0, 1.0 if level > 100 else -1.0]])}


@pytest.fixture
def play(tmp_path, monkeypatch, capsys):
    """Calls the program on a file of 40 frames at 25 a second, bright from frame 20 on."""
    monkeypatch.setattr(classify, 'load_model', lambda path: _Model())
    levels = [0] * 20 + [200] * 20
    frames = [np.full((32, 32, 3), level, 'uint8') for level in levels]
    video_files.write_with_opencv(tmp_path / 'v.avi', frames, 25)

    def call(*words, source=tmp_path / 'v.avi'):
        code = in_process.call(classify, '--model=m', '--live', *words, source)
        written = capsys.readouterr()
        return code, written.out.splitlines(), written.err

    return call


_SUMMARY = re.compile(
    r'9 answers, one every 0\.\d+ s; delay 0\.\d+ s in the median, 0\.\d+ s at the 95th'
    r' percentile; 0 windows left out\n'
)


def test_a_file_is_answered_as_it_plays(play):
    """Windows end with frames 7, 11 ... 39; those from frame 20 on are bright."""
    code, lines, errors = play('--stride=4')
    assert code == 0
    pattern = r' *(\d+\.\d\d) s   73.11%  (\w+)  \(0\.\d\d\d s later\)'
    found = [re.fullmatch(pattern, line).groups() for line in lines]
    ends = range(7, 40, 4)
    expected = [(f'{end / 25:.2f}', 'bright' if end >= 20 else 'dark') for end in ends]
    assert found == expected
    assert _SUMMARY.fullmatch(errors)


def test_answers_as_json_and_rows(play):
    _, lines, _ = play('--stride=16', '--json')
    answers = [json.loads(line) for line in lines]
    assert [sorted(one) for one in answers] == [['classes', 'delay', 'left_out', 'time']] * 3
    assert [one['time'] for one in answers] == [7 / 25, 23 / 25, 39 / 25]
    assert [one['classes'][0]['class'] for one in answers] == ['dark', 'bright', 'bright']
    assert len(answers[0]['classes']) == 1
    _, lines, _ = play('--stride=16', '--csv', '--top=2')
    header, *rows = csv.reader(lines)
    assert header == ['time', 'delay', 'left_out', 'rank', 'class', 'probability']
    assert [(row[0], row[3], row[4]) for row in rows[:2]] == [
        ('0.280', '1', 'dark'),
        ('0.280', '2', 'bright'),
    ]
    assert len(rows) == 6


@pytest.mark.parametrize(
    ('words', 'source', 'message'),
    [
        (['--segments'], 'v', '--segments: found --live too'),
        (['--gap=0'], 'v', '--gap: found --live too'),
        (['a.mp4'], 'v', '--live: found 2 sources, expected one'),
    ],
)
def test_flags_that_do_not_go_with_it(play, words, source, message):
    code, out, errors = play(*words, source=source)
    assert (code, out) == (2, [])
    assert errors.startswith(f'error: {message}')
    assert errors.count('\n') == 1


def test_a_source_that_is_not_there_is_one_line(play):
    secret = 'rtsp://me:secret@127.0.0.1:9/1'
    expected = 'rtsp://me:***@127.0.0.1:9/1: it cannot be opened as a stream: Connection refused'
    assert play(source=secret) == (1, [], f'error: {expected}\n')
    assert play(source='no.mp4') == (1, [], 'error: no.mp4: file not found\n')


def _watch(seconds, stride, count):
    """Lets a slow network watch a stream; (time, stated, measured, left out) of each answer."""
    parts, told = live_streams.encode(video_files.stepped_frames(count)), []

    def tell(answer, delay, classes):
        told.append((answer, delay, time.monotonic()))

    with live_streams.sent(parts) as (address, sent), ahead.Reader() as reader:
        code = classify_live.watch(reader, _Model(seconds), address, 8, stride, 25.0, 1, tell)
    assert code == 0
    return [
        (round(answer.time * 25), delay, now - sent[round(answer.time * 25)], answer.left_out)
        for answer, delay, now in told
    ]


def test_the_delay_stated_of_a_stream_is_the_one_measured(capsys):
    """An answer of 0.25 s, for which four frames of 0.04 s leave no time."""
    found = _watch(0.25, 4, 48)
    stated, measured = (np.median([one[k] for one in found]) for k in (1, 2))
    assert stated == pytest.approx(measured, rel=0.2)
    assert measured > 0.25
    left_out = sum(one[3] for one in found)
    assert left_out >= 2
    assert len(found) + left_out == (found[-1][0] + 1 - 8) // 4 + 1  # windows that were due
    errors = capsys.readouterr().err
    assert errors.count('windows are left out; a larger --stride') == 1
    assert f'{left_out} windows left out' in errors


def test_a_network_that_is_quick_enough_leaves_nothing_out(capsys):
    found = _watch(0.01, 8, 48)
    assert [one[0] for one in found] == [7, 15, 23, 31, 39, 47]
    assert [one[3] for one in found] == [0] * 6
    assert 'left out;' not in capsys.readouterr().err


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp('network') / 'small.keras'
    video_format = s3dg.VideoFormat(
        frame_size=(40, 40), crop_size=(32, 32), clip_frames=8, evaluation_frames=8
    )
    config = s3dg.named_config('s3d_g', num_classes=3, width=0.1, kernel_initializer='he_normal')
    s3dg.Network(config, ('a', 'b', 'c'), video_format).save(path)
    return path


def _start(*words):
    return subprocess.Popen(
        programs.command('classify', *words),
        cwd=programs.ROOT,
        env={**programs.ENVIRONMENT, 'PYTHONUNBUFFERED': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_summary(network, tmp_path, number):
    path = tmp_path / 'v.avi'
    video_files.write_with_opencv(path, video_files.numbered_frames(250) * 4, 25)
    program = _start(f'--model={network}', '--live', '--stride=8', path)
    for _ in range(2):
        program.stdout.readline()
    os.kill(program.pid, number)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 128 + number
    assert re.search(r'^\d+ answers, one every .* windows left out$', errors, re.MULTILINE)
    assert errors.splitlines()[-1].startswith('stopped by')
    assert 'Traceback' not in errors


@pytest.mark.slow
def test_the_delay_of_the_program_as_it_is_run_is_within_a_fifth(network):
    """Lines are timed as they come out of the pipe; frames as they go into the socket."""
    parts, found = live_streams.encode(video_files.stepped_frames(48) * 6), []
    with live_streams.sent(parts) as (address, sent):
        program = _start(f'--model={network}', '--live', '--json', '--stride=8', address)
        for line in program.stdout:
            answer, now = json.loads(line), time.monotonic()
            found.append((answer['delay'], now - sent[round(answer['time'] * 25)]))
        program.communicate(timeout=60)
    assert program.returncode == 0
    assert len(found) >= 30
    stated, measured = np.median(found, axis=0)
    assert stated == pytest.approx(measured, rel=0.2)
