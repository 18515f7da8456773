"""`s3dg.load`: what a network says of a video, from a `.keras` file and from a SavedModel."""

import cv2
import keras
import numpy as np
import pytest

import s3dg
from s3dg.analysis.segments import SegmentError
from s3dg.analysis.video_model import ModelError
from s3dg.errors import VideoError
from s3dg.saving.export import ExportError, export
from s3dg.saving.keras_file import KerasFileError
from s3dg.video.writing import write_video
from tests.s3dg.small import SMALL, randomized

FORMAT = s3dg.VideoFormat(
    frame_size=None, crop_size=(32, 40), clip_frames=8, evaluation_frames=8, frames_per_second=25.0
)
NAMES = ('a', 'b', 'c', 'd', 'e')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A network in both forms, and a lossless video of 20 frames at its rate, larger than a crop.

    The network has random statistics of batch norm, which the SavedModel has folded into weights.
    """
    folder = tmp_path_factory.mktemp('models')
    network = s3dg.Network(s3dg.named_config('s3d_g', **SMALL), NAMES, FORMAT)
    randomized(network).save(folder / 'model.keras')
    export(network, folder / 'saved_model')
    write_video(folder / 'video.avi', _frames(), 25, 'FFV1')
    return folder


def _frames():
    """Smooth noise, 20x36x44, so that nothing looks alike."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 9, 11, 3)).astype('uint8')
    return np.stack([cv2.resize(frame, (44, 36)) for frame in noise])


@pytest.fixture(scope='module', params=['model.keras', 'saved_model'])
def model(request, folder):
    return s3dg.load(folder / request.param)


@pytest.fixture(scope='module')
def expected(folder):
    """Of the three windows of evaluation: logits, and the mean of Mixed_5c."""
    network = keras.models.load_model(folder / 'model.keras')
    crop = _frames()[:, 2:34, 2:42].astype('float32')
    clips = np.stack([crop[first : first + 8] for first in (0, 8, 12)])
    middle = network.endpoint('Mixed_5c')(clips).numpy().mean((1, 2, 3))
    return network(clips).numpy(), middle


def _softmax(logits):
    odds = np.exp(np.float64(logits))
    return odds / odds.sum(-1, keepdims=True)


def _scores(answer):
    return {one['label']: one['score'] for one in answer}


def _close(answer):
    return pytest.approx(_scores(answer), abs=1e-6)


def test_classes_are_those_of_the_mean_logits(model, folder, expected):
    probabilities = _softmax(expected[0].mean(0))
    order = np.argsort(-probabilities)
    for video in (folder / 'video.avi', str(folder / 'video.avi'), _frames()):
        found = model.classify(video, top=3)
        assert [one['label'] for one in found] == [NAMES[i] for i in order[:3]]
        scores = [one['score'] for one in found]
        np.testing.assert_allclose(scores, probabilities[order[:3]], rtol=2e-3)
    assert len(model.classify(_frames(), top=99)) == 5


def test_features_are_those_of_windows_cut_by_hand(model, folder, expected):
    found = model.features(folder / 'video.avi')
    np.testing.assert_allclose(found.values, expected[1], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.times, (np.array([0, 8, 12]) + 3.5) / 25, atol=1e-6)
    logits = model.features(folder / 'video.avi', endpoint='logits').values
    np.testing.assert_allclose(logits, expected[0], rtol=1e-3, atol=1e-3)
    steps = model.features(folder / 'video.avi', 'Mixed_4f', window=16, stride=4, pool='space')
    assert steps.values.shape[:2] == steps.times.shape == (2, 4)


def test_the_network_is_a_keras_network_of_the_same_answers(model, expected):
    crop = _frames()[:8, 2:34, 2:42][None].astype('float32')
    np.testing.assert_allclose(model.network(crop), expected[0][:1], rtol=1e-3, atol=1e-3)
    assert isinstance(model.network, keras.Model)
    assert model.network.class_names == model.class_names == NAMES
    assert model.video_format == FORMAT


