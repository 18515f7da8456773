"""Interrupted conversions: what is kept of them, and that they leave no trace."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from data import encoding
from data.errors import DatasetError
from data.records import outcomes
from s3dg.files import folders
from tests.data import small_conversion
from tests.data.small_conversion import convert, files

REPOSITORY = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_video_file, numbered):
    return small_conversion.write_videos(
        tmp_path_factory.mktemp('small') / 'videos', write_video_file, numbered
    )


@pytest.fixture(scope='module')
def undisturbed(folder, tmp_path_factory):
    """The files of a conversion that was not interrupted."""
    return files(convert(folder, tmp_path_factory.mktemp('undisturbed')).data_path)


class Stop(Exception):
    """Stands for a kill."""


class Counted:
    """Counts decoded videos, and stops at one of them."""

    def __init__(self, monkeypatch, stop_at=None):
        self.ids = []
        original = encoding.encode_video

        def encode_video(path, storage):
            if len(self.ids) == stop_at:
                raise Stop
            self.ids.append(pathlib.Path(path).parts[-3:])
            return original(path, storage)

        monkeypatch.setattr(encoding, 'encode_video', encode_video)


def interrupt(folder, data_dir, monkeypatch, videos):
    """Begins a conversion that ends after so many videos. Returns which."""
    with monkeypatch.context() as patch:
        counted = Counted(patch, stop_at=videos)
        with pytest.raises(Stop):
            convert(folder, data_dir)
    return counted.ids


def test_resuming_decodes_only_what_is_left(folder, undisturbed, tmp_path, monkeypatch):
    first = interrupt(folder, tmp_path, monkeypatch, 9)
    counted, lines = Counted(monkeypatch), []
    resumed = convert(folder, tmp_path, report=lines.append)
    assert files(resumed.data_path) == undisturbed
    assert not set(first) & set(counted.ids)
    assert len(first) + len(counted.ids) == 22
    assert any('resuming, 9 of 22 videos are done' in line for line in lines)


def test_interrupted_after_every_single_video(folder, undisturbed, tmp_path, monkeypatch):
    decoded = []
    for _ in range(21):
        decoded += interrupt(folder, tmp_path, monkeypatch, 1)
    counted = Counted(monkeypatch)
    assert files(convert(folder, tmp_path).data_path) == undisturbed
    decoded += counted.ids
    assert len(decoded) == len(set(decoded)) == 22


@pytest.mark.parametrize('cut', [1, 10, 3000])
def test_a_torn_record_is_decoded_again(folder, undisturbed, tmp_path, monkeypatch, cut):
    first = interrupt(folder, tmp_path, monkeypatch, 13)
    (partial,) = tmp_path.rglob('*.partial')
    partial.write_bytes(partial.read_bytes()[:-cut])
    counted = Counted(monkeypatch)
    assert files(convert(folder, tmp_path).data_path) == undisturbed
    assert set(first) & set(counted.ids) == {first[-1]}


def test_a_torn_line_of_skipped_csv_is_written_again(folder, undisturbed, tmp_path, monkeypatch):
    interrupt(folder, tmp_path, monkeypatch, 16)
    (log,) = tmp_path.rglob('skipped.csv')
    text = log.read_text()
    assert text.count('\n') == 3
    log.write_text(text[:-5])
    log = log.with_name('videos.csv')
    log.write_text(log.read_text()[:-2])
    assert files(convert(folder, tmp_path).data_path) == undisturbed


def test_a_shortened_shard_is_finished_again(folder, undisturbed, tmp_path, monkeypatch):
    """After a power cut, say."""
    interrupt(folder, tmp_path, monkeypatch, 16)
    shard = next(path for path in tmp_path.rglob('*00000-of-00002'))
    shard.write_bytes(shard.read_bytes()[:-1000])
    assert files(convert(folder, tmp_path).data_path) == undisturbed


@pytest.mark.parametrize('content', [None, '', '{"settings": '])
def test_a_folder_without_its_plan_is_begun_anew(
    folder, undisturbed, tmp_path, monkeypatch, content
):
    interrupt(folder, tmp_path, monkeypatch, 3)
    (plan,) = tmp_path.rglob('plan.json')
    plan.unlink()
    if content is not None:
        plan.write_text(content)
    lines = []
    assert files(convert(folder, tmp_path, report=lines.append).data_path) == undisturbed
    assert any('starting anew' in line for line in lines)


def test_changed_videos_start_anew_if_asked_to(
    folder, tmp_path, monkeypatch, write_video_file, numbered
):
    changing = shutil.copytree(folder, tmp_path / 'videos')
    interrupt(changing, tmp_path / 'two', monkeypatch, 9)
    message = 'found . videos converted from other videos.*--overwrite to begin anew'
    with pytest.raises(DatasetError, match=message):  # a slip costs nothing
        convert(changing, tmp_path / 'two', fields={'frame_size': (8, 8)})
    write_video_file(changing / 'train' / 'run' / '0.avi', numbered(11, 32, 32), 25)
    with pytest.raises(DatasetError, match='--overwrite to begin anew'):
        convert(changing, tmp_path / 'two')
    counted, lines = Counted(monkeypatch), []
    resumed = convert(changing, tmp_path / 'two', report=lines.append, overwrite=True)
    assert len(counted.ids) == 22
    assert files(resumed.data_path) == files(convert(changing, tmp_path / 'one').data_path)


def test_a_replacement_grows_beside_the_old_dataset(folder, undisturbed, tmp_path, monkeypatch):
    first = convert(folder, tmp_path, fields={'frame_size': (8, 8)})
    before = files(first.data_path)
    with monkeypatch.context() as patch:
        Counted(patch, stop_at=9)
        with pytest.raises(Stop):
            convert(folder, tmp_path, overwrite=True)
    assert files(first.data_path) == before
    counted = Counted(monkeypatch)
    convert(folder, tmp_path, overwrite=True)
    assert files(first.data_path) == undisturbed
    assert len(counted.ids) == 22 - 9


def test_overwriting_an_unfinished_conversion_begins_anew(folder, tmp_path, monkeypatch):
    """What was skipped for a reason that has passed is tried again."""
    interrupt(folder, tmp_path, monkeypatch, 9)
    counted = Counted(monkeypatch)
    convert(folder, tmp_path, overwrite=True)
    assert len(counted.ids) == 22


def test_a_folder_of_others_in_the_staging_folder_is_no_obstacle(folder, tmp_path, monkeypatch):
    interrupt(folder, tmp_path, monkeypatch, 9)
    (staged,) = tmp_path.rglob('.s3dg-*/new')
    (staged / '@eaDir').mkdir()
    (staged / '@eaDir' / 'thumbnail').touch()
    result = convert(folder, tmp_path)
    assert not (pathlib.Path(result.data_path) / '@eaDir').exists()


def test_a_line_torn_within_a_character_is_harmless(tmp_path):
    known = outcomes.Outcomes(tmp_path)
    known.add_stored('bé/one', 3)
    known.add_stored('bé/two', 4)
    path = tmp_path / outcomes.STORED_FILE
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex('é'.encode()) + 1])
    assert outcomes.Outcomes(tmp_path).frames == {'bé/one': 3}


@pytest.fixture
def many_videos(tmp_path, write_video_file, numbered):
    """Forty videos, two of them broken."""
    root = tmp_path / 'videos'
    for split, count in (('train', 16), ('validation', 4)):
        for name in ('jump', 'run'):
            for index in range(count):
                path = root / split / name / f'{index}.avi'
                write_video_file(path, numbered(3 + index % 5, 32, 32), 25)
    (root / 'train' / 'jump' / '0.avi').write_text('no video ' * 100)
    (root / 'validation' / 'run' / '1.avi').write_bytes(b'')
    return root


def test_kills_and_two_processes_at_once(many_videos, tmp_path):
    """In a process of its own, which forks: one start of TensorFlow serves all the attempts."""
    undisturbed = convert(many_videos, tmp_path / 'undisturbed')
    done = subprocess.run(
        [
            sys.executable,
            str(pathlib.Path(__file__).with_name('killed_conversion.py')),
            str(many_videos),
            str(tmp_path / 'killed'),
        ],
        env=os.environ | {'PYTHONPATH': str(REPOSITORY), 'CUDA_VISIBLE_DEVICES': '-1'},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome['kills'] == 10
    assert outcome['stored_at_kills'][-1] < 40  # the last kill interrupted it as well
    assert len(set(outcome['stored_at_kills'])) > 3
    assert outcome['again'] == []  # no stored video was decoded a second time
    assert outcome['seconds_of_orphans'] < 2
    expected = files(undisturbed.data_path)
    place = tmp_path / 'killed/video_folder/mine'
    assert files(place / '1.0.0') == expected
    assert {path.name for path in place.iterdir()} == {'1.0.0', '.1.0.0.lock'}
    # Two processes at once convert once.
    assert len(outcome['decoded']) == len(set(outcome['decoded'])) == 40
    assert files(tmp_path / 'killed-twice/video_folder/mine/1.0.0') == expected


def test_a_replacement_killed_at_every_step(tmp_path, write_video_file, numbered):
    """The old dataset or the new one is there; the same command ends with the new one."""
    root = tmp_path / 'videos'
    for split in ('train', 'validation'):
        for index in range(2):
            write_video_file(root / split / 'run' / f'{index}.avi', numbered(2, 16, 16), 25)
    done = subprocess.run(
        [
            sys.executable,
            str(pathlib.Path(__file__).with_name('killed_replacement.py')),
            str(root),
            str(tmp_path / 'data'),
        ],
        env=os.environ | {'PYTHONPATH': str(REPOSITORY), 'CUDA_VISIBLE_DEVICES': '-1'},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert len(seen['True']) > 20
    assert len(seen['False']) > 20
    assert set(seen['True']) == {'old', 'new'}
    assert sorted({*seen['False']}) == ['both beside it', 'new', 'old']
    assert seen['False'].count('both beside it') == 1


def test_what_an_earlier_version_began_goes_on(folder, undisturbed, tmp_path, monkeypatch):
    """It grew in `1.0.0.converting`; a folder of that name that is somebody's own is left alone."""
    place = tmp_path / 'one/video_folder/mine'
    first = interrupt(folder, tmp_path / 'one', monkeypatch, 9)
    (staged,) = place.glob('.s3dg-*/new')
    staged.rename(place / '1.0.0.converting')
    shutil.rmtree(staged.parent)
    counted = Counted(monkeypatch)
    assert files(convert(folder, tmp_path / 'one').data_path) == undisturbed
    assert len(first) + len(counted.ids) == 22
    assert [path.name for path in place.glob('[!.]*')] == ['1.0.0']
    for name in ('1.0.0.converting', '1.0.0.replaced'):
        (place / name).mkdir()
        (place / name / 'mine').touch()
    convert(folder, tmp_path / 'one', overwrite=True)
    assert [path.name for path in sorted(place.glob('*/mine'))] == ['mine', 'mine']


def test_a_swap_that_an_earlier_version_did_not_end_is_ended(
    folder, undisturbed, tmp_path, monkeypatch
):
    """A version killed between its two renames left none, and the next run deleted the new one."""
    place = pathlib.Path(convert(folder, tmp_path).data_path)
    shutil.copytree(place, place.with_name('1.0.0.replaced'))
    place.rename(place.with_name('1.0.0.converting'))
    counted = Counted(monkeypatch)
    assert files(convert(folder, tmp_path, overwrite=True).data_path) == undisturbed
    assert counted.ids == []


def test_notes_in_a_dataset_are_not_deleted(folder, tmp_path):
    place = pathlib.Path(convert(folder, tmp_path).data_path)
    (place / 'notes.txt').write_text('mine')
    with pytest.raises(folders.FolderError, match='1.0.0: holds notes.txt, which this program'):
        convert(folder, tmp_path, overwrite=True)
    assert (place / 'notes.txt').read_text() == 'mine'
