"""A detector as an experiment asks for it, and all that decides its training, in one object."""

import dataclasses

from data.boxes import BOXES
from experiments.detection.presets import DetectionPreset, RpnPreset
from experiments.training.options import resolve_accumulation
from experiments.training.plan import COURSE_SETTINGS
from experiments.training.start import Start
from s3dg.config import VideoFormat
from s3dg.detection.config import DetectorConfig
from s3dg.program.entry import UsageError
from s3dg.training.loop import TrainingConfig

MODALITIES = {'rgb': ('rgb',), 'flow': ('flow',), 'both': ('rgb', 'flow')}

# Fields of a plan, by their names in config.json, that may change while a run goes on.
FREE_SETTINGS = ('starts', *COURSE_SETTINGS)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A detector before the data on disk and the replicas are known."""

    label: str  # what an experiment's tables call it; unique in the experiment
    network: str  # name of the network
    streams: str  # a key of `MODALITIES`
    dataset: str
    config: str  # of the dataset, with {} for the modality
    preset: DetectionPreset
    starts: tuple[Start, ...]  # of the networks of `MODALITIES[streams]`

    @property
    def modalities(self):
        return MODALITIES[self.streams]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that decides the result of a detector's training, and of its evaluation."""

    dataset: str
    config: str  # of the first modality's dataset
    streams: str
    splits: tuple[str, str]  # (training, evaluation)
    videos: tuple[int, int]  # of these splits; with their bytes they tell other data of that name
    stored_bytes: tuple[int, int]  # of RGB and flow together
    starts: tuple[Start, ...]  # resolved, of each modality
    detector: DetectorConfig
    resnet: str  # digest of its weights, 'imagenet' or 'random'
    resnet_width: float
    rpn: RpnPreset | None
    video_format: VideoFormat
    most_boxes: int
    training: TrainingConfig
    flip: bool
    seed: int
    dtype: str
    deterministic: bool

    @property
    def modalities(self):
        return MODALITIES[self.streams]

    @property
    def rpn_training(self):
        """The `TrainingConfig` of the proposal network by itself."""
        return dataclasses.replace(
            self.training,
            schedule=self.rpn.schedule,
            batch_size=self.rpn.batch_size,
            accumulation=1,
            evaluate_every=0,
        )

    def to_dict(self):
        """The fields as JSON-serialisable values, for `config.json`."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        starts, rpn = values.pop('starts'), values.pop('rpn')
        values = {k: v.to_dict() if hasattr(v, 'to_dict') else v for k, v in values.items()}
        return {
            **values,
            'starts': [one.source for one in starts],
            'start_digests': [one.digest for one in starts],
            'rpn': rpn and {'schedule': rpn.schedule.to_dict(), 'batch_size': rpn.batch_size},
        }


def make_plan(recipe, builders, splits, replicas, seed, starts, resnet, course):
    """The `Plan` of a `Recipe`.

    Args:
      builders: the opened datasets of `recipe.modalities`.
      splits: (training, evaluation).
      starts: resolved, of the modalities.
      resnet: digest of ResNet's weights, 'imagenet' or 'random'.
      course: dict of fields of `TrainingConfig` that do not decide the result, and 'dtype'.

    Raises:
      UsageError, ConfigError: for flags that cannot be, or data that does not serve.
    """
    preset, info = recipe.preset, builders[0].info
    size = info.metadata['frame_size']
    if size is None or BOXES not in info.features:
        raise UsageError(
            f'--dataset: {info.full_name} has no boxes, or frames of several sizes; expected a '
            'detection dataset'
        )
    course = dict(course)
    dtype = course.pop('dtype')
    plan = Plan(
        dataset=info.name,
        config=info.config_name,
        streams=recipe.streams,
        splits=splits,
        videos=tuple(info.splits[split].num_examples for split in splits),
        stored_bytes=tuple(
            sum(one.info.splits[split].num_bytes for one in builders) for split in splits
        ),
        starts=starts,
        detector=DetectorConfig(**preset.detector),
        resnet=resnet,
        resnet_width=preset.resnet_width,
        rpn=preset.rpn,
        video_format=VideoFormat(
            frames_per_second=info.metadata['frames_per_second'],
            frame_size=tuple(size),
            crop_size=tuple(size),
            clip_frames=preset.frames,
            evaluation_frames=preset.frames,
        ),
        most_boxes=preset.most_boxes,
        training=TrainingConfig(
            preset.schedule,
            preset.batch_size,
            resolve_accumulation(preset, replicas),
            momentum=preset.momentum,
            weight_decay=preset.weight_decay,
            clip_norm=preset.clip_norm,
            **course,
        ),
        flip=info.metadata['flip_left_right'],
        seed=seed,
        dtype=dtype,
        deterministic=course['deterministic'],
    )
    if plan.rpn is not None:
        plan.rpn_training.micro_batch_size(replicas)  # refused before anything is trained
    return plan
