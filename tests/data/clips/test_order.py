"""The order of training records: shuffled, shared between workers, taken up again."""

import collections
import itertools
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from data.clips import order
from data.records import heads
from tests.data.clips.ramps import TRAINING_VIDEOS, examples, make


@pytest.mark.parametrize('first_batch', [3, 8, 19])  # within the first epoch, at its end, later
def test_resuming_gives_the_same_batches(ramp_dataset, first_batch):
    whole = list(make(ramp_dataset).take(first_batch + 10).as_numpy_iterator())
    resumed = make(ramp_dataset, first_example=7 * first_batch).take(10)
    for expected, found in zip(whole[first_batch:], resumed.as_numpy_iterator(), strict=True):
        for key in expected:
            np.testing.assert_array_equal(found[key], expected[key])


@pytest.mark.parametrize('deterministic', [True, False])
def test_each_epoch_has_each_example_once(ramp_dataset, deterministic):
    # 56 examples in batches of 6: batches run on over the ends of epochs.
    dataset = make(ramp_dataset, batch_size=6, deterministic=deterministic)
    seen = collections.defaultdict(collections.Counter)
    for example in examples(dataset, 6 * 40):
        seen[int(example['epoch'])][example['id']] += 1
    for epoch in range(3):
        assert len(seen[epoch]) == TRAINING_VIDEOS
        assert set(seen[epoch].values()) == {1}


def test_deterministic_workers_share_the_batch_of_one(ramp_dataset):
    first = 7 * 6
    one = list(make(ramp_dataset, batch_size=6, first_example=first).take(20).as_numpy_iterator())
    workers = [
        make(ramp_dataset, batch_size=2, first_example=first, num_shards=3, shard_index=index)
        for index in range(3)
    ]
    shares = zip(*(worker.take(20).as_numpy_iterator() for worker in workers), strict=True)
    for batch, parts in zip(one, shares, strict=True):
        for key in batch:
            for index, part in enumerate(parts):
                np.testing.assert_array_equal(part[key], batch[key][index::3])


@pytest.mark.parametrize('shards', [2, 8])  # 8: more than there are files
def test_free_workers_share_every_epoch(ramp_dataset, shards):
    seen = collections.Counter()
    for index in range(shards):
        dataset = make(
            ramp_dataset,
            batch_size=1,
            deterministic=False,
            num_shards=shards,
            shard_index=index,
        )
        for batch in dataset.as_numpy_iterator():
            epoch = batch['epoch'][0]
            if epoch > 10:  # on a busy machine examples of later epochs overtake those of the first
                break
            seen[batch['id'][0]] += epoch == 0
    assert len(seen) == TRAINING_VIDEOS
    assert set(seen.values()) == {1}


def test_tensorflows_global_seed_changes_nothing(ramp_dataset):
    expected = next(make(ramp_dataset).as_numpy_iterator())
    try:
        for seed in (0, 1):
            tf.random.set_seed(seed)
            found = next(make(ramp_dataset).as_numpy_iterator())
            np.testing.assert_array_equal(found['clip'], expected['clip'])
    finally:
        tf.random.set_seed(None)


@pytest.fixture(scope='module')
def files(ramp_dataset):
    """The ids of the training records of every file, in stored order."""
    paths = ramp_dataset.info.splits['train'].filepaths
    found = [[head.id.encode() for head in heads.read_heads(path)] for path in paths]
    assert len(found) == 7
    assert sum(map(len, found)) == TRAINING_VIDEOS
    return found


@pytest.mark.parametrize('deterministic', [True, False])
def test_records_are_shuffled_in_every_epoch(ramp_dataset, files, deterministic):
    """Unshuffled, the records of a file keep their order, whatever the order of the files."""
    found = examples(make(ramp_dataset, deterministic=deterministic), 4 * TRAINING_VIDEOS)
    for epoch in range(2):
        places = {e['id']: place for place, e in enumerate(found) if e['epoch'] == epoch}
        pairs = [pair for ids in files for pair in itertools.combinations(ids, 2)]
        kept = np.mean([places[first] < places[second] for first, second in pairs])
        assert 0.35 < kept < 0.65  # of 196 pairs; a half, give or take four standard deviations


