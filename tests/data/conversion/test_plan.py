"""Plans: what makes another dataset, what is looked at for that, and what is known beforehand."""

import json
import os
import pathlib

import cv2
import numpy as np
import pytest

from data import encoding
from data.conversion import plan as plans
from data.conversion.convert import convert_dataset
from data.conversion.plan import ConversionError, list_videos, make_plan
from data.datasets.builder import VideoBuilder, VideoConfig
from data.datasets.jhmdb import masks
from data.listing import Video
from tests.data import small_conversion
from tests.data.small_conversion import make


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_video_file, numbered):
    return small_conversion.write_videos(
        tmp_path_factory.mktemp('small') / 'videos', write_video_file, numbered
    )


def test_boundaries_of_shards():
    boundaries = plans.boundaries
    assert boundaries(1) == [0, 1]
    assert boundaries(20) == [0, 10, 20]
    assert boundaries(64) == [0, 8, 16, 24, 32, 40, 48, 56, 64]
    assert len(boundaries(1600)) == 26
    uneven = boundaries(1000)
    assert uneven[0] == 0
    assert uneven[-1] == 1000
    assert {b - a for a, b in zip(uneven, uneven[1:], strict=False)} == {62, 63}


class Listed(VideoBuilder, skip_registration=True):
    """A dataset of videos, files or folders of frames, that the test lists."""

    VERSION = '1.0.0'
    FOLDER_FRAMES_PER_SECOND = 25.0
    MAX_SKIPPED_FRACTION = 0.5

    def __init__(self, root, videos, labels=('jump', 'run'), reader=None):
        self.videos, self.labels, self.reader = videos, labels, reader
        config = VideoConfig(name='rgb', manual_dir=str(root), frame_size=(16, 16))
        super().__init__(config=config, data_dir=str(root / 'data'))

    def label_names(self):
        return list(self.labels)

    def split_videos(self):
        return {'train': self.videos}

    def annotation_reader(self):
        return self.reader

    def plan(self, report=lambda line: None):
        return make_plan(self, None, report)

    def digest(self):
        return self.plan().stored['videos']


def test_what_makes_another_plan(folder, tmp_path):
    def stored(**fields):
        return make_plan(make(folder, tmp_path, **fields), 1.0, lambda line: None).stored

    plain = stored()
    assert stored() == plain
    assert json.loads(json.dumps(plain)) == plain
    assert plain.keys() == {'settings', 'videos'}
    assert 'manual_dir' not in plain['settings']
    others = [
        stored(frame_size=(8, 8)),
        stored(frames_per_second=12),
        stored(frame_size=None, short_side=20),
        stored(jpeg_quality=90),
        stored(modality='flow'),
    ]
    assert all(other['videos'] == plain['videos'] for other in others)
    assert len({json.dumps(other['settings']) for other in [plain, *others]}) == 6


def test_files_that_are_not_there_or_cannot_be(tmp_path):
    there = Video('there', str(tmp_path), 'run')

    def digest(path, annotation=None, label='run'):
        return Listed(tmp_path, [there, Video('one', str(path), label, annotation)]).digest()

    missing = tmp_path / 'videos' / 'missing.avi'
    missing.parent.mkdir()
    before = digest(missing)
    assert digest(missing) == before
    missing.touch()
    assert digest(missing) != before
    assert digest(missing, label='jump') != digest(missing)
    digest(tmp_path / ('x' * 300))  # no system takes such a name
    digest(missing / 'file as a folder')
    notes = tmp_path / 'videos' / 'notes'
    without = digest(missing, str(notes))
    notes.touch()
    assert digest(missing, str(notes)) != without


def test_another_order_of_labels_is_another_dataset(tmp_path):
    """Records hold places in the list of labels."""
    (tmp_path / 'one.avi').touch()
    videos = [Video('one', str(tmp_path / 'one.avi'), 'run')]
    plans = [
        Listed(tmp_path, videos, labels).digest()
        for labels in (('jump', 'run'), ('run', 'jump'), ('jump', 'run'))
    ]
    assert plans[0] == plans[2] != plans[1]


def test_the_order_of_storing_is_the_same_wherever_and_mixes_the_classes(tmp_path):
    videos = [
        Video(f'{name}/{index}', f'/{index}', name)
        for name in ('jump', 'run')
        for index in range(50)
    ]
    order = [item.id for item in list_videos(Listed(tmp_path, videos))['train']]
    assert order == [item.id for item in list_videos(Listed(tmp_path, videos[::-1]))['train']]
    assert sorted(order) == sorted(item.id for item in videos)
    assert 10 < sum(name.startswith('run') for name in order[:50]) < 40


# Folders of frames.


@pytest.fixture
def folders(tmp_path):
    """A dataset of three folders of four frames."""
    videos = []
    for name in 'abc':
        path = tmp_path / 'frames' / name
        path.mkdir(parents=True)
        for number in range(1, 5):
            frame = np.full((16, 16, 3), 20 * number, np.uint8)
            assert cv2.imwrite(str(path / f'{number}.png'), frame)
        videos.append(Video(name, str(path), 'run'))
    return Listed(tmp_path, videos)


def again(builder):
    """The same dataset, as another run of the program makes it."""
    return Listed(pathlib.Path(builder.builder_config.manual_dir), builder.videos)


def convert(builder, lines=None, **arguments):
    report = None if lines is None else lines.append
    return convert_dataset(again(builder), processes=0, report=report, **arguments)


@pytest.fixture
def looks(monkeypatch, folders):
    """Counts the calls that look at the videos, or into them: ([paths of stat], [of scandir])."""
    paths = {item.path for item in folders.videos}
    seen = {'stat': [], 'scandir': []}

    def count(name):
        original = getattr(os, name)

        def counted(path='.', *arguments, **named):
            if path in paths:
                seen[name].append(path)
            return original(path, *arguments, **named)

        monkeypatch.setattr(os, name, counted)

    for name in seen:
        count(name)
    return seen


