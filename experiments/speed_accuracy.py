"""Figure 4: accuracy against multiply-adds of the four families of section 4.2, and Fast-S3D.

  python -m experiments.convert --dataset=mini_kinetics200 --config=rgb --manual_dir=KINETICS
  python -m experiments.convert --dataset=something_something_v1 --config=rgb --manual_dir=SOMETHING
  python -m experiments.speed_accuracy --dataset=mini_kinetics200 --workdir=runs/speed_accuracy_kinetics
  python -m experiments.speed_accuracy --dataset=something_something_v1 --workdir=runs/speed_accuracy_something

  python -m experiments.speed_accuracy --preset=tiny      on moving_shapes, half an hour on two cores

A family goes from I2D, where no convolution extends over time, to the network where all do: top-heavy ones from
an endpoint up, bottom-heavy ones up to an endpoint, with dense (I3D) or separable (S3D) kernels. The figure does not
name the endpoints that it switches at; `--switching_endpoints` does here. Expect, from the paper: on Mini-Kinetics I3D 78.4,
S3D 78.9 and Fast-S3D 78.0 % top-1; top-heavy networks above bottom-heavy ones at equal cost, and separable ones above dense ones.

Hardware: 56 GPUs with 6 clips each and 80,000 steps for each network on Mini-Kinetics-200, 16 GPUs and 10,000 steps on
Something-Something. `--dry_run` says what it takes: some 14,000 and 500 GPU-hours at an assumed 3e12 multiply-adds a second.
"""

from absl import flags

from experiments.paper import reporting, study
from experiments.paper import results as paper_results
from experiments.paper.accuracy_table import accuracies
from experiments.paper.study import conduct
from experiments.training import presets
from experiments.training.recipe import Recipe, named_recipes
from s3dg.config import SPATIO_TEMPORAL_ENDPOINTS
from s3dg.figures import paper_plots
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.markdown import markdown_table

FLAGS = flags.FLAGS

DATASETS = ('mini_kinetics200', 'something_something_v1', 'something_something_v2')

# The family's network in NETWORKS: the field that switches, the network where all is temporal, and how it is
# drawn: solid top-heavy, dotted bottom-heavy, orange separable, blue dense, as in the figure.
FAMILIES = {
    'top_heavy_i3d': ('temporal_from', 'i3d', 'tab:blue', '-'),
    'bottom_heavy_i3d': ('temporal_until', 'i3d', 'tab:blue', ':'),
    'top_heavy_s3d': ('temporal_from', 's3d', 'tab:orange', '-'),
    'bottom_heavy_s3d': ('temporal_until', 's3d', 'tab:orange', ':'),
}
# Where families begin and end, and what stands apart.
NETWORKS = ('i2d', 'i3d', 's3d', 'fast_s3d')
# Ours: a low, a middle and a high one of every stage would do; the tiny preset has Figure 7's.
SWITCHING_ENDPOINTS = {
    'paper': ('Conv2d_2c_3x3', 'Mixed_3c', 'Mixed_4b', 'Mixed_4d', 'Mixed_4f', 'Mixed_5b'),
    'tiny': ('Mixed_4b',),
}
# What the paper prints of them, by dataset.
_PRINTED = {
    'mini_kinetics200': paper_results.MINI_KINETICS,
    'something_something_v1': paper_results.TABLE_3,
}


def define_flags():
    """The flags of this program, for it alone."""
    study.define_flags('speed_accuracy')
    flags.DEFINE_enum('dataset', DATASETS[0], DATASETS, 'Dataset of the paper preset.')
    flags.DEFINE_list(
        'switching_endpoints',
        None,
        'Endpoints at which the families switch between 2D and 3D, e.g. Mixed_3b,Mixed_4b; default the '
        "preset's.",
    )


