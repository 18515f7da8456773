"""Several divisions of the same videos: their frames are stored once."""

import errno
import os
import pathlib

import numpy as np
import pytest

from data import catalog
from data.conversion import convert, staging
from data.conversion.convert import convert_dataset
from data.datasets.divided import SplitConfig
from data.datasets.ucf101.ucf101_dataset_builder import Builder
from data.errors import DatasetError
from data.records import verification

# Videos by their groups. As published, every division tests on other groups, and some are never
# tested on; "k" is of a division that leaves it out, as HMDB-51's do.
TESTED = {1: 'ab', 2: 'cde', 3: 'fg'}
LEFT_OUT = {1: 'k', 2: '', 3: ''}
VIDEOS = 'abcdefghijk'
CONFIGS = [f'split{number}_rgb' for number in TESTED]


def write_lists(root):
    folder = root / 'ucfTrainTestlist'
    folder.mkdir(parents=True)
    (folder / 'classInd.txt').write_text('1 Jump\n2 Run\n')
    for number in TESTED:
        for split in ('train', 'test'):
            names = sorted(expected(number, split))
            lines = [f'{class_of(name)}/{name}.avi' for name in names]
            if split == 'train':
                lines = [f'{line} {1 + line.startswith("Run")}' for line in lines]
            (folder / f'{split}list0{number}.txt').write_text('\n'.join(lines) + '\n')


def class_of(name):
    return 'Run' if VIDEOS.index(name) % 2 else 'Jump'


def expected(number, split):
    return {
        name
        for name in VIDEOS
        if name not in LEFT_OUT[number] and (name in TESTED[number]) == (split == 'test')
    }


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_video_file):
    root = tmp_path_factory.mktemp('ucf101')
    write_lists(root)
    for place, name in enumerate(VIDEOS):
        frames = [np.full((24, 32, 3), 10 + 20 * place + k, np.uint8) for k in range(4)]
        write_video_file(root / 'UCF-101' / class_of(name) / f'{name}.avi', frames, 25)
    return root


def make(config, data_dir, folder, **fields):
    return catalog.make_builder('ucf101', config, data_dir, folder, frame_size=(16, 16), **fields)


def examples(data_dir, config):
    """By split and id: label and frames, as TFDS reads them."""
    opened = catalog.open_dataset('ucf101', config, data_dir)
    return {
        split: {
            example['id'].decode(): (int(example['label']), example['video'].tobytes())
            for example in opened.as_dataset(split=split).as_numpy_iterator()
        }
        for split in ('train', 'test')
    }


def shards(data_dir, config):
    """The files behind the shards of a configuration: their inodes, and their bytes together."""
    paths = list(pathlib.Path(data_dir, 'ucf101', config).glob('*/*.tfrecord-*'))
    found = [path.stat() for path in paths]
    return {one.st_ino for one in found}, sum(one.st_size for one in found)


@pytest.fixture(scope='module')
def converted(folder, tmp_path_factory):
    """The data folder of all three, and what came of each, as converted one after the other."""
    data_dir = tmp_path_factory.mktemp('data')
    done = {}
    for config in CONFIGS:
        done[config] = convert_dataset(make(config, data_dir, folder), processes=0)
    return data_dir, done


def test_every_frame_is_decoded_and_stored_once(converted):
    data_dir, done = converted
    assert [one.frames_decoded for one in done.values()] == [4 * len(VIDEOS), 0, 0]
    pool, size = shards(data_dir, 'all_rgb')
    linked = [shards(data_dir, config)[0] for config in CONFIGS]
    assert set.union(*linked) == pool
    assert all(one <= pool for one in linked)
    records = sum(
        path.stat().st_size
        for path in {one.stat().st_ino: one for one in data_dir.rglob('*.tfrecord-*')}.values()
    )
    assert records == size


