"""One train-and-evaluate run, as `train` does it once and the experiments several times."""

import dataclasses
import math
import pathlib

import keras
import numpy as np

from data import clips
from data.records import faults, read
from data.records.decode import Decoder
from experiments.training import presets
from s3dg.config import ConfigError, NetworkConfig, VideoFormat
from s3dg.figures import plots
from s3dg.files import locks
from s3dg.files.disk import writing
from s3dg.network import Network, copy_weights
from s3dg.program.class_lists import describe_difference
from s3dg.program.entry import UsageError
from s3dg.program.loading import load_network
from s3dg.program.markdown import markdown_table
from s3dg.program.workdir import Run, workdir_path
from s3dg.progress import ProgressLine
from s3dg.saving import keras_file
from s3dg.training import evaluation, loop, trainable
from s3dg.training.history import read_history
from s3dg.weights import WeightsError, inflate


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that decides the result of a training.

    Attributes:
      dataset, config, splits: what is trained on and evaluated: `splits` is (training, evaluation).
      videos, stored_bytes: of these splits, which tell other data of the same name.
      network: the `NetworkConfig`.
      video_format: the `VideoFormat`.
      training: the `TrainingConfig`.
      flip: whether half of the training clips are mirrored.
      seed: of clips, crops, flips, order and initial weights.
      init: a `.keras` file to start from, or None.
      inflate_from: a `.keras` file of a network with other temporal convolutions to start from, or None.
      start_digest: what tells that network from others, wherever its file lies; None without one.
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
    training: loop.TrainingConfig
    flip: bool
    seed: int
    init: str | None = None
    inflate_from: str | None = None
    start_digest: str | None = None
    batch_norm_clips: int | None = None
    freeze_batch_norm: bool = False
    freeze_until: str | None = None
    sync_batch_norm: bool = False
    dtype: str = 'float32'
    deterministic: bool = False

    def to_dict(self):
        """The fields as JSON-serialisable values, for `config.json`."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        records = {k: v.to_dict() for k, v in values.items() if hasattr(v, 'to_dict')}
        return {**values, **records}


_GO_ON = 'make room and run the same command again'

MODEL_FILE = 'model.keras'
PREDICTIONS_FILE = 'predictions.npz'

# Fields of a plan, as they are written in config.json, that may change while a run goes on: where it runs, and
# how it is told of.
FREE_SETTINGS = (
    'init',
    'inflate_from',
    'training.accumulation',
    'training.checkpoint_every',
    'training.log_every',
    'training.evaluate_every',
    'training.jit',
)


def stored_format(builder, crop_size, clip_frames, evaluation_frames):
    """The `VideoFormat` of a network for the videos of `builder`, as they are stored."""
    metadata = builder.info.metadata
    size = metadata['frame_size']
    return VideoFormat(
        frames_per_second=metadata['frames_per_second'],
        frame_size=None if size is None else tuple(size),
        short_side=metadata['short_side'],
        crop_size=crop_size,
        clip_frames=clip_frames,
        evaluation_frames=evaluation_frames,
    )


def class_names(builder):
    """Names of the classes of a dataset, in the order of their labels."""
    return tuple(builder.info.features['label'].names)


def channels(builder):
    """Channels of the clips of a dataset: 3 for RGB, 2 for flow."""
    return Decoder(builder).channels


def choose_split(builder, name, flag):
    """The split that a flag names; by default `validation`, or `test` where there is none.

    Raises:
      UsageError: where the dataset has no such split, or its labels are not published.
    """
    splits = builder.info.splits
    if name is None:
        name = next((known for known in ('validation', 'test') if known in splits), None)
        if name is None:
            raise UsageError(
                f'--{flag}: {builder.info.full_name} has no split validation or test; name one of '
                f'{", ".join(splits)}.'
            )
    if name not in splits:
        raise UsageError(
            f'--{flag}: {builder.info.full_name} has no split {name!r}; '
            f'its splits are {", ".join(splits)}.'
        )
    if not read.is_labelled(builder, name):
        raise UsageError(
            f'--{flag}: the labels of split {name!r} of {builder.info.full_name} are not published.'
        )
    return name


def require_channels(network, builder, flag='--model'):
    """Refuses a network that does not take the clips of a dataset.

    Raises:
      UsageError: naming both.
    """
    if network.channels != channels(builder):
        raise UsageError(
            f'{flag}: the network takes {network.channels} channels, the videos of '
            f'{builder.info.full_name} have {channels(builder)}.'
        )


def create_network(plan, names, report):
    """The network a plan starts from: untrained, or from `plan.init` or `plan.inflate_from`.

    Where the file's classes are others than `names`, its classifier is replaced by a fresh one.
    """
    network = Network(plan.network, names, plan.video_format)
    if plan.inflate_from is not None:
        source = load_network(plan.inflate_from, '--inflate_from')
        try:
            kept = inflate(source, network)
        except WeightsError as error:
            raise WeightsError(f'--inflate_from: {plan.inflate_from}: {error}') from error
        which = f'all but {len(kept)} layers ({kept[0]}, ...)' if kept else 'all layers'
        report(f'{plan.inflate_from}: inflated, {which}')
    elif plan.init is not None:
        # Loaded weights, but this run's classes, dropout, batch-norm decay and so on.
        source = load_network(plan.init, '--init')
        same_classes = source.class_names == names
        try:
            copy_weights(source, network, skip=() if same_classes else ('logits',))
        except ConfigError as error:
            raise ConfigError(f'{plan.init}: {error}') from error
        kept = 'kept' if same_classes else 'replaced by a fresh one'
        if source.class_names is not None and not same_classes:
            kept += f': {describe_difference(source.class_names, names)}'
        report(f'{plan.init}: classifier of {source.config.num_classes} classes {kept}')
    if plan.freeze_until is not None:
        trainable.freeze_until(network, plan.freeze_until)
    if plan.freeze_batch_norm:
        trainable.freeze_batch_norm(network)
    if plan.sync_batch_norm:
        trainable.synchronize_batch_norm(network)
    return network


def training_clips(builder, plan):
    """The input of `training.train`: clips of the plan's training split from any example on."""

    def create(first_example, context, batch_size):
        return clips.training_clips(
            builder,
            plan.splits[0],
            frames=plan.video_format.clip_frames,
            crop_size=plan.video_format.crop_size,
            batch_size=batch_size,
            seed=plan.seed,
            flip=plan.flip,
            first_example=first_example,
            num_shards=context.num_input_pipelines,
            shard_index=context.input_pipeline_id,
            deterministic=plan.deterministic,
        )

    return create


