"""Conversion on Apache Beam: the same as the plain conversion, and the same errors."""

import os
import pathlib
import sys

import cv2
import numpy as np
import pytest
import scipy.io
import tensorflow as tf

pytest.importorskip('apache_beam')

from apache_beam.internal import pickler
from apache_beam.runners.portability import flink_runner

from data import catalog, encoding
from data.conversion import beam
from data.conversion.convert import ConversionError, convert_dataset
from data.datasets.jhmdb import jhmdb_dataset_builder
from data.errors import DatasetError
from tests.data import jobs

REPOSITORY = pathlib.Path(__file__).parents[3]


def records(data_path):
    """{id: bytes} of all shards, each id once."""
    found = {}
    for path in pathlib.Path(data_path).glob('*.tfrecord-*'):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            video_id = features['id'].bytes_list.value[0].decode()
            assert video_id not in found
            found[video_id] = record
    return found


def files(data_path):
    return {path.name: path.read_bytes() for path in pathlib.Path(data_path).iterdir()}


def names(folder):
    return sorted(path.name for path in pathlib.Path(folder).glob('[!.]*'))


def assert_same(ours, plain, data_dir, name, config):
    assert records(ours.data_path) == records(plain.data_path)
    assert files(ours.data_path) == files(plain.data_path)
    assert (ours.examples, ours.found) == (plain.examples, plain.found)
    assert (ours.skipped, ours.frames) == (plain.skipped, plain.frames)
    assert ours.frames_decoded == ours.frames
    assert not ours.reused
    assert ours.data_path == str(data_dir / name / config / '1.0.0')
    assert names(data_dir / name / config) == ['1.0.0']  # nothing of the work is left behind
    info = catalog.open_dataset(name, config, data_dir).info
    assert {split: row.num_examples for split, row in info.splits.items()} == plain.examples
    assert sum(row.num_bytes for row in info.splits.values()) == sum(
        map(len, records(ours.data_path).values())
    )


