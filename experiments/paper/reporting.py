"""How the experiments' reports write figures: ours in percent, the paper's beside them."""

import statistics

from data import catalog
from experiments.paper import starts
from s3dg.program.markdown import markdown_table


def over_seeds(rows):
    """Figures of several seeds, dicts with the same keys, as one row.

    Returns:
      dict from each key to the mean; with more than one row also 'KEY_deviation', the sample
      standard deviation (n - 1), and 'seeds', the number of rows.
    """
    figures = {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}
    if len(rows) == 1:
        return figures
    deviations = {
        f'{name}_deviation': statistics.stdev(row[name] for row in rows) for name in rows[0]
    }
    return {**figures, **deviations, 'seeds': len(rows)}


def percent(figures, name):
    """A share in [0, 1] as percent, e.g. '98.5', or '98.5 ± 0.3' where there are several seeds."""
    share = figures.get(name)
    if share is None:
        return '-'
    deviation = figures.get(f'{name}_deviation')
    return (
        f'{share:.1%}'[:-1]
        if deviation is None
        else f'{share:.1%} ± {deviation:.1%}'.replace('%', '')
    )


def printed(figure):
    """A figure of the paper as it prints it; '-' where it has none."""
    return '-' if figure is None else str(figure)


def beside(ours, paper, **fields):
    """The cells of figures in percent, each with the paper's after it.

    Args:
      ours: dict of figures, as `over_seeds` returns them.
      paper: a row of a table of `results`, or None.
      **fields: the names of figures, each with the paper's field for it.
    """
    cells = []
    for name, field in fields.items():
        cells += [percent(ours, name), printed(getattr(paper, field, None))]
    return cells


def networks_table(trained):
    """The networks behind a report, what they started from, and where they lie, in Markdown."""
    rows = {}
    for networks in trained.values():
        for one in networks:
            chain = [one]
            while chain[0].start is not None:
                chain.insert(0, chain[0].start)
            for other in chain:
                rows[other.run.path] = _network_row(other)
    header = ('network', 'trained on', 'pre-train', 'seed', 'steps', 'clips a step', 'folder')
    return markdown_table(header, rows.values())


def _network_row(one):
    return (
        one.recipe.label,
        f'{one.plan.dataset}/{one.plan.config}',
        starts.pretraining(one),
        one.seed,
        one.run.figure('step'),
        one.plan.training.batch_size,
        f'`{one.run.path}`',
    )


def tiny_note(trained):
    """What a reader of a report must know where it is of the embedded dataset; empty elsewhere."""
    plan = next(iter(trained.values()))[0].plan
    if plan.dataset not in catalog.EMBEDDED:
        return ''
    height, width = plan.video_format.crop_size
    return (
        f'Small networks ({plan.network.width:g} of the width, clips of '
        f'{plan.video_format.clip_frames} frames of {height}x{width}) on generated videos, '
        f'{plan.dataset}: what they show can be compared with the paper, their figures cannot.'
    )


def changes_note(settings):
    """What the settings of a run have by flags that override the preset; empty without any."""
    changes = settings.get('overridden', {})
    if not changes:
        return ''
    given = ', '.join(f'`{name}={value}`' for name, value in changes.items())
    return f"Not the {settings['preset']} preset's, but given by flags: {given}."


def join(*paragraphs):
    """The paragraphs of a report, without the empty ones, as Markdown."""
    return '\n\n'.join(paragraph.strip('\n') for paragraph in paragraphs if paragraph) + '\n'
