"""Optical flow: its 8 bits by hand, and known motion from conversion to the stored field."""

import cv2
import numpy as np
import pytest

from data import encoding
from s3dg.errors import VideoError
from s3dg.video import optical_flow, writing

TVL1 = encoding.Storage(
    frames_per_second=25,
    frame_size=None,
    short_side=None,
    jpeg_quality=95,
    modality='flow',
    flow_algorithm='tvl1',
)


def texture(height, width, seed):
    """Gray float32 values of all sizes of detail down to two pixels."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for size in (2, 4, 8, 16, 32):
        noise = rng.standard_normal((height // size + 3, width // size + 3)).astype(np.float32)
        total += size**0.7 * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 45 * (total - total.mean()) / total.std(), 0, 255)


def seen_from(height, width, matrix, seed=0):
    """A textured plane under a camera's motion: a pixel's place from its place in the middle."""
    shift = np.float32([[1, 0, -100], [0, 1, -100], [0, 0, 1]])
    middle = np.float32([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    about_middle = np.linalg.inv(middle) @ np.vstack([matrix, [0, 0, 1]]) @ middle @ shift
    plane = texture(height + 200, width + 200, seed)
    return cv2.warpAffine(plane, about_middle[:2], (width, height)).astype(np.uint8)


def shape_moves(height, width, velocity, count, radius, start=None, seed=0):
    """Gray frames of a textured disc that moves over another texture."""
    background, disc = texture(height, width, seed), texture(height, width, seed + 1)
    start = start or (width // 2, height // 2)
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(x - start[0], y - start[1]) < radius
    frames = []
    for k in range(count):
        shift = velocity[1] * k, velocity[0] * k
        moved = np.roll(disc, shift, (0, 1)), np.roll(inside, shift, (0, 1))
        frames.append(np.where(moved[1], moved[0], background).astype(np.uint8))
    return frames


def decode(jpeg):
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.ndim == 2
    return optical_flow.from_image(picture)


# In 8 bits.


@pytest.mark.parametrize(
    ('pixels', 'level', 'back'),
    [
        (0.0, 128, 0.0784),  # 127.5 is rounded to even
        (-0.0, 128, 0.0784),
        (-0.1, 127, -0.0784),  # 126.86
        (0.1, 128, 0.0784),  # 128.14
        (1.0, 134, 1.0196),  # 133.875
        (3.0, 147, 3.0588),  # 146.625
        (-3.0, 108, -3.0588),  # 108.375
        (19.9, 254, 19.8431),  # 254.36
        (20.0, 255, 20.0),
        (-20.0, 0, -20.0),
        (20.1, 255, 20.0),
        (-1e9, 0, -20.0),
        (np.inf, 255, 20.0),
    ],
)
def test_levels_by_hand(pixels, level, back):
    image = optical_flow.to_image(np.full((1, 1, 2), pixels, np.float32))
    assert image.dtype == np.uint8
    assert image.tolist() == [[level, level]]
    again = optical_flow.from_image(image)
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, [[[back, back]]], atol=1e-4)


def test_x_is_left_and_y_right():
    field = np.zeros((2, 3, 2), np.float32)
    field[..., 0] = [[1, 2, 3], [4, 5, 6]]
    field[..., 1] = [[-1, -2, -3], [-4, -5, -6]]
    image = optical_flow.to_image(field)
    # 20 px are 127.5 levels.
    assert image.tolist() == [
        [134, 140, 147, 121, 115, 108],
        [153, 159, 166, 102, 96, 89],
    ]
    np.testing.assert_allclose(optical_flow.from_image(image), field, atol=0.0785)


def test_every_level_comes_back_and_no_value_is_off_by_more_than_half_a_level():
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    np.testing.assert_array_equal(optical_flow.to_image(optical_flow.from_image(levels)), levels)
    field = np.random.default_rng(0).uniform(-20, 20, (50, 60, 2)).astype(np.float32)
    again = optical_flow.from_image(optical_flow.to_image(field))
    assert np.abs(again - field).max() <= 20 / 255 + 1e-5


def test_several_images_at_once():
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 4, 10), dtype=np.uint8)
    fields = optical_flow.from_image(images)
    assert fields.shape == (3, 2, 4, 5, 2)
    np.testing.assert_array_equal(fields[2, 1], optical_flow.from_image(images[2, 1]))


# The fields.


@pytest.mark.parametrize('algorithm', ['tvl1', 'dis'])
def test_fields_are_those_of_opencv(algorithm):
    frames = [seen_from(64, 48, np.float32([[1, 0, k], [0, 1, 2 * k]])) for k in range(3)]
    fields = list(optical_flow.flow_fields(iter(frames), algorithm))
    assert len(fields) == 2
    for field, before, after in zip(fields, frames[:-1], frames[1:], strict=True):
        if algorithm == 'tvl1':
            method = cv2.optflow.DualTVL1OpticalFlow_create()
        else:
            method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        np.testing.assert_array_equal(field, method.calc(before, after, None))
        assert field.shape == (64, 48, 2)
        inner = field[16:-16, 16:-16]
        np.testing.assert_allclose(inner, np.broadcast_to([1, 2], inner.shape), atol=0.2)


def test_tvl1_by_the_defaults_of_opencv():
    """Those of OpenCV 4.13 and 5.0, which are those of Sanchez, Meinhardt-Llopis and Facciolo
    (IPOL 2013) but for the number of iterations."""
    method = optical_flow.ALGORITHMS['tvl1']()
    values = {
        'Tau': 0.25,
        'Lambda': 0.15,
        'Theta': 0.3,
        'Gamma': 0.0,
        'ScalesNumber': 5,
        'WarpingsNumber': 5,
        'Epsilon': 0.01,
        'InnerIterations': 30,
        'OuterIterations': 10,
        'ScaleStep': 0.8,
        'MedianFiltering': 5,
    }
    assert {name: getattr(method, f'get{name}')() for name in values} == pytest.approx(values)


@pytest.mark.parametrize('algorithm', ['tvl1', 'dis'])
def test_pictures_without_texture_have_no_flow(algorithm):
    for first, second in [(0, 0), (255, 255), (0, 255), (128, 129)]:
        frames = [np.full((24, 32), level, np.uint8) for level in (first, second)]
        (field,) = optical_flow.flow_fields(frames, algorithm)
        np.testing.assert_allclose(field, 0, atol=1e-6)


def test_fewer_than_two_frames_have_no_flow():
    assert list(optical_flow.flow_fields([])) == []
    assert list(optical_flow.flow_fields([np.zeros((8, 8), np.uint8)])) == []


def test_a_missing_algorithm_names_the_wheel(monkeypatch):
    monkeypatch.delattr(cv2, 'optflow')
    frames = [np.zeros((24, 24), np.uint8)] * 2
    with pytest.raises(optical_flow.FlowError) as error:
        list(optical_flow.flow_fields(frames, 'tvl1'))
    message = str(error.value)
    assert message.startswith('cv2.optflow: not found')
    assert 'install opencv-contrib-python-headless' in message
    assert '\n' not in message
    assert len(list(optical_flow.flow_fields(frames, 'dis'))) == 1  # it is in every OpenCV


def test_what_is_no_number_is_not_stored(monkeypatch):
    class Broken:
        def calc(self, before, after, flow):
            field = np.zeros((*before.shape, 2), np.float32)
            field[3, 4, 1] = np.nan
            return field

    monkeypatch.setitem(optical_flow.ALGORITHMS, 'tvl1', Broken)
    with pytest.raises(VideoError, match='not a number'):
        list(optical_flow.flow_fields([np.zeros((8, 8), np.uint8)] * 2))


@pytest.mark.parametrize('shape', [(8, 40), (15, 256), (40, 8), (4, 4)])
def test_frames_on_which_dis_would_crash(shape):
    frames = [np.random.default_rng(k).integers(0, 256, shape, dtype=np.uint8) for k in range(2)]
    with pytest.raises(VideoError, match=f'frames of {shape[0]}x{shape[1]}, DIS flow needs 16'):
        list(optical_flow.flow_fields(frames, 'dis'))
    (field,) = optical_flow.flow_fields(frames, 'tvl1')
    assert field.shape == (*shape, 2)


# Through JPEG of quality 95.


ZOOM = np.float32([[1.02, 0, 0], [0, 1.02, 0]])
TURN = np.float32([[np.cos(0.03), -np.sin(0.03), 0], [np.sin(0.03), np.cos(0.03), 0]])
STILL = np.float32([[1, 0, 0], [0, 1, 0]])


def camera(height, width, matrix):
    return [seen_from(height, width, STILL), seen_from(height, width, matrix)]


@pytest.mark.parametrize(
    ('frames', 'algorithm'),
    [
        (camera(256, 256, TURN), 'tvl1'),
        (camera(256, 341, ZOOM), 'tvl1'),
        (shape_moves(256, 256, (3, 0), 2, 25), 'tvl1'),
        (camera(256, 256, TURN), 'dis'),
        (camera(256, 341, ZOOM), 'dis'),
        (shape_moves(256, 341, (8, 5), 2, 50), 'dis'),
    ],
    ids=['turn', 'zoom-341', 'shape', 'turn-dis', 'zoom-341-dis', 'fast-shape-341-dis'],
)
def test_error_of_what_is_stored(frames, algorithm):
    (field,) = optical_flow.flow_fields(frames, algorithm)
    assert np.percentile(np.abs(field), 90) > 1 or np.abs(field[128, 128]).max() > 2.8
    stored = writing.encode_jpeg(optical_flow.to_image(field), 95)
    errors = np.abs(decode(stored) - field)
    assert np.percentile(errors, 99) <= 0.15
    width = field.shape[1]
    if width % 8:  # a block of 8x8 pixels holds the last columns of x and the first ones of y
        last, first = errors[:, width // 8 * 8 :, 0], errors[:, : 8 - width % 8, 1]
        assert np.percentile(np.concatenate([last.ravel(), first.ravel()]), 99) <= 0.25


def test_error_at_sharp_borders():
    """Where neighbours move by several pixels against each other, JPEG blurs, as it does any edge:
    this is what it costs at worst, and no reason to trust such pixels more."""
    frames = shape_moves(128, 128, (6, 5), 2, 30)
    (field,) = optical_flow.flow_fields(frames)
    errors = np.abs(decode(writing.encode_jpeg(optical_flow.to_image(field), 95)) - field)
    assert np.percentile(errors, 95) <= 0.25
    assert np.percentile(errors, 99) <= 0.4


# From a video file to what a reader of the dataset sees.


@pytest.fixture(scope='module')
def moving_shapes(tmp_path_factory, write_video_file):
    """Videos of a disc that moves 3 pixels a frame, of a size that is no multiple of 8."""
    root = tmp_path_factory.mktemp('flow') / 'videos'
    for name, velocity in {'right': (3, 0), 'up': (0, -3)}.items():
        gray = shape_moves(92, 108, velocity, 4, 30)
        frames = [np.repeat(frame[:, :, None], 3, axis=2) for frame in gray]
        for split in ('train', 'validation'):
            write_video_file(root / split / name / '0.avi', frames, 25)
        mirrored = [frame[:, ::-1] for frame in frames]
        write_video_file(root / 'mirrored' / name / '0.avi', mirrored, 25)
    (root / 'mirrored').rename(root.parent / 'mirrored')
    return root


@pytest.mark.parametrize(('algorithm', 'most'), [('tvl1', 0.2), ('dis', 0.3)])
def test_motion_of_a_shape_through_a_conversion(
    moving_shapes, tmp_path, convert_dataset, algorithm, most
):
    done, opened, examples = convert_dataset(
        'video_folder',
        'mine',
        tmp_path,
        moving_shapes,
        modality='flow',
        flow_algorithm=algorithm,
        frame_size=None,
    )
    assert done.frames == 4 * 3
    assert opened.info.metadata['flow_algorithm'] == algorithm
    for name, velocity in {'right': (3, 0), 'up': (0, -3)}.items():
        pictures = examples['train'][f'train/{name}/0.avi']['video']
        assert pictures.shape == (3, 92, 216, 1)
        fields = optical_flow.from_image(pictures[..., 0])
        for k, field in enumerate(fields):
            x, y = 54 + velocity[0] * k, 46 + velocity[1] * k
            middle = field[y - 5 : y + 6, x - 5 : x + 6].reshape(-1, 2)
            np.testing.assert_allclose(middle.mean(axis=0), velocity, atol=0.16)
            moving, resting = (0, 1) if velocity[0] else (1, 0)
            np.testing.assert_allclose(middle[:, moving], velocity[moving], atol=most)
            # No level is zero, and JPEG moves a few pixels to the next one but one: 0.235.
            np.testing.assert_allclose(middle[:, resting], 0, atol=0.24)
            assert np.abs(field[:8, :8]).mean() <= 0.2


def test_resizing_scales_the_motion(tmp_path, write_video_file):
    gray = shape_moves(128, 160, (4, 4), 2, 40)
    frames = [np.repeat(frame[:, :, None], 3, axis=2) for frame in gray]
    write_video_file(tmp_path / 'v.avi', frames, 25)
    storage = encoding.Storage(25, (64, 160), None, 95, 'flow', 'dis')  # half as high
    (stored,) = encoding.encode_video(str(tmp_path / 'v.avi'), storage).frames
    middle = decode(stored)[28:37, 72:89].mean(axis=(0, 1))
    np.testing.assert_allclose(middle, [4, 2], atol=0.2)


@pytest.mark.parametrize('algorithm', ['tvl1', 'dis'])
def test_flow_of_the_mirrored_video(moving_shapes, algorithm):
    """Is the mirrored flow with x negated, but for what algorithms do at borders, where they go
    over a picture in one direction."""
    storage = encoding.Storage(25, None, None, 95, 'flow', algorithm)
    for name in ('right', 'up'):
        plain = encoding.encode_video(str(moving_shapes / 'train' / name / '0.avi'), storage).frames
        path = moving_shapes.parent / 'mirrored' / name / '0.avi'
        mirrored = encoding.encode_video(str(path), storage).frames
        for one, other in zip(plain, mirrored, strict=True):
            expected = decode(one)[:, ::-1] * np.float32([-1, 1])
            errors = np.abs(decode(other) - expected)
            assert errors.mean() <= 0.15  # zero decodes to +0.078: negated, 0.157 beside itself
            assert np.percentile(errors, 95) <= 0.4
            assert np.abs(expected).max() > 2.5