def predict_split(network, builder, split, *, strategy, batch_size, reverse=False, report=None):
    """`Predictions` of all videos of a split, seen as the network's `video_format` says.

    Whole, but for datasets in `presets.EVALUATED_FRAMES`.
    """
    video_format = network.video_format
    most_frames = presets.EVALUATED_FRAMES.get(builder.name)
    windows = clips.evaluation_windows(
        builder,
        split,
        frames=video_format.evaluation_frames,
        crop_size=video_format.crop_size,
        batch_size=batch_size,
        reverse=reverse,
        most_frames=most_frames,
    )
    progress = None
    if report is not None:
        order = 'reversed' if reverse else 'normal'
        progress = ProgressLine(f'evaluating {split}, {order} order', 'windows', report)
        if most_frames is not None:
            report(f'of every video of {builder.name} the first {most_frames} frames are evaluated')
    with faults.named(builder, [split], report):
        return evaluation.predict(
            network, windows, batch_size, strategy=strategy, progress=progress
        )


def evaluate_split(network, builder, split, **options):
    """`(Metrics, Predictions)` of a split; options as of `predict_split`."""
    predictions = predict_split(network, builder, split, **options)
    expected = builder.info.splits[split].num_examples
    return evaluation.compute_metrics(predictions, expected), predictions


# Pixels, over all frames, that one replica evaluates at once: a window of the paper's 250 frames of
# 224x224, so that memory is bounded by that window.
_EVALUATION_PIXELS = 250 * 224 * 224


