"""Conversion: what is stored and skipped, and that interruptions leave no trace."""

import json
import os
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from data import catalog, conversion, shards, video, video_builder

REPOSITORY = pathlib.Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, write_video_file, numbered):
    """Twenty good videos in two classes, split by folders, and two broken ones in training."""
    root = tmp_path / 'videos'
    for split, count in (('train', 8), ('validation', 2)):
        for name in ('jump', 'run'):
            for index in range(count):
                path = root / split / name / f'{index}.avi'
                write_video_file(path, numbered(4 + index, 32, 32), 25)
    (root / 'train' / 'run' / 'text.mp4').write_text('no video ' * 100)
    (root / 'train' / 'jump' / 'empty.MP4').touch()
    (root / 'train' / 'jump' / '.hidden.mp4').touch()
    (root / 'train' / 'jump' / 'notes.txt').touch()
    return root


def make(folder, data_dir, **fields):
    return catalog.make_builder('video_folder', 'mine', data_dir, folder, **fields)


def files(data_path):
    return {path.name: path.read_bytes() for path in pathlib.Path(data_path).iterdir()}


def records(data_path):
    """{id: tf.train.Example} of all shards, each id once."""
    found = {}
    for path in sorted(pathlib.Path(data_path).glob('*.tfrecord*')):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            video_id = example.features.feature['id'].bytes_list.value[0].decode()
            assert video_id not in found
            found[video_id] = example
    return found


BROKEN = {
    'train/jump/empty.MP4': 'empty file (0 bytes)',
    'train/run/text.mp4': 'not a video: OpenCV cannot open it',
}


