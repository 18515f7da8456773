"""Heat of cells, against what follows by hand from the classifier, and against differences."""

import keras
import numpy as np
import pytest

from s3dg import network as networks
from s3dg.answers import NonFiniteAnswerError
from s3dg.explanation.grad_cam import GradCam
from tests.closeness import assert_close
from tests.s3dg.small import SMALL, random_clip, randomized

CLIPS = random_clip(2, 12, 40, 72, 3)


@pytest.fixture(scope='module')
def network():
    keras.utils.set_random_seed(0)
    return randomized(networks.build('s3d_g', **SMALL))


def test_at_the_last_endpoint_it_is_what_each_cell_adds_to_the_logit(network):
    """The head is linear: means over space and over two frames, then the classifier."""
    activations = network.endpoint('Mixed_5c')(CLIPS, training=False).numpy()
    _, time, height, width, _ = activations.shape
    assert (time, height, width) == (2, 2, 3)
    kernel = network.get_layer('logits').kernel.numpy()
    added = activations @ kernel / (time * height * width)
    bias = network.get_layer('logits').bias.numpy()
    logits = network(CLIPS, training=False).numpy()
    np.testing.assert_allclose(added.sum((1, 2, 3)) + bias, logits, rtol=1e-4, atol=1e-4)
    assert (added < 0).any()
    grad_cam = GradCam(network, 'Mixed_5c')
    for label in range(5):
        heat = grad_cam(CLIPS, label)
        assert heat.dtype == np.float32
        assert_close(heat, np.maximum(added[..., label], 0), 1e-5)


def test_the_first_and_the_last_frame_of_the_head_count_half(network):
    clips = random_clip(1, 28, 32, 32, 3)
    activations = network.endpoint('Mixed_5c')(clips, training=False).numpy()
    assert activations.shape[1:4] == (4, 1, 1)
    share = np.array([1, 2, 2, 1]) / 6
    kernel = network.get_layer('logits').kernel.numpy()
    expected = np.maximum(activations @ kernel[:, 3], 0) * share[:, None, None]
    assert_close(GradCam(network, 'Mixed_5c')(clips, 3), expected, 1e-5)


@pytest.fixture
def float64():
    """Keras models too, which cast what they are called on, compute in float64."""
    keras.config.set_dtype_policy('float64')
    yield
    keras.config.set_dtype_policy('float32')


@pytest.mark.usefixtures('float64')
def test_at_a_lower_endpoint_it_is_the_slope_of_the_logit():
    """A cell's heat is how fast the logit falls as the cell's activations shrink, all alike."""
    network = randomized(networks.build('s3d_g', **SMALL))
    # Not after an Inception block: its pool makes equal values of neighbours, and of those that a
    # later pool takes the largest of, only one has a gradient.
    endpoint, clips = 'Conv2d_2c_3x3', random_clip(1, 8, 32, 32, 3)
    activations = network.endpoint(endpoint)(clips, training=False).numpy()
    assert activations.shape[1:4] == (4, 8, 8)
    places = np.random.default_rng(0).integers((4, 8, 8), size=(16, 3))
    above, slopes, step = network.after(endpoint), [], 1e-6
    for cell in map(tuple, places):
        change = np.zeros_like(activations)
        change[0][cell] = step * activations[0][cell]
        both = np.concatenate([activations + change, activations - change])
        higher, lower = above(both, training=False).numpy()[:, 2]
        slopes.append((higher - lower) / (2 * step))
    assert min(slopes) < 0 < max(slopes)
    heat = GradCam(network, endpoint)(clips, 2)[0]
    assert_close(heat[tuple(places.T)], np.maximum(slopes, 0), 1e-4)


def test_heat_of_a_batch_is_that_of_each_clip(network):
    grad_cam = GradCam(network, 'Mixed_4b')
    each = np.concatenate([grad_cam(clip[None], 1) for clip in CLIPS])
    assert each[0].max() != pytest.approx(each[1].max(), rel=1e-3)
    assert_close(grad_cam(CLIPS, 1), each, 1e-5)


def test_what_is_no_number_is_no_heat():
    network = networks.build('s3d_g', **SMALL)
    kernel = network.get_layer('logits').kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(NonFiniteAnswerError, match='heat: '):
        GradCam(network, 'Mixed_5c')(CLIPS, 0)
