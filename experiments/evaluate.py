"""Evaluates a trained network on whole videos, in normal or reversed order.

  python -m experiments.evaluate --model=runs/train/model.keras --dataset=moving_shapes \
      --order=reversed

The network sees the centre crop of every video whole, in windows of `evaluation_frames` frames,
and its logits are averaged. A shorter video is looped. Of UCF-101 and HMDB-51 it sees the first
250 frames, as is usual for these. The workdir then holds `results.json`, `report.md`,
`confusion.png` and `predictions.npz` (id, label, logits).
"""

from absl import flags

from data import catalog
from experiments.training import evaluating
from experiments.training.dataset import (
    choose_split,
    class_names,
    describe_difference,
    require_channels,
)
from experiments.training.presets import EVALUATED_FRAMES
from s3dg.figures import plots
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import (
    define_dataset_flags,
    define_runtime_flags,
    define_workdir_flags,
    required,
)
from s3dg.program.loading import load_network, require_classes
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_CLIPS, define_count
from s3dg.program.runtime import RuntimeOptions, start_runtime
from s3dg.program.workdir import Run, file_identity

FLAGS = flags.FLAGS


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('evaluate')
    define_dataset_flags()
    define_runtime_flags()
    flags.DEFINE_string('model', None, 'The .keras file.')
    flags.DEFINE_string('split', None, 'Split to evaluate; default validation, or test.')
    flags.DEFINE_enum('order', 'normal', ['normal', 'reversed'], 'Order of the frames.')
    define_count('batch_size', 16, 'Windows per replica and step, at most.', MOST_CLIPS)


def check_same_classes(network, builder, flag='--model'):
    """Refuses a network whose classes are not those of the dataset.

    Raises:
      UsageError: naming both.
    """
    names = class_names(builder)
    if network.class_names is not None and network.class_names != names:
        raise UsageError(
            f'{flag}: the network knows other classes than {builder.info.full_name}: '
            f'{describe_difference(network.class_names, names)}; '
            f'train on this dataset with --init first.'
        )
    if network.config.num_classes != len(names):
        raise UsageError(
            f'{flag}: the network has {network.config.num_classes} classes, '
            f'{builder.info.full_name} has {len(names)}.'
        )


def report_other_rate(network, builder):
    """Says so where the dataset's videos run at another rate than the network was made for."""
    rate = network.video_format.frames_per_second
    stored = builder.info.metadata['frames_per_second']
    if rate != stored:
        entry.report(
            f'{builder.info.full_name} is stored at {stored} frames a second, the network was made '
            f'for {rate}: convert it again at that rate for the best accuracy'
        )


def main(arguments):
    del arguments
    required('model', FLAGS.model)
    required('dataset', FLAGS.dataset)
    strategy = start_runtime(RuntimeOptions.of(FLAGS))
    builder = catalog.open_dataset(FLAGS.dataset, FLAGS.config, FLAGS.data_dir, entry.report)
    with strategy.scope():
        network = load_network(FLAGS.model)
    require_classes(network, FLAGS.model)
    check_same_classes(network, builder)
    require_channels(network.config, builder)
    split = choose_split(builder, FLAGS.split, 'split')
    report_other_rate(network, builder)
    settings = {
        'model': file_identity(FLAGS.model),
        'dataset': FLAGS.dataset,
        'config': builder.info.config_name,
        'split': split,
        'order': FLAGS.order,
        'dtype': FLAGS.dtype,
    }
    most_frames = EVALUATED_FRAMES.get(FLAGS.dataset)
    if most_frames is not None:
        settings['evaluated_frames'] = most_frames
    inputs = [('--model', FLAGS.model), ('--data_dir', FLAGS.data_dir)]
    this = Run('evaluate', FLAGS.workdir, settings, FLAGS.overwrite, inputs=inputs)
    if this.results is not None:
        entry.report(f'{this.path}: finished already, top-1 {this.figure("top1"):.4f}')
        return
    metrics, predictions = evaluating.evaluate_split(
        network,
        builder,
        split,
        strategy=strategy,
        most_frames=most_frames,
        most_windows=FLAGS.batch_size,
        reverse=FLAGS.order == 'reversed',
        report=entry.report,
    )
    names = class_names(builder)
    predictions.save(this / 'predictions.npz')
    title = f'{split}, {FLAGS.order} order'
    plots.confusion_matrices({title: metrics.confusion}, names, this / 'confusion.png')
    results = {
        'top1': metrics.top1,
        'top5': metrics.top5,
        'videos_expected': metrics.videos_expected,
        'videos_seen': metrics.videos_seen,
        'per_class': metrics.per_class(names),
    }
    this.finish(results, _markdown(settings, results))
    entry.report(
        f'top-1 {metrics.top1:.4f}  top-5 {metrics.top5:.4f}  '
        f'{metrics.videos_seen} of {metrics.videos_expected} videos  {this / "report.md"}'
    )


def _markdown(settings, results):
    figures = ('top1', 'top5', 'videos_expected', 'videos_seen')
    per_class = [(name, *values.values()) for name, values in results['per_class'].items()]
    return '\n'.join(
        [
            f'# {settings["dataset"]}/{settings["config"]}, {settings["split"]}, '
            f'{settings["order"]} order\n',
            markdown_table(('figure', 'value'), [(name, results[name]) for name in figures]),
            markdown_table(('class', 'top-1', 'videos'), per_class),
            '![confusion](confusion.png)\n',
        ]
    )


if __name__ == '__main__':
    define_flags()
    entry.start(main)
