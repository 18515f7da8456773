"""From a video to encoded frames, against OpenCV called by hand."""

import dataclasses
import math
import pickle
import re

import cv2
import numpy as np
import pytest

from data import encoding
from data.datasets.builder import VideoConfig
from data.datasets.jhmdb import masks
from data.errors import DatasetError
from s3dg.errors import VideoError
from s3dg.video import optical_flow, reading
from tests.data import jobs

RGB = encoding.Storage(
    frames_per_second=25,
    frame_size=(24, 40),
    short_side=None,
    jpeg_quality=90,
    modality='rgb',
    flow_algorithm='tvl1',
)
FLOW = dataclasses.replace(RGB, modality='flow')
FOLDERS = dataclasses.replace(RGB, folder_frames_per_second=25)


@pytest.fixture(scope='module')
def frames():
    """Six RGB frames of a texture that moves."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 20, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (80, 48), interpolation=cv2.INTER_CUBIC)
    return [np.roll(picture, 2 * k, axis=1) for k in range(6)]


@pytest.fixture(scope='module')
def path(frames, tmp_path_factory, write_video_file):
    path = tmp_path_factory.mktemp('encoding') / 'v.avi'
    write_video_file(path, frames, 25)
    return str(path)


def jpeg(picture, quality=90):
    return cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def resized(frame):
    """In OpenCV's own order of channels, as a video is decoded."""
    return cv2.resize(frame[:, :, ::-1], (40, 24), interpolation=cv2.INTER_LINEAR)


def tvl1_pictures(frames):
    """The flow between gray frames, in 8 bits, by the formula of the format."""
    gray = [cv2.cvtColor(resized(frame), cv2.COLOR_BGR2GRAY) for frame in frames]
    pictures = []
    for before, after in zip(gray[:-1], gray[1:], strict=True):
        flow = cv2.optflow.DualTVL1OpticalFlow_create().calc(before, after, None)
        levels = np.rint((np.clip(flow, -20, 20) + 20) / 40 * 255)
        pictures.append(np.hstack([levels[:, :, 0], levels[:, :, 1]]).astype(np.uint8))
    return pictures


def test_rgb(path, frames):
    assert encoding.encode_video(path, RGB).frames == [jpeg(resized(frame)) for frame in frames]


def test_flow(path, frames):
    pictures = tvl1_pictures(frames)
    encoded = encoding.encode_video(path, FLOW).frames
    assert len(encoded) == 5
    assert encoded == [jpeg(picture) for picture in pictures]
    decoded = cv2.imdecode(np.frombuffer(encoded[0], np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded.shape == (24, 80)  # one channel


def test_another_algorithm_gives_another_flow(path):
    dis = encoding.encode_video(path, dataclasses.replace(FLOW, flow_algorithm='dis')).frames
    assert len(dis) == 5
    assert dis != encoding.encode_video(path, FLOW).frames


def test_flow_is_computed_at_the_rate_that_is_stored(tmp_path, frames, write_video_file):
    """Every second of the frames, so twice the motion."""
    write_video_file(tmp_path / 'v.avi', frames, 50)
    encoded = encoding.encode_video(str(tmp_path / 'v.avi'), FLOW).frames
    assert encoded == [jpeg(picture) for picture in tvl1_pictures(frames[1::2])]


@pytest.mark.parametrize('storage', [FOLDERS, dataclasses.replace(FOLDERS, modality='flow')])
def test_a_folder_of_frames_is_a_video(tmp_path, path, frames, storage):
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(tmp_path / f'{number:05d}.png'), frame[:, :, ::-1])
    assert (
        encoding.encode_video(str(tmp_path), storage).frames
        == encoding.encode_video(path, storage).frames
    )


def test_folders_are_resampled_too(tmp_path, frames):
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(tmp_path / f'{number:05d}.png'), frame[:, :, ::-1])
    storage = dataclasses.replace(FOLDERS, folder_frames_per_second=12.5)
    expected = [jpeg(resized(frame)) for frame in frames for _ in range(2)]
    assert encoding.encode_video(str(tmp_path), storage).frames == expected


def test_folders_only_where_they_are_expected(tmp_path):
    assert str(encoding.try_video(encoding.Source(str(tmp_path)), RGB)) == 'a folder, not a file'
    assert (
        str(encoding.try_video(encoding.Source(str(tmp_path)), FOLDERS))
        == 'no frames in this folder'
    )
    missing = str(tmp_path / 'missing')
    assert str(encoding.try_video(encoding.Source(missing), RGB)) == reading.MISSING
    assert str(encoding.try_video(encoding.Source(missing), FOLDERS)) == reading.MISSING


def test_a_single_frame_has_no_flow(tmp_path, write_video_file, frames):
    """Two frames of a fast video, one of which resampling leaves."""
    write_video_file(tmp_path / 'v.avi', frames[:2], 50)
    assert len(encoding.encode_video(str(tmp_path / 'v.avi'), RGB).frames) == 1
    with pytest.raises(VideoError, match='^only one frame, no flow$'):
        encoding.encode_video(str(tmp_path / 'v.avi'), FLOW)


