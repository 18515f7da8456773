"""All that decides the result of a training, in one object."""

import dataclasses

from experiments.training.start import Start
from s3dg.config import NetworkConfig, VideoFormat
from s3dg.training.loop import TrainingConfig

# Fields of a plan, by their names in config.json, that may change while a run goes on: where it
# runs, how it is reported, and where its start lies.
COURSE_SETTINGS = (
    'training.accumulation',
    'training.checkpoint_every',
    'training.log_every',
    'training.evaluate_every',
    'training.jit',
)
FREE_SETTINGS = ('init', 'inflate_from', 'imagenet', *COURSE_SETTINGS)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that decides the result of a training, and of its evaluation."""

    dataset: str
    config: str
    splits: tuple[str, str]  # (training, evaluation)
    videos: tuple[int, int]  # of these splits; with their bytes they tell other data of that name
    stored_bytes: tuple[int, int]
    network: NetworkConfig
    video_format: VideoFormat  # which holds the sizes of clip, window and crop
    training: TrainingConfig
    flip: bool  # whether half of the training clips are mirrored
    seed: int  # of clips, crops, flips, order and initial weights
    start: Start = Start()  # resolved
    evaluated_frames: int | None = None  # of every video, from the first one on; None: all
    batch_norm_clips: int | None = None  # whose statistics it takes together; None: it is frozen
    # As the flags.
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
