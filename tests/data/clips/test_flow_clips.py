"""Clips of optical flow, and that they show what the RGB clips of the same videos show."""

import numpy as np
import pytest

from data import catalog, clips, encoding
from data.conversion.convert import convert_dataset
from data.records.decode import stored_videos

HEIGHT, WIDTH, FRAMES = 48, 64, 8
LENGTHS = (5, 9, 16, 24)  # of the videos


def rgb_frames(count):
    """Red says the column, green the row, blue the frame."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return [
        np.stack([3 * x + 10, 4 * y + 10, np.full_like(x, 10 * k + 5)], -1).astype(np.uint8)
        for k in range(count)
    ]


def known_fields(frames, algorithm):
    """A stand-in for optical flow: x is the column, y the row (even fields) or the number (odd)."""
    assert algorithm == 'tvl1'
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for k in range(len(list(frames)) - 1):
        second = 4 * rows + 10 if k % 2 == 0 else np.full_like(rows, 10 * k + 5)
        levels = np.stack([3 * columns + 10, second], -1)
        yield (levels / 255 * 40 - 20).astype(np.float32)


@pytest.fixture(scope='module')
def datasets(tmp_path_factory, write_video_file):
    """The same videos as RGB and as flow, opened; ids end with "LENGTH.avi"."""
    root = tmp_path_factory.mktemp('aligned')
    for split in ('train', 'validation'):
        for name in ('first', 'second'):
            for length in LENGTHS:
                path = root / 'videos' / split / name / f'{length}.avi'
                write_video_file(path, rgb_frames(length), 25)
    opened = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding.optical_flow, 'flow_fields', known_fields)
        for modality in ('rgb', 'flow'):
            builder = catalog.make_builder(
                'video_folder',
                modality,
                root / 'data',
                root / 'videos',
                frames_per_second=None,
                frame_size=None,
                jpeg_quality=100,
                modality=modality,
            )
            convert_dataset(builder, processes=0)
            opened[modality] = catalog.open_dataset('video_folder', modality, root / 'data')
    return opened


def length_of(video_id):
    return int(video_id.split('/')[-1].split('.')[0])


def level(values):
    """What a constant patch was, despite JPEG: the median."""
    return float(np.median(values))


def read_rgb(clip):
    """(first frame, top, left, mirrored) of a clip of `rgb_frames`."""
    first = round((level(clip[0, ..., 2]) - 5) / 10)
    top = round((level(clip[:, 0, :, 1]) - 10) / 4)
    left, right = (round((level(clip[:, :, side, 0]) - 10) / 3) for side in (0, -1))
    return first, top, min(left, right), left > right


def read_flow(clip):
    """(first frame, top, level of the first column, of the last) of a clip of `known_fields`."""
    even = int(np.ptp(clip[1, ..., 1].astype(int)) < np.ptp(clip[0, ..., 1].astype(int)))
    rows, numbers = (clip[0], clip[1]) if even else (clip[1], clip[0])
    first = round((level(numbers[..., 1]) - 5) / 10) - even
    top = round((level(rows[0, :, 1]) - 10) / 4)
    return first, top, level(clip[:, :, 0, 0]), level(clip[:, :, -1, 0])


def batches(dataset, count, **changes):
    arguments = {
        'frames': FRAMES,
        'crop_size': (40, 32),
        'batch_size': 8,
        'seed': 3,
        'flip': True,
        'deterministic': True,  # else a later batch may overtake an earlier one
    }
    made = clips.training_clips(dataset, 'train', **(arguments | changes))
    return {
        (int(batch['epoch'][i]), batch['id'][i].decode()): batch['clip'][i]
        for batch in made.take(count).as_numpy_iterator()
        for i in range(len(batch['id']))
    }


def test_flow_and_rgb_clips_of_a_video_are_aligned(datasets):
    rgb, flow = (batches(datasets[modality], 6) for modality in ('rgb', 'flow'))
    assert rgb.keys() == flow.keys()
    assert {epoch for epoch, _ in rgb} == set(range(6))
    assert len(rgb) == 48
    seen = set()
    for key, clip in flow.items():
        assert clip.shape == (FRAMES, 40, 32, 2)
        start, top, left, mirrored = read_rgb(rgb[key])
        flow_start, flow_top, first, last = read_flow(clip)
        assert flow_top == top
        # Levels say the columns 3 column + 10; seen in a mirror, 255 less that.
        expected = [3 * left + 10, 3 * (left + 31) + 10]
        if mirrored:
            expected = [255 - expected[1], 255 - expected[0]]
        assert [first, last] == pytest.approx(expected, abs=2)
        length = length_of(key[1])
        if length <= FRAMES:
            assert start == flow_start == 0
        else:
            assert start - flow_start in (0, 1)
            rooms = length - FRAMES + 1, length - FRAMES  # starts there are, RGB and flow
            assert abs(start / rooms[0] - flow_start / rooms[1]) < 1 / rooms[1]
        seen.add((length, start, mirrored))
    assert {mirrored for _, _, mirrored in seen} == {False, True}
    assert len({start for length, start, _ in seen if length == 24}) > 4


def test_evaluation_sees_flow_whole_and_reversed(datasets):
    def windows(reverse):
        made = clips.evaluation_windows(
            datasets['flow'],
            'validation',
            frames=FRAMES,
            crop_size=(40, 32),
            batch_size=4,
            reverse=reverse,
        )
        return [
            (batch['id'][i].decode(), int(batch['window'][i]), batch['clip'][i])
            for batch in made.as_numpy_iterator()
            for i in range(len(batch['id']))
        ]

    normal, backwards = windows(False), windows(True)
    lengths = [length - 1 for length in LENGTHS]  # N frames have N - 1 fields
    assert len(normal) == 2 * sum(-(-length // FRAMES) for length in lengths)
    for (video_id, window, clip), (other_id, other_window, reverse) in zip(
        normal, backwards, strict=True
    ):
        assert (video_id, window) == (other_id, other_window)
        np.testing.assert_array_equal(reverse, 255 - clip[::-1])
        first, top, left, right = read_flow(clip)
        length = length_of(video_id) - 1
        assert first == min(window * FRAMES, max(length - FRAMES, 0))
        assert top == 4
        assert [left, right] == pytest.approx([3 * 16 + 10, 3 * 47 + 10], abs=2)


def test_stored_flow_has_two_channels(datasets):
    for stored in stored_videos(datasets['flow'], 'validation'):
        length = length_of(stored['id'])
        assert stored['video'].shape == (length - 1, HEIGHT, WIDTH, 2)
        columns = 3 * np.arange(WIDTH) + 10
        assert np.abs(stored['video'][:, 20, :, 0].astype(int) - columns).max() <= 2


def test_a_crop_larger_than_the_flow_is_refused(datasets):
    with pytest.raises(clips.ClipError, match='48x64 .* crop of 48x65'):
        batches(datasets['flow'], 1, crop_size=(48, 65))
