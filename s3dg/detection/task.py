"""What a detector is trained for."""

from s3dg.detection import rpn
from s3dg.detection.network import LOSSES, TRUTH
from s3dg.training.task import Task

# Object Detection API: boxes count twice as much as what they show.
WEIGHTS = dict(zip(LOSSES, (1.0, 2.0, 1.0, 2.0), strict=True))


def _weighted(name):
    return lambda losses, _: WEIGHTS[name] * losses[name]


def detection_task(detector_inputs):
    """The `Task` of a `Detector`, or a `ProposalNetwork`, which in training returns its losses.

    Args:
      detector_inputs: the entries of a batch that it sees: 'key', and 'clip', 'flow' or both.
    """
    names = LOSSES if len(detector_inputs) > 1 else rpn.LOSSES
    return Task(
        targets=(),
        losses={name: _weighted(name) for name in names},
        metrics={},
        evaluation='frame_ap',
        inputs=(*detector_inputs, *TRUTH),
    )
