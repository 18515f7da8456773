"""What is counted in a dataset, and which videos are chosen."""

import collections
import dataclasses
import pathlib
import shutil

import pytest

from data import catalog
from data.errors import DatasetError
from data.inspection import survey
from data.records import outcomes
from data.records.heads import Head
from tests.data import tiny_boxes


def look(opened, splits=('train', 'validation'), videos=4, seed=0):
    return survey.survey(opened, list(splits), videos, seed, lambda line: None)


def test_counts(ramp_dataset):
    """Each length (2, 5, 8, 9, 16, 17, 24) has four videos of each class in training, else one."""
    found = look(ramp_dataset)
    assert list(found) == ['train', 'validation']
    train = found['train']
    assert train.labels == {0: 28, 1: 28}
    assert train.lengths == dict.fromkeys((2, 5, 8, 9, 16, 17, 24), 8)
    assert (train.videos, train.frames, train.median_length) == (56, 8 * 81, 9)
    assert found['validation'].videos == 14
    assert train.boxes is None
    shards = pathlib.Path(ramp_dataset.data_dir).glob('*-train.*')
    assert train.bytes == sum(path.stat().st_size for path in shards)


@pytest.mark.parametrize(
    ('lengths', 'median'),
    [
        ({3: 1}, 3),
        ({3: 1, 4: 1}, 3.5),
        ({3: 2, 10: 2}, 6.5),
        ({3: 1, 10: 2}, 10),
        ({1: 9, 5: 1}, 1),
    ],
)
def test_medians(lengths, median):
    assert survey.SplitSurvey(lengths=collections.Counter(lengths)).median_length == median


def test_a_dataset_without_a_list_of_lengths(ramp_dataset, tmp_path):
    """As TFDS alone makes it."""
    folder = tmp_path / 'video_folder' / 'ramps' / '1.0.0'
    shutil.copytree(ramp_dataset.data_dir, folder)
    (folder / 'videos.csv').unlink()
    found = look(catalog.open_dataset('video_folder', 'ramps', tmp_path))
    assert found == {
        split: dataclasses.replace(one, chosen=found[split].chosen)
        for split, one in look(ramp_dataset).items()
    }
    (folder / 'videos.csv').write_text('id,frames\nx,y\n')
    with pytest.raises(DatasetError, match='videos.csv or skipped.csv cannot be read'):
        look(catalog.open_dataset('video_folder', 'ramps', tmp_path))


def test_boxes_are_counted(tmp_path, write_video_file, numbered):
    opened = tiny_boxes.convert(tmp_path, write_video_file, numbered)
    found = look(opened, ('train', 'test'))
    assert found['train'].boxes == survey.BoxCounts(5, 2, 4, 1)
    assert found['test'].boxes == survey.BoxCounts(0, 0, 0, 0)
    assert found['test'].labels == {-1: 1}


def heads(labels, per_class):
    """So many videos of every class, in an order that is not that of their names."""
    return [
        Head(f'{label}/{k}', label, 5, {}, pathlib.Path('shard'), 0)
        for k in range(per_class)
        for label in labels
    ]


def choose(offered, count, seed):
    choice = survey._Choice(count, seed)
    for head in offered:
        choice.offer(head)
    return [head.id for head in choice.result()]


def test_every_class_has_its_turn():
    offered = heads(range(10), 30)
    chosen = choose(offered, 10, seed=0)
    assert [video_id.split('/')[0] for video_id in chosen] == [str(k) for k in range(10)]
    chosen = choose(offered, 25, seed=0)
    counts = collections.Counter(video_id.split('/')[0] for video_id in chosen)
    assert sorted(counts.values()) == [2] * 5 + [3] * 5
    assert len(set(chosen)) == 25
    few = choose(offered, 4, seed=0)
    assert len({video_id.split('/')[0] for video_id in few}) == 4


