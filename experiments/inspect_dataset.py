"""Shows what a converted dataset holds: classes, lengths, skipped videos, examples of each split.

  python -m experiments.inspect_dataset --dataset=kinetics400 --config=rgb

Writes `report.md`, `results.json`, `class_counts.csv`, charts, and a contact sheet for every split.
A contact sheet shows videos drawn at random (`--seed`), of as many classes as there is room for,
with their boxes where there are any, and optical flow in colours. Only the frames that it shows
are read, so a large dataset takes minutes.
"""

import dataclasses
import re
import warnings

import numpy as np
from absl import flags

from data import boxes, catalog
from data.datasets.builder import LABEL_DIGESTS
from data.example import LABEL, UNKNOWN_LABEL
from data.inspection import charts, contact_sheet, survey
from data.records import cells
from data.records.checks import modality
from s3dg import files
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_dataset_flags, define_workdir_flags, required
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_SEED, define_count
from s3dg.program.workdir import Run, file_identity, home_path
from s3dg.progress import duration

FLAGS = flags.FLAGS

# Of more classes than the report can name, it names this many of the most and the least frequent.
_NAMED = 15
_MOST_VIDEOS = 100  # on a sheet; a picture has its limits
_LISTED = 20  # reasons for skipping that the report lists


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('inspect_dataset')
    define_dataset_flags()
    flags.DEFINE_string('split', None, 'Split to look at; default all.')
    define_count('videos_per_split', 12, 'Videos on a contact sheet.', _MOST_VIDEOS)
    define_count('seed', 0, 'Seed of their choice.', MOST_SEED, least=0)


def choose_splits(builder, split=None):
    """Names of the splits to look at: `split`, or all that are not empty.

    Raises:
      UsageError: if `split` is none of these.
    """
    splits = [name for name, info in builder.info.splits.items() if info.num_examples]
    if split is None:
        return splits
    if split not in splits:
        raise UsageError(f'--split: found {split!r}, expected one of {", ".join(splits)}.')
    return [split]


def split_figures(found, names, rate):
    """The figures of a split, for `results.json`; those of boxes where there are any.

    Args:
      found: its `SplitSurvey`.
      names: of the classes.
      rate: frames a second, or None: then there are no lengths in seconds.
    """
    lengths = {
        'min': min(found.lengths),
        'median': found.median_length,
        'max': max(found.lengths),
        'total': found.frames,
    }
    return {
        'videos': found.videos,
        'unlabelled': found.labels[UNKNOWN_LABEL],
        'per_class': {name: found.labels[index] for index, name in enumerate(names)},
        'bytes': found.bytes,
        'length_frames': lengths,
        'length_seconds': {key: n / rate for key, n in lengths.items()} if rate else None,
        **(dataclasses.asdict(found.boxes) if found.boxes is not None else {}),
    }


def describe_length(frames, rate):
    """How long a video is, in words."""
    return f'{frames} frames, {frames / rate:.1f} s' if rate else f'{frames} frames'


def draw_pictures(builder, found, folder):
    """Draws `class_counts.png`, `lengths.png` and the contact sheet of every split in a folder."""
    # Letters that the font lacks show as empty boxes; a warning for every one of them helps nobody.
    warnings.filterwarnings('ignore', 'Glyph .* missing from', UserWarning)
    info = builder.info
    names, rate = info.features[LABEL].names, info.metadata['frames_per_second']
    counts = {
        split: np.array([one.labels[index] for index in range(len(names))])
        for split, one in found.items()
    }
    charts.draw_class_counts(counts, names, folder / 'class_counts.png')
    lengths = {split: one.lengths for split, one in found.items()}
    charts.draw_lengths(lengths, rate, folder / 'lengths.png')
    box_names = ()
    if boxes.BOXES in info.features:
        box_names = info.features[boxes.BOXES][boxes.LABEL].names
    flow = modality(info) == 'flow'
    for split, one in found.items():
        chosen = []
        for head in one.chosen:
            name = None if head.label == UNKNOWN_LABEL else names[head.label]
            chosen.append((head, name, describe_length(head.frames, rate)))
        rows = contact_sheet.read_rows(chosen, flow, box_names)
        path = folder / f'contact_sheet_{split}.png'
        contact_sheet.draw(rows, f'{info.full_name}: {split}', path)


def write_class_counts(path, names, splits):
    """Writes the videos of every class and split, and of no class where there are any, as CSV."""
    with (
        files.unfinished(path) as temporary,
        temporary.open('w', newline='', encoding='utf-8') as file,
    ):
        file.write(cells.line(['index', 'class', *splits]))
        for index, name in enumerate(names):
            counts = (one['per_class'][name] for one in splits.values())
            file.write(cells.line([index, name, *counts]))
        unlabelled = [one['unlabelled'] for one in splits.values()]
        if any(unlabelled):
            file.write(cells.line([UNKNOWN_LABEL, '', *unlabelled]))


def _cell(text):
    """Words of others, such as names, that a Markdown table shows as they are."""
    text = ''.join(c if c.isprintable() else '?' for c in str(text))
    return re.sub(r'([\\`*\[<|$])', r'\\\1', text)


def _table(header, rows):
    return markdown_table(
        [_cell(cell) for cell in header], [[_cell(cell) for cell in row] for row in rows]
    )


