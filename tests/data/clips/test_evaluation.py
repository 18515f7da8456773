"""Windows of evaluation on ramp videos."""

import collections
import itertools

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data import clips
from data.clips import evaluation as evaluation_of_clips
from data.records.decode import stored_videos
from s3dg.video import sampling
from tests.data.clips.ramps import CROP, length_of, origin


@pytest.mark.parametrize(
    ('length', 'frames', 'starts'),
    [
        (1, 8, [0]),
        (7, 8, [0]),
        (8, 8, [0]),
        (9, 8, [0, 1]),
        (16, 8, [0, 8]),
        (17, 8, [0, 8, 9]),
        (250, 64, [0, 64, 128, 186]),
        (10, 3, [0, 3, 6, 7]),
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


def test_crop_is_checked_against_the_metadata(shapes_dataset):
    with pytest.raises(clips.ClipError, match=r'moving_shapes/rgb_small.* 72x72 .* crop of 80x80'):
        clips.evaluation_windows(
            shapes_dataset, 'validation', frames=16, crop_size=80, batch_size=1
        )
    with pytest.raises(
        clips.ClipError, match="no split 'tests', expected one of train, validation"
    ):
        next(stored_videos(shapes_dataset, 'tests'))


def test_a_video_of_hours_is_cut_where_sampling_says():
    """Three hours at 25 frames a second, and a frame."""
    encoded = tf.strings.as_string(tf.range(270_001))
    cut = evaluation_of_clips._cut({'video': encoded}, 8, None)
    found = {
        int(index): list(map(int, frames))
        for frames, _, index, _ in cut.skip(33_749).as_numpy_iterator()
    }
    assert found == {33_749: list(range(269_992, 270_000)), 33_750: list(range(269_993, 270_001))}