def test_a_record_has_a_limit(path, frames, monkeypatch):
    sizes = [len(jpeg(resized(frame))) for frame in frames]
    monkeypatch.setattr(encoding, 'MOST_BYTES', sum(sizes))
    assert len(encoding.encode_video(path, RGB).frames) == 6
    monkeypatch.setattr(encoding, 'MOST_BYTES', sum(sizes[:4]) - 1)
    with pytest.raises(VideoError, match='too long: its first 4 frames fill a record'):
        encoding.encode_video(path, RGB)


def test_errors_of_opencv_are_the_video_s(path, monkeypatch):
    resize = cv2.resize
    monkeypatch.setattr(cv2, 'resize', lambda frame, size, interpolation: resize(frame[:0], size))
    error = encoding.try_video(encoding.Source(path), RGB)
    assert isinstance(error, VideoError)
    assert str(error).startswith('OpenCV fails on it: ')
    assert 'ssize.empty()' in str(error)
    assert '\n' not in str(error)


def test_too_small_for_dis(path):
    storage = dataclasses.replace(FLOW, flow_algorithm='dis', frame_size=(12, 40))
    error = encoding.try_video(encoding.Source(path), storage)
    assert str(error) == 'frames of 12x40, DIS flow needs 16 pixels a side'


def test_a_bad_annotation_is_told_before_the_video_is_decoded(path, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, 'encode_video', None)
    storage = dataclasses.replace(RGB, read_annotation=masks.read)
    error = encoding.try_video(encoding.Source(path, str(tmp_path / 'none.mat')), storage)
    assert str(error) == 'none.mat: file not found'
    monkeypatch.undo()
    gone = encoding.Source(str(tmp_path / 'gone.avi'), str(tmp_path / 'none.mat'))
    assert str(encoding.try_video(gone, storage)) == reading.MISSING


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('frames_per_second', 0),
        ('frames_per_second', 0.0),
        ('frames_per_second', -25),
        ('frames_per_second', 1001),
        ('frames_per_second', math.nan),
        ('frames_per_second', '25'),
        ('folder_frames_per_second', 0),
        ('jpeg_quality', 0),
        ('jpeg_quality', 101),
        ('jpeg_quality', 95.5),
        ('frame_size', (16,)),
        ('frame_size', ()),
        ('frame_size', (0, 16)),
        ('frame_size', (16.0, 16)),
        ('frame_size', (16, 16385)),
        ('frame_size', 16),
        ('modality', 'depth'),
        ('modality', ''),
        ('flow_algorithm', None),
    ],
)
def test_values_that_cannot_be(field, value):
    """At the configuration, and wherever else somebody says how videos are stored."""
    expected = f'found {field}={value!r}, expected '
    with pytest.raises(DatasetError, match=f'^{re.escape(expected)}'):
        dataclasses.replace(RGB, **{field: value})
    if field != 'folder_frames_per_second':
        with pytest.raises(DatasetError, match=f"^config 'mine': {re.escape(expected)}"):
            VideoConfig(name='mine', **{field: value})


@pytest.mark.parametrize('side', [0, -1, 16385, 16.5])
def test_short_sides_that_cannot_be(side):
    message = f'found short_side={side}, expected 1 to 16384 pixels'
    with pytest.raises(DatasetError, match=f'^{message}$'):
        dataclasses.replace(RGB, frame_size=None, short_side=side)
    with pytest.raises(DatasetError, match=f"^config 'mine': {message}$"):
        VideoConfig(name='mine', frame_size=None, short_side=side)
    with pytest.raises(DatasetError, match='expected one of them to be None'):
        VideoConfig(name='mine', short_side=16)


def test_values_that_can_be():
    assert VideoConfig(name='mine', frame_size=[16, 24]).frame_size == (16, 24)
    assert VideoConfig(name='mine').jpeg_quality == 95
    assert VideoConfig(name='mine', modality='flow').jpeg_quality == 98
    given = {'frames_per_second': None, 'frame_size': None, 'jpeg_quality': 1}
    dataclasses.replace(RGB, **given)
    VideoConfig(name='mine', **given)
    VideoConfig(name='mine', frames_per_second=1000, jpeg_quality=100)


def test_what_is_missing_here_is_no_fault_of_a_video(path, monkeypatch):
    monkeypatch.delattr(cv2, 'optflow')
    with pytest.raises(optical_flow.FlowError):
        encoding.try_video(encoding.Source(path), FLOW)


def test_what_processes_hand_back(tmp_path):
    """An error comes through a pipe as it is."""
    (tmp_path / 'v.avi').write_text('no video ' * 100)
    error = encoding.try_video(encoding.Source(str(tmp_path / 'v.avi')), RGB)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (VideoError, 'not a video: FFmpeg cannot open it')
    assert pickle.loads(pickle.dumps(RGB)) == RGB
    assert isinstance(encoding.crash(RGB), VideoError)


def test_an_annotation_is_read_with_its_video(path, tmp_path):
    annotated = dataclasses.replace(RGB, read_annotation=jobs.read_text)
    (tmp_path / 'words').write_text('some words')
    found = encoding.try_video(encoding.Source(path, str(tmp_path / 'words')), annotated)
    assert found == encoding.Encoded(
        encoding.encode_video(path, RGB).frames, annotation='some words'
    )
    (tmp_path / 'words').write_text('')
    error = encoding.try_video(encoding.Source(path, str(tmp_path / 'words')), annotated)
    assert str(error) == 'an annotation without words'
    assert encoding.try_video(encoding.Source(path, 'nothing'), RGB).annotation is None
