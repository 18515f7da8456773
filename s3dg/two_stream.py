"""Fusion of the two streams: the predictions of an RGB and a flow network for the same videos.

The paper (section 5.1) takes two-stream fusion from I3D (Carreira and Zisserman 2017), of which
there are two accounts; see `FUSIONS`.
"""

import numpy as np

from s3dg.training.evaluation import EvaluationError, Predictions


def _average_probabilities(rgb, flow):
    # As logarithms, in which no probability is too small to be told from zero.
    logs = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True) for logits in (rgb, flow))
    return np.logaddexp(*logs) - np.log(2)


# Each takes the logits of both streams, float64 (videos, classes), and returns those of the fusion.
# Their softmax is the fused probability of each class.
FUSIONS = {
    # deepmind/kinetics-i3d, evaluate_sample.py: the sum, then softmax. With it a stream that is
    # sure of itself outvotes one that is not.
    'logits': np.add,
    # I3D's paper: "averaged their predictions"; the fused logits are logarithms of the averages.
    'probabilities': _average_probabilities,
}


def fuse(rgb, flow, how='logits'):
    """Fuses the `Predictions` of two networks, trained apart, by a key of `FUSIONS`.

    They are joined by video id; their orders may differ.

    Returns:
      `Predictions` of all videos, sorted by id; the softmax of their logits is the fusion's.

    Raises:
      EvaluationError: where the two do not fit together: a video that is missing from one or comes
        twice, other labels, other numbers of classes, logits that are not finite; or `how` is
        unknown.
    """
    if how not in FUSIONS:
        raise EvaluationError(f'Unknown fusion {how!r}, expected one of {", ".join(FUSIONS)}.')
    rgb, flow = _sorted('rgb', rgb), _sorted('flow', flow)
    for name, own, other in (('rgb', rgb, flow), ('flow', flow, rgb)):
        missing = np.setdiff1d(other.ids, own.ids)
        if len(missing):
            raise EvaluationError(
                f'The {name} stream lacks {len(missing)} of the {len(other.ids)} videos of the '
                f'other one, for example {missing[0]}; expected the same videos in both.'
            )
    if rgb.logits.shape[1] != flow.logits.shape[1]:
        raise EvaluationError(
            f'The rgb stream has {rgb.logits.shape[1]} classes and the flow stream '
            f'{flow.logits.shape[1]}, expected the same.'
        )
    differ = np.flatnonzero(rgb.labels != flow.labels)
    if len(differ):
        first = differ[0]
        raise EvaluationError(
            f'{len(differ)} of {len(rgb.ids)} videos have other labels in the two streams, for '
            f'example {rgb.ids[first]}: {rgb.labels[first]} in rgb, {flow.labels[first]} in flow.'
        )
    return Predictions(rgb.ids, rgb.labels, FUSIONS[how](rgb.logits, flow.logits).astype('float32'))


def _sorted(name, predictions):
    """`Predictions` sorted by id, with float64 logits, if they are not wrong by themselves."""
    ids, logits = predictions.ids, predictions.logits
    if logits.ndim != 2 or not len(ids) == len(predictions.labels) == len(logits):
        raise EvaluationError(
            f'The {name} stream has {len(ids)} ids, {len(predictions.labels)} labels and logits of '
            f'shape {logits.shape}, expected one label and one row of logits for each id.'
        )
    unique, counts = np.unique(ids, return_counts=True)
    doubled = unique[counts > 1]
    if len(doubled):
        raise EvaluationError(
            f'In the {name} stream {len(doubled)} of {len(unique)} videos come more than once, for '
            f'example {doubled[0]}.'
        )
    broken = ~np.isfinite(logits).all(axis=1)
    if broken.any():
        raise EvaluationError(
            f'In the {name} stream the logits of {broken.sum()} of {len(ids)} videos are not '
            f'finite, for example those of {np.asarray(ids)[broken][0]}.'
        )
    order = np.argsort(ids)
    labels = np.asarray(predictions.labels)[order]
    return Predictions(np.asarray(ids)[order], labels, logits[order].astype('float64'))
