"""Parameters and multiply-adds of every network, beside the paper's (Table 2, section 4.4).

  python -m experiments.cost_table

Networks are built and counted layer by layer (see s3dg/cost.py); nothing is trained or run, and no
data is needed. Counted are the named networks, S3D with the separable stem of Fig. 6 and as
torchvision has it, S3D-G as Fig. 6 draws it, Fast-S3D with temporal convolutions in two branches,
and the families of section 4.2 for every endpoint that they can switch at, the separable ones with
four and with two temporal branches. Multiply-adds are counted twice: of all taps of the kernels,
and of those inside the clip. The report also has the configurations, of some thousand, that have
the paper's figures by either count. About a minute.
"""

import csv
import dataclasses

from absl import flags

from experiments.paper import cost_report, costs
from experiments.paper.experiment import Section
from experiments.paper.results import CLASSES
from s3dg import cost, files
from s3dg.config import MOST_CLASSES
from s3dg.figures import plots
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_workdir_flags, parse_fields
from s3dg.program.number_flags import MOST_FRAMES, MOST_PIXELS, define_count
from s3dg.program.workdir import Run

FLAGS = flags.FLAGS

# Networks in the picture, cheap to dear.
DRAWN = ('i2d', 'fast_s3d', 's3d', 's3d_g', 'i3d')


class CostTable(Section):
    name = 'cost_table'
    title = 'Cost of the networks'


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('cost_table')
    define_count('frames', cost.FRAMES, 'Frames of the clip.', MOST_FRAMES)
    define_count('height', cost.HEIGHT, 'Height of the clip.', MOST_PIXELS)
    define_count('width', cost.WIDTH, 'Width of the clip.', MOST_PIXELS)
    define_count('num_classes', CLASSES, 'Classes of the networks.', MOST_CLASSES)
    flags.DEFINE_multi_string('set', [], 'FIELD=VALUE of all networks, e.g. width=0.25.')


def _write_csv(path, rows):
    with files.unfinished(path) as temporary, temporary.open('w', newline='') as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _layer_row(name, layer):
    output_shape = 'x'.join(map(str, layer.output_shape))
    return {'network': name, **dataclasses.asdict(layer), 'output_shape': output_shape}


def _print_table(header, rows):
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        entry.report('  '.join(cells).rstrip())
    entry.report('')


def _print_tables(networks, compared):
    _print_table(*cost_report.network_table(networks, compared))
    for direction in ('top_heavy', 'bottom_heavy'):
        entry.report('multiply-adds (G)')
        _print_table(
            *cost_report.family_table(networks, direction, 'multiply_adds', cost_report.billions)
        )


def main(arguments):
    del arguments
    clip, num_classes = (FLAGS.frames, FLAGS.height, FLAGS.width), FLAGS.num_classes
    fields = parse_fields(FLAGS.set)
    if 'num_classes' in fields:
        raise UsageError('--set: num_classes is what --num_classes says.')
    variants = costs.find_variants(num_classes=num_classes, **fields)
    settings = {'clip': clip, 'num_classes': num_classes, 'fields': fields}
    this = Run('cost_table', FLAGS.workdir, settings, FLAGS.overwrite)
    if this.results is not None:
        entry.report(f'{this.path}: finished already; --overwrite counts again')
        return
    papers = (cost.FRAMES, cost.HEIGHT, cost.WIDTH, CLASSES)
    compared = (*clip, num_classes) == papers and not fields
    layer_costs = costs.count(variants, clip)
    networks = costs.table_rows(variants, layer_costs, compared)
    scaled = costs.scaled_paper(networks) if compared else None
    searched = costs.search(clip) if compared else None
    _write_csv(this / 'networks.csv', [{'network': k, **row} for k, row in networks.items()])
    rows = [
        _layer_row(name, row) for name in cost_report.named(networks) for row in layer_costs[name]
    ]
    _write_csv(this / 'layers.csv', rows)
    drawn = {name: cost.per_endpoint(layer_costs[name]) for name in DRAWN}
    plots.cost_per_endpoint(drawn, this / 'cost_per_endpoint.png')
    _print_tables(networks, compared)
    results = {'networks': networks, 'paper_scaled': scaled, 'search': searched}
    this.finish(results, cost_report.write_report(networks, clip, num_classes, scaled, searched))
    entry.report(f'{this / "report.md"}: costs of {len(networks)} networks')


if __name__ == '__main__':
    define_flags()
    entry.start(main)
