"""The whole path on the embedded dataset, in minutes on two cores.

  python -m experiments.quickstart

Makes the videos of moving_shapes and converts them, trains a small S3D-G, evaluates it on held-out
videos in normal and in reversed order, exports it, and classifies video files it has never seen.
Its ten classes are five pairs, each the reversal of the other: a network that reads motion gets the
normal order right and the reversed order wrong. Expect top-1 of at least 0.95 and at most 0.05.
"""

import time

from absl import flags

from data.datasets.generated import write_video
from data.datasets.moving_shapes import shapes
from data.records.decode import stored_videos
from experiments import train
from experiments.training import run as training
from experiments.training.dataset import class_names
from experiments.training.presets import QUICK
from s3dg.analysis import classification
from s3dg.commands import export
from s3dg.figures import plots
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.markdown import markdown_table
from s3dg.saving.export import ExportedNetwork
from s3dg.video import reading

FLAGS = flags.FLAGS

DATASET = 'moving_shapes'


def define_flags():
    """The flags of this program: those of `train`, with the dataset set."""
    train.define_flags()
    values = {'dataset': DATASET, 'workdir': 'runs/quickstart'}
    for name, value in values.items():
        FLAGS.set_default(name, value)


def draw_samples(builder, names, predicted, path):
    """A contact sheet of one held-out video per class, titled with what it is and is taken for."""
    samples = {}
    for example in stored_videos(builder, 'validation'):
        samples.setdefault(example['label'], example)
        if len(samples) == len(names):
            break
    ordered = [samples[label] for label in sorted(samples)]
    titles = [
        f'{names[example["label"]]}  \u2192  {names[predicted["normal"][example["id"]]]}, '
        f'reversed {names[predicted["reversed"][example["id"]]]}'
        for example in ordered
    ]
    plots.contact_sheet([example['video'] for example in ordered], titles, path)


def classify_new_videos(model, folder, seed):
    """Writes one new video file of every class and classifies it with the exported network.

    Returns:
      a list of (what it shows, what it is taken for, with which probability).
    """
    folder.mkdir(exist_ok=True)
    rows = []
    for name in shapes.CLASSES:
        path = folder / f'{name}.avi'
        write_video(path, shapes.video('new', name, 0, seed=seed))
        frames = reading.read_frames(path, **model.video_format.reading)
        probabilities = classification.video_probabilities(model, frames)
        rows.append((name, *classification.most_probable(model, probabilities, 1)[0]))
    return rows


def main(arguments):
    del arguments
    started = time.monotonic()
    options = train.TrainOptions.of(FLAGS)
    if options.dataset != DATASET:
        raise UsageError(f'--dataset: the quickstart is for {DATASET}; see experiments.train.')
    preset = QUICK if options.preset == 'tiny' else None
    strategy, builder, plan, this = train.prepare(options, 'quickstart', preset)
    if this.results is not None:
        entry.report(
            f'{this.path}: finished already; see {this / "report.md"}, --overwrite starts anew'
        )
        return
    names = class_names(builder)
    network, row = training.train(builder, plan, this.path, strategy, entry.report)

    metrics, predicted = {}, {}
    for order in ('normal', 'reversed'):
        metrics[order], predictions = training.evaluate(
            network, builder, plan, strategy, entry.report, reverse=order == 'reversed'
        )
        predictions.save(this / f'predictions_{order}.npz')
        best = predictions.logits.argmax(axis=1)
        predicted[order] = dict(zip(predictions.ids.tolist(), best.tolist(), strict=True))
        entry.report(f'top-1 in {order} order: {metrics[order].top1:.4f}')
    confusions = {f'{order} order': figures.confusion for order, figures in metrics.items()}
    plots.confusion_matrices(confusions, names, this / 'confusion.png')
    draw_samples(builder, names, predicted, this / 'samples.png')

    saved_model = this / 'saved_model'
    entry.report(f'exporting to {saved_model}')
    _, difference = export.export_network(network, saved_model)
    folder = this / 'new_videos'
    new_videos = classify_new_videos(ExportedNetwork(saved_model), folder, plan.seed)
    right = sum(name == taken for name, taken, _ in new_videos)
    entry.report(f'{folder}: {right} of {len(new_videos)} new video files named rightly')

    results = {
        'top1': metrics['normal'].top1,
        'top1_reversed': metrics['reversed'].top1,
        'videos_expected': metrics['normal'].videos_expected,
        'videos_seen': metrics['normal'].videos_seen,
        'step': row['step'],
        'clips_per_second': training.clips_per_second(this.path),
        'seconds': time.monotonic() - started,
        'saved_model': str(saved_model),
        'max_difference': difference,
        'new_videos': {
            name: {'taken_for': taken, 'probability': probability}
            for name, taken, probability in new_videos
        },
    }
    this.finish(results, _markdown(results))
    entry.report(f'finished in {results["seconds"]:.0f} s: {this / "report.md"}')


def _markdown(results):
    figures = ('top1', 'top1_reversed', 'videos_seen', 'step', 'clips_per_second', 'seconds')
    return '\n'.join(
        [
            '# Quickstart: S3D-G on moving_shapes\n',
            markdown_table(('figure', 'value'), [(name, results[name]) for name in figures]),
            'Held-out videos: what they show, what they are taken for, and what their reversal is '
            'taken for.\n',
            '![samples](samples.png)\n',
            '![confusion](confusion.png)\n',
            '![curves](curves.png)\n',
            'One new video file of every class, in `new_videos`, classified by the exported '
            'network:\n',
            markdown_table(
                ('shows', 'is taken for', 'with probability'),
                [(name, *row.values()) for name, row in results['new_videos'].items()],
            ),
        ]
    )


if __name__ == '__main__':
    define_flags()
    entry.start(main)
