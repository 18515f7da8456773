"""The clip pipeline on ramp videos, whose pixels say which frame and which place they come from."""

import collections
import hashlib
import itertools

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data import catalog, clips
from data.conversion.convert import convert_dataset
from data.records.decode import stored_videos
from s3dg.video import sampling

HEIGHT, WIDTH = 48, 64  # of the ramp videos
CROP = (24, 40)
TRAINING_VIDEOS = 2 * 4 * 7  # classes, copies, lengths


def origin(clip):
    """Where a ramp clip was cut out: (frame numbers, top, left, mirrored)."""
    clip = clip.astype(np.float64)
    red, green, blue = np.moveaxis(clip, -1, 0)
    numbers = np.rint((blue.mean((1, 2)) - 5) / 10).astype(int)
    mirrored = red[..., 0].mean() > red[..., -1].mean()
    columns = np.arange(clip.shape[2])[:: -1 if mirrored else 1]
    left = np.rint((red.mean((0, 1)) - 10) / 3 - columns)
    top = np.rint((green.mean((0, 2)) - 10) / 4 - np.arange(clip.shape[1]))
    # The last column or row of a crop may be off by a step in the color of a JPEG.
    return list(numbers), int(np.median(top)), int(np.median(left)), bool(mirrored)


def make(dataset, **changes):
    arguments = {
        'frames': 8,
        'crop_size': CROP,
        'batch_size': 7,
        'seed': 5,
        'flip': True,
        'deterministic': True,
    }
    return clips.training_clips(dataset, 'train', **(arguments | changes))


def examples(dataset, count):
    """The first examples of a batched dataset, one by one."""
    found = []
    for batch in dataset.as_numpy_iterator():
        found += [
            dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)
        ]
        if len(found) >= count:
            return found[:count]
    raise AssertionError(f'only {len(found)} examples')


def length_of(video_id):
    return int(video_id.decode().rsplit('/', 1)[1].split('-')[0])


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


@pytest.mark.parametrize('first_batch', [3, 8, 19])  # within the first epoch, at its end, later
def test_resuming_gives_the_same_batches(ramp_dataset, first_batch):
    whole = list(make(ramp_dataset).take(first_batch + 10).as_numpy_iterator())
    resumed = make(ramp_dataset, first_example=7 * first_batch).take(10)
    for expected, found in zip(whole[first_batch:], resumed.as_numpy_iterator(), strict=True):
        for key in expected:
            np.testing.assert_array_equal(found[key], expected[key])


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


@pytest.mark.parametrize(
    ('length', 'frames', 'starts'),
    [
        (1, 8, [0]),
        (7, 8, [0]),
        (8, 8, [0]),
        (9, 8, [0, 1]),
        (16, 8, [0, 8]),
        (17, 8, [0, 4, 9]),
        (250, 64, [0, 62, 124, 186]),
        (10, 3, [0, 2, 4, 7]),
    ],
)
def test_window_starts_by_hand(length, frames, starts):
    assert sampling.window_starts(length, frames).tolist() == starts


