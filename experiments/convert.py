"""Converts videos to TFRecord: decoded, resampled in time, resized, JPEG frames or optical flow.

  python -m experiments.convert --dataset=video_folder --config=mine --manual_dir=~/videos
  python -m experiments.convert --dataset=kinetics400 --config=rgb --manual_dir=~/kinetics400
  python -m experiments.convert --dataset=ucf101 --config=split1_flow --manual_dir=~/ucf101

`data/datasets/DATASET/README.md` says what the folder must hold and which configurations there are.
For `video_folder`, `--config` is a name of your choice. A video that is broken or missing is
skipped, and listed with its reason in `skipped.csv` beside the dataset. Run the same command again
after a conversion was killed: it goes on, and decodes no finished video twice. `--verify` reads the
finished dataset once more and checks all of it; without `--manual_dir` it does nothing else.
"""

import dataclasses
import time

from absl import flags

from data import catalog
from data.conversion import beam
from data.conversion.convert import convert_dataset
from data.example import CHANNELS
from data.records import outcomes, verification
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_dataset_flags, define_workdir_flags, required
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import (
    MOST_PIXELS,
    MOST_PROCESSES,
    MOST_SEED,
    define_count,
    define_number,
)
from s3dg.program.workdir import Run
from s3dg.video import optical_flow

FLAGS = flags.FLAGS

_LISTED = 20  # skipped videos, or problems, that are printed; all are in a file


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('convert', 'Convert again; replaces the dataset when it is done.')
    define_dataset_flags()
    flags.DEFINE_string('manual_dir', None, 'Folder with the videos.')
    define_number('frames_per_second', None, "Rate stored; 0 keeps each video's own.", 1000)
    define_count('frame_size', None, "Height and width stored (the paper's way: 256).", MOST_PIXELS)
    shorter = 'Shorter side stored, keeping the shape, instead.'
    define_count('short_side', None, shorter, MOST_PIXELS)
    stored = 'What is stored (video_folder; elsewhere the configuration says it).'
    flags.DEFINE_enum('modality', None, list(CHANNELS), stored)
    flow = "Optical flow: tvl1 (default, the paper's) or dis, far quicker."
    flags.DEFINE_enum('flow_algorithm', None, list(optical_flow.ALGORITHMS), flow)
    define_number('validation_fraction', None, 'Share of each class held out (video_folder).', 1)
    define_count('split_seed', None, 'Seed of that choice (video_folder).', MOST_SEED, least=0)
    most = 'More broken or missing videos than this share are an error.'
    define_number('max_skipped_fraction', None, most, 1)
    at_once = 'Videos decoded at once, each in a process; default all cores.'
    define_count('processes', None, at_once, MOST_PROCESSES)
    flags.DEFINE_bool('verify', False, 'Read the dataset once more and check it.')
    flags.DEFINE_string(
        'runner', None, "Beam runner to hand the work to, e.g. FlinkRunner; needs '.[beam]'."
    )
    flags.DEFINE_multi_string('beam_option', [], 'Option of the Beam pipeline, e.g. region=here.')


def config_fields(values):
    """The fields of the dataset's configuration that the parsed flags set, as a dict."""
    fields = {}
    if values.frames_per_second is not None:
        fields['frames_per_second'] = values.frames_per_second or None
    if values.frame_size is not None:
        fields['frame_size'] = (values.frame_size, values.frame_size)
    if values.short_side is not None:
        fields |= {'short_side': values.short_side, 'frame_size': None}
    for name in ('modality', 'flow_algorithm', 'validation_fraction', 'split_seed'):
        if values[name].value is not None:
            fields[name] = values[name].value
    return fields


def only_verifies(values):
    """Whether nothing is to be done but to read a dataset that is there."""
    return values.verify and values.manual_dir is None and not values.overwrite


def check(values):
    """Refuses parsed flags that cannot be, before anything is opened.

    Raises:
      UsageError: naming the flag.
    """
    dataset = required('dataset', values.dataset)
    builder_class = catalog.builder_class(dataset)
    configs = builder_class.BUILDER_CONFIGS
    if values.modality is not None and configs:
        names = ', '.join(config.name for config in configs)
        raise UsageError(f'--modality: the --config of {dataset} says it, one of {names}.')
    known = {field.name for field in dataclasses.fields(builder_class.CONFIG_CLASS)}
    for name in ('validation_fraction', 'split_seed'):
        if values[name].value is not None and name not in known:
            raise UsageError(f'--{name}: {dataset} has splits of its own.')
    if values.frame_size is not None and values.short_side is not None:
        raise UsageError('--frame_size and --short_side: give one of them.')
    if only_verifies(values):
        given = [name for name in ('runner', 'processes') if values[name].value]
        given = [*config_fields(values), *given]
        if given:
            raise UsageError(f'--{given[0]}: needs --manual_dir; without it, --verify only reads.')
    elif dataset not in catalog.EMBEDDED:
        required('manual_dir', values.manual_dir)
    if values.runner is None and values.beam_option:
        raise UsageError('--beam_option: needs --runner.')
    if values.runner is not None and values.processes is not None:
        raise UsageError('--processes: with --runner, that is for the runner to say.')