def switching_endpoints(preset, given):
    """The endpoints of the flag, or the preset's.

    Raises:
      UsageError: for a name that is none, or comes twice.
    """
    names = SWITCHING_ENDPOINTS[preset] if given is None else tuple(given)
    # At the first or last one, a family is a network of its own already.
    known = SPATIO_TEMPORAL_ENDPOINTS[1:-1]
    for name in names:
        if name not in known or names.count(name) > 1:
            raise UsageError(
                f'--switching_endpoints: found {name!r}, expected some of {", ".join(known)}, each once.'
            )
    return names


def recipes(preset, dataset, endpoints):
    """The `Recipe`s of the figure: the networks apart, then every family at every switching endpoint."""
    chosen = presets.find_families_preset(preset, dataset)
    return named_recipes(NETWORKS, dataset, chosen) + [
        Recipe(f'{family}/{endpoint}', family, dataset, 'rgb', chosen, {field: endpoint})
        for family, (field, *_) in FAMILIES.items()
        for endpoint in endpoints
    ]


def figure_results(trained):
    """dict from label to `accuracies`, with 'family' (None for a network apart) and 'switching_endpoint'."""
    results = {}
    for label, figures in accuracies(trained).items():
        family, _, endpoint = label.partition('/')
        family = family if family in FAMILIES else None
        results[label] = {'family': family, 'switching_endpoint': endpoint or None, **figures}
    return results


def draw(results, path, title):
    """Draws the figure; each family from I2D through its own to the network where all is temporal."""

    def point(label):
        row = results[label]
        name = row['switching_endpoint'] or label
        return paper_plots.AccuracyPoint(
            row['multiply_adds'], row['top1'], name, row.get('top1_deviation')
        )

    curves = []
    for family, (_, whole, colour, line_style) in FAMILIES.items():
        own = [label for label, row in results.items() if row['family'] == family]
        points = tuple(point(label) for label in ('i2d', *own, whole))
        curves.append(paper_plots.AccuracyCurve(family, colour, line_style, points))
    paper_plots.accuracy_against_cost(curves, [point('fast_s3d')], path, title)


def main(arguments):
    del arguments
    paper_dataset = FLAGS.dataset
    dataset = presets.choose_dataset(FLAGS.preset, paper_dataset)
    endpoints = switching_endpoints(FLAGS.preset, FLAGS.switching_endpoints)

    def summarise(study, trained, this):
        del study
        results = figure_results(trained)
        draw(results, this / 'speed_accuracy.png', dataset)
        return results, _markdown(dataset, paper_dataset, results, trained)

    conduct(
        'speed_accuracy',
        recipes(FLAGS.preset, dataset, endpoints),
        summarise,
        {'dataset': dataset, 'paper_dataset': paper_dataset},
    )


def _markdown(dataset, paper_dataset, results, trained):
    printed = _PRINTED.get(paper_dataset, {})
    rows = []
    for label, figures in sorted(results.items(), key=lambda item: item[1]['multiply_adds']):
        paper = printed.get(paper_results.PAPER_NAMES.get(label))
        rows.append(
            (
                label,
                figures['family'] or '-',
                reporting.percent(figures, 'top1'),
                reporting.printed(paper and paper.top1),
                f'{figures["multiply_adds"] / 1e9:.4g}',
                f'{figures["full_size_multiply_adds"] / 1e9:.2f}',
            )
        )
    header = ('network', 'family', 'top-1', 'paper', 'multiply-adds (G)', 'full size (G)')
    return reporting.join(
        f'# Figure 4: accuracy against multiply-adds, {dataset}',
        reporting.tiny_note(trained),
        '![accuracy against multiply-adds](speed_accuracy.png)',
        markdown_table(header, rows),
        f"Top-1 in percent of the videos, seen whole; the paper's of {paper_dataset}. Multiply-adds are of one clip of "
        'the size that was trained on; full size: at full width, 64x224x224, 400 classes, as in `cost_table`.',
        '## Networks',
        reporting.networks_table(trained),
    )


if __name__ == '__main__':
    define_flags()
    entry.start(main)
