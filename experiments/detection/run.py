"""A detector's plan carried out: it is trained, evaluated, and what came of it written down."""

import keras
import numpy as np

from data.clips import annotated
from data.records import faults
from experiments.detection import evaluating, samples
from experiments.detection.plan import FREE_SETTINGS
from experiments.paper.reporting import join, percent
from experiments.training.dataset import class_names
from experiments.training.run import clips_per_second
from s3dg import files
from s3dg.detection.frame_ap import RULES
from s3dg.detection.network import CLIPS, Detector
from s3dg.detection.rows import write_rows
from s3dg.detection.rpn import ProposalNetwork, create_resnet
from s3dg.detection.task import detection_task
from s3dg.errors import reading
from s3dg.figures import detections as pictures
from s3dg.figures import plots
from s3dg.files.disk import writing
from s3dg.program.entry import UsageError
from s3dg.program.loading import load_network
from s3dg.program.markdown import markdown_table
from s3dg.program.workdir import Run
from s3dg.training import loop
from s3dg.training.history import read_history

PROGRAM = 'train_detector'
MODEL_FILE = 'model.keras'
ROWS_FILE = 'detections.csv'

_KEPT = 'the training is kept; make room and run the same command again'


def check_resnet(weights):
    """Reads ResNet's weights, before hours of training; UsageError where that cannot be done."""
    if weights == 'random':
        return
    what = 'could not be downloaded by Keras' if weights == 'imagenet' else 'cannot be read'
    with reading(f'--resnet: {weights} {what}, expected a file without the classifier', UsageError):
        create_resnet(weights)


def open_run(plan, folder):
    """The `Run` of a plan's training in a folder; errors as of `Run`."""
    return Run(PROGRAM, folder, plan.to_dict(), free=FREE_SETTINGS)


def task_of(plan):
    """What the detector of a plan is trained for."""
    return detection_task((*(CLIPS[one] for one in plan.modalities), 'key'))


def training_frames(builders, plan, frames):
    """The input of `loop.train`: annotated frames of the training split from any example on."""

    def create(first_example, context, batch_size):
        return annotated.training_frames(
            builders[0],
            plan.splits[0],
            flow=builders[1] if len(builders) > 1 else None,
            frames=frames,
            most_boxes=plan.most_boxes,
            batch_size=batch_size,
            seed=plan.seed,
            flip=plan.flip,
            first_example=first_example,
            num_shards=context.num_input_pipelines,
            shard_index=context.input_pipeline_id,
        )

    return create


def train(builders, plan, folder, strategy, resnet_weights, report):
    """Trains by `plan` in a folder, or goes on there; writes `model.keras` and `curves.png`.

    Args:
      resnet_weights: as of `create_resnet`.

    Returns:
      (detector, last row of the history)
    """
    names = class_names(builders[0])
    task = task_of(plan)
    keras.utils.set_random_seed(plan.seed)
    videos = annotated.annotated_videos(builders[0], plan.splits[0])
    left_out = sum(one.left_out(plan.most_boxes) for one in videos)
    if left_out:
        report(f'{left_out} boxes are left out, beyond {plan.most_boxes} of their frame')
    proposal_network = None

    def create_rpn():
        network = ProposalNetwork(plan.detector, resnet_weights, plan.resnet_width)
        network.live_batch_norm = plan.rpn is not None
        return network

    def create_detector():
        networks = {
            modality: load_network(start.source)
            for modality, start in zip(plan.modalities, plan.starts, strict=True)
        }
        return Detector(networks, names, proposal_network or create_rpn(), plan.video_format)

    with faults.named(builders[0], plan.splits, report):
        if plan.rpn is not None:
            report('training the proposal network')
            proposal_network, _ = loop.train(
                create_rpn,
                training_frames(builders[:1], plan, frames=1),
                plan.rpn_training,
                folder / 'rpn',
                task=detection_task(('key',)),
                strategy=strategy,
                report=report,
            )
            proposal_network.live_batch_norm = False
            report('training the detector')
        detector, row = loop.train(
            create_detector,
            training_frames(builders, plan, plan.video_format.clip_frames),
            plan.training,
            folder,
            task=task,
            strategy=strategy,
            report=report,
        )
    with writing(folder / MODEL_FILE, _KEPT), files.unfinished(folder / MODEL_FILE) as temporary:
        detector.save(temporary)
    with writing(folder / 'curves.png', _KEPT):
        rows = read_history(folder, task)
        plots.loss_curves(rows, task.losses, folder / 'curves.png')
    return detector, row


