"""Clips around annotated frames, of ramp videos."""

import itertools
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data import catalog
from data.clips import annotated
from data.clips.common import ClipError
from data.conversion.convert import convert_dataset
from data.errors import DatasetError
from data.records import faults
from tests.data import annotated_ramps
from tests.data.annotated_ramps import ANNOTATED, HEIGHT, LENGTHS, WIDTH, corners, ramp

FRAMES = 6  # of a clip
WITH_FLOW = sum(len(ANNOTATED[name]) for name in 'abc')
MOST_BOXES = 3


@pytest.fixture(scope='module')
def datasets(tmp_path_factory, write_video_file):
    return annotated_ramps.convert(tmp_path_factory.mktemp('annotated'), write_video_file)


def make(datasets, with_flow=True, **changes):
    rgb, flow = datasets
    arguments = {
        'flow': flow if with_flow else None,
        'frames': FRAMES,
        'most_boxes': MOST_BOXES,
        'batch_size': 2,
        'seed': 3,
        'flip': True,
    }
    return annotated.training_frames(rgb, 'train', **(arguments | changes))


def examples(dataset, count):
    """The first examples of batches, one by one."""
    one_by_one = dataset.unbatch().take(count)
    return list(one_by_one.as_numpy_iterator())


def names(found):
    return [(one['id'].decode(), int(one['frame'])) for one in found]


def context(frame, frames, stored):
    return annotated.context(np.int64(frame), frames, np.int64(stored)).numpy()


def test_the_frames_around_one():
    assert context(30, 20, 40).tolist() == list(range(20, 40))
    assert context(2, 6, 9).tolist() == [0, 0, 1, 2, 3, 4]
    assert context(8, 6, 9).tolist() == [5, 6, 7, 8, 8, 8]
    assert context(8, 6, 8).tolist() == [5, 6, 7, 7, 7, 7]  # of its flow
    assert context(0, 4, 1).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize('with_flow', [False, True])
