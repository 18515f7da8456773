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


def test_at_a_lower_endpoint_it_is_the_slope_of_the_logit():
    """A cell's heat is how fast the logit falls as the cell's activations shrink, all alike."""
    keras.config.set_dtype_policy('float64')
    try:
        network = randomized(networks.build('s3d_g', **SMALL))
    finally:
        keras.config.set_dtype_policy('float32')
    clips = random_clip(1, 8, 32, 32, 3)
    activations = network.endpoint('Mixed_4e')(clips, training=False).numpy()
    above, (_, *sizes, _) = network.after('Mixed_4e'), activations.shape
    assert sizes == [2, 2, 2]
    slopes, step = np.zeros(sizes), 1e-6
    for cell in np.ndindex(*sizes):
        change = np.zeros_like(activations)
        change[0][cell] = step * activations[0][cell]
        higher, lower = (
            above(activations + sign * change, training=False).numpy()[0, 2] for sign in (1, -1)
        )
        slopes[cell] = (higher - lower) / (2 * step)
    assert (slopes < 0).any()
    assert (slopes > 0).any()
    assert_close(GradCam(network, 'Mixed_4e')(clips, 2)[0], np.maximum(slopes, 0), 1e-4)


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
