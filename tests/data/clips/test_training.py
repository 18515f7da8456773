"""Training clips of ramp videos."""

import collections
import hashlib

import numpy as np
import pytest
import tensorflow as tf

from data import catalog, clips
from data.conversion.convert import convert_dataset
from tests.data.clips.ramps import (
    CROP,
    HEIGHT,
    TRAINING_VIDEOS,
    WIDTH,
    examples,
    length_of,
    make,
    origin,
)


def test_shapes_are_static_and_clips_uint8(ramp_dataset):
    dataset = make(ramp_dataset)
    assert dataset.element_spec == {
        'clip': tf.TensorSpec((7, 8, 24, 40, 3), tf.uint8),
        'label': tf.TensorSpec((7,), tf.int32),
        'id': tf.TensorSpec((7,), tf.string),
        'epoch': tf.TensorSpec((7,), tf.int64),
    }
    assert make(ramp_dataset, crop_size=16).element_spec['clip'].shape == (7, 8, 16, 16, 3)


@pytest.fixture(scope='module')
def many(ramp_dataset):
    """Forty epochs of training examples with what their pixels say of their origin."""
    found = examples(make(ramp_dataset), 40 * TRAINING_VIDEOS)
    return [(example, *origin(example['clip'])) for example in found]


def test_frames_are_consecutive_and_short_videos_are_looped(many):
    for example, numbers, *_ in many:
        length = length_of(example['id'])
        start = numbers[0]
        assert start == 0 if length <= 8 else start <= length - 8
        assert numbers == [(start + k) % length for k in range(8)], example['id']


def test_starts_are_uniform(many):
    starts = collections.Counter(
        numbers[0] for example, numbers, *_ in many if length_of(example['id']) == 17
    )
    assert sorted(starts) == list(range(10))  # 0 to 17 - 8
    expected = 40 * 8 / 10
    assert sum((count - expected) ** 2 / expected for count in starts.values()) < 28  # p = 0.001


def test_one_window_per_clip_anywhere_in_the_frame(many):
    tops = collections.Counter(top for _, _, top, _, _ in many)
    lefts = collections.Counter(left for _, _, _, left, _ in many)
    assert sorted(tops) == list(range(HEIGHT - CROP[0] + 1))
    assert sorted(lefts) == list(range(WIDTH - CROP[1] + 1))
    for example, numbers, top, left, mirrored in many[:60]:
        y, x = np.mgrid[top : top + CROP[0], left : left + CROP[1]]
        x = x[:, ::-1] if mirrored else x
        for frame, number in zip(example['clip'], numbers, strict=True):
            expected = np.stack([3 * x + 10, 4 * y + 10, np.full_like(x, 10 * number + 5)], -1)
            assert np.abs(frame - expected.astype(int))[1:-1, 1:-1].max() <= 5


def test_half_of_the_clips_are_mirrored(many, ramp_dataset):
    share = np.mean([mirrored for *_, mirrored in many])
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(len(many))
    plain = examples(make(ramp_dataset, flip=False), TRAINING_VIDEOS)
    assert not any(origin(example['clip'])[3] for example in plain)


def test_choices_are_independent_of_each_other(many):
    values = np.array([[top, left, mirrored] for _, _, top, left, mirrored in many], float)
    correlations = np.corrcoef(values.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(len(many))


def test_labels_are_those_of_the_videos_folders(many, ramp_dataset):
    names = ramp_dataset.info.features['label'].names
    found = {
        (example['id'].decode().split('/')[1], names[example['label']]) for example, *_ in many
    }
    assert found == {('first', 'first'), ('second', 'second')}


def test_epochs_and_seeds_differ_in_order_and_in_choices(ramp_dataset):
    found = examples(make(ramp_dataset), 2 * TRAINING_VIDEOS)
    first, second = found[:TRAINING_VIDEOS], found[TRAINING_VIDEOS:]
    other = examples(make(ramp_dataset, seed=6), TRAINING_VIDEOS)
    for left, right in [(first, second), (first, other)]:
        assert [e['id'] for e in left] != [e['id'] for e in right]
        right = {e['id']: e for e in right}
        same = [np.array_equal(e['clip'], right[e['id']]['clip']) for e in left]
        assert np.mean(same) < 0.1


def by_epoch_and_id(found):
    return {(int(e['epoch']), e['id']): e['clip'] for e in found}


@pytest.mark.parametrize(
    'changes',
    [
        {'deterministic': False},
        {'batch_size': 3, 'shuffle_buffer': 2},
        {'num_shards': 2, 'shard_index': 1},
        {'num_shards': 2, 'shard_index': 0, 'deterministic': False},
        {'first_example': 28},
    ],
)
def test_an_example_is_the_same_however_it_is_read(ramp_dataset, changes):
    reference = by_epoch_and_id(examples(make(ramp_dataset), 2 * TRAINING_VIDEOS))
    common = 0
    for key, clip in by_epoch_and_id(examples(make(ramp_dataset, **changes), 50)).items():
        if key in reference:
            np.testing.assert_array_equal(clip, reference[key])
            common += 1
    assert common >= 25


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'crop_size': 49}, 'found stored frames of 48x64 .* crop of 49x49; take a smaller crop'),
        ({'crop_size': (40, 65)}, 'crop of 40x65'),
        ({'crop_size': 0}, 'crop_size: found 0'),
        ({'frames': 0}, 'frames: found 0'),
        ({'batch_size': -1}, 'batch_size: found -1'),
        ({'num_shards': 2, 'shard_index': 2}, 'shard_index: found 2, expected 0 to 1'),
        ({'num_shards': 2, 'first_example': 3}, 'first_example: found 3, expected a multiple'),
    ],
)
def test_impossible_clips_are_refused_at_once(ramp_dataset, changes, message):
    with pytest.raises(clips.ClipError, match=message):
        make(ramp_dataset, **changes)


def test_a_video_too_small_for_the_crop_is_named(tmp_path, write_video_file, numbered):
    """Sizes may differ where none is stated; the first video alone is checked beforehand."""
    ids = [f'{split}/a/{k}.avi' for split in ('train', 'validation') for k in range(2)]
    large, small = sorted(ids[:2], key=lambda name: hashlib.sha256(name.encode()).digest())
    for name in ids:
        size = (16, 20) if name == small else (32, 40)
        write_video_file(tmp_path / 'videos' / name, numbered(4, *size), 25)
    builder = catalog.make_builder(
        'video_folder', 'x', tmp_path, tmp_path / 'videos', frame_size=None
    )
    convert_dataset(builder)
    dataset = make(builder, frames=2, batch_size=1)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        list(dataset.take(4))
    assert '[16 20] are smaller than the crop [24 40]' in error.value.message
    assert small in error.value.message
    assert large not in error.value.message