def test_segments_tell_when(model, expected):
    """One class all along: from the first frame to the end of the last one, by windows' mean."""
    best = _softmax(expected[0]).argmax(-1)
    found = model.segments(_frames(), window=8, stride=8, threshold=0.0)
    labels = [one['label'] for one in found]
    assert labels == [NAMES[i] for k, i in enumerate(best) if k == 0 or best[k - 1] != i]
    assert (found[0]['start'], found[-1]['end']) == (0, pytest.approx(0.8))
    assert model.segments(_frames(), threshold=1.0) == []
    with pytest.raises(SegmentError, match='threshold: found 2, expected a number from 0 to 1'):
        model.segments(_frames(), threshold=2)


def test_frames_of_another_rate_are_resampled(model):
    """Each frame twice, at twice the rate, is the same video."""
    doubled = np.repeat(_frames(), 2, axis=0)
    assert _scores(model.classify(doubled, fps=50)) == _close(model.classify(_frames()))
    assert _scores(model.classify(doubled)) != _close(model.classify(_frames()))


def test_a_folder_of_images_is_a_video(model, tmp_path):
    for number, frame in enumerate(_frames()):
        cv2.imwrite(str(tmp_path / f'{number:03d}.png'), frame[..., ::-1])
    assert _scores(model.classify(tmp_path)) == _close(model.classify(_frames()))
    halved = model.features(tmp_path, fps=12.5)
    assert len(halved.values) == 5  # of 40 frames
    assert halved.times[-1] == pytest.approx((32 + 3.5) / 25)


def test_videos_that_cannot_be_used_are_named(model, tmp_path):
    (tmp_path / 'text.mp4').write_text('no video')
    for ask in (model.classify, model.segments, model.features):
        with pytest.raises(VideoError, match='text.mp4: not a video'):
            ask(tmp_path / 'text.mp4')
    with pytest.raises(VideoError, match=r'found float32 of shape \(20, 36, 44, 3\), expected'):
        model.classify(_frames().astype('float32'))
    with pytest.raises(VideoError, match='found uint8 of shape .*expected frames as uint8'):
        model.classify(_frames()[0])
    with pytest.raises(VideoError, match='frames of 20x20 .* at least the crop of 32x40'):
        model.classify(_frames()[:, :20, :20])


def test_files_that_are_no_network_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.keras'):
        s3dg.load(tmp_path / 'none.keras')
    (tmp_path / 'text.keras').write_text('no network')
    with pytest.raises(KerasFileError, match='text.keras: it is no .keras file'):
        s3dg.load(tmp_path / 'text.keras')
    with pytest.raises(ExportError, match='is not a SavedModel written by this project'):
        s3dg.load(tmp_path)


def test_networks_that_cannot_answer_say_so(tmp_path):
    s3dg.build('i2d', channels=2, **SMALL).save(tmp_path / 'flow.keras')
    with pytest.raises(ModelError, match='flow.keras takes 2 channels, expected 3'):
        s3dg.load(tmp_path / 'flow.keras')
    config = s3dg.named_config('i2d', head='embedding', **SMALL)
    s3dg.Network(config, None, FORMAT).save(tmp_path / 'embedding.keras')
    embedding = s3dg.load(tmp_path / 'embedding.keras')
    with pytest.raises(ModelError, match='returns an embedding of 5 dimensions, expected classes'):
        embedding.classify(_frames())
    assert embedding.features(_frames(), endpoint='logits').values.shape == (3, 5)


def test_a_changed_variable_of_a_saved_model_is_no_weight(folder):
    exported = s3dg.load(folder / 'saved_model')._model
    exported.config = exported.config.replace(width=0.2)
    with pytest.raises(ExportError, match=r'saved_model: .*found one of \(.*export the network'):
        exported.network  # noqa: B018