def evaluation_batch_size(strategy, video_format, most=16):
    """Windows evaluated at once: up to `most` small ones on every replica, or one of the paper's."""
    pixels = video_format.evaluation_frames * math.prod(video_format.crop_size)
    each = min(max(_EVALUATION_PIXELS // pixels, 1), most)
    return each * strategy.num_replicas_in_sync


def train(builder, plan, workdir, strategy, report):
    """Trains by `plan` in `workdir`, or goes on there; writes `model.keras` and `curves.png`.

    Returns:
      (network, last row of the history).
    """
    workdir = pathlib.Path(workdir)
    names = class_names(builder)
    batch_size = evaluation_batch_size(strategy, plan.video_format)

    def top1(network):
        metrics, _ = evaluate_split(
            network, builder, plan.splits[1], strategy=strategy, batch_size=batch_size
        )
        return metrics.top1

    keras.utils.set_random_seed(plan.seed)
    with faults.named(builder, plan.splits, report):
        network, row = loop.train(
            lambda: create_network(plan, names, report),
            training_clips(builder, plan),
            plan.training,
            workdir,
            strategy=strategy,
            evaluate=top1,
            report=report,
        )
    with writing(workdir / MODEL_FILE, f'the training is kept; {_GO_ON}'):
        keras_file.save(network, workdir / MODEL_FILE)
    with writing(workdir / 'curves.png', f'the training is kept; {_GO_ON}'):
        plots.training_curves(read_history(workdir), workdir / 'curves.png')
    return network, row


def describe_clips_per_second(workdir):
    """Mean training speed over the rows of the history that have one, None without."""
    rates = [row['clips_per_second'] for row in read_history(workdir)]
    rates = [rate for rate in rates if rate is not None]
    return float(np.mean(rates)) if rates else None


def alone(folder, report):
    """A context in which no other process writes to the folder of a network that experiments share.

    Unlike a workdir, which is refused to a second process, it is waited for: the other one is making what is
    needed here too.

    Raises:
      UsageError: where there can be no such folder.
    """
    folder = workdir_path(folder)
    return locks.held(
        locks.beside(folder),
        lambda: report(f'{folder}: waiting for another process that is at it'),
    )


def open_run(plan, workdir, overwrite=False, data_dir=None):
    """The `Run` of a plan's training in a folder, as `train` and the experiments make it.

    Args:
      plan: the `Plan`.
      workdir: the folder.
      overwrite: whether to delete what it holds, but for what is to be read: `data_dir` and the plan's start.

    Raises:
      UsageError: where the folder holds a run with other settings.
    """
    inputs = (
        ('--data_dir', data_dir),
        ('--init', plan.init),
        ('--inflate_from', plan.inflate_from),
    )
    return Run('train', workdir, plan.to_dict(), overwrite, FREE_SETTINGS, inputs=inputs)


def train_and_evaluate(builder, plan, this, strategy, report):
    """Trains by `plan` in the run `this`, or goes on there, evaluates, and finishes the run.

    Beside what `train` leaves: `predictions.npz`, `confusion.png`, `results.json`, `report.md`.

    Returns:
      The results.
    """
    network, row = train(builder, plan, this.path, strategy, report)
    metrics, predictions = evaluate_split(
        network,
        builder,
        plan.splits[1],
        strategy=strategy,
        batch_size=evaluation_batch_size(strategy, plan.video_format),
        report=report,
    )
    kept = f'the trained network is kept; {_GO_ON}'
    with writing(this / PREDICTIONS_FILE, kept):
        predictions.save(this / PREDICTIONS_FILE)
    names = class_names(builder)
    with writing(this / 'confusion.png', kept):
        plots.confusion_matrices({plan.splits[1]: metrics.confusion}, names, this / 'confusion.png')
    results = {
        'step': row['step'],
        'loss': row['loss'],
        'training_accuracy': row['accuracy'],
        'top1': metrics.top1,
        'top5': metrics.top5,
        'videos_expected': metrics.videos_expected,
        'videos_seen': metrics.videos_seen,
        'per_class': metrics.per_class(names),
        'clips_per_second': describe_clips_per_second(this.path),
        'model': str(this / MODEL_FILE),
    }
    this.finish(results, _markdown(plan, results))
    return results


def _markdown(plan, results):
    per_class = [(name, *figures.values()) for name, figures in results['per_class'].items()]
    rows = [
        (k, results[k]) for k in ('step', 'loss', 'top1', 'top5', 'videos_seen', 'clips_per_second')
    ]
    return '\n'.join(
        [
            f'# {plan.dataset}/{plan.config}: training\n',
            markdown_table(('figure', 'value'), rows),
            '![curves](curves.png)\n',
            f'## {plan.splits[1]}, by class\n',
            markdown_table(('class', 'top-1', 'videos'), per_class),
            '![confusion](confusion.png)\n',
            '## Network\n',
            markdown_table(('field', 'value'), dataclasses.asdict(plan.network).items()),
        ]
    )
