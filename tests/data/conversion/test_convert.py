"""Conversion: what is stored, skipped and reused."""

import hashlib
import os
import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from data import catalog, encoding
from data.conversion import staging
from data.conversion.plan import ConversionError, list_videos
from data.errors import DatasetError
from data.records import outcomes
from s3dg.video import reading, writing
from tests import video_files
from tests.data import jobs, small_conversion
from tests.data.small_conversion import convert, files, make, records


@pytest.fixture
def folder(tmp_path, write_video_file, numbered):
    return small_conversion.write_videos(tmp_path / 'videos', write_video_file, numbered)


def test_what_is_stored_and_what_is_skipped(folder, tmp_path):
    lines = []
    result = convert(folder, tmp_path / 'data', report=lines.append)
    assert result.examples == {'train': 16, 'validation': 4}
    assert result.found == 22
    assert result.frames == result.frames_decoded == 2 * sum(range(4, 12)) + 2 * (4 + 5)
    assert not result.reused
    assert {(row.id, row.path, row.reason) for row in result.skipped} == {
        (video_id, str(folder / video_id), reason)
        for video_id, reason in small_conversion.BROKEN.items()
    }
    assert (tmp_path / 'data/video_folder/mine/1.0.0') == pathlib.Path(result.data_path)
    stored = records(result.data_path)
    assert len(stored) == 20
    for video_id, example in stored.items():
        split, name, file = video_id.split('/')
        feature = example.features.feature
        assert feature['label'].int64_list.value[:] == [['jump', 'run'].index(name)]
        frames = list(reading.read_frames(folder / video_id, 25, (256, 256)))
        assert len(frames) == 4 + int(file.split('.')[0])
        for frame, jpeg in zip(frames, feature['video'].bytes_list.value, strict=True):
            expected = cv2.imencode('.jpg', frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            assert jpeg == expected.tobytes()
    lengths = (pathlib.Path(result.data_path) / 'videos.csv').read_text().splitlines()
    assert sorted(lengths) == sorted(
        [
            'id,frames,faults',
            *(f'{video_id},{4 + int(pathlib.Path(video_id).stem)},' for video_id in stored),
        ]
    )
    table = (pathlib.Path(result.data_path) / 'skipped.csv').read_text().splitlines()
    assert table[0] == 'id,path,reason'
    assert len(table) == 3
    ignored = next(place for place, line in enumerate(lines) if 'ignored 1 files' in line)
    assert lines[ignored + 1] == '  1 with .txt, for example train/jump/notes.txt'
    assert any(line.endswith('2 skipped') and '22/22' in line for line in lines)


def test_damaged_videos_are_converted_as_far_as_they_go(folder, tmp_path):
    path = folder / 'train' / 'jump' / 'damaged.mp4'
    frames = video_files.stepped_frames(40, 32, 32)
    video_files.write_with_ffmpeg(path, frames, 25, options={'g': '4', 'bf': '0'})
    video_files.damage_packet(path, 19)
    result = convert(folder, tmp_path / 'data')
    assert result.faults == {'train/jump/damaged.mp4': '1 of 40 packets damaged'}
    table = (pathlib.Path(result.data_path) / 'videos.csv').read_text().splitlines()
    assert 'train/jump/damaged.mp4,40,1 of 40 packets damaged' in table
    again = convert(folder, tmp_path / 'data')
    assert again.reused
    assert again.faults == result.faults
    stored = records(result.data_path)['train/jump/damaged.mp4'].features.feature['video']
    decoded = [
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        for jpeg in stored.bytes_list.value
    ]
    shown = video_files.steps_of(decoded)
    assert shown == [18 if step == 19 else step for step in range(40)]


def test_outcomes_of_earlier_versions_are_read(tmp_path):
    (tmp_path / 'videos.csv').write_text('id,frames\na,3\n"b,c",4\n')
    known = outcomes.Outcomes(tmp_path)
    assert known.frames == {'a': 3, 'b,c': 4}
    known.replace(known.frames, {})
    assert (tmp_path / 'videos.csv').read_text() == 'id,frames,faults\na,3,\n"b,c",4,\n'


def test_processes_store_the_same_bytes(folder, tmp_path):
    one = convert(folder, tmp_path / 'one')
    two = convert(folder, tmp_path / 'two', processes=2)
    assert files(two.data_path) == files(one.data_path)
    assert jobs.children() == []


def test_tfds_reads_it_back(folder, tmp_path):
    fields = {'frame_size': None, 'short_side': 20, 'jpeg_quality': 90}
    convert(folder, tmp_path, fields=fields)
    builder = catalog.open_dataset('video_folder', 'mine', tmp_path)
    assert dict(builder.info.metadata) == {
        'frames_per_second': 25.0,
        'frame_size': None,
        'short_side': 20,
        'jpeg_quality': 90,
        'modality': 'rgb',
        'flow_algorithm': None,
        'flip_left_right': True,
        'label_digests': {'label': hashlib.sha256(b'["jump", "run"]').hexdigest()},
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


@pytest.mark.parametrize('algorithm', ['tvl1', 'dis'])
def test_flow_datasets(folder, tmp_path, algorithm):
    fields = {'modality': 'flow', 'flow_algorithm': algorithm, 'frame_size': (16, 24)}
    result = convert(folder, tmp_path, fields=fields)
    assert result.frames == 2 * sum(range(3, 11)) + 2 * (3 + 4)
    builder = catalog.open_dataset('video_folder', 'mine', tmp_path)
    metadata = dict(builder.info.metadata)
    assert (metadata['modality'], metadata['flow_algorithm']) == ('flow', algorithm)
    example = next(iter(tfds.as_numpy(builder.as_dataset(split='validation'))))
    index = int(example['id'].decode().split('/')[2][0])
    # A gray picture of both components for every pair of frames; nothing moves in these videos.
    assert example['video'].shape == (3 + index, 16, 48, 1)
    assert np.abs(example['video'].astype(int) - 128).max() <= 1


def test_tfds_can_prepare_it_as_well(folder, tmp_path):
    """Without our conversion, as on Beam: the same examples."""
    ours = convert(folder, tmp_path / 'ours')
    builder = make(folder, tmp_path / 'theirs')
    builder.MAX_SKIPPED_FRACTION = 0.2
    builder.download_and_prepare()
    assert records(builder.data_dir) == records(ours.data_path)
    assert 'text.mp4' in (pathlib.Path(builder.data_dir) / 'skipped.csv').read_text()
    with pytest.raises(ConversionError, match='not made by this conversion'):
        convert(folder, tmp_path / 'theirs')


def test_a_second_conversion_does_nothing(folder, tmp_path, monkeypatch):
    first = convert(folder, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in pathlib.Path(first.data_path).iterdir()}
    monkeypatch.setattr(encoding, 'encode_video', None)
    again = convert(folder, tmp_path)
    assert again.reused
    assert (again.examples, again.found) == (first.examples, first.found)
    assert (again.frames, again.frames_decoded) == (first.frames, 0)
    assert again.skipped == first.skipped
    after = {path: path.stat().st_mtime_ns for path in pathlib.Path(first.data_path).iterdir()}
    assert after == before


def test_other_videos_or_settings_are_not_passed_over(folder, tmp_path, write_video_file, numbered):
    first = convert(folder, tmp_path, fields={'frame_size': (16, 16)})
    with pytest.raises(ConversionError, match='other settings.*--overwrite'):
        convert(folder, tmp_path, fields={'frame_size': (8, 8)})
    write_video_file(folder / 'train' / 'walk' / '1.avi', numbered(3, 32, 32), 25)
    with pytest.raises(ConversionError, match='other videos.*--overwrite'):
        convert(folder, tmp_path, fields={'frame_size': (16, 16)})
    assert len(records(first.data_path)) == 20
    convert(folder, tmp_path, fields={'frame_size': (16, 16)}, overwrite=True)
    assert len(records(first.data_path)) == 21
    opened = catalog.open_dataset('video_folder', 'mine', tmp_path)
    assert opened.info.features['label'].names == ['jump', 'run', 'walk']
    assert [path.name for path in pathlib.Path(first.data_path).parent.glob('[!.]*')] == ['1.0.0']


def test_too_many_skipped_videos_fail_and_can_be_let_pass(folder, tmp_path, monkeypatch):
    with pytest.raises(ConversionError) as error:
        convert(folder, tmp_path, max_skipped_fraction=0.09)
    message = str(error.value)
    assert '2 of 22 videos could not be used' in message
    assert 'share of 0.09' in message
    assert '--max_skipped_fraction' in message
    assert '\n' not in message
    log = pathlib.Path(message.split('the list is in ')[1].split(';')[0])
    assert log.read_text().count('\n') == 3
    with pytest.raises(DatasetError, match='convert it first'):
        catalog.open_dataset('video_folder', 'mine', tmp_path)
    monkeypatch.setattr(encoding, 'encode_video', None)
    result = convert(folder, tmp_path, max_skipped_fraction=0.1)
    assert result.examples == {'train': 16, 'validation': 4}
    assert len(result.skipped) == 2


def test_a_split_without_usable_videos_fails(folder, tmp_path):
    for path in (folder / 'validation').rglob('*.avi'):
        path.write_text('spoilt')
    with pytest.raises(ConversionError, match="none of the videos of split 'validation'"):
        convert(folder, tmp_path)


def test_a_video_too_long_for_a_record_is_skipped(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, 'MOST_BYTES', 4000)
    result = convert(folder, tmp_path, fields={'frame_size': (32, 32)})
    sizes = {row.id: row.reason for row in result.skipped if row.reason.startswith('too long')}
    assert sizes
    assert all('frames fill a record; cut it into pieces' in reason for reason in sizes.values())
    for example in records(result.data_path).values():
        assert sum(map(len, example.features.feature['video'].bytes_list.value)) <= 4000


def test_a_video_that_kills_its_process_is_skipped(folder, tmp_path, monkeypatch):
    (folder / 'train/jump/3.avi').rename(folder / 'train/jump/deadly.avi')
    monkeypatch.setattr(encoding, 'try_video', jobs.encode_or_die)
    result = convert(folder, tmp_path, processes=2)
    assert result.examples == {'train': 15, 'validation': 4}
    reasons = {row.id: row.reason for row in result.skipped}
    assert reasons == small_conversion.BROKEN | {
        'train/jump/deadly.avi': (
            'decoding it kills the process, or takes more memory than there is'
        )
    }
    assert len(records(result.data_path)) == 19


def test_other_errors_are_not_taken_for_bad_videos(folder, tmp_path, monkeypatch):
    def full(frame, quality, bgr):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(writing, 'encode_jpeg', full)
    with pytest.raises(OSError, match='No space left'):
        convert(folder, tmp_path)
    monkeypatch.undo()
    assert convert(folder, tmp_path).examples == {'train': 16, 'validation': 4}


def test_an_error_while_storing_stops_the_processes(folder, tmp_path, monkeypatch):
    def full(writer, record):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(staging.ShardWriter, 'write', full)
    monkeypatch.setattr(encoding, 'try_video', jobs.encode_once)
    with pytest.raises(OSError, match='No space left') as error:
        convert(folder, tmp_path, processes=2)
    assert jobs.children() == []  # else the program would wait for the videos that were begun
    del error  # till now it kept what was on the stack, as one does that ends a program


def test_a_shard_of_broken_videos_is_empty_and_harmless(tmp_path, write_video_file, numbered):
    root = tmp_path / 'videos'
    for index in range(64):
        write_video_file(root / 'train/run' / f'{index}.avi', numbered(2, 32, 32), 25)
    write_video_file(root / 'validation/run' / '0.avi', numbered(2, 32, 32), 25)
    splits = make(root, tmp_path).split_videos()
    in_order = list_videos(make(root, tmp_path))['train']
    assert sorted(in_order, key=lambda item: item.id) == splits['train']
    for item in in_order[8:16]:  # the second of eight shards
        pathlib.Path(item.path).write_text('spoilt')
    result = convert(root, tmp_path)
    builder = catalog.open_dataset('video_folder', 'mine', tmp_path)
    assert builder.info.splits['train'].shard_lengths == [8, 0, 8, 8, 8, 8, 8, 8]
    assert len(list(builder.as_dataset(split='train'))) == 56
    assert result.examples['train'] == 56


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
    result = convert(root, tmp_path, processes=2)  # names go to the processes and back
    assert result.examples == {'train': 4, 'validation': 1}
    reasons = {pathlib.Path(row.id).name: row.reason for row in result.skipped}
    assert reasons == dict.fromkeys(names, 'not a video: FFmpeg cannot open it') | {
        '\\xff.avi': 'its name or folder is not valid UTF-8; rename it'  # would crash OpenCV
    }
    again = convert(root, tmp_path)
    assert again.skipped == result.skipped
