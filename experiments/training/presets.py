"""Published and tiny set-ups, as data. Any flag of an entry point overrides a field."""

import dataclasses

from s3dg.training.schedules import SCHEDULES, CosineSchedule, StepSchedule


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

    def with_steps(self, steps):
        """The same, with the schedule stretched or shrunk to `steps`."""
        return dataclasses.replace(self, schedule=self.schedule.with_steps(steps))


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

# Where dense networks must settle too: after 800 steps a bottom-heavy I3D was seen at 0.88, an I3D at 0.97.
_FAMILIES_TINY_STEPS = 1200

# Synchronous SGD on 56 GPUs (section 4.1). Kinetics-Full has no schedule of its own in the paper: I3D's.
_KINETICS = Preset(SCHEDULES['kinetics'], 56 * _CLIPS_PER_GPU, _CLIPS_PER_GPU)
_MINI_KINETICS = dataclasses.replace(_KINETICS, schedule=SCHEDULES['mini_kinetics'])
# 16 GPUs, videos looped to 64 frames (section 4.1).
_SOMETHING_SOMETHING = Preset(
    SCHEDULES['something_something'], 16 * _CLIPS_PER_GPU, _CLIPS_PER_GPU, evaluation_frames=64
)

# The paper's, by dataset. The classes of the detection sets are fine-tuned on like any others (ours).
PAPER = {
    'moving_shapes': _FINE_TUNING,
    'video_folder': _FINE_TUNING,
    'kinetics400': _KINETICS,
    'mini_kinetics200': _MINI_KINETICS,
    'something_something_v1': _SOMETHING_SOMETHING,
    'something_something_v2': _SOMETHING_SOMETHING,
    'ucf101': _FINE_TUNING,
    'hmdb51': _FINE_TUNING,
    'jhmdb': _FINE_TUNING,
    'ucf101_24': _FINE_TUNING,
}
# Where flow is trained otherwise than RGB.
PAPER_FLOW = {
    'kinetics400': dataclasses.replace(_KINETICS, schedule=SCHEDULES['kinetics_flow']),
}

# Frames of a video, from its first on, that are evaluated on some datasets: "the first 250 frames", as I3D's
# authors did (issue 28 of deepmind/kinetics-i3d). On all others every video is seen whole.
EVALUATED_FRAMES = {'ucf101': 250, 'hmdb51': 250}


def find_preset(name, dataset, modality='rgb'):
    """The `Preset` called `name` ('paper' or 'tiny') for videos of `dataset` in a modality."""
    if name == 'tiny':
        return _TINY
    if modality == 'flow' and dataset in PAPER_FLOW:
        return PAPER_FLOW[dataset]
    return PAPER[dataset]


def find_families_preset(name, dataset):
    """The `Preset` for RGB videos of `dataset` where I3D, I2D and what lies between them are compared."""
    preset = find_preset(name, dataset)
    return preset.with_steps(_FAMILIES_TINY_STEPS) if name == 'tiny' else preset


def choose_dataset(preset, dataset):
    """What an experiment on `dataset` runs on: itself, or moving_shapes for the tiny preset."""
    return 'moving_shapes' if preset == 'tiny' else dataset
