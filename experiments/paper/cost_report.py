"""The tables of what networks cost, as text."""

import collections

from experiments.paper import results as paper_results
from experiments.paper.costs import SEARCHED_WITHIN, ratios
from experiments.paper.families import FAMILIES
from s3dg.config import SPATIO_TEMPORAL_ENDPOINTS
from s3dg.program.markdown import markdown_table

# Closer than this, a figure of the paper counts as explained.
NEAR = 0.01


def millions(number):
    """A number in millions; '-' for None."""
    return '-' if number is None else f'{number / 1e6:.3f}'


def billions(number):
    """A number in billions; '-' for None."""
    return '-' if number is None else f'{number / 1e9:.2f}'


def _percent(share):
    return '-' if share is None else f'{share:+z.1%}'


def network_table(networks, compared):
    """(header, rows) of the named networks, as text."""
    # The paper's figure stands before ours, and once before both counts.
    columns = (
        ('parameters', 'parameters (M)', 'paper (M)', millions),
        ('multiply_adds', 'multiply-adds (G)', 'paper (G)', billions),
        ('multiply_adds_inside', 'inside (G)', None, billions),
    )
    header, rows = ['network'], [[name] for name in named(networks)]
    for field, ours, papers, text in columns:
        own = [papers] if compared and papers else []
        header += [*own, ours, 'difference'] if compared else [ours]
        for cells in rows:
            row = networks[cells[0]]
            cells += [text(row[f'paper_{field}']) for _ in own]
            cells.append(text(row[field]))
            if compared:
                cells.append(_percent(row[f'relative_difference_{field}']))
    return header, rows


def named(networks):
    """The networks that are of no family."""
    return [name for name, row in networks.items() if row['family'] is None]


def family_table(networks, direction, field, text):
    """(header, rows): a figure of the families by the endpoint at which they switch, as text.

    Args:
      networks: the value of `table_rows`.
      direction: 'top_heavy' or 'bottom_heavy'.
      field, text: 'parameters' or 'multiply_adds', and the function that writes it.
    """
    families = [family for family in FAMILIES if family.startswith(direction)]
    word = {'top_heavy': 'temporal from', 'bottom_heavy': 'temporal until'}[direction]
    rows = [
        [endpoint, *(text(networks[f'{family}/{endpoint}'][field]) for family in families)]
        for endpoint in SPATIO_TEMPORAL_ENDPOINTS
    ]
    return [word, *families], rows


def _scaled_table(rows):
    header = ['network', 'multiply-adds (G)', 'paper (G)', 'paper, scaled (G)', 'difference']
    figures = ('multiply_adds', 'paper_multiply_adds', 'scaled')
    return header, [
        [
            f'{row["network"]} ({row["paper_network"]})',
            *(billions(row[figure]) for figure in figures),
            _percent(row['relative_difference']),
        ]
        for row in rows
    ]


def _sources():
    """Where the paper prints its figures, e.g. 'Table 2: I3D, S3D; section 4.4: Fast-S3D'."""
    by_source = collections.defaultdict(list)
    for name, paper in paper_results.COSTS.items():
        by_source[paper.source].append(name)
    return '; '.join(f'{source}: {", ".join(names)}' for source, names in by_source.items())


def _ratio_table(rows):
    def times(share):
        return f'{1 - share:.1%} fewer, 1 / {1 / share:.2f}'

    header = ['network', 'the paper', 'where', 'its figures', 'ours', 'ours, inside']
    return header, [
        [
            row['network'],
            row['printed'],
            row['source'],
            *(times(row[figure]) for figure in ('paper', 'multiply_adds', 'multiply_adds_inside')),
        ]
        for row in rows
    ]


def _search_notes(searched):
    rows = [
        [
            row['paper_network'],
            {'multiply_adds': 'all', 'multiply_adds_inside': 'inside'}[row['count']],
            billions(row['multiply_adds']),
            row['stem'],
            row['kind'],
            row['temporal_from'],
            row['temporal_until'],
        ]
        for row in searched['found']
    ]
    header = ['the paper', 'count', 'G', 'stem', 'layers', 'temporal from', 'until']
    return [
        '## Configurations with the multiply-adds of the paper',
        f'Of {searched["configurations"]:,} configurations (seven stems, dense layers or '
        'separable ones with two or four temporal branches, every range of temporal layers) these '
        f'are within {SEARCHED_WITHIN:.1%} of a figure of the paper, by a count of all taps or of '
        'those inside the clip. A hit by chance is to be expected; the networks were not bent to '
        'any.',
        markdown_table(header, rows),
    ]


def _paper_notes(scaled, compared_ratios):
    ratio, rows = scaled['ratio'], scaled['networks']
    near = [row for row in rows if abs(row['relative_difference']) < NEAR]
    explained = {row['paper_network'] for row in near}
    left = [name for name in paper_results.COSTS if name not in {'I3D', *explained}]
    return [
        f"The paper's figures ({_sources()}) stand beside two counts of ours: of all taps of the "
        'kernels, and of those inside the clip, without the ones on padding. By the first count '
        'none of these networks has them, nor has one of 400,000 configurations in a search; by '
        'the second, Fast-S3D has. The networks were not bent to hit them.',
        f"The paper's counter reads I3D {1 - ratio:.1%} lower than ours. With its other figures "
        f'scaled by that one ratio, {ratio:.4f}, within {NEAR:.0%} of theirs are: '
        f'{", ".join(row["network"] for row in near) or "none"}. '
        f'Not explained by it: {", ".join(left) or "none"}.',
        markdown_table(*_scaled_table(rows)),
        'What the paper says of costs beside I3D, what its figures come to, and ours by both '
        'counts:',
        markdown_table(*_ratio_table(compared_ratios)),
    ]


def write_report(networks, clip, num_classes, scaled, searched):
    """The report as Markdown, of the values of `table_rows`, `scaled_paper` and `search`.

    The last two are None where the paper's figures do not hold; `clip` is (frames, height, width).
    """
    size = 'x'.join(map(str, clip))
    paragraphs = [
        '# Cost of the networks',
        f'Convolutions and dense layers of one clip of {size}, and trainable parameters with '
        f'{num_classes} classes, counted from the built networks.',
        markdown_table(*network_table(networks, scaled is not None)),
    ]
    if scaled is not None:
        paragraphs += _paper_notes(scaled, ratios(networks)) + _search_notes(searched)
    for direction, title in (('top_heavy', 'Top-heavy'), ('bottom_heavy', 'Bottom-heavy')):
        for field, text, unit in (
            ('multiply_adds', billions, 'multiply-adds (G)'),
            ('parameters', millions, 'parameters (M)'),
        ):
            table = markdown_table(*family_table(networks, direction, field, text))
            paragraphs += [f'## {title} networks, {unit}', table]
    paragraphs += ['## Cost per endpoint', '![Cost per endpoint](cost_per_endpoint.png)']
    return '\n\n'.join(paragraph.rstrip('\n') for paragraph in paragraphs) + '\n'