def write_videos(root, write_video_file, numbered):
    """Eight good videos; in training also one that is broken, one that is cut, one that is gone."""
    for split, count in (('train', 3), ('validation', 1)):
        for name in ('jump', 'run'):
            for index in range(count):
                path = root / split / name / f'{index}.avi'
                write_video_file(path, numbered(4 + index, 32, 32), 25)
    (root / 'train' / 'run' / 'text.mp4').write_text('no video ' * 100)
    whole = (root / 'train' / 'run' / '0.avi').read_bytes()
    (root / 'train' / 'run' / 'cut.avi').write_bytes(whole[: len(whole) // 4])
    (root / 'train' / 'jump' / 'gone.mp4').symlink_to('nowhere.mp4')


@pytest.fixture
def folder(tmp_path, write_video_file, numbered):
    write_videos(tmp_path / 'videos', write_video_file, numbered)
    return tmp_path / 'videos'


def make(folder, data_dir, **fields):
    return catalog.make_builder(
        'video_folder', 'mine', data_dir, folder, **({'frame_size': (32, 32)} | fields)
    )


def on_beam(builder, options=(), **arguments):
    write = beam.writer('DirectRunner', options)
    return convert_dataset(builder, write=write, **arguments)


def test_the_same_as_the_plain_conversion(folder, tmp_path, write_video_file, numbered):
    plain = convert_dataset(make(folder, tmp_path / 'plain'), processes=0)
    lines = []
    ours = on_beam(make(folder, tmp_path / 'beam'), report=lines.append)
    assert_same(ours, plain, tmp_path / 'beam', 'video_folder', 'mine')
    assert ours.examples == {'train': 6, 'validation': 2}
    reasons = {row.id: row.reason for row in ours.skipped}
    assert reasons['train/run/text.mp4'] == 'not a video: FFmpeg cannot open it'
    assert reasons['train/jump/gone.mp4'] == 'file not found'
    assert reasons.keys() == {'train/run/text.mp4', 'train/run/cut.avi', 'train/jump/gone.mp4'}
    assert any('2 of 2 shards go to DirectRunner' in line for line in lines)
    # Each finds what the other made, and whether it is the same.
    assert convert_dataset(make(folder, tmp_path / 'beam')).reused
    assert on_beam(make(folder, tmp_path / 'plain')).reused
    for convert in (convert_dataset, on_beam):
        with pytest.raises(ConversionError, match='other settings.*--overwrite'):
            convert(make(folder, tmp_path / 'beam', jpeg_quality=90))
    write_video_file(folder / 'train' / 'run' / 'new.avi', numbered(3, 32, 32), 25)
    for convert in (convert_dataset, on_beam):
        with pytest.raises(ConversionError, match='other videos.*--overwrite'):
            convert(make(folder, tmp_path / 'beam'))


def test_flow_and_in_other_processes(folder, tmp_path, monkeypatch):
    """As on other machines: nothing but the code, and the folders, is shared with the workers."""
    fields = {'modality': 'flow', 'flow_algorithm': 'dis'}
    plain = convert_dataset(make(folder, tmp_path / 'plain', **fields), processes=0)
    monkeypatch.setenv('PYTHONPATH', str(REPOSITORY), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(encoding, 'encode_video', None)  # here
    ours = on_beam(
        make(folder, tmp_path / 'beam', **fields),
        ['--direct_num_workers=1', '--direct_running_mode=multi_processing'],
    )
    assert_same(ours, plain, tmp_path / 'beam', 'video_folder', 'mine')
    assert ours.frames == 2 * (3 + 4 + 5 + 3)


def write_jhmdb(root):
    """Training: a whole video, one with fewer masks than frames, one without frames. Test: a whole
    video and one with a broken mask."""
    videos = (
        ('one', 1, 4, 4),
        ('few', 1, 4, 3),
        ('gone', 1, 0, 4),
        ('other', 2, 5, 5),
        ('bad', 2, 4, 0),
    )
    for label in jhmdb_dataset_builder.Builder(data_dir=root).label_names():
        entries = videos if label == 'catch' else ()
        for number in (1, 2, 3):
            path = root / 'splits' / f'{label}_test_split{number}.txt'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(''.join(f'{name}.avi {split}\n' for name, split, _, _ in entries))
        for name, _, frames, masks in entries:
            write_jhmdb_video(root, f'{label}/{name}', frames, masks)


def write_jhmdb_video(root, name, frames, masks):
    for number in range(1, frames + 1):
        path = root / 'Rename_Images' / name / f'{number:05d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.full((24, 32, 3), 20 * number, np.uint8))
    mat = root / 'puppet_mask' / name / 'puppet_mask.mat'
    mat.parent.mkdir(parents=True)
    if not masks:
        mat.write_bytes(b'broken')
        return
    covered = np.zeros((24, 32, masks), np.uint8)
    for k in range(masks):
        covered[2 : 10 + k, 4 + k : 20] = 1
    scipy.io.savemat(mat, {'part_mask': covered})


def test_features_of_a_detection_set(tmp_path):
    write_jhmdb(tmp_path / 'manual')
    arguments, lines = {'max_skipped_fraction': 0.5}, []

    def builder(data_dir):
        return catalog.make_builder(
            'jhmdb', 'split1_rgb', data_dir, tmp_path / 'manual', frame_size=(16, 16)
        )

    with pytest.raises(ConversionError, match='1 of 5 videos are not there.*0.1 allowed'):
        on_beam(builder(tmp_path / 'beam'))
    plain = convert_dataset(builder(tmp_path / 'plain'), processes=0, **arguments)
    ours = on_beam(builder(tmp_path / 'beam'), report=lines.append, **arguments)
    assert_same(ours, plain, tmp_path / 'beam', 'jhmdb', 'split1_rgb')
    assert ours.examples == {'train': 2, 'test': 1}
    assert any('1 of 5 videos are not there' in line for line in lines)
    assert any("'train' lists 3 videos, the published one 660" in line for line in lines)
    reasons = {row.id: row.reason for row in ours.skipped}
    assert reasons.keys() == {'catch/bad', 'catch/gone'}
    assert reasons['catch/gone'] == 'file not found'
    assert 'puppet_mask.mat cannot be read' in reasons['catch/bad']
    stored = tf.train.Example.FromString(records(ours.data_path)['catch/few']).features.feature
    assert list(stored['boxes/frame'].int64_list.value) == [0, 1, 2]


def test_too_many_skipped_videos_fail_and_can_be_let_pass(folder, tmp_path, monkeypatch):
    before = convert_dataset(make(folder, tmp_path, jpeg_quality=50), processes=0)
    old = records(before.data_path)
    with pytest.raises(ConversionError) as error:
        on_beam(make(folder, tmp_path), overwrite=True, max_skipped_fraction=0.2)
    message = str(error.value)
    assert '3 of 11 videos could not be used, more than the share of 0.2' in message
    assert '--max_skipped_fraction' in message
    assert '\n' not in message
    log = pathlib.Path(message.split('the list is in ')[1].split(';')[0])
    assert log.read_text().count('\n') == 4
    assert records(before.data_path) == old
    monkeypatch.setattr(encoding, 'encode_video', None)
    ours = on_beam(make(folder, tmp_path), overwrite=True, max_skipped_fraction=0.3)
    assert ours.examples == {'train': 6, 'validation': 2}
    assert (ours.frames, ours.frames_decoded) == (2 * (4 + 5 + 6 + 4), 0)
    new = records(ours.data_path)
    assert new.keys() == old.keys()
    assert new != old
    assert names(tmp_path / 'video_folder' / 'mine') == ['1.0.0']
    monkeypatch.undo()
    assert convert_dataset(make(folder, tmp_path)).reused


def test_a_split_without_usable_videos_fails(folder, tmp_path):
    for path in (folder / 'validation').rglob('*.avi'):
        path.write_text('spoilt')
    with pytest.raises(
        ConversionError, match="none of the videos of split 'validation' could be used"
    ) as error:
        on_beam(make(folder, tmp_path))
    message = str(error.value)
    assert '\n' not in message
    log = pathlib.Path(message.split('the reasons are in ')[1])
    assert log.read_text().count('\n') == 6
    with pytest.raises(DatasetError, match='convert it first'):
        catalog.open_dataset('video_folder', 'mine', tmp_path)


def test_interrupted_work_is_finished_here_or_there(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        'data.conversion.plan.LEAST_SHARDS', 2
    )  # three of them: train 0 and 1, validation
    original = encoding.try_video
    (folder / 'validation/run/0.avi').rename(folder / 'validation/run/faulty.avi')
    undisturbed = convert_dataset(make(folder, tmp_path / 'plain'), processes=0)
    for name, finish in (('beam', on_beam), ('mixed', convert_dataset)):
        monkeypatch.setattr(encoding, 'try_video', jobs.encode_or_fail)
        with pytest.raises(Exception, match='a fault in the code'):
            on_beam(make(folder, tmp_path / name))
        monkeypatch.setattr(encoding, 'try_video', original)
        kept = list((tmp_path / name).rglob('*.tfrecord-?????-of-?????'))
        assert kept
        times = [path.stat().st_mtime_ns for path in kept]
        result = finish(make(folder, tmp_path / name))
        assert files(result.data_path) == files(undisturbed.data_path)
        kept = [pathlib.Path(result.data_path) / path.name for path in kept]
        assert [path.stat().st_mtime_ns for path in kept] == times
        assert 0 < result.frames_decoded < result.frames


def test_other_errors_are_not_taken_for_bad_videos(folder, tmp_path, monkeypatch):
    (folder / 'train/jump/0.avi').rename(folder / 'train/jump/full.avi')
    monkeypatch.setattr(encoding, 'try_video', jobs.encode_or_fail)
    with pytest.raises(Exception, match='No space left'):
        on_beam(make(folder, tmp_path))
    monkeypatch.undo()
    with pytest.raises(DatasetError, match='convert it first'):
        catalog.open_dataset('video_folder', 'mine', tmp_path)
    assert on_beam(make(folder, tmp_path)).examples == {'train': 6, 'validation': 2}


def test_videos_are_decoded_by_one_thread_each(folder, tmp_path, monkeypatch):
    assert cv2.getNumThreads() > 1, 'needs two cores'
    monkeypatch.setattr(encoding, 'try_video', jobs.encode_and_tell_threads)
    done = on_beam(make(folder, tmp_path))
    assert len(done.faults) == 8
    assert set(done.faults.values()) == {'1 threads'}


def test_what_is_sent_is_small(folder, tmp_path):
    builder = make(folder, tmp_path)
    assert len(builder.split_videos()['train']) == 9
    sent = pickler.dumps(builder)
    assert len(sent) < 2000
    received = pickler.loads(sent)
    assert received.builder_config == builder.builder_config
    assert received.storage() == builder.storage()


@pytest.mark.parametrize(
    ('runner', 'options', 'message'),
    [
        ('NoRunner', [], '--runner=NoRunner: .*NoRunner.*DirectRunner'),
        ('no.such.Runner', [], "--runner=no.such.Runner: No module named 'no'"),
        ('DirectRunner', ['--direct_num_workers=x'], "--beam_option: .*direct_num_workers.*'x'"),
        ('DirectRunner', ['--direct_num_worker=2'], "--beam_option: found '--direct_num_worker=2'"),
        ('DirectRunner', ['word'], "--beam_option: found 'word'"),
        ('FlinkRunner', ['--parallelism=2', 'word'], "--beam_option: found 'word'"),
        ('DirectRunner', ['--runner=FlinkRunner'], "--beam_option: found '--runner=FlinkRunner'"),
    ],
)
def test_unknown_runners_and_options(runner, options, message):
    with pytest.raises(DatasetError, match=message) as error:
        beam.writer(runner, options)
    assert '\n' not in str(error.value)


def test_options_of_a_job_server_are_handed_on():
    runner, options = beam._runner_and_options(
        'FlinkRunner', ['--flink_master=host:8081', '--parallelism=8']
    )
    assert isinstance(runner, flink_runner.FlinkRunner)
    given = options.get_all_options(drop_default=True, retain_unknown_options=True)
    assert given['flink_master'] == 'host:8081'
    assert str(given['parallelism']) == '8'


def test_without_apache_beam(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'apache_beam', None)
    with pytest.raises(DatasetError) as error:
        on_beam(make(folder, tmp_path / 'data'))
    assert str(error.value) == "--runner needs apache-beam: pip install '.[beam]'"
    assert not os.path.exists(tmp_path / 'data')
