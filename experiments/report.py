"""One page with every table and figure of the paper that was reproduced, and what is missing.

  python -m experiments.report

Looks for the experiments' runs in the folders of --runs_dir, of either preset, and joins their
reports, with the pictures, into `report.md` in the workdir. Where there is no finished run it
prints the paper's figures alone, and the command that would fill the gap. Run it again after more
runs: the page is written anew.
"""

import dataclasses
import functools
import os
import pathlib
import re
import shlex
import shutil

from absl import flags

from experiments import (
    ablations,
    action_detection,
    arrow_of_time,
    cost_table,
    feature_embedding,
    filter_statistics,
    kinetics,
    mini_kinetics,
    optical_flow,
    something_something,
    speed_accuracy,
    transfer,
)
from experiments.paper import claims, reporting
from s3dg import files
from s3dg.files.readers import read_json
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_workdir_flags
from s3dg.program.markdown import markdown_table
from s3dg.program.workdir import CONFIG_FILE, RESULTS_FILE, Run, home_path, read_settings

FLAGS = flags.FLAGS

_PICTURE = re.compile(r'!\[([^\]]*)\]\(([^)/]+\.png)\)')


NOTE = (
    'In percent, means and standard deviations over the seeds (`--preset=tiny --seeds=3`). Shown: '
    'the means differ by more than twice the standard error of their difference; no worse: the '
    'other one is not above by as much.'
)

# In the order of the page.
SECTIONS = (
    arrow_of_time.ArrowOfTime,
    kinetics.Kinetics,
    mini_kinetics.MiniKinetics,
    ablations.Ablations,
    something_something.SomethingSomething,
    speed_accuracy.SpeedAccuracy,
    filter_statistics.FilterStatistics,
    feature_embedding.FeatureEmbedding,
    optical_flow.OpticalFlow,
    transfer.Transfer,
    action_detection.ActionDetection,
    cost_table.CostTable,
)


@dataclasses.dataclass(frozen=True)
class Found:
    """A run that was found."""

    path: object  # its folder
    settings: dict  # its `config.json`
    is_finished: bool  # whether it has its results


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('report', 'Has no effect: the page is always written anew.')
    flags.DEFINE_string('runs_dir', 'runs', "Folder of the experiments' workdirs.")


def find_runs(folder):
    """The runs in the folders below `folder`, as dict from program to a list of `Found`."""
    folder = home_path(folder)
    if not folder.is_dir():
        raise UsageError(f'--runs_dir: {folder} is no folder.')
    programs = {section.name for section in SECTIONS}
    found = {}
    for path in _config_files(folder):
        try:
            settings = read_settings(path)
        except UsageError as error:
            entry.report(f'left out: {error}')
            continue
        if settings['program'] in programs:
            one = Found(path.parent, settings, (path.parent / RESULTS_FILE).exists())
            found.setdefault(settings['program'], []).append(one)
    return found


def _config_files(folder):
    """The `config.json` of all folders below, each once; follows links, leaves hidden ones out."""
    found, seen = [], set()
    for path, folders, names in os.walk(folder, followlinks=True):
        place = pathlib.Path(path).resolve()
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        if CONFIG_FILE in names:
            found.append(pathlib.Path(path, CONFIG_FILE))
    return sorted(found)


def embed(one, runs_dir, this):
    """The report of a run as part of the page `this`: headings lowered, pictures copied there."""

    place = one.path.relative_to(home_path(runs_dir))

    def copied(match):
        name = '-'.join([*place.parts, match[2]])
        if not (one.path / match[2]).is_file():
            return f'({match[2]} is not there any more)'
        with files.unfinished(this / name) as temporary:
            shutil.copyfile(one.path / match[2], temporary)
        return f'![{match[1]}]({name})'

    if not (one.path / 'report.md').exists():
        return (
            f'`{one.path}` has no report.md any more: the same command with `--overwrite` writes '
            'it anew.'
        )
    text = (one.path / 'report.md').read_text()
    text = re.sub(r'^(#+) ', r'##\1 ', text, flags=re.MULTILINE)
    return f'{_PICTURE.sub(copied, text)}\n\n`{one.path}`'


def printed_table(printed):
    """What the paper prints, as a Markdown table; nothing for None."""
    if not printed:
        return ''
    fields = next(iter(printed.values()))._fields
    given = [field for field in fields if any(getattr(row, field) for row in printed.values())]
    rows = [
        (name, *(reporting.printed(getattr(row, field)) for field in given))
        for name, row in printed.items()
    ]
    return markdown_table(('the paper', *given), rows)


