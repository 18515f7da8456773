"""A plan carried out: the network is trained, evaluated, and what came of it written down."""

import dataclasses
import pathlib

import keras
import numpy as np

from data import clips
from data.records import faults
from experiments.training import evaluating
from experiments.training.dataset import class_names
from experiments.training.plan import FREE_SETTINGS
from s3dg.figures import plots
from s3dg.files import locks
from s3dg.files.disk import writing
from s3dg.network import Network
from s3dg.program.markdown import markdown_table
from s3dg.program.workdir import Run, workdir_path
from s3dg.saving import keras_file
from s3dg.training import loop, trainable
from s3dg.training.history import read_history
from s3dg.training.task import CLASSIFICATION

MODEL_FILE = 'model.keras'
PREDICTIONS_FILE = 'predictions.npz'

_GO_ON = 'make room and run the same command again'


def open_run(plan, workdir, overwrite=False, data_dir=None, program='train'):
    """The `Run` of a plan's training in a folder.

    With `overwrite`, what it holds is deleted; `data_dir` and the start may not lie there.

    Raises:
      UsageError: where the folder holds a run with other settings.
      InUseError: where another process is at work there.
    """
    inputs = (('--data_dir', data_dir), (plan.start.flag, plan.start.source))
    return Run(program, workdir, plan.to_dict(), overwrite, FREE_SETTINGS, inputs=inputs)


def alone(folder, report):
    """A context in which no other process writes to the folder of a network that experiments share.

    Where a workdir is refused to a second process, such a folder is waited for: the other process
    is making what is needed here too.

    Raises:
      UsageError: where there can be no such folder.
    """
    folder = workdir_path(folder)
    return locks.held(
        locks.beside(folder),
        lambda: report(f'{folder}: waiting for another process that is at it'),
    )


def create_network(plan, names, report):
    """The network that a plan starts from, for classes of these names."""
    network = Network(plan.network, names, plan.video_format)
    plan.start.fill(network, report)
    if plan.freeze_until is not None:
        trainable.freeze_until(network, plan.freeze_until)
    if plan.freeze_batch_norm:
        trainable.freeze_batch_norm(network)
    if plan.sync_batch_norm:
        trainable.synchronize_batch_norm(network)
    return network


def training_clips(builder, plan):
    """The input of `loop.train`: clips of the plan's training split from any example on."""

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


def train(builder, plan, workdir, strategy, report):
    """Trains by `plan` in `workdir`, or goes on there; writes `model.keras` and `curves.png`.

    Returns:
      (network, last row of the history).
    """
    workdir = pathlib.Path(workdir)
    names = class_names(builder)
    keras.utils.set_random_seed(plan.seed)
    with faults.named(builder, plan.splits, report):
        network, row = loop.train(
            lambda: create_network(plan, names, report),
            training_clips(builder, plan),
            plan.training,
            workdir,
            strategy=strategy,
            evaluate=lambda network: evaluate(network, builder, plan, strategy)[0].top1,
            report=report,
        )
    with writing(workdir / MODEL_FILE, f'the training is kept; {_GO_ON}'):
        keras_file.save(network, workdir / MODEL_FILE)
    with writing(workdir / 'curves.png', f'the training is kept; {_GO_ON}'):
        plots.training_curves(read_history(workdir), workdir / 'curves.png')
    return network, row


def evaluate(network, builder, plan, strategy, report=None, reverse=False):
    """`(Metrics, Predictions)` of a network on the split that its plan is evaluated on."""
    return evaluating.evaluate_split(
        network,
        builder,
        plan.splits[1],
        strategy=strategy,
        most_frames=plan.evaluated_frames,
        reverse=reverse,
        report=report,
    )


def clips_per_second(workdir, task=CLASSIFICATION):
    """Mean training speed over the rows of the history that have one, None without."""
    rates = [row['clips_per_second'] for row in read_history(workdir, task)]
    rates = [rate for rate in rates if rate is not None]
    return float(np.mean(rates)) if rates else None


def train_and_evaluate(builder, plan, this, strategy, report):
    """Trains by `plan` in the run `this`, or goes on there, evaluates, and finishes the run.

    Returns:
      The results.
    """
    network, row = train(builder, plan, this.path, strategy, report)
    metrics, predictions = evaluate(network, builder, plan, strategy, report)
    names = class_names(builder)
    kept = f'the trained network is kept; {_GO_ON}'
    with writing(this / PREDICTIONS_FILE, kept):
        predictions.save(this / PREDICTIONS_FILE)
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
        'clips_per_second': clips_per_second(this.path),
        'model': str(this / MODEL_FILE),
    }
    this.finish(results, _markdown(plan, results))
    return results


def _markdown(plan, results):
    figures = ('step', 'loss', 'top1', 'top5', 'videos_seen', 'clips_per_second')
    per_class = [(name, *values.values()) for name, values in results['per_class'].items()]
    return '\n'.join(
        [
            f'# {plan.dataset}/{plan.config}: training\n',
            markdown_table(('figure', 'value'), [(name, results[name]) for name in figures]),
            '![curves](curves.png)\n',
            f'## {plan.splits[1]}, by class\n',
            markdown_table(('class', 'top-1', 'videos'), per_class),
            '![confusion](confusion.png)\n',
            '## Network\n',
            markdown_table(('field', 'value'), dataclasses.asdict(plan.network).items()),
        ]
    )
