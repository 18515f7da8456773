"""Published and tiny set-ups, as data. Any flag of an entry point overrides a field."""

import dataclasses

from s3dg.schedules import SCHEDULES, CosineSchedule, StepSchedule


@dataclasses.dataclass(frozen=True)
class Preset:
    """How networks are trained and evaluated on a dataset.

    Attributes:
      schedule: rates and length.
      batch_size: clips per step.
      micro_batch_size: clips that one replica sees at once, at most.
      frames: frames of a training clip.
      evaluation_frames: frames that a video is looped to, or cut into windows of.
      crop_size: (height, width).
      network: fields of `NetworkConfig` that differ from the named network's.
      momentum, weight_decay: as in `TrainingConfig`.
    """

    schedule: StepSchedule | CosineSchedule
    batch_size: int
    micro_batch_size: int
    frames: int = 64
    evaluation_frames: int = 250
    crop_size: tuple[int, int] = (224, 224)
    network: dict = dataclasses.field(default_factory=dict)
    momentum: float = 0.9
    weight_decay: float = 1e-7


# Clips per GPU in the paper (section 4.1), and so the clips that batch norm sees together.
_CLIPS_PER_GPU = 6

# A user's own videos are fine-tuned on as UCF-101 and HMDB-51 are (section 5.2: 8 GPUs).
_FINE_TUNING = Preset(SCHEDULES['fine_tuning'], 8 * _CLIPS_PER_GPU, _CLIPS_PER_GPU)

# The same code in minutes on two cores. With the paper's batch-norm decay of 0.999 and kernels of
# deviation 0.01, a run this short cannot settle. S3D-G on moving_shapes reaches 0.99 after 600 steps.
_TINY = Preset(
    CosineSchedule(800, 0.05),
    batch_size=16,
    micro_batch_size=16,
    frames=16,
    evaluation_frames=16,
    crop_size=(64, 64),
    network={
        'width': 0.25,
        'batch_norm_decay': 0.9,
        'kernel_initializer': 'he_normal',
        'dropout_rate': 0.0,
    },
)

# The paper's, by dataset.
PAPER = {
    'moving_shapes': _FINE_TUNING,
    'video_folder': _FINE_TUNING,
}


def find_preset(name, dataset):
    """The `Preset` called `name` ('paper' or 'tiny') for `dataset`."""
    return _TINY if name == 'tiny' else PAPER[dataset]
