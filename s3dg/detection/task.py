"""What a detector is trained for."""

from s3dg.detection.network import LOSSES
from s3dg.training.task import Task

# Object Detection API: boxes count twice as much as what they show.
WEIGHTS = dict(zip(LOSSES, (1.0, 2.0, 1.0, 2.0), strict=True))


def _weighted(name):
    return lambda losses, _: WEIGHTS[name] * losses[name]


def detection_task(with_flow):
    """The `Task` of a `Detector`, which in training returns its losses, with flow or without."""
    flow = ('flow',) if with_flow else ()
    return Task(
        targets=(),
        losses={name: _weighted(name) for name in LOSSES},
        metrics={},
        evaluation='frame_ap',
        inputs=('clip', *flow, 'key', 'true_boxes', 'is_true', 'labels', 'seed'),
    )
