"""What trainings will take, told before they begin: multiply-adds, GPU-hours and disk.

Counted from the networks and from what is published of the datasets; nothing is trained, read or
decoded. Evaluations are left out: next to the trainings of the paper they cost about a percent or
less.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

from s3dg import cost
from s3dg.network import Network
from s3dg.program.entry import UsageError
from s3dg.program.markdown import markdown_table

# A step computes the outputs and, for about as many multiply-adds each, the gradients of the inputs
# and those of the kernels. The gradient of the clip is not needed, so this is up to 8 % too much
# (the stem of I3D); batch norm, pools and the update of the weights are not counted, and take time.
TRAINING_PASSES = 3

# ASSUMED, not measured: 1e12 multiply-adds a second of one GPU in training. It is 38 % of the
# float32 peak of a V100 (15.7e12 floating-point operations, so 7.85e12 multiply-adds).
ASSUMED_GPU_RATE = 3.0
_ASSUMPTION = '38% of the float32 peak of an NVIDIA V100, which is 7.85e12'

_BYTES_PER_NUMBER = 4  # weights and momenta are float32 in every dtype policy
_CHECKPOINTS = 3  # that `s3dg.training.loop.train` keeps


@dataclasses.dataclass(frozen=True)
class Workload:
    """What one training takes.

    Attributes:
      network: its name, or a label of the training.
      dataset: what it is trained on, e.g. 'kinetics400/rgb'.
      cost: the `Cost` of the network, and of one clip in inference.
      steps, batch_size: of the training; clips per step.
    """

    network: str
    dataset: str
    cost: cost.Cost
    steps: int
    batch_size: int

    @property
    def clips(self):
        """Clips of the whole training."""
        return self.steps * self.batch_size

    @property
    def training_multiply_adds(self):
        """Multiply-adds of the whole training."""
        return TRAINING_PASSES * self.cost.multiply_adds * self.clips

    @property
    def checkpoint_bytes(self):
        """What the training leaves on disk: checkpoints of weights and momenta, and the network."""
        weights, momenta = self.cost.parameters_total, self.cost.parameters
        return _BYTES_PER_NUMBER * (_CHECKPOINTS * (weights + momenta) + weights)

    def gpu_hours(self, gpu_rate=ASSUMED_GPU_RATE):
        """Hours on one GPU, or in sum over several, of `gpu_rate` 1e12 multiply-adds a second.

        Raises:
          UsageError: for a rate that cannot be.
        """
        if not (math.isfinite(gpu_rate) and gpu_rate > 0):
            raise UsageError(f'--gpu_rate must be above 0, found {gpu_rate:g}.')
        return self.training_multiply_adds / (gpu_rate * 1e12) / 3600


@functools.cache  # several trainings of an experiment are of the same network
def forward_cost(network_config, frames, height, width):
    """The `Cost` of a network and of one clip in inference, counted from the built network.

    Raises:
      UsageError: for a clip that is too small.
    """
    try:
        return cost.network_cost(Network(network_config), frames, height, width)
    except cost.CostError as error:
        raise UsageError(
            f'--frames, --crop: a clip of {frames}x{height}x{width} is too small: {error}'
        ) from error


class Pictures(NamedTuple):
    """What the stored pictures of some videos were measured to take."""

    bytes: int  # of a JPEG picture, mean
    frame_size: tuple[int, int]  # of the frames: of flow, a picture is twice as wide


# By modality and height of the videos. Measured with `data.encoding`, as conversion stores frames
# (JPEG of quality 95; flow by TV-L1, of quality 98). The figures are means over two videos from
# cameras, 636x360 and 340x256, 15 seconds together (of the second's flow 36 pictures from three
# places). The two differ by up to 40 %: expect no more of an estimate. For 240 they were first made
# 320x240 (XviD), as UCF-101 comes, and for 100 that low (JPEG pictures, 12 frames a second), as
# Something-Something does. 96: 30 videos of moving_shapes.
STORED_PICTURES = {
    ('rgb', 256): Pictures(26_600, (256, 256)),  # 30.7 and 22.4 KB
    ('rgb', 240): Pictures(23_300, (256, 256)),  # 26.2 and 20.4
    ('rgb', 100): Pictures(20_200, (256, 256)),  # 22.1 and 18.4
    ('rgb', 96): Pictures(1_773, (72, 72)),
    ('flow', 256): Pictures(10_600, (256, 256)),  # 8.8 and 12.4
    ('flow', 240): Pictures(10_600, (256, 256)),  # 9.0 and 12.2
    ('flow', 100): Pictures(13_800, (256, 256)),  # 12.2 and 15.4
    ('flow', 96): Pictures(848, (72, 72)),
}


# How the bytes of a picture grow with its area: pictures of the same videos with 320x400 pixels,
# 1.95 times 256x256, took 1.55 (240) and 1.56 times (256) the bytes.
_AREA_EXPONENT = 2 / 3


def dataset_bytes(facts):
    """What all published videos of a dataset, its `Facts`, take on disk once they are converted."""
    pictures = STORED_PICTURES[facts.modality, facts.source_height]
    area = math.prod(facts.frame_size) / math.prod(pictures.frame_size)
    return round(facts.count * facts.frames * pictures.bytes * area**_AREA_EXPONENT)


# Seconds of one core for a pair of frames, per pixel: half a second for 256x256 (measured, by
# OpenCV's defaults; it depends on the video).
_FLOW_SECONDS = 0.5 / 256**2


def flow_seconds(facts):
    """Seconds of one core that TV-L1 flow of all published videos takes; 0 for RGB."""
    if facts.modality != 'flow':
        return 0.0
    return facts.count * facts.frames * math.prod(facts.frame_size) * _FLOW_SECONDS


class Disk(NamedTuple):
    """What a dataset takes on disk."""

    dataset: str  # its name, e.g. 'kinetics400/rgb'
    videos: int
    bytes: int
    stored: bool  # what is not there yet is an estimate
    flow_seconds: float = 0.0  # of one core, as the function of that name


def describe(workloads: Sequence[Workload], disks: Sequence[Disk], gpu_rate=ASSUMED_GPU_RATE):
    """What `--dry_run` prints: two Markdown tables, and what stands behind their figures.

    Args:
      workloads, disks: of every training, in order, and of every dataset they need, each once.
      gpu_rate: as of `Workload.gpu_hours`.

    Raises:
      UsageError: for a rate that cannot be.
    """
    whole = sum(one.training_multiply_adds for one in workloads)
    hours = sum(one.gpu_hours(gpu_rate) for one in workloads)
    trainings = [
        (
            one.network,
            one.dataset,
            f'{one.steps:,}',
            f'{one.clips:,}',
            f'{one.cost.multiply_adds / 1e9:.2f}',
            f'{one.cost.parameters / 1e6:.2f}',
            hours_text(one.gpu_hours(gpu_rate)),
        )
        for one in workloads
    ]
    totals = (sum(one.steps for one in workloads), sum(one.clips for one in workloads))
    trainings.append(('sum', '', *(f'{total:,}' for total in totals), '', '', hours_text(hours)))
    kept = sum(one.checkpoint_bytes for one in workloads)
    missing = sum(disk.bytes for disk in disks if not disk.stored)
    space = [
        (
            disk.dataset,
            f'{disk.videos:,} videos',
            human_bytes(disk.bytes),
            'is there' if disk.stored else 'to be converted',
        )
        for disk in disks
    ]
    space.append(('checkpoints', f'{len(workloads):,} trainings', human_bytes(kept), 'at most'))
    space.append(('sum of what is not there', '', human_bytes(missing + kept), ''))
    flow = sum(disk.flow_seconds for disk in disks if not disk.stored)
    told = (
        f'TV-L1 flow of what is to be converted: {hours_text(flow / 3600)} core-hours, at half a '
        'second of a core for a pair of frames of 256x256 pixels.'
    )
    return '\n'.join(
        [
            markdown_table(_TRAINING_COLUMNS, trainings),
            f'Trainings: {whole:.3g} multiply-adds, {TRAINING_PASSES} x those of one clip in '
            f'inference for each clip; {describe_rate(gpu_rate)}\n',
            markdown_table(('disk', 'of', 'size', ''), space),
            *([told] if flow else []),
        ]
    )


_TRAINING_COLUMNS = (
    'network',
    'dataset',
    'steps',
    'clips',
    'multiply-adds of a clip (G)',
    'parameters (M)',
    'GPU-hours',
)


# 1e12 multiply-adds a second of two cores in training with the tiny preset: measured on an Intel
# Xeon with AMX, 0.035 (S3D-G) to 0.053 (I3D).
_CPU_RATE = 0.04


def describe_cpu(workloads):
    """What trainings of the tiny preset take without a GPU, as a sentence."""
    seconds = sum(one.training_multiply_adds for one in workloads) / (_CPU_RATE * 1e12)
    return (
        f'Training without a GPU: {seconds / 60:,.0f} minutes, at {_CPU_RATE:g}e12 multiply-adds '
        'a second of two cores (measured with AMX; with AVX2 alone it takes several times as long).'
    )


def describe_rate(gpu_rate):
    """What GPU-hours are counted at, as a sentence."""
    if gpu_rate != ASSUMED_GPU_RATE:
        reason = 'as --gpu_rate says'
    else:
        reason = f'which is ASSUMED, not measured here ({_ASSUMPTION}); --gpu_rate sets another'
    return f'GPU-hours at {gpu_rate:g}e12 multiply-adds a second of one GPU, {reason}.'


def hours_text(hours):
    """A number of hours as tables have it."""
    return f'{hours:,.0f}' if hours >= 100 else f'{hours:.2g}'


def human_bytes(count):
    """A number of bytes as people say it: '999 B', '1.5 kB', '37 MB', '2.1 TB'."""
    units = ('B', 'kB', 'MB', 'GB', 'TB', 'PB')
    size, power = float(count), 0
    while size >= 999.5 and power < len(units) - 1:
        size, power = size / 1000, power + 1
    digits = 1 if power and size < 9.95 else 0
    return f'{size:.{digits}f} {units[power]}'