def missing_commands(section, runs, runs_dir):
    """Commands that would fill the gaps of a section, by what they would give.

    Args:
      section: the `Section`.
      runs: the finished `Found` runs of its program.
      runs_dir: the folder that their workdirs would lie in.

    Returns:
      dict from a dataset of the paper, or 'tiny', to a command.
    """

    def command(name, flags=''):
        workdir = shlex.quote(str(pathlib.Path(runs_dir, name)))
        return f'python -m experiments.{section.name}{flags} --workdir={workdir}'

    if not section.printed:  # needs no data, and has no presets
        return {} if runs else {'': command(section.name)}
    presets = [one.settings.get('preset') for one in runs]
    there = {
        one.settings.get('dataset')
        for one, preset in zip(runs, presets, strict=True)
        if preset == 'paper' and 'overridden' not in one.settings
    }
    missing = {
        dataset: command(
            f'{section.name}_paper' if len(section.printed) == 1 else f'{section.name}_{dataset}',
            section.needed + ('' if len(section.printed) == 1 else f' --dataset={dataset}'),
        )
        for dataset in section.printed
        if dataset not in there
    }
    if 'tiny' not in presets:
        missing['tiny'] = command(f'{section.name}_tiny', ' --preset=tiny')
    return missing


def write_section(section, runs, runs_dir, this):
    """A section of the page `this`, as paragraphs, and its row of the overview."""
    finished = [one for one in runs if one.is_finished]
    paragraphs = [f'## {section.title}', *(embed(one, runs_dir, this) for one in finished)]
    missing = missing_commands(section, finished, runs_dir)
    for dataset in missing:
        table = printed_table(section.printed.get(dataset))
        if table:
            paragraphs += [f'{dataset}, of which there is no finished run:', table]
    paragraphs += [
        f'`{one.path}` was begun and is not finished: the same command again goes on.'
        for one in runs
        if not one.is_finished
    ]
    if missing:
        rows = [(what or '-', f'`{words}`') for what, words in missing.items()]
        paragraphs.append(markdown_table(('missing', 'command'), rows))
    row = (
        section.title,
        ', '.join(_name(one) for one in finished) or '-',
        ', '.join(filter(None, missing)) or ('yes' if missing else '-'),
    )
    return paragraphs, row


def _name(one):
    settings = one.settings
    words = [
        settings.get('preset'),
        settings.get('dataset'),
        'overridden' in settings and 'changed',
    ]
    return ' '.join(word for word in words if word) or 'there'


def results_of(found, program, file):
    """Contents of a file of the finished runs of a program with the tiny preset, unchanged.

    Args:
      found: as `find_runs` returns it.
    """
    runs = [one for one in found.get(program, []) if one.settings.get('preset') == 'tiny']
    paths = [
        one.path / file for one in runs if one.is_finished and 'overridden' not in one.settings
    ]
    return [read_json(path, UsageError, 'run it again') for path in paths if path.exists()]


def main(arguments):
    del arguments
    runs_dir = FLAGS.runs_dir
    found = find_runs(runs_dir)
    settings = {'runs_dir': runs_dir}
    this = Run('report', FLAGS.workdir, settings, overwrite=True, replaces=True)
    paragraphs, rows, results = [], [], {}
    for section in SECTIONS:
        runs = found.get(section.name, [])
        text, row = write_section(section, runs, runs_dir, this)
        paragraphs += text
        rows.append(row)
        finished = [one for one in runs if one.is_finished]
        results[section.name] = {
            'finished': [str(one.path) for one in finished],
            'missing': missing_commands(section, finished, runs_dir),
        }
        entry.report(' | '.join(row))
    shown = claims.rows(functools.partial(results_of, found))
    results['claims'] = shown
    overview = markdown_table(('table or figure', 'finished', 'missing'), rows)
    overview = reporting.join(overview, '## What the tiny preset shows', claims.table(shown), NOTE)
    title = '# Rethinking Spatiotemporal Feature Learning: the paper and ours'
    this.finish(results, reporting.join(title, overview, *paragraphs))
    entry.report(f'{this / "report.md"}')


if __name__ == '__main__':
    define_flags()
    entry.start(main)