def test_every_annotated_frame_once_an_epoch(datasets, with_flow):
    expected = {
        (name, frame)
        for name, frames in ANNOTATED.items()
        for frame in frames
        if name != 'one' or not with_flow  # a single frame has no flow
    }
    count = len(expected)
    found = examples(make(datasets, with_flow, batch_size=1), 3 * count)
    epochs = [names(found[k * count : (k + 1) * count]) for k in range(3)]
    assert all(set(epoch) == expected for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1  # in another order
    assert [int(one['epoch']) for one in found] == [k for k in range(3) for _ in range(count)]
    other = examples(make(datasets, with_flow, batch_size=1, seed=4), count)
    assert names(other) != epochs[0]
    seeds = {tuple(one['seed'].tolist()) for one in found}
    assert len(seeds) == len(found)  # of each frame in each epoch
    assert min(map(min, seeds)) >= 0


@pytest.mark.parametrize('taken', [1, WITH_FLOW, 2 * WITH_FLOW + 3])
def test_a_training_goes_on_where_it_was(datasets, taken):
    whole = examples(make(datasets, batch_size=1), taken + 8)
    rest = examples(make(datasets, batch_size=1, first_example=taken), 8)
    for one, other in zip(whole[taken:], rest, strict=True):
        for key in one:
            assert np.array_equal(one[key], other[key]), key


def test_pipelines_share_the_frames(datasets):
    whole = examples(make(datasets, batch_size=1), 12)
    parts = [
        examples(make(datasets, batch_size=1, num_shards=2, shard_index=k), 6) for k in range(2)
    ]
    together = list(itertools.chain(*zip(*parts, strict=True)))
    assert names(together) == names(whole)
    assert all(np.array_equal(a['clip'], b['clip']) for a, b in zip(together, whole, strict=True))


def level(values):
    return float(np.median(values))


def test_colour_flow_and_boxes_show_the_same(datasets):
    """The same moment, side and order; also where the last frame is annotated."""
    mirrored = set()
    for one in examples(make(datasets), 40):
        name, frame = one['id'].decode(), int(one['frame'])
        length, count = LENGTHS[name], ANNOTATED[name][frame]
        numbers = context(frame, FRAMES, length)
        seen = [round((level(picture[..., 2]) - 5) / 15) for picture in one['clip']]
        assert seen == numbers.tolist()
        fields = [round((level(field[..., 1]) - 5) / 15) for field in one['flow']]
        assert fields == np.minimum(numbers, length - 2).tolist()
        assert np.array_equal(one['key'], one['clip'][FRAMES // 2])
        columns = [(level(one['clip'][:, :, x, 0]) - 10) / 3 for x in (2, WIDTH - 3)]
        across = [level(one['flow'][:, :, x, 0]) for x in (2, WIDTH - 3)]
        is_mirrored = columns[0] > columns[1]
        mirrored.add(is_mirrored)
        if is_mirrored:  # x components are negated too: levels become 255 less them
            across = [255 - value for value in across]
        assert np.subtract(across, 10) / 3 == pytest.approx(columns, abs=1)
        assert one['is_true'].tolist() == [k < min(count, MOST_BOXES) for k in range(MOST_BOXES)]
        assert one['left_out'] == max(count - MOST_BOXES, 0)
        for k in range(MOST_BOXES):
            expected = np.zeros(4)
            if k < count:
                top, left, bottom, right = corners(frame, k)
                if is_mirrored:
                    left, right = WIDTH - right, WIDTH - left
                expected = [top, left, bottom, right]
                assert one['labels'][k] == k
            assert one['true_boxes'][k] == pytest.approx(expected, abs=1e-4)
    assert mirrored == {True, False}


def test_nothing_is_mirrored_where_it_must_not_be(datasets):
    for one in examples(make(datasets, flip=False), 10):
        columns = [level(one['clip'][:, :, x, 0]) for x in (2, WIDTH - 3)]
        assert columns[0] < columns[1]


def test_shapes_are_static(datasets):
    spec = make(datasets).element_spec
    assert spec['clip'].shape == (2, FRAMES, HEIGHT, WIDTH, 3)
    assert spec['flow'].shape == (2, FRAMES, HEIGHT, WIDTH, 2)
    assert spec['key'].shape == (2, HEIGHT, WIDTH, 3)
    assert spec['true_boxes'].shape == (2, MOST_BOXES, 4)
    assert 'flow' not in make(datasets, with_flow=False).element_spec


def evaluated(datasets, **options):
    rgb, flow = datasets
    found = annotated.evaluation_frames(
        rgb, 'train', flow=flow, frames=FRAMES, most_boxes=4, batch_size=4, **options
    )
    return list(found.unbatch().as_numpy_iterator())


def test_evaluation_takes_every_annotated_frame_in_order(datasets):
    found = evaluated(datasets)
    assert names(found) == [(name, frame) for name in 'abc' for frame in ANNOTATED[name]]
    for one in found:
        assert level(one['clip'][:, :, 2, 0]) < level(one['clip'][:, :, -3, 0])
        assert one['is_true'].sum() == ANNOTATED[one['id'].decode()][int(one['frame'])]
    assert names(evaluated(datasets, first_video=2)) == [('c', frame) for frame in ANNOTATED['c']]
    assert evaluated(datasets, first_video=3) == []


def test_evaluation_of_every_frame(datasets):
    found = evaluated(datasets, every_frame=True)
    assert names(found) == [(name, frame) for name in 'abc' for frame in range(LENGTHS[name])]
    assert [one['is_true'].sum() for one in found] == [
        ANNOTATED[name].get(frame, 0) for name in 'abc' for frame in range(LENGTHS[name])
    ]


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'frames': 0}, 'frames: found 0, expected a positive number'),
        ({'most_boxes': 0}, 'most_boxes: found 0'),
        ({'batch_size': 0}, 'batch_size: found 0'),
        ({'first_example': 3, 'num_shards': 2}, 'first_example: found 3, expected a multiple of'),
        ({'shard_index': 1}, 'shard_index: found 1, expected 0 to 0'),
    ],
)
def test_arguments_that_cannot_be(datasets, changes, said):
    with pytest.raises(ClipError, match=said):
        make(datasets, **changes)


def test_datasets_that_cannot_be(datasets, tmp_path, write_video_file):
    rgb, flow = datasets
    with pytest.raises(ClipError, match="no split 'test', expected one of train"):
        annotated.annotated_videos(rgb, 'test')
    for split in ('train', 'validation'):
        write_video_file(tmp_path / 'videos' / split / 'jump' / 'v.avi', ramp(3), 25)
    plain = catalog.make_builder(
        'video_folder', 'rgb', tmp_path / 'data', tmp_path / 'videos', frame_size=(HEIGHT, WIDTH)
    )
    convert_dataset(plain, processes=0)
    plain = catalog.open_dataset('video_folder', 'rgb', tmp_path / 'data')
    with pytest.raises(ClipError, match='found no boxes, expected a detection dataset'):
        annotated.annotated_videos(plain, 'train')
    with pytest.raises(ClipError, match="found no video 'a', which .* has; convert both from the"):
        annotated.annotated_videos(rgb, 'train', plain)
    assert len(annotated.annotated_videos(rgb, 'train', flow)) == 3
    assert len(annotated.annotated_videos(rgb, 'train')) == 4


def test_damage_is_named(datasets, tmp_path):
    rgb, _ = datasets
    copy = shutil.copytree(rgb.data_dir, tmp_path / 'copy')
    opened = tfds.builder_from_directory(copy)
    frames = annotated.training_frames(
        opened, 'train', frames=FRAMES, most_boxes=1, batch_size=1, seed=0, flip=False
    )
    (shard,) = [path for path in copy.glob('*train*')]
    stored = shard.read_bytes().replace(b'\xff\xd8\xff', b'\x00\x00\x00')  # no picture begins
    shard.write_bytes(stored)
    with (
        pytest.raises(DatasetError, match=f'{shard.name}: record 0: corrupt'),
        faults.named(opened, ['train']),
    ):
        examples(frames, 20)