def test_what_is_stored_and_what_is_skipped(folder, tmp_path):
    lines = []
    result = conversion.convert(make(folder, tmp_path / 'data'), report=lines.append)
    assert result.examples == {'train': 16, 'validation': 4}
    assert result.found == 22
    assert result.frames == result.frames_decoded == 2 * sum(range(4, 12)) + 2 * (4 + 5)
    assert not result.reused
    assert {(row.id, row.path, row.reason) for row in result.skipped} == {
        (video_id, str(folder / video_id), reason) for video_id, reason in BROKEN.items()
    }
    assert (tmp_path / 'data/video_folder/mine/1.0.0') == pathlib.Path(result.data_path)
    stored = records(result.data_path)
    assert len(stored) == 20
    for video_id, example in stored.items():
        split, name, file = video_id.split('/')
        feature = example.features.feature
        assert feature['label'].int64_list.value[:] == [['jump', 'run'].index(name)]
        frames = list(video.read_frames(folder / video_id, 25, (256, 256)))
        assert len(frames) == 4 + int(file.split('.')[0])
        for frame, jpeg in zip(frames, feature['video'].bytes_list.value, strict=True):
            expected = cv2.imencode('.jpg', frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            assert jpeg == expected.tobytes()
    lengths = (pathlib.Path(result.data_path) / 'videos.csv').read_text().splitlines()
    assert sorted(lengths) == sorted(
        [
            'id,frames',
            *(f'{video_id},{4 + int(pathlib.Path(video_id).stem)}' for video_id in stored),
        ]
    )
    table = (pathlib.Path(result.data_path) / 'skipped.csv').read_text().splitlines()
    assert table[0] == 'id,path,reason'
    assert len(table) == 3
    assert any('ignored 1 files' in line and 'notes.txt' in line for line in lines)
    assert any(line.endswith('2 skipped') and '22/22' in line for line in lines)


def test_tfds_reads_it_back(folder, tmp_path):
    conversion.convert(make(folder, tmp_path, frame_size=None, short_side=20, jpeg_quality=90))
    builder = catalog.open_dataset('video_folder', 'mine', tmp_path)
    assert dict(builder.info.metadata) == {
        'frames_per_second': 25.0,
        'frame_size': None,
        'short_side': 20,
        'jpeg_quality': 90,
        'modality': 'rgb',
        'flip_left_right': True,
    }
    assert builder.info.features['label'].names == ['jump', 'run']
    found = list(tfds.as_numpy(builder.as_dataset(split='validation')))
    assert {example['id'].decode() for example in found} == {
        f'validation/{name}/{index}.avi' for name in ('jump', 'run') for index in range(2)
    }
    for example in found:
        name, file = example['id'].decode().split('/')[1:]
        assert example['video'].shape == (4 + int(file[0]), 20, 20, 3)
        assert builder.info.features['label'].int2str(example['label']) == name
        numbers = np.arange(len(example['video']))[:, None, None, None]
        assert np.abs(example['video'].astype(int) - numbers).max() <= 1
    sizes = [
        len(record)
        for path in builder.info.splits['train'].filepaths
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    assert builder.info.splits['train'].num_bytes == sum(sizes)


def test_tfds_can_prepare_it_as_well(folder, tmp_path):
    """Without our conversion, as on Beam: the same examples."""
    ours = conversion.convert(make(folder, tmp_path / 'ours'))
    builder = make(folder, tmp_path / 'theirs')
    builder.MAX_SKIPPED_FRACTION = 0.2
    builder.download_and_prepare()
    assert records(builder.data_dir) == records(ours.data_path)
    assert 'text.mp4' in (pathlib.Path(builder.data_dir) / 'skipped.csv').read_text()
    with pytest.raises(conversion.ConversionError, match='not made by this conversion'):
        conversion.convert(make(folder, tmp_path / 'theirs'))


def test_a_second_conversion_does_nothing(folder, tmp_path, monkeypatch):
    first = conversion.convert(make(folder, tmp_path))
    before = {path: path.stat().st_mtime_ns for path in pathlib.Path(first.data_path).iterdir()}
    monkeypatch.setattr(video_builder.VideoBuilder, 'encode_video', None)
    again = conversion.convert(make(folder, tmp_path))
    assert again.reused
    assert (again.examples, again.found) == (first.examples, first.found)
    assert (again.frames, again.frames_decoded) == (first.frames, 0)
    assert again.skipped == first.skipped
    after = {path: path.stat().st_mtime_ns for path in pathlib.Path(first.data_path).iterdir()}
    assert after == before


def test_other_videos_or_settings_are_not_passed_over(folder, tmp_path, write_video_file, numbered):
    first = conversion.convert(make(folder, tmp_path, frame_size=(16, 16)))
    with pytest.raises(conversion.ConversionError, match='other settings.*--overwrite'):
        conversion.convert(make(folder, tmp_path, frame_size=(8, 8)))
    write_video_file(folder / 'train' / 'walk' / '1.avi', numbered(3, 32, 32), 25)
    with pytest.raises(conversion.ConversionError, match='other videos.*--overwrite'):
        conversion.convert(make(folder, tmp_path, frame_size=(16, 16)))
    assert len(records(first.data_path)) == 20
    conversion.convert(make(folder, tmp_path, frame_size=(16, 16)), overwrite=True)
    assert len(records(first.data_path)) == 21
    opened = catalog.open_dataset('video_folder', 'mine', tmp_path)
    assert opened.info.features['label'].names == ['jump', 'run', 'walk']
    assert [path.name for path in pathlib.Path(first.data_path).parent.glob('[!.]*')] == ['1.0.0']


class Stop(Exception):
    """Stands for a kill."""


class Counted:
    """Counts decoded videos, and stops at one of them."""

    def __init__(self, monkeypatch, stop_at=None):
        self.ids = []
        original = video_builder.VideoBuilder.encode_video

        def encode_video(builder, item):
            if len(self.ids) == stop_at:
                raise Stop
            self.ids.append(item.id)
            return original(builder, item)

        monkeypatch.setattr(video_builder.VideoBuilder, 'encode_video', encode_video)


def interrupt(folder, data_dir, monkeypatch, videos, **arguments):
    with monkeypatch.context() as patch:
        counted = Counted(patch, stop_at=videos)
        with pytest.raises(Stop):
            conversion.convert(make(folder, data_dir), workers=1, **arguments)
    return counted.ids


def test_resuming_decodes_only_what_is_left(folder, tmp_path, monkeypatch):
    undisturbed = conversion.convert(make(folder, tmp_path / 'one'))
    first = interrupt(folder, tmp_path / 'two', monkeypatch, 9)
    counted, lines = Counted(monkeypatch), []
    resumed = conversion.convert(make(folder, tmp_path / 'two'), report=lines.append)
    assert files(resumed.data_path) == files(undisturbed.data_path)
    assert not set(first) & set(counted.ids)
    assert len(first) + len(counted.ids) == 22
    assert any('resuming, 9 of 22 videos are done' in line for line in lines)


@pytest.mark.parametrize('cut', [1, 10, 3000])
def test_a_torn_record_is_decoded_again(folder, tmp_path, monkeypatch, cut):
    undisturbed = conversion.convert(make(folder, tmp_path / 'one'))
    first = interrupt(folder, tmp_path / 'two', monkeypatch, 13)
    (partial,) = (tmp_path / 'two').rglob('*.partial')
    content = partial.read_bytes()
    partial.write_bytes(content[:-cut])
    torn = first[-1]
    counted = Counted(monkeypatch)
    resumed = conversion.convert(make(folder, tmp_path / 'two'))
    assert files(resumed.data_path) == files(undisturbed.data_path)
    assert set(first) & set(counted.ids) == {torn}


def test_a_torn_line_of_skipped_csv_is_written_again(folder, tmp_path, monkeypatch):
    undisturbed = conversion.convert(make(folder, tmp_path / 'one'))
    interrupt(folder, tmp_path / 'two', monkeypatch, 16)
    (log,) = (tmp_path / 'two').rglob('skipped.csv')
    text = log.read_text()
    assert text.count('\n') == 3
    log.write_text(text[:-5])
    log = log.with_name('videos.csv')
    log.write_text(log.read_text()[:-2])
    resumed = conversion.convert(make(folder, tmp_path / 'two'))
    assert files(resumed.data_path) == files(undisturbed.data_path)


def test_a_shortened_shard_is_finished_again(folder, tmp_path, monkeypatch):
    """After a power cut, say."""
    undisturbed = conversion.convert(make(folder, tmp_path / 'one'))
    interrupt(folder, tmp_path / 'two', monkeypatch, 16)
    shard = next(path for path in (tmp_path / 'two').rglob('*00000-of-00002'))
    shard.write_bytes(shard.read_bytes()[:-1000])
    resumed = conversion.convert(make(folder, tmp_path / 'two'))
    assert files(resumed.data_path) == files(undisturbed.data_path)


def test_changed_videos_start_anew(folder, tmp_path, monkeypatch, write_video_file, numbered):
    interrupt(folder, tmp_path / 'two', monkeypatch, 9)
    write_video_file(folder / 'train' / 'run' / '0.avi', numbered(11, 32, 32), 25)
    counted, lines = Counted(monkeypatch), []
    resumed = conversion.convert(make(folder, tmp_path / 'two'), report=lines.append)
    assert len(counted.ids) == 22
    assert any('starting anew' in line for line in lines)
    undisturbed = conversion.convert(make(folder, tmp_path / 'one'))
    assert files(resumed.data_path) == files(undisturbed.data_path)


def test_too_many_skipped_videos_fail_and_can_be_let_pass(folder, tmp_path, monkeypatch):
    with pytest.raises(conversion.ConversionError) as error:
        conversion.convert(make(folder, tmp_path), max_skipped_fraction=0.09)
    message = str(error.value)
    assert '2 of 22 videos could not be used' in message
    assert 'share of 0.09' in message
    assert '--max_skipped_fraction' in message
    assert '\n' not in message
    log = pathlib.Path(message.split('the list is in ')[1].split(';')[0])
    assert log.read_text().count('\n') == 3
    with pytest.raises(video_builder.DatasetError, match='convert it first'):
        catalog.open_dataset('video_folder', 'mine', tmp_path)
    monkeypatch.setattr(video_builder.VideoBuilder, 'encode_video', None)
    result = conversion.convert(make(folder, tmp_path), max_skipped_fraction=0.1)
    assert result.examples == {'train': 16, 'validation': 4}
    assert len(result.skipped) == 2


def test_a_split_without_usable_videos_fails(folder, tmp_path):
    for path in (folder / 'validation').rglob('*.avi'):
        path.write_text('spoilt')
    with pytest.raises(
        conversion.ConversionError, match="none of the videos of split 'validation'"
    ):
        conversion.convert(make(folder, tmp_path))


def test_a_video_too_long_for_a_record_is_skipped(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(video_builder, 'MOST_BYTES', 4000)
    result = conversion.convert(make(folder, tmp_path, frame_size=(32, 32)))
    sizes = {row.id: row.reason for row in result.skipped if row.reason.startswith('too long')}
    assert sizes
    assert all('frames fill a record; cut it into pieces' in reason for reason in sizes.values())
    for example in records(result.data_path).values():
        assert sum(map(len, example.features.feature['video'].bytes_list.value)) <= 4000


def test_other_errors_are_not_taken_for_bad_videos(folder, tmp_path, monkeypatch):
    def full(frame, quality):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(video, 'encode_jpeg', full)
    with pytest.raises(OSError, match='No space left'):
        conversion.convert(make(folder, tmp_path))
    monkeypatch.undo()
    assert conversion.convert(make(folder, tmp_path)).examples == {'train': 16, 'validation': 4}


def test_a_shard_of_broken_videos_is_empty_and_harmless(tmp_path, write_video_file, numbered):
    root = tmp_path / 'videos'
    for index in range(64):
        write_video_file(root / 'train/run' / f'{index}.avi', numbered(2, 32, 32), 25)
    write_video_file(root / 'validation/run' / '0.avi', numbered(2, 32, 32), 25)
    splits = make(root, tmp_path).split_videos(str(root))
    in_order = conversion._list(make(root, tmp_path), str(root))['train']
    assert sorted(in_order, key=lambda item: item.id) == splits['train']
    for item in in_order[8:16]:  # the second of eight shards
        pathlib.Path(item.path).write_text('spoilt')
    result = conversion.convert(make(root, tmp_path))
    builder = catalog.open_dataset('video_folder', 'mine', tmp_path)
    assert builder.info.splits['train'].shard_lengths == [8, 0, 8, 8, 8, 8, 8, 8]
    assert len(list(builder.as_dataset(split='train'))) == 56
    assert result.examples['train'] == 56


def test_boundaries_of_shards():
    assert shards.boundaries(1, 64, 8) == [0, 1]
    assert shards.boundaries(20, 64, 8) == [0, 10, 20]
    assert shards.boundaries(64, 64, 8) == [0, 8, 16, 24, 32, 40, 48, 56, 64]
    assert len(shards.boundaries(1600, 64, 8)) == 26
    uneven = shards.boundaries(1000, 64, 8)
    assert uneven[0] == 0
    assert uneven[-1] == 1000
    assert {b - a for a, b in zip(uneven, uneven[1:], strict=False)} == {62, 63}


def test_a_shortened_shard_is_found_out(tmp_path):
    path = tmp_path / 'x.tfrecord'
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b'12345')
        writer.write(b'')
    assert shards.count_records(path) == (2, 5)
    for cut in (1, 16, 20):
        short = tmp_path / 'short.tfrecord'
        short.write_bytes(path.read_bytes()[:-cut])
        if cut == 16:  # exactly the last record
            assert shards.count_records(short) == (1, 5)
        else:
            with pytest.raises(video_builder.DatasetError, match='short.tfrecord: found'):
                shards.count_records(short)


def test_strange_file_names_survive(tmp_path, write_video_file, numbered):
    root = tmp_path / 'videos'
    names = ['a,"b".avi', 'line\nbreak.avi', '100%d é.avi', 'http:x.avi']
    for name in names:
        write_video_file(tmp_path / 'plain.avi', numbered(3, 16, 16), 25)
        for split in ('train', 'validation'):
            (root / split / '!()#[] class').mkdir(parents=True, exist_ok=True)
            (root / split / '!()#[] class' / name).write_bytes(
                (tmp_path / 'plain.avi').read_bytes() if split == 'train' else b'broken'
            )
    (root / 'validation' / '!()#[] class' / 'good.avi').write_bytes(
        (tmp_path / 'plain.avi').read_bytes()
    )
    (root / 'train' / '!()#[] class' / os.fsdecode(b'\xff.avi')).write_bytes(b'broken')
    result = conversion.convert(make(root, tmp_path))
    assert result.examples == {'train': 4, 'validation': 1}
    reasons = {pathlib.Path(row.id).name: row.reason for row in result.skipped}
    assert reasons == dict.fromkeys(names, 'not a video: OpenCV cannot open it') | {
        '\\xff.avi': 'its name or folder is not valid UTF-8; rename it'  # would crash OpenCV
    }
    again = conversion.convert(make(root, tmp_path))
    assert again.skipped == result.skipped


DRIVER = """
import json, os, pathlib, random, signal, sys, time
import tensorflow as tf
from data import catalog, conversion, video_builder

folder, data_dir = sys.argv[1:]
log = pathlib.Path(data_dir) / "decoded"
log.parent.mkdir(parents=True, exist_ok=True)
original = video_builder.VideoBuilder.encode_video


def encode_video(builder, item):
    with open(log, "a") as file:
        file.write(item.id + chr(10))
    time.sleep(0.01)
    return original(builder, item)


video_builder.VideoBuilder.encode_video = encode_video


def convert():
    builder = catalog.make_builder("video_folder", "mine", data_dir, folder)
    conversion.convert(builder, workers=3)


def start():
    child = os.fork()
    if not child:
        try:
            convert()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    return child


def finished():
    ids = []
    for path in pathlib.Path(data_dir).rglob("*.tfrecord-*"):
        content, position = path.read_bytes(), 0
        while position + 12 <= len(content):
            length = int.from_bytes(content[position : position + 8], "little")
            if position + length + 16 > len(content):
                break
            example = tf.train.Example.FromString(content[position + 12 : position + 12 + length])
            ids.append(example.features.feature["id"].bytes_list.value[0].decode())
            position += length + 16
    return ids


def decoded():
    return log.read_text().split(chr(10))[:-1] if log.exists() else []


again, kills, finished_before = [], 0, []
moments = random.Random(0)
while True:
    before = len(decoded())
    child = start()
    videos, pause = moments.randint(0, 6), moments.uniform(0, 0.03)
    ended = (0, 0)
    while len(decoded()) - before < videos and ended == (0, 0):
        time.sleep(0.002)
        ended = os.waitpid(child, os.WNOHANG)
    if ended == (0, 0):
        time.sleep(pause)
        os.kill(child, signal.SIGKILL)
        ended = os.waitpid(child, 0)
    again += sorted(set(finished_before) & set(decoded()[before:]))
    if os.waitstatus_to_exitcode(ended[1]) != -signal.SIGKILL:
        assert ended[1] == 0
        break
    kills += 1
    finished_before = finished()

data_dir = data_dir + '-twice'
log.unlink()
children = [start(), start()]
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
print(json.dumps({'kills': kills, 'again': again, 'decoded': decoded()}))
"""


def test_kills_and_two_processes_at_once(folder, tmp_path):
    """In a process of its own, which forks: one start of TensorFlow serves all the attempts."""
    undisturbed = conversion.convert(make(folder, tmp_path / 'undisturbed'))
    finished = subprocess.run(
        [sys.executable, '-c', DRIVER, str(folder), str(tmp_path / 'killed')],
        env=os.environ | {'PYTHONPATH': str(REPOSITORY), 'CUDA_VISIBLE_DEVICES': '-1'},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    outcome = json.loads(finished.stdout.splitlines()[-1])
    assert outcome['kills'] >= 4
    assert outcome['again'] == []  # no finished video was decoded a second time
    expected = files(undisturbed.data_path)
    assert files(tmp_path / 'killed/video_folder/mine/1.0.0') == expected
    # Two processes at once convert once.
    assert len(outcome['decoded']) == len(set(outcome['decoded'])) == 22
    assert files(tmp_path / 'killed-twice/video_folder/mine/1.0.0') == expected
