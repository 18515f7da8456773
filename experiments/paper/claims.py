"""What the paper claims, as comparisons of figures that the experiments write.

Each claim says that of two figures one is above the other. It is shown where the difference of the
means over the seeds is more than twice its standard error (ours; with three seeds a rule of thumb,
not a test), the other way round where that holds of the opposite, and undecided in between. That a
network is no worse is shown where the other way round is not.
"""

import dataclasses
import math

from experiments.paper import reporting
from s3dg.program.markdown import markdown_table

# Verdicts.
SHOWN = 'shown'
OPPOSITE = 'not shown: the other way round'
UNDECIDED = 'not shown: within the error'
DEARER = 'not shown: it costs more'
TOO_FEW = 'one seed: not judged'
NOT_RUN = 'not run'


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of an experiment: where it stands in its results, and what to call it."""

    name: str
    path: tuple[str, ...]  # keys into the results, down to a dict of figures
    key: str = 'top1'


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
      statement: what it says.
      source: where the paper says it.
      paper: its figures, as printed; what they are of.
      program: name of the experiment.
      above, below: the figures that it compares.
      no_worse: whether the claim is only that `above` is not below the other.
      cheaper: whether `above` is also said to take fewer multiply-adds.
      file: of the run, that has them.
    """

    statement: str
    source: str
    paper: str
    program: str
    above: Figure
    below: Figure
    no_worse: bool = False
    cheaper: bool = False
    file: str = 'results.json'

    def verdict(self, results):
        """Whether results show it: one of the verdicts above; KeyError where they lack a figure."""
        above, below = _row(results, self.above), _row(results, self.below)
        difference = above[self.above.key] - below[self.below.key]
        if 'seeds' not in above:
            return TOO_FEW
        if self.cheaper and above['multiply_adds'] >= below['multiply_adds']:
            return DEARER
        deviations = above[f'{self.above.key}_deviation'], below[f'{self.below.key}_deviation']
        error = math.hypot(*deviations) / math.sqrt(above['seeds'])
        if difference < -2 * error:
            return OPPOSITE
        return SHOWN if self.no_worse or difference > 2 * error else UNDECIDED


def _row(results, figure):
    for key in figure.path:
        results = results[key]
    return results


def rows(results_of):
    """What runs show of the claims, one dict each: 'claim', 'ours' and 'verdict', to be written.

    Args:
      results_of: a function from the name of a program and a file's name to a list of the contents
        of that file in the finished runs of the program.
    """
    found = []
    for claim in CLAIMS:
        shown = [
            {'claim': claim.statement, 'ours': _told(claim, results), 'verdict': verdict}
            for results in results_of(claim.program, claim.file)
            if (verdict := _verdict(claim, results)) is not None
        ]
        found += shown or [{'claim': claim.statement, 'ours': None, 'verdict': NOT_RUN}]
    return found


def table(found):
    """The value of `rows` as a Markdown table, with the paper's figures and the commands."""
    claims = {claim.statement: claim for claim in CLAIMS}
    cells = [
        (
            row['claim'],
            claims[row['claim']].source,
            claims[row['claim']].paper,
            row['ours'] or '-',
            row['verdict'],
            f'`{claims[row["claim"]].program}`',
        )
        for row in found
    ]
    return markdown_table(('claim', 'where', 'the paper', 'ours', 'verdict', 'by'), cells)


def _verdict(claim, results):
    """The verdict; None where a run, of other networks say, lacks what the claim is of."""
    try:
        return claim.verdict(results)
    except KeyError:
        return None


def _told(claim, results):
    told = ', '.join(
        f'{one.name} {reporting.percent(_row(results, one), one.key)}'
        for one in (claim.above, claim.below)
    )
    if claim.cheaper:
        costs = [_row(results, one)['multiply_adds'] for one in (claim.above, claim.below)]
        told += f', at {costs[0] / costs[1]:.2f} of the multiply-adds'
    return told