def train_and_evaluate(builders, plan, this, strategy, resnet_weights, chunk, report, reverse):
    """Trains by `plan` in the run `this`, or goes on there, evaluates, and finishes the run.

    Args:
      resnet_weights: as of `create_resnet`.
      chunk: proposals that are classified at once.
      reverse: whether clips played backwards are evaluated too.

    Returns:
      The results: of each rule, and of each order of frames, the mean frame-AP and more.
    """
    names = class_names(builders[0])
    detector, row = train(builders, plan, this.path, strategy, resnet_weights, report)
    results = {}
    for order in ('normal', *(['reversed'] if reverse else [])):
        found = evaluating.evaluate(
            detector,
            builders,
            plan,
            strategy,
            this / f'detections_{order}',
            report,
            chunk=chunk,
            reverse=order == 'reversed',
        )
        figures = found.figures(len(names))
        results[order] = _results(figures, names)
        report(f'frame-AP in {order} order: {results[order]["pascal"]["all"]:.4f}')
        if order == 'normal':
            _write(found, figures, names, builders[0], plan, this)
    results = {
        'step': row['step'],
        **results.pop('normal'),
        **results,
        'videos_expected': found.videos_expected,
        'videos_seen': len(found.videos),
        'frames': int(found.starts[-1]),
        'clips_per_second': clips_per_second(this.path, task_of(plan)),
        'model': str(this / MODEL_FILE),
    }
    this.finish(results, _markdown(plan, results))
    return results


def _results(figures, names):
    """Figures as results.json has them."""
    return {
        rule: {
            **{which: one.mean for which, one in of_rule.items()},
            'per_class': {
                name: None if np.isnan(value) else float(value)
                for name, value in zip(names, of_rule['all'].per_class, strict=True)
            },
        }
        for rule, of_rule in figures.items()
    }


def _write(found, figures, names, builder, plan, this):
    """Writes the rows of all detections, and the pictures."""
    with writing(this / ROWS_FILE, _KEPT):
        write_rows(this / ROWS_FILE, found.detections(), found.names.__getitem__)
    for rule, of_rule in figures.items():
        path = this / f'precision_recall_{rule}.png'
        with writing(path, _KEPT):
            pictures.precision_recall(of_rule['all'], names, RULES[rule], path)
    samples.draw(found, builder, plan.splits[1], names, this.path)


def _markdown(plan, results):
    rows = [
        (which, *(percent(results[rule], which) for rule in RULES))
        for which in ('all', 'annotated', 'localisation')
    ]
    per_class = [
        (name, *(percent(results[rule]['per_class'], name) for rule in RULES))
        for name in results['pascal']['per_class']
    ]
    figures = ('step', 'videos_expected', 'videos_seen', 'frames', 'clips_per_second')
    return join(
        f'# {plan.dataset}/{plan.config}, {plan.streams}: a detector',
        markdown_table(('figure', 'value'), [(name, results[name]) for name in figures]),
        '## Mean frame-AP in percent, by rule',
        markdown_table(('frames', *RULES), rows),
        'all: all frames of the videos that have boxes; annotated: those with boxes; localisation: '
        'all frames, labels ignored.',
        '## By class, all frames',
        markdown_table(('class', *RULES), per_class),
        '![precision and recall](precision_recall_pascal.png)',
        '![found and true boxes](found_and_true.png)',
        '![over time](filmstrip.png)',
        '![curves](curves.png)',
    )
