"""Published and tiny set-ups of detectors, as data. Flags of `action_detection` override fields."""

import dataclasses

from experiments.training.options import scaled_schedule
from s3dg.program.entry import UsageError
from s3dg.training.schedules import CosineSchedule, StepSchedule


@dataclasses.dataclass(frozen=True)
class RpnPreset:
    """How a region proposal network is trained by itself first, its batch norms live (ours)."""

    schedule: CosineSchedule
    batch_size: int  # key frames per step


@dataclasses.dataclass(frozen=True)
class DetectionPreset:
    """How detectors are trained and evaluated.

    `clip_norm`, `momentum` and `weight_decay` are as in `TrainingConfig`.
    """

    schedule: StepSchedule | CosineSchedule
    batch_size: int  # key frames per step, each with the clip around it
    micro_batch_size: int  # key frames that one replica sees at once, at most
    frames: int  # of a clip
    most_boxes: int  # of a frame; where there are more, the first ones are trained on
    detector: dict  # fields of `DetectorConfig` that differ from its own
    resnet_width: float
    rpn: RpnPreset | None  # None: ResNet starts from ImageNet
    momentum: float = 0.9
    weight_decay: float = 0.0  # the Object Detection API's
    clip_norm: float = 10.0  # the Object Detection API's

    def with_changes(self, changes, report):
        """The same with what flags give; reports how the rate was scaled.

        Args:
          changes: fields, and 'steps', 'learning_rate' and 'rpn_steps'; of 'detector' those fields
            that change.

        Raises:
          UsageError, ConfigError: for what cannot be.
        """
        changes = dict(changes)
        steps, rate = changes.pop('steps', None), changes.pop('learning_rate', None)
        rpn_steps = changes.pop('rpn_steps', None)
        if rpn_steps is not None:
            if self.rpn is None:
                raise UsageError('--rpn_steps: nothing is trained by itself with this preset.')
            schedule = self.rpn.schedule.with_steps(rpn_steps)
            changes['rpn'] = dataclasses.replace(self.rpn, schedule=schedule)
        changes['detector'] = self.detector | changes.get('detector', {})
        batch_size = changes.get('batch_size', self.batch_size)
        schedule = scaled_schedule(
            self.schedule, steps, rate, batch_size, self.batch_size, 'key frames', report
        )
        return dataclasses.replace(self, schedule=schedule, **changes)


# 600,000 steps of 11 workers that see an image each and do not wait for each other, at a rate of
# 3e-4 (section 5.3). Read as single-image updates (our reading): synchronous steps of 11 images at
# 11 times the rate, an eleventh as many. The warm-up is ours.
_WORKERS = 11
_PAPER = DetectionPreset(
    StepSchedule(-(-600_000 // _WORKERS), ((0, _WORKERS * 3e-4),), warmup_steps=500),
    batch_size=_WORKERS,
    micro_batch_size=1,
    frames=20,
    most_boxes=20,
    detector={},
    resnet_width=1.0,
    rpn=None,
)

# The same code in minutes on two cores. ResNet's weights for ImageNet are not there, and without
# statistics of its batch norms a random one learns nothing (measured: after 400 steps 4 % of the
# true boxes were among 16 proposals, with live batch norms 75 %). So the proposal network is
# trained first. Anchors are smaller, and fewer boxes are drawn of frames that show one to three.
_TINY = DetectionPreset(
    CosineSchedule(1600, 0.015, hold_steps=800),
    batch_size=4,
    micro_batch_size=4,
    frames=8,
    most_boxes=3,
    detector={
        'anchor_base': 40,
        'rpn_positive_from': 0.5,
        'rpn_samples': 32,
        'rpn_most_positive': 16,
        'proposals': 32,
        'samples': 16,
        'most_positive': 4,
        'detections': 20,
        'detections_per_class': 10,
    },
    resnet_width=0.25,
    rpn=RpnPreset(CosineSchedule(600, 0.01, hold_steps=300), batch_size=8),
)

PRESETS = {'paper': _PAPER, 'tiny': _TINY}