def test_small_classes_make_room_for_others():
    offered = heads([0], 2) + [Head(f'1/{k}', 1, 5, {}, pathlib.Path('s'), 0) for k in range(9)]
    assert len(choose(offered, 8, seed=1)) == 8
    assert len(choose(offered, 100, seed=1)) == 11


def test_the_choice_depends_on_the_seed_alone():
    offered = heads(range(4), 30)
    assert choose(offered, 8, seed=5) == choose(offered[::-1], 8, seed=5)
    drawn = {tuple(choose(offered, 8, seed)) for seed in range(20)}
    assert len(drawn) == 20
    firsts = collections.Counter(
        video_id for seed in range(300) for video_id in choose(heads([0], 5), 1, seed)
    )
    assert len(firsts) == 5
    assert min(firsts.values()) > 30  # of 60 expected each
    classes = collections.Counter(
        video_id[0] for seed in range(300) for video_id in choose(heads(range(5), 3), 1, seed)
    )
    assert min(classes[str(k)] for k in range(5)) > 30


def test_no_more_is_held_than_is_needed():
    choice = survey._Choice(3, 0)
    for head in heads(range(2), 500):
        choice.offer(head)
    assert {len(held) for held in choice._lowest.values()} == {3}


def test_reasons_that_differ_in_numbers_are_one(tmp_path):
    reasons = [
        *[
            'truncated: 12,345 of 23,456,789 bytes are there, 50% of it is missing',
            'truncated: 345 of 81.5 bytes are there, 7% of it is missing',
        ],
        *['empty file (0 bytes)'] * 3,
        'file not found',
    ]
    rows = [(str(k), f'/videos/{k}.mp4', reason) for k, reason in enumerate(reasons)]
    outcomes.append_rows(tmp_path / 'skipped.csv', outcomes.SKIPPED_COLUMNS, rows)
    assert survey.count_reasons(tmp_path) == [
        ('empty file (0 bytes)', 3),
        ('truncated: N of N bytes are there, N% of it is missing', 2),
        ('file not found', 1),
    ]
    assert survey.count_reasons(tmp_path / 'none') == []


@pytest.mark.parametrize('lost', ['bytes', 'record', 'shard'])
def test_a_damaged_dataset_is_refused(ramp_dataset, tmp_path, lost):
    folder = tmp_path / 'video_folder' / 'ramps' / '1.0.0'
    shutil.copytree(ramp_dataset.data_dir, folder)
    (path,) = folder.glob('*-validation.*')
    content = path.read_bytes()
    if lost == 'bytes':
        path.write_bytes(content[:-1])
        error, message = DatasetError, 'found no whole record of a video at byte'
    elif lost == 'record':
        path.write_bytes(content[: int.from_bytes(content[:8], 'little') + 16])
        error, message = DatasetError, 'found 1 records, expected 14; see what is wrong'
    else:
        path.unlink()
        error, message = FileNotFoundError, path.name
    with pytest.raises(error, match=message):
        look(catalog.open_dataset('video_folder', 'ramps', tmp_path))


def test_labels_and_boxes_that_cannot_be_are_refused(tmp_path, write_video_file, numbered):
    opened = tiny_boxes.convert(tmp_path, write_video_file, numbered)
    sound = survey._Soundness(opened.info)
    (good,) = (head for head in look(opened, ['train'])['train'].chosen if head.id == 'with')
    sound.check(good)
    replace = dataclasses.replace
    columns = good.boxes
    for bad in (
        replace(good, frames=0),
        replace(good, label=2),
        replace(good, label=-2),
        replace(good, boxes=columns | {'box': columns['box'][:-1]}),
        replace(good, boxes=columns | {'tube': columns['tube'][:-1]}),
        replace(good, boxes=columns | {'label': columns['label'] + 1}),
        replace(good, boxes=columns | {'label': columns['label'] - 1}),
    ):
        with pytest.raises(DatasetError, match="'with' has no frames, or labels or boxes"):
            sound.check(bad)