def test_the_splits_are_those_of_the_lists(converted):
    data_dir, done = converted
    for number, config in zip(TESTED, CONFIGS, strict=True):
        found = examples(data_dir, config)
        assert {split: set(videos) for split, videos in found.items()} == {
            split: expected(number, split) for split in ('train', 'test')
        }
        assert done[config].examples == {split: len(videos) for split, videos in found.items()}
        assert done[config].frames == 4 * sum(done[config].examples.values())
        for videos in found.values():
            for name, (label, _) in videos.items():
                assert label == (class_of(name) == 'Run')


def test_examples_are_those_of_a_division_that_is_converted_by_itself(converted, folder, tmp_path):
    data_dir, _ = converted
    for number, config in zip(TESTED, CONFIGS, strict=True):
        fields = {'manual_dir': str(folder), 'frame_size': (16, 16), 'split_number': number}
        alone = Builder(config=SplitConfig(name=f'own{number}', **fields), data_dir=str(tmp_path))
        assert alone.pool() is None
        convert_dataset(alone, processes=0)
        assert examples(tmp_path, f'own{number}') == examples(data_dir, config)


def test_a_division_is_found_and_verified_like_any_dataset(converted, folder):
    data_dir, _ = converted
    for config in CONFIGS:
        again = convert_dataset(make(config, data_dir, folder), processes=0)
        assert again.reused
        opened = catalog.open_dataset('ucf101', config, data_dir)
        assert verification.verify(opened, again.listing, processes=0).problems == []


def test_a_division_stays_when_the_pool_is_gone(folder, tmp_path):
    convert_dataset(make('split1_rgb', tmp_path, folder), processes=0)
    before = examples(tmp_path, 'split1_rgb')
    for path in (tmp_path / 'ucf101' / 'all_rgb').rglob('*'):
        if path.is_file():
            path.unlink()
    assert examples(tmp_path, 'split1_rgb') == before


def test_a_division_that_was_converted_before_there_were_pools_stays_as_it_is(folder, tmp_path):
    builder = make('split1_rgb', tmp_path, folder)
    builder.pool = lambda: None
    convert_dataset(builder, processes=0)
    before, _ = shards(tmp_path, 'split1_rgb')
    assert convert_dataset(make('split1_rgb', tmp_path, folder), processes=0).reused
    assert shards(tmp_path, 'split1_rgb')[0] == before
    assert not (tmp_path / 'ucf101' / 'all_rgb').exists()


def test_configurations_that_store_otherwise_have_pools_of_their_own(folder, tmp_path):
    def pool(config):
        return make(config, tmp_path, folder).pool().builder_config

    assert pool('split2_rgb').name == 'all_rgb'
    assert pool('split3_flow_small').name == 'all_flow_small'
    assert pool('split3_flow_small').modality == 'flow'
    # Of UCF-101-24 there is one division.
    assert [one.divisions() for one in map(catalog.builder_class, ('ucf101_24', 'jhmdb'))] == [
        [1],
        [1, 2, 3],
    ]
    convert_dataset(make('split1_rgb', tmp_path, folder), processes=0)
    other = make('split2_rgb', tmp_path, folder, jpeg_quality=50)
    with pytest.raises(DatasetError, match='all_rgb.*converted from other settings.*--overwrite'):
        convert_dataset(other, processes=0)


def test_videos_that_are_gone_are_skipped_in_their_splits_even_a_cell_of_them(folder, tmp_path):
    """A video that is alone in its cell leaves the cell empty, and no split."""
    root = tmp_path / 'videos'
    root.mkdir()
    (root / 'ucfTrainTestlist').symlink_to(folder / 'ucfTrainTestlist')
    for source in (folder / 'UCF-101').rglob('*.avi'):
        copy = root / 'UCF-101' / source.parent.name / source.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.stem != 'k':
            copy.write_bytes(source.read_bytes())
    assert [list(map(str, one)) for one in cells_with('k', root, tmp_path)] == [['k']]
    for number, config in zip(TESTED, CONFIGS, strict=True):
        done = convert_dataset(make(config, tmp_path, root), processes=0, max_skipped_fraction=0.2)
        assert [row.id for row in done.skipped] == ([] if number == 1 else ['k'])
        found = examples(tmp_path, config)
        assert set(found['train']) == expected(number, 'train') - {'k'}