CLAIMS = (
    Claim(
        'a 3D network reads the order of frames',
        'Table 1',
        '45.8 and 15.2 (Something-Something)',
        'arrow_of_time',
        Figure('I3D', ('i3d',)),
        Figure('I3D, reversed', ('i3d',), 'top1_reversed'),
    ),
    Claim(
        'a 2D network does as well on reversed videos',
        'Table 1',
        '35.2 and 34.4 (Something-Something)',
        'arrow_of_time',
        Figure('I2D, reversed', ('i2d',), 'top1_reversed'),
        Figure('I2D', ('i2d',)),
        no_worse=True,
    ),
    Claim(
        'where order matters, 3D is above 2D',
        'Tables 1, 3',
        '45.8 and 34.4 (Something-Something)',
        'arrow_of_time',
        Figure('I3D', ('i3d',)),
        Figure('I2D', ('i2d',)),
    ),
    Claim(
        'top-heavy is above bottom-heavy, at less cost, dense',
        'section 4.2, Figure 4',
        'a picture',
        'speed_accuracy',
        Figure('top-heavy I3D', ('top_heavy_i3d/Mixed_4b',)),
        Figure('bottom-heavy I3D', ('bottom_heavy_i3d/Mixed_4b',)),
        cheaper=True,
    ),
    Claim(
        'top-heavy is above bottom-heavy, at less cost, separable',
        'section 4.2, Figure 4',
        'a picture',
        'speed_accuracy',
        Figure('top-heavy S3D', ('top_heavy_s3d/Mixed_4b',)),
        Figure('bottom-heavy S3D', ('bottom_heavy_s3d/Mixed_4b',)),
        cheaper=True,
    ),
    Claim(
        'separable is no worse than dense, and cheaper',
        'section 4.4, Table 2',
        '72.2 and 71.1 (Kinetics)',
        'kinetics',
        Figure('S3D', ('s3d',)),
        Figure('I3D', ('i3d',)),
        no_worse=True,
        cheaper=True,
    ),
    Claim(
        'gating helps',
        'section 4.6, Table 2',
        '74.7 and 72.2 (Kinetics)',
        'kinetics',
        Figure('S3D-G', ('s3d_g',)),
        Figure('S3D', ('s3d',)),
    ),
    Claim(
        'fewer parameters alone do not help',
        'section 4.4',
        'no figures',
        'ablations',
        Figure('I3D', ('width', 'I3D')),
        Figure('I3D of 0.85 of the width', ('width', 'I3D, 0.85 of the width')),
        no_worse=True,
    ),
    Claim(
        'both streams are above RGB',
        'section 5.1, Table 4',
        '77.22 and 74.7 (Kinetics)',
        'optical_flow',
        Figure('S3D-G, both', ('s3d_g', 'two_stream')),
        Figure('S3D-G, RGB', ('s3d_g', 'rgb')),
    ),
    Claim(
        'both streams are above flow',
        'section 5.1, Table 4',
        '77.22 and 68.00 (Kinetics)',
        'optical_flow',
        Figure('S3D-G, both', ('s3d_g', 'two_stream')),
        Figure('S3D-G, flow', ('s3d_g', 'flow')),
    ),
    Claim(
        'what other videos taught helps',
        'section 5.2, Table 5',
        '96.8 (UCF-101; no figure from scratch)',
        'transfer',
        Figure('fine-tuned', ('moving_shapes',), 'mean'),
        Figure('from scratch', ('moving_shapes', 'from_scratch'), 'mean'),
    ),
    Claim(
        'filters of high layers differ more over time than those of low ones',
        'section 4.3, Figure 5',
        'a picture',
        'filter_statistics',
        Figure('Mixed_5c', ('trained',), 'Mixed_5c'),
        Figure('Conv2d_2c_3x3', ('trained',), 'Conv2d_2c_3x3'),
        file='temporal_variation.json',
    ),
    Claim(
        'classes separate at higher levels',
        'section 4.5, Figure 7',
        'a picture',
        'feature_embedding',
        Figure('S3D at Mixed_5c', ('s3d', 'Mixed_5c'), 'neighbour_agreement'),
        Figure('at MaxPool_3a_3x3', ('s3d', 'MaxPool_3a_3x3'), 'neighbour_agreement'),
    ),
)
