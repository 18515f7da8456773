"""Converts a folder of videos while being killed at random moments; prints what was seen as JSON.

python killed_conversion.py FOLDER DATA_DIR
"""

import json
import os
import pathlib
import random
import signal
import sys
import time

import tensorflow as tf

from data import catalog, encoding
from data.conversion.convert import convert_dataset
from tests.data import jobs

KILLS = 10

folder, data_dir = sys.argv[1:]
log = pathlib.Path(data_dir) / 'decoded'
original = encoding.try_video


def encode(source, storage):  # reaches the processes by value, being of the main module
    with open(log, 'a') as file:
        file.write(f'{source.path}\n')
    time.sleep(0.03)  # so that few videos are stored between what is waited for and the kill
    return original(source, storage)


def start(target):
    """Starts a conversion in a session of its own."""
    child = os.fork()
    if not child:
        os.setsid()
        try:
            builder = catalog.make_builder('video_folder', 'mine', target, folder)
            convert_dataset(builder, processes=2)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    return child


def stored():
    """Paths of the videos of which there are whole records."""
    while True:
        try:
            return _stored()
        except FileNotFoundError:  # a conversion under way has renamed a shard since it was listed
            continue


def _stored():
    paths = []
    for shard in pathlib.Path(data_dir).rglob('*.tfrecord-*'):
        content, position = shard.read_bytes(), 0
        while position + 12 <= len(content):
            length = int.from_bytes(content[position : position + 8], 'little')
            if position + length + 16 > len(content):
                break
            example = tf.train.Example.FromString(content[position + 12 : position + 12 + length])
            video_id = example.features.feature['id'].bytes_list.value[0].decode()
            paths.append(os.path.join(folder, video_id))
            position += length + 16
    return set(paths)


def decoded():
    return log.read_text().split('\n')[:-1] if log.exists() else []


def kill_at_random(moments):
    """Starts a conversion and kills it, some time after the start or after it has stored some."""
    before = len(stored())
    child = start(data_dir)
    if moments.random() < 0.3:
        time.sleep(moments.uniform(0, 0.5))
    else:
        videos, pause = moments.randint(1, 2), moments.uniform(0, 0.03)
        while len(stored()) - before < videos and os.waitpid(child, os.WNOHANG) == (0, 0):
            time.sleep(0.002)
        time.sleep(pause)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, status
    return child


def main():
    log.parent.mkdir(parents=True)
    encoding.try_video = encode
    moments = random.Random(0)
    again, orphans, counts, before = [], 0.0, [], 0
    sessions = []
    for number in range(KILLS):
        known = stored()
        child = kill_at_random(moments)
        again += sorted(known & set(decoded()[before:]))
        before = len(decoded())
        counts.append(len(stored()))
        sessions.append(child)
        if number % 2:  # else the next attempt begins while they are still ending
            for session in sessions:
                orphans = max(orphans, jobs.wait_until_gone(jobs.of_session, session, seconds=10))
    known = stored()
    assert os.waitpid(start(data_dir), 0)[1] == 0
    again += sorted(known & set(decoded()[before:]))

    log.unlink()
    children = [start(f'{data_dir}-twice') for _ in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    seen = {
        'kills': KILLS,
        'stored_at_kills': counts,
        'again': again,
        'seconds_of_orphans': orphans,
        'decoded': decoded(),
    }
    print(json.dumps(seen))


if __name__ == '__main__':
    main()