def cells_with(name, root, data_dir):
    cells = make('split1_rgb', data_dir, root).pool().cells().values()
    ids = [[item.id for item in videos] for videos in cells]
    return [one for one in ids if name in one]


@pytest.mark.parametrize(('place', 'name'), [(convert.division, '_link'), (convert, '_declare')])
def test_a_kill_between_pool_and_division_costs_nothing(folder, tmp_path, monkeypatch, place, name):
    def killed(*arguments):
        raise KeyboardInterrupt

    convert_dataset(make('split2_rgb', tmp_path, folder).pool(), processes=0)
    with monkeypatch.context() as patch:
        patch.setattr(place, name, killed)
        with pytest.raises(KeyboardInterrupt):
            convert_dataset(make('split2_rgb', tmp_path, folder), processes=0)
    assert not (tmp_path / 'ucf101' / 'split2_rgb' / '1.0.0').exists()
    done = convert_dataset(make('split2_rgb', tmp_path, folder), processes=0)
    assert done.frames_decoded == 0
    assert shards(tmp_path, 'split2_rgb')[0] <= shards(tmp_path, 'all_rgb')[0]
    assert set(examples(tmp_path, 'split2_rgb')['test']) == expected(2, 'test')


@pytest.fixture
def kill(monkeypatch):
    """Converts with a builder, and is killed when five videos are written."""

    def converted(builder):
        written, write = [], staging.ShardWriter.write

        def killed(self, record):
            if len(written) == 5:
                raise KeyboardInterrupt
            written.append(record)
            write(self, record)

        with monkeypatch.context() as patch:
            patch.setattr(staging.ShardWriter, 'write', killed)
            with pytest.raises(KeyboardInterrupt):
                convert_dataset(builder, processes=0)

    return converted


def test_what_a_killed_conversion_of_the_pool_has_is_kept(folder, tmp_path, kill):
    kill(make('split2_rgb', tmp_path, folder))
    done = convert_dataset(make('split1_rgb', tmp_path, folder), processes=0)
    assert done.frames_decoded == 4 * (len(VIDEOS) - 5)


def test_a_division_that_an_earlier_version_began_by_itself_goes_on(folder, tmp_path, kill):
    builder = make('split2_rgb', tmp_path, folder)
    builder.pool = lambda: None
    kill(builder)
    done = convert_dataset(make('split2_rgb', tmp_path, folder), processes=0)
    assert done.frames_decoded == 4 * (len(VIDEOS) - 5)
    assert not (tmp_path / 'ucf101' / 'all_rgb').exists()
    assert set(examples(tmp_path, 'split2_rgb')['test']) == expected(2, 'test')


@pytest.mark.parametrize('code', [errno.EPERM, errno.EXDEV])
def test_where_there_are_no_hard_links_shards_are_copied_and_that_is_told(
    folder, tmp_path, monkeypatch, code
):
    def refuse(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, 'link', refuse)
    lines = []
    convert_dataset(make('split1_rgb', tmp_path, folder), processes=0, report=lines.append)
    assert f'copied, for {os.strerror(code)}' in '\n'.join(lines)
    assert set(examples(tmp_path, 'split1_rgb')['test']) == expected(1, 'test')


def test_other_errors_of_linking_are_not_passed_over(folder, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'link', refuse)
    with pytest.raises(OSError, match='No space left'):
        convert_dataset(make('split1_rgb', tmp_path, folder), processes=0)


def test_an_id_of_two_videos_is_refused(folder, tmp_path):
    root = tmp_path / 'videos'
    write_lists(root)
    (root / 'UCF-101').symlink_to(folder / 'UCF-101')
    lists = root / 'ucfTrainTestlist' / 'trainlist03.txt'
    lists.write_text(lists.read_text().replace('Jump/a.avi 1', 'Run/a.avi 2'))
    builder = make('split1_rgb', tmp_path, root)
    with pytest.raises(
        DatasetError, match="id 'a' is of .*, of class Jump, and of .*, of class Run"
    ):
        convert_dataset(builder, processes=0)