def test_windows_cover_every_frame():
    for frames in (1, 2, 7, 16):
        for length in range(1, 200):
            starts = sampling.window_starts(length, frames)
            covered = {(s + k) % length for s in starts for k in range(frames)}
            assert covered == set(range(length))
            assert len(starts) == -(-length // frames)
            if length >= frames:
                assert starts[0] == 0
                assert starts[-1] == length - frames


def evaluation(dataset, **changes):
    arguments = {'frames': 8, 'crop_size': CROP, 'batch_size': 4}
    batches = clips.evaluation_windows(dataset, 'validation', **(arguments | changes))
    return list(batches.as_numpy_iterator())


def test_of_longer_videos_the_first_frames_alone(ramp_dataset):
    seen = collections.defaultdict(set)
    for batch in evaluation(ramp_dataset, most_frames=10):
        for clip, video_id, windows in zip(
            batch['clip'], batch['id'], batch['windows'], strict=True
        ):
            length = min(length_of(video_id), 10)
            assert windows == -(-length // 8)
            seen[video_id] |= set(origin(clip)[0])
    assert all(seen[video] == set(range(min(length_of(video), 10))) for video in seen)
    assert max(length_of(video) for video in seen) > 16
    with pytest.raises(clips.ClipError, match='most_frames'):
        evaluation(ramp_dataset, most_frames=0)


def test_evaluation_sees_every_window_of_every_video(ramp_dataset):
    batches = evaluation(ramp_dataset)
    assert {len(batch['label']) for batch in batches[:-1]} == {4}
    assert 1 <= len(batches[-1]['label']) <= 4
    seen = collections.defaultdict(list)
    for batch in batches:
        for clip, video_id, window, windows, label in zip(
            *(batch[key] for key in ('clip', 'id', 'window', 'windows', 'label')), strict=True
        ):
            numbers, top, left, mirrored = origin(clip)
            assert (top, left, mirrored) == ((48 - 24) // 2, (64 - 40) // 2, False)
            assert ['first', 'second'][label] in video_id.decode()
            length = length_of(video_id)
            assert windows == -(-length // 8)
            assert numbers == [(numbers[0] + k) % length for k in range(8)]
            seen[video_id].append((int(window), numbers[0]))
    assert len(seen) == 2 * 7
    for video_id, found in seen.items():
        starts = sampling.window_starts(length_of(video_id), 8)
        assert found == list(enumerate(starts))


def test_evaluation_frames_equal_opencv_to_the_bit(shapes_dataset):
    path = str(shapes_dataset.info.splits['validation'].filepaths[0])
    record = next(tf.data.TFRecordDataset(path).as_numpy_iterator())
    features = tf.train.Example.FromString(record).features.feature
    encoded = features['video'].bytes_list.value
    frames = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)[:, :, ::-1] for jpeg in encoded]
    batch = next(
        clips.evaluation_windows(
            shapes_dataset, 'validation', frames=16, crop_size=64, batch_size=1
        ).as_numpy_iterator()
    )
    assert batch['id'][0] == features['id'].bytes_list.value[0]
    np.testing.assert_array_equal(batch['clip'][0], np.stack(frames[:16])[:, 4:68, 4:68])
    stored = next(stored_videos(shapes_dataset, 'validation'))
    np.testing.assert_array_equal(stored['video'], frames)
    assert stored['id'].encode() == batch['id'][0]
    assert stored['label'] == batch['label'][0]


def test_reversed_windows_are_the_windows_reversed(ramp_dataset):
    forward, backward = evaluation(ramp_dataset), evaluation(ramp_dataset, reverse=True)
    for left, right in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(left.pop('clip'), right.pop('clip')[:, ::-1])
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])


def test_evaluation_shards_are_a_partition(ramp_dataset):
    whole = [
        (i, w) for b in evaluation(ramp_dataset) for i, w in zip(b['id'], b['window'], strict=True)
    ]
    shares = [
        [(i, w) for b in batches for i, w in zip(b['id'], b['window'], strict=True)]
        for batches in (
            evaluation(ramp_dataset, num_shards=3, shard_index=index) for index in range(3)
        )
    ]
    assert sorted(itertools.chain(*shares)) == sorted(whole)
    ids = [{video_id for video_id, _ in share} for share in shares]
    assert sum(map(len, ids)) == 2 * 7


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


def test_tensorflows_global_seed_changes_nothing(ramp_dataset):
    expected = next(make(ramp_dataset).as_numpy_iterator())
    try:
        for seed in (0, 1):
            tf.random.set_seed(seed)
            found = next(make(ramp_dataset).as_numpy_iterator())
            np.testing.assert_array_equal(found['clip'], expected['clip'])
    finally:
        tf.random.set_seed(None)


def test_crop_is_checked_against_the_metadata(shapes_dataset):
    with pytest.raises(clips.ClipError, match=r'moving_shapes/rgb_small.* 72x72 .* crop of 80x80'):
        clips.evaluation_windows(
            shapes_dataset, 'validation', frames=16, crop_size=80, batch_size=1
        )
    with pytest.raises(
        clips.ClipError, match="no split 'tests', expected one of train, validation"
    ):
        next(stored_videos(shapes_dataset, 'tests'))
