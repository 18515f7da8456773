"""Two-stream fusion of three videos, by hand."""

import dataclasses
import math

import numpy as np
import pytest

from s3dg import two_stream
from s3dg.training.evaluation import EvaluationError, Predictions, compute_metrics


def _logs(*rows):
    """Logits of which softmax gives the rows, which sum to 1: their logarithms."""
    return np.log(np.array(rows)).astype('float32')


# Video a: rgb is for class 0, flow for 2, and both fusions for 1.
# Video b: rgb is for class 1 and all but rules out 2; flow is sure of 2.
# Video c: both are for class 2.
RGB = Predictions(
    np.array(['a', 'b', 'c']),
    np.int32([0, 1, 2]),
    _logs([0.6, 0.3, 0.1], [0.39, 0.6, 0.01], [0.2, 0.3, 0.5]),
)
FLOW = Predictions(
    np.array(['c', 'a', 'b']),
    np.int32([2, 0, 1]),
    _logs([0.1, 0.1, 0.8], [0.02, 0.4, 0.58], [0.02, 0.03, 0.95]),
)


def _softmax(logits):
    powers = np.exp(logits.astype('float64'))
    return powers / powers.sum(axis=1, keepdims=True)


def test_logits_are_added():
    """Their softmax is the product of the probabilities, over its sum."""
    fused = two_stream.fuse(RGB, FLOW)
    assert list(fused.ids) == ['a', 'b', 'c']
    assert list(fused.labels) == [0, 1, 2]
    assert fused.logits.dtype == np.float32
    products = np.array(
        [
            [0.6 * 0.02, 0.3 * 0.4, 0.1 * 0.58],
            [0.39 * 0.02, 0.6 * 0.03, 0.01 * 0.95],
            [0.2 * 0.1, 0.3 * 0.1, 0.5 * 0.8],
        ]
    )
    expected = products / products.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(_softmax(fused.logits), expected, atol=1e-6)
    np.testing.assert_allclose(fused.logits, np.log(products), rtol=1e-5)


def test_probabilities_are_averaged():
    fused = two_stream.fuse(RGB, FLOW, 'probabilities')
    assert list(fused.ids) == ['a', 'b', 'c']
    assert fused.logits.dtype == np.float32
    expected = [[0.31, 0.35, 0.34], [0.205, 0.315, 0.48], [0.15, 0.2, 0.65]]
    np.testing.assert_allclose(np.exp(fused.logits), expected, atol=1e-6)


def test_the_two_ways_differ_in_the_winner():
    """Of video b, class 1 has the largest product, 0.018, and class 2 the largest mean, 0.48."""
    winners = {
        how: list(two_stream.fuse(RGB, FLOW, how).logits.argmax(axis=1))
        for how in two_stream.FUSIONS
    }
    assert winners == {'logits': [1, 1, 2], 'probabilities': [1, 2, 2]}
    assert compute_metrics(two_stream.fuse(RGB, FLOW), 3).top1 == pytest.approx(2 / 3)


def test_logits_are_probabilities_up_to_a_constant():
    """What is added to all logits of a video by one network changes neither fusion."""
    shifted = dataclasses.replace(RGB, logits=RGB.logits + np.float32([[7], [-3], [100]]))
    for how in two_stream.FUSIONS:
        fused = two_stream.fuse(shifted, FLOW, how).logits
        plain = two_stream.fuse(RGB, FLOW, how).logits
        np.testing.assert_allclose(fused - fused[:, :1], plain - plain[:, :1], atol=3e-5)


def test_large_logits_stay_numbers():
    """At 2000 apart a probability is below the smallest number, and its logarithm is not."""
    sure = Predictions(np.array(['v']), np.int32([0]), np.float32([[1000, -1000, -1001]]))
    fused = two_stream.fuse(sure, sure, 'probabilities')
    np.testing.assert_allclose(fused.logits, [[0, -2000, -2001]], atol=1e-3)
    unsure = dataclasses.replace(sure, logits=np.float32([[0, 0, -1000]]))
    fused = two_stream.fuse(sure, unsure, 'probabilities')
    expected = [[math.log(0.75), math.log(0.25), -1000 - math.log(4)]]
    np.testing.assert_allclose(fused.logits, expected, rtol=1e-5)


def test_the_order_of_the_streams_does_not_matter():
    for how in two_stream.FUSIONS:
        one, other = two_stream.fuse(RGB, FLOW, how), two_stream.fuse(FLOW, RGB, how)
        assert list(one.ids) == list(other.ids)
        np.testing.assert_array_equal(one.logits, other.logits)


def _rows(predictions, rows):
    return Predictions(predictions.ids[rows], predictions.labels[rows], predictions.logits[rows])


def _with_logit(predictions, video, value):
    logits = predictions.logits.copy()
    logits[list(predictions.ids).index(video), 1] = value
    return dataclasses.replace(predictions, logits=logits)


@pytest.mark.parametrize(
    ('rgb', 'flow', 'message'),
    [
        (
            _rows(RGB, [2]),
            FLOW,
            'The rgb stream lacks 2 of the 3 videos of the other one, for example a',
        ),
        (
            RGB,
            _rows(FLOW, [0, 1]),
            'The flow stream lacks 1 of the 3 videos of the other one, for example b',
        ),
        (
            _rows(RGB, [0, 1, 1, 2]),
            FLOW,
            'In the rgb stream 1 of 3 videos come more than once, for example b',
        ),
        (
            RGB,
            _rows(FLOW, [0, 1, 2, 0]),
            'In the flow stream 1 of 3 videos come more than once, for example c',
        ),
        (
            RGB,
            dataclasses.replace(FLOW, labels=np.int32([2, 1, 0])),
            '2 of 3 videos have other labels in the two streams, for example a: '
            '0 in rgb, 1 in flow',
        ),
        (
            RGB,
            dataclasses.replace(FLOW, logits=FLOW.logits[:, :2]),
            'The rgb stream has 3 classes and the flow stream 2',
        ),
        (
            _with_logit(RGB, 'c', np.nan),
            FLOW,
            'In the rgb stream the logits of 1 of 3 videos are not finite, for example those of c',
        ),
        (
            RGB,
            _with_logit(FLOW, 'b', -np.inf),
            'In the flow stream the logits of 1 of 3 videos are not finite, for example those of b',
        ),
        (
            dataclasses.replace(RGB, logits=RGB.logits[:2]),
            FLOW,
            r'The rgb stream has 3 ids, 3 labels and logits of shape \(2, 3\)',
        ),
    ],
)
def test_streams_that_do_not_fit_together(rgb, flow, message):
    with pytest.raises(EvaluationError, match=message) as error:
        two_stream.fuse(rgb, flow)
    assert '\n' not in str(error.value)


def test_unknown_fusion():
    with pytest.raises(EvaluationError, match="'max', expected one of logits, probabilities"):
        two_stream.fuse(RGB, FLOW, 'max')