def test_every_folder_is_looked_into_once_and_not_when_a_dataset_is_found(folders, looks):
    paths, lines = [item.path for item in folders.videos], []
    folders.plan()
    assert sorted(looks['stat']) == sorted(looks['scandir']) == paths
    looks['scandir'].clear()
    convert(folders, lines)
    assert sorted(looks['scandir']) == paths
    assert any('3/3 folders of frames looked into' in line for line in lines)
    looks['scandir'].clear()
    looks['stat'].clear()
    assert convert(folders).reused
    assert looks['scandir'] == []
    assert sorted(looks['stat']) == paths


def test_changes_in_folders(folders):
    """In place, they are seen before a dataset is finished; a file that came always is."""
    before = folders.digest()
    convert(folders)
    picture = pathlib.Path(folders.videos[0].path, '1.png')
    picture.write_bytes(pathlib.Path(folders.videos[0].path, '2.png').read_bytes())
    assert again(folders).digest() != before
    assert convert(folders).reused
    picture.with_name('5.png').write_bytes(picture.read_bytes())
    with pytest.raises(ConversionError, match='converted from other videos or labels'):
        convert(folders)


def test_datasets_of_folders_that_earlier_versions_converted(folders, looks):
    """Their plans are only of all frames, which are compared."""
    plan = pathlib.Path(convert(folders).data_path, 'plan.json')
    stored = json.loads(plan.read_text())
    del stored['listing']
    plan.write_text(json.dumps(stored))
    looks['scandir'].clear()
    assert convert(folders).reused
    assert sorted(looks['scandir']) == [item.path for item in folders.videos]
    picture = pathlib.Path(folders.videos[0].path, '1.png')
    picture.write_bytes(pathlib.Path(folders.videos[0].path, '2.png').read_bytes())
    with pytest.raises(ConversionError, match='converted from other videos or labels'):
        convert(folders)


def test_a_conversion_of_folders_that_an_earlier_version_began_goes_on(
    folders, tmp_path, monkeypatch
):
    encode_video = encoding.encode_video

    def stop(path, storage):
        if path == list_videos(folders)['train'][2].path:
            raise KeyboardInterrupt
        return encode_video(path, storage)

    with monkeypatch.context() as patch:
        patch.setattr(encoding, 'encode_video', stop)
        with pytest.raises(KeyboardInterrupt):
            convert(folders)
    (plan,) = tmp_path.rglob('.s3dg-*/new/plan.json')
    stored = json.loads(plan.read_text())
    listing = stored.pop('listing')
    plan.write_text(json.dumps(stored))
    done = convert(folders)
    assert (done.frames, done.frames_decoded) == (12, 4)
    finished = json.loads(pathlib.Path(done.data_path, 'plan.json').read_text())
    assert finished == stored | {'listing': listing}


# What is known beforehand.


def test_unusable_videos_are_told_and_not_decoded(folders, tmp_path, monkeypatch):
    decoded, lines = [], []
    encode_video = encoding.encode_video

    def encode(path, storage):
        decoded.append(pathlib.Path(path).name)
        return encode_video(path, storage)

    monkeypatch.setattr(encoding, 'encode_video', encode)
    videos = [
        *folders.videos,
        Video('d', folders.videos[0].path, 'fly'),
        Video('e', str(tmp_path / 'gone'), 'fly'),
    ]
    folders.videos = videos
    done = convert(folders, lines)
    assert sorted(decoded) == ['a', 'b', 'c', 'gone']
    assert done.examples == {'train': 3}
    reasons = {row.id: row.reason for row in done.skipped}
    assert reasons == {'d': "its label 'fly' is none of the 2 classes", 'e': 'file not found'}
    beforehand = next(place for place, line in enumerate(lines) if 'folders of frames' in line)
    assert lines[:beforehand] == [
        f'listed/rgb/1.0.0: 1 of 5 videos are not there, for example {tmp_path / "gone"}',
        "listed/rgb/1.0.0: 1 of 5 videos cannot be used, for example 'd': its label 'fly' is none"
        ' of the 2 classes',
    ]
    with pytest.raises(ConversionError) as error:
        convert(folders, overwrite=True, max_skipped_fraction=0.3)
    assert str(error.value) == (
        f'listed/rgb/1.0.0: 1 of 5 videos are not there, for example {tmp_path / "gone"}; 1 of 5'
        " videos cannot be used, for example 'd': its label 'fly' is none of the 2 classes; more"
        ' than the share of 0.3 allowed; fetch what is missing, or run again with a higher'
        ' --max_skipped_fraction'
    )
    assert len(decoded) == 4


def test_missing_annotations_are_told(tmp_path):
    videos = [tmp_path / f'{name}.avi' for name in 'abc']
    notes = [tmp_path / name / 'notes.mat' for name in 'abc']
    for path in videos:
        path.touch()
    notes[0].parent.mkdir()
    notes[0].touch()
    items = [
        Video(path.stem, str(path), 'run', str(note))
        for path, note in zip(videos, notes, strict=True)
    ]
    lines = []
    with pytest.raises(ConversionError) as error:
        Listed(tmp_path, items, reader=masks.read).plan()
    said = "2 of 3 videos cannot be used, for example 'c': notes.mat: file not found"
    assert f'{said}; more than the share of 0.5' in str(error.value)
    make_plan(Listed(tmp_path, items, reader=masks.read), 0.7, lines.append)
    assert lines == [f'listed/rgb/1.0.0: {said}']
    Listed(tmp_path, items).plan(lines.append)  # nothing is read from them
    assert len(lines) == 1
