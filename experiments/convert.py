"""Converts videos to TFRecord: decoded, resampled in time, resized, JPEG frames.

  python -m experiments.convert --dataset=video_folder --config=mine --manual_dir=~/videos

`~/videos` holds a folder per class, or `train/` and `validation/` with a folder per class each; `mine` is a
name of your choice. A broken video is skipped and listed with its reason in `skipped.csv` beside the dataset.
A conversion that was killed goes on, without decoding a finished video again, when the same command is run.
"""

import time

from absl import flags

from data import catalog, conversion
from experiments import run

FLAGS = flags.FLAGS

_LISTED = 20  # skipped videos that are printed; all are in skipped.csv


def define_flags():
    """The flags of this program, for it alone."""
    run.define_workdir_flags('convert')
    run.define_dataset_flags()
    flags.DEFINE_string('manual_dir', None, 'Folder with the videos.')
    flags.DEFINE_float('frames_per_second', None, "Rate stored; 0 keeps each video's own.")
    flags.DEFINE_integer('frame_size', None, "Height and width stored (the paper's way: 256).")
    flags.DEFINE_integer('short_side', None, 'Shorter side stored, keeping the shape, instead.')
    flags.DEFINE_float('validation_fraction', None, 'Share of each class held out (video_folder).')
    flags.DEFINE_integer('split_seed', None, 'Seed of that choice (video_folder).')
    flags.DEFINE_float(
        'max_skipped_fraction', None, 'More broken videos than this share are an error.'
    )
    flags.DEFINE_integer('workers', None, 'Videos decoded at once; default all cores.')


def config_fields():
    """The fields of the dataset's configuration that the flags set."""
    fields = {}
    if FLAGS.frames_per_second is not None:
        fields['frames_per_second'] = FLAGS.frames_per_second or None
    if FLAGS.frame_size is not None:
        fields['frame_size'] = (FLAGS.frame_size, FLAGS.frame_size)
    if FLAGS.short_side is not None:
        if FLAGS.frame_size is not None:
            raise run.UsageError('--frame_size and --short_side: give one of them.')
        fields |= {'short_side': FLAGS.short_side, 'frame_size': None}
    for name in ('validation_fraction', 'split_seed'):
        if FLAGS[name].value is not None:
            fields[name] = FLAGS[name].value
    return fields


def main(arguments):
    del arguments
    run.required('dataset')
    if FLAGS.dataset not in catalog.EMBEDDED:
        run.required('manual_dir')
    limit = FLAGS.max_skipped_fraction
    if limit is not None and not 0 <= limit <= 1:
        raise run.UsageError(f'--max_skipped_fraction must be from 0 to 1, found {limit}.')
    for name in ('frames_per_second', 'frame_size', 'short_side', 'workers'):
        value = FLAGS[name].value
        if value is not None and value < (0 if name == 'frames_per_second' else 1):
            raise run.UsageError(f'--{name} must be above 0, found {value}.')
    builder = catalog.make_builder(
        FLAGS.dataset, FLAGS.config, FLAGS.data_dir, FLAGS.manual_dir, **config_fields()
    )
    started = time.monotonic()
    done = conversion.convert(
        builder,
        workers=FLAGS.workers,
        max_skipped_fraction=limit,
        overwrite=FLAGS.overwrite,
        report=run.report,
    )
    seconds = time.monotonic() - started
    results = {
        'dataset': builder.info.full_name,
        'data_path': done.data_path,
        'found': done.found,
        'examples': done.examples,
        'skipped': len(done.skipped),
        'frames': done.frames,
        'frames_per_second': None if done.reused else done.frames_decoded / seconds,
        'seconds': seconds,
    }
    this = run.Run('convert', FLAGS.workdir, {'dataset': builder.info.full_name}, overwrite=True)
    this.finish(results, _markdown(results, done.skipped))
    converted = ', '.join(f'{count} {split}' for split, count in done.examples.items())
    run.report(
        f'found {done.found}, converted {converted}, skipped {len(done.skipped)}: {done.data_path}'
    )
    for row in done.skipped[:_LISTED]:
        run.report(f'  skipped {row.id}: {row.reason}')
    if len(done.skipped) > _LISTED:
        run.report(f'  ... and {len(done.skipped) - _LISTED} more in {done.data_path}/skipped.csv')
    if done.reused:
        run.report('it was converted before; --overwrite converts it again')


def _markdown(results, skipped):
    text = f'# Conversion of {results["dataset"]}\n\n{run.markdown_table(("what", "value"), results.items())}'
    if skipped:
        rows = [(row.id, row.reason) for row in skipped]
        text += f'\n## Skipped\n\n{run.markdown_table(("video", "reason"), rows)}'
    return text


if __name__ == '__main__':
    define_flags()
    run.start(main)