def convert(values):
    """Converts a dataset by checked flags: (builder, `Conversion`)."""
    builder = catalog.make_builder(
        values.dataset, values.config, values.data_dir, values.manual_dir, **config_fields(values)
    )
    write = None
    if values.runner is not None:
        words = [f'--{option.lstrip("-")}' for option in values.beam_option]
        write = beam.writer(values.runner, words)
    done = convert_dataset(
        builder,
        processes=values.processes,
        write=write,
        max_skipped_fraction=values.max_skipped_fraction,
        overwrite=values.overwrite,
        report=entry.report,
    )
    return builder, done


def report_conversion(done):
    """Says what was found, converted and skipped."""
    converted = ', '.join(f'{count} {split}' for split, count in done.examples.items())
    entry.report(
        f'found {done.found}, converted {converted}, {outcomes.describe_skipped(done.skipped)}:'
        f' {done.data_path}'
    )
    lines = [f'skipped {row.id}: {row.reason}' for row in done.skipped]
    _report_first(lines, f'more in {done.data_path}/skipped.csv')
    lines = [f'converted {name} as far as it goes: {said}' for name, said in done.faults.items()]
    _report_first(lines, f'more damaged files in {done.data_path}/videos.csv')
    if done.reused:
        entry.report('it was converted before; --overwrite converts it again')


def _report_first(lines, others):
    for line in lines[:_LISTED]:
        entry.report(f'  {line}')
    if len(lines) > _LISTED:
        entry.report(f'  ... and {len(lines) - _LISTED} {others}')


def verify(opened, listing):
    """Checks a dataset and says what is wrong with it: the `Verification`."""
    found = verification.verify(opened, listing, entry.report)
    _report_first(found.problems, 'more')
    entry.report(
        f'verified {sum(found.examples.values())} videos, {found.frames} frames:'
        f' {len(found.problems) or "no"} problems'
    )
    return found


def main(arguments):
    del arguments
    check(FLAGS)
    settings = {'dataset': FLAGS.dataset, 'config': FLAGS.config}
    this = Run('convert', FLAGS.workdir, settings, FLAGS.overwrite, replaces=True, goes_on=True)
    started = time.monotonic()
    skipped, faults, problems, listing = [], {}, [], None
    if only_verifies(FLAGS):
        opened = catalog.open_dataset(FLAGS.dataset, FLAGS.config, FLAGS.data_dir, entry.report)
        results = {'data_path': str(opened.data_path)}
    else:
        opened, done = convert(FLAGS)
        report_conversion(done)
        seconds = time.monotonic() - started
        skipped, faults, listing = done.skipped, done.faults, done.listing
        results = {
            'data_path': done.data_path,
            'found': done.found,
            'examples': done.examples,
            'skipped': len(skipped),
            'missing': outcomes.count_missing(skipped),
            'damaged': len(faults),
            'frames': done.frames,
            'frames_per_second': None if done.reused else done.frames_decoded / seconds,
            'seconds': seconds,
        }
    name = opened.info.full_name
    if FLAGS.verify:
        found = verify(opened, listing)
        problems = found.problems
        results |= {'examples': found.examples, 'problems': len(problems)}
    this.finish({'dataset': name, **results}, _markdown(name, results, skipped, faults, problems))
    return 1 if problems else 0


def _markdown(name, results, skipped, faults, problems):
    text = [f'# Conversion of {name}\n', markdown_table(('what', 'value'), results.items())]
    if skipped:
        rows = [(row.id, row.reason) for row in skipped]
        text += ['## Skipped\n', markdown_table(('video', 'reason'), rows)]
    if faults:
        rows = faults.items()
        text += [
            '## Damaged, and converted as far as it goes\n',
            markdown_table(('video', 'found'), rows),
        ]
    if problems:
        text += ['## Problems\n', *(f'- {line}' for line in problems), '']
    return '\n'.join(text)


if __name__ == '__main__':
    define_flags()
    entry.start(main)
