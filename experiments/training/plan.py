"""All that decides the result of a training, in one object."""

import dataclasses

from experiments.training.start import Start
from s3dg.config import NetworkConfig, VideoFormat
from s3dg.training.loop import TrainingConfig

# Fields of a plan, by their names in config.json, that may change while a run goes on: where its
# start lies, where it runs, and how it is reported.
FREE_SETTINGS = (
    'init',
    'inflate_from',
    'training.accumulation',
    'training.checkpoint_every',
    'training.log_every',
    'training.evaluate_every',
    'training.jit',
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that decides the result of a training, and of its evaluation.

    Attributes:
      dataset, config, splits: what is trained on and evaluated: `splits` is (training, evaluation).
      videos, stored_bytes: of these splits, which tell other data of the same name.
      network: the `NetworkConfig`.
      video_format: the `VideoFormat`, which holds the sizes of clip, window and crop.
      training: the `TrainingConfig`.
      flip: whether half of the training clips are mirrored.
      seed: of clips, crops, flips, order and initial weights.
      start: the `Start`, resolved.
      evaluated_frames: from the first on, that are evaluated of every video; None: all.
      batch_norm_clips: clips whose statistics batch norm takes together; None where it is frozen.
      freeze_batch_norm, freeze_until, sync_batch_norm: as the flags of `train`.
      dtype, deterministic: as the flags.
    """

    dataset: str
    config: str
    splits: tuple[str, str]
    videos: tuple[int, int]
    stored_bytes: tuple[int, int]
    network: NetworkConfig
    video_format: VideoFormat
    training: TrainingConfig
    flip: bool
    seed: int
    start: Start = Start()
    evaluated_frames: int | None = None
    batch_norm_clips: int | None = None
    freeze_batch_norm: bool = False
    freeze_until: str | None = None
    sync_batch_norm: bool = False
    dtype: str = 'float32'
    deterministic: bool = False

    def to_dict(self):
        """The fields as JSON-serialisable values, for `config.json`."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values.update(values.pop('start').to_dict())
        if self.evaluated_frames is None:  # so that older runs, whose files lack it, are found
            del values['evaluated_frames']
        records = {k: v.to_dict() for k, v in values.items() if hasattr(v, 'to_dict')}
        return {**values, **records}