def _split_table(splits):
    header = ['split', 'videos', 'classes', 'no label', 'frames', 'playing time', 'size']
    rows = [
        (
            split,
            one['videos'],
            sum(count > 0 for count in one['per_class'].values()),
            one['unlabelled'],
            one['length_frames']['total'],
            duration(one['length_seconds']['total']) if one['length_seconds'] else '-',
            f'{one["bytes"] / 2**20:,.1f} MiB',
        )
        for split, one in splits.items()
    ]
    return _table(header, rows)


def _length_table(splits):
    header = ['split', 'unit', 'shortest', 'median', 'longest']
    rows = []
    for split, one in splits.items():
        for unit in ('frames', 'seconds'):
            lengths = one[f'length_{unit}']
            if lengths is not None:
                shown = (f'{lengths[key]:g}' for key in ('min', 'median', 'max'))
                rows.append((split, unit, *shown))
    return _table(header, rows)


def _box_table(splits):
    keys = ('boxes', 'tubes', 'annotated_frames', 'annotated_videos')
    header = ['split', *(key.replace('_', ' ') for key in keys), 'videos']
    rows = [(split, *(one[key] for key in keys), one['videos']) for split, one in splits.items()]
    return _table(header, rows)


def _class_tables(names, splits):
    """The classes and their videos; where they are many, the most frequent and the rarest ones."""
    rows = [(name, *(one['per_class'][name] for one in splits.values())) for name in names]
    header = ['class', *splits]
    if len(names) <= charts.MOST_NAMED_CLASSES:
        return [_table(header, rows)]
    ordered = sorted(rows, key=lambda row: -sum(row[1:]))
    return [
        f'The {_NAMED} with the most videos, and the {_NAMED} with the fewest; all {len(names)} '
        f'are in [class_counts.csv](class_counts.csv).',
        _table(header, ordered[:_NAMED]),
        _table(header, ordered[-_NAMED:]),
    ]


def write_report(results, names):
    """The report as Markdown, from the contents of `results.json` and the names of the classes."""
    splits = results['splits']
    paragraphs = [f'# {results["dataset"]}', _split_table(splits)]
    for split, one in splits.items():
        absent = [name for name, count in one['per_class'].items() if not count]
        if absent and one['unlabelled'] < one['videos']:
            listed = ', '.join([*map(_cell, absent[:_NAMED]), *['…'][: len(absent) > _NAMED]])
            paragraphs.append(f'Classes without videos in {split} ({len(absent)}): {listed}.')
    paragraphs += ['## Lengths', _length_table(splits), '![Lengths](lengths.png)']
    if 'boxes' in next(iter(splits.values())):
        paragraphs += ['## Boxes', _box_table(splits)]
    reasons = list(results['skipped_reasons'].items())
    table = _table(['reason', 'videos'], reasons[:_LISTED]) if reasons else 'None.'
    paragraphs += ['## Skipped', table]
    if len(reasons) > _LISTED:
        paragraphs.append(f'And {len(reasons) - _LISTED} other reasons.')
    settings = [
        (name, 'x'.join(map(str, value)) if isinstance(value, list) else value)
        for name, value in results['settings'].items()
        if value is not None
    ]
    paragraphs += ['## Stored with', _table(['setting', 'value'], settings)]
    for split in splits:
        paragraphs += [f'## Videos of {split}', f'![Videos of {split}](contact_sheet_{split}.png)']
    paragraphs += [
        '## Classes',
        '![Videos per class](class_counts.png)',
        *_class_tables(names, splits),
    ]
    return '\n\n'.join(paragraph.rstrip('\n') for paragraph in paragraphs) + '\n'


def main(arguments):
    del arguments
    required('dataset', FLAGS.dataset)
    builder = catalog.open_dataset(FLAGS.dataset, FLAGS.config, FLAGS.data_dir, entry.report)
    info = builder.info
    modality(info)  # or an error, before anything is read
    names, rate = info.features[LABEL].names, info.metadata['frames_per_second']
    splits = choose_splits(builder, FLAGS.split)
    folder = home_path(builder.data_dir)
    settings = {
        'dataset': FLAGS.dataset,
        'config': info.config_name,
        'version': file_identity(folder / 'dataset_info.json'),
        'splits': splits,
        'videos_per_split': FLAGS.videos_per_split,
        'seed': FLAGS.seed,
    }
    this = Run('inspect_dataset', FLAGS.workdir, settings, FLAGS.overwrite, replaces=True)
    if this.results is not None:
        entry.report(f'{this.path}: finished already; --overwrite looks again')
        return
    found = survey.survey(builder, splits, FLAGS.videos_per_split, FLAGS.seed, entry.report)
    reasons = survey.count_reasons(folder)
    results = {
        'dataset': info.full_name,
        'data_path': str(folder),
        'classes': len(names),
        'videos': sum(one.videos for one in found.values()),
        'skipped': sum(count for _, count in reasons),
        'skipped_reasons': dict(reasons),
        'settings': {name: value for name, value in info.metadata.items() if name != LABEL_DIGESTS},
        'splits': {split: split_figures(one, names, rate) for split, one in found.items()},
    }
    write_class_counts(this / 'class_counts.csv', names, results['splits'])
    draw_pictures(builder, found, this)
    this.finish(results, write_report(results, names))
    for split, one in results['splits'].items():
        entry.report(
            f'{split}: {one["videos"]} videos, {one["length_frames"]["min"]} to'
            f' {one["length_frames"]["max"]} frames'
        )
    entry.report(
        f'{results["classes"]} classes, {results["skipped"]} skipped: {this / "report.md"}'
    )


if __name__ == '__main__':
    define_flags()
    entry.start(main)