def test_each_epoch_has_the_files_in_another_order(ramp_dataset, files, monkeypatch):
    monkeypatch.setattr(order, 'FILES_AT_ONCE', 1)
    found = examples(make(ramp_dataset, shuffle_buffer=1), 3 * TRAINING_VIDEOS)
    numbers = {video_id: number for number, ids in enumerate(files) for video_id in ids}
    orders = []
    for epoch in range(3):
        seen = [numbers[e['id']] for e in found if e['epoch'] == epoch]
        orders.append(list(dict.fromkeys(seen)))
        assert seen == [number for number in orders[-1] for _ in files[number]]
    assert len(set(map(tuple, orders))) == 3


@pytest.mark.parametrize('shards', [1, 2])
def test_resuming_does_not_open_files_that_lie_before(
    ramp_dataset, files, tmp_path, monkeypatch, shards
):
    """Those files are overwritten, so that whoever reads them fails, but for the first record: it
    tells the size of frames."""
    monkeypatch.setattr(order, 'FILES_AT_ONCE', 2)
    arguments = {'batch_size': 4 // shards, 'shuffle_buffer': 3, 'num_shards': shards}
    whole = list(make(ramp_dataset, **arguments).take(24).as_numpy_iterator())
    one = examples(make(ramp_dataset, batch_size=4, shuffle_buffer=3), TRAINING_VIDEOS)
    later = {example['id'] for example in one[4 * 9 :]}
    before = [number for number, ids in enumerate(files) if not later & {*ids}]
    assert len(before) >= 2

    folder = tmp_path / 'dataset'
    shutil.copytree(ramp_dataset.data_dir, folder)
    opened = tfds.builder_from_directory(str(folder))
    for number in before:
        path = pathlib.Path(opened.info.splits['train'].filepaths[number])
        second = list(heads.read_heads(path))[1].position
        content = path.read_bytes()
        path.write_bytes(content[:second] + bytes(len(content) - second))
    resumed = make(opened, first_example=4 * 9, **arguments).take(5)
    for expected, found in zip(whole[9:14], resumed.as_numpy_iterator(), strict=True):
        for key in expected:
            np.testing.assert_array_equal(found[key], expected[key])
    # They are read again in the next epoch.
    with pytest.raises(tf.errors.DataLossError):
        list(make(opened, first_example=4 * 9, **arguments).take(20))


@pytest.mark.parametrize('taken', [24, 66])  # of all workers
def test_workers_with_files_of_their_own_go_on_where_they_were(ramp_dataset, taken):
    """Of the epoch begun, each leaves out its share of what was taken, and no more."""
    seen = collections.Counter()
    for index in range(2):
        dataset = make(
            ramp_dataset,
            batch_size=1,
            deterministic=False,
            num_shards=2,
            shard_index=index,
            first_example=taken,
        )
        epochs = [int(example['epoch']) for example in examples(dataset, 6 * TRAINING_VIDEOS)]
        assert min(epochs) == taken // TRAINING_VIDEOS
        seen += collections.Counter(epochs)
    assert seen[taken // TRAINING_VIDEOS] == TRAINING_VIDEOS - taken % TRAINING_VIDEOS
    assert seen[taken // TRAINING_VIDEOS + 1] == TRAINING_VIDEOS


def test_resuming_without_an_order_leaves_out_what_was_taken(ramp_dataset, monkeypatch):
    """Which examples those were is not known; as many are left as there would be."""
    monkeypatch.setattr(order, 'FILES_AT_ONCE', 2)
    dataset = make(
        ramp_dataset, batch_size=1, deterministic=False, shuffle_buffer=3, first_example=40
    )
    found = examples(dataset, 3 * TRAINING_VIDEOS)
    first = [example['id'] for example in found if example['epoch'] == 0]
    assert len(first) == len(set(first)) == TRAINING_VIDEOS - 40
    assert sum(example['epoch'] == 1 for example in found) == TRAINING_VIDEOS
