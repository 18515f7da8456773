"""Figure 4: accuracy against multiply-adds of the four families of section 4.2, and Fast-S3D.

  python -m experiments.convert --dataset=mini_kinetics200 --config=rgb --manual_dir=KINETICS
  python -m experiments.convert --dataset=something_something_v1 --config=rgb \\
      --manual_dir=SOMETHING
  python -m experiments.speed_accuracy --dataset=mini_kinetics200 \\
      --imagenet=inception_v1.ckpt --workdir=runs/speed_accuracy_kinetics
  python -m experiments.speed_accuracy --dataset=something_something_v1 \\
      --imagenet=inception_v1.ckpt --workdir=runs/speed_accuracy_something

On moving_shapes, forty minutes on two cores:

  python -m experiments.speed_accuracy --preset=tiny

A family goes from I2D, where no convolution extends over time, to the network where all do:
top-heavy ones from an endpoint up, bottom-heavy ones up to an endpoint, with dense (I3D) or
separable (S3D) kernels. The figure does not name the endpoints that it switches at;
`--switching_endpoints` does here; the picture calls them K, as the paper's Figure 2. Top-heavy
separable networks keep the 3x7x7 stem, as in the authors' code, so Fast-S3D, which is such a
network from Mixed_5b up, lies on their curve. Expect, from the paper: on Mini-Kinetics I3D 78.4,
S3D 78.9 and Fast-S3D 78.0 % top-1; top-heavy networks above bottom-heavy ones at equal cost, and
separable ones above dense ones.

Hardware: 56 GPUs with 6 clips each and 80,000 steps for each network on Mini-Kinetics-200, 16 GPUs
and 10,000 steps on Something-Something. `--dry_run` says what it takes: some 14,000 and 500
GPU-hours at an assumed 3e12 multiply-adds a second.
"""

import dataclasses

from absl import flags

from experiments.paper import reporting
from experiments.paper import results as paper_results
from experiments.paper.accuracy_table import accuracies
from experiments.paper.conduct import program
from experiments.paper.experiment import Experiment
from experiments.paper.families import FAMILIES, FIGURE_4
from experiments.paper.starts import given_start
from s3dg.config import SPATIO_TEMPORAL_ENDPOINTS
from s3dg.figures import paper_plots
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.markdown import markdown_table

DATASETS = ('mini_kinetics200', 'something_something_v1', 'something_something_v2')

# Where families begin and end, and what stands apart.
FAST = 'fast_s3d'
NETWORKS = ('i2d', 'i3d', 's3d', FAST)
# Fast-S3D is one of this family, which switches there.
_FAST_FAMILY, _FAST_FROM = 'top_heavy_s3d', 'Mixed_5b'
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


@dataclasses.dataclass(frozen=True)
class SpeedAccuracy(Experiment):
    """Figure 4."""

    name = 'speed_accuracy'
    title = 'Figure 4: accuracy against multiply-adds'
    printed = {'mini_kinetics200': None, 'something_something_v1': None}

    decisive = ('paper_dataset',)

    paper_dataset: str
    endpoints: tuple[str, ...]  # at which the families switch between 2D and 3D

    @staticmethod
    def define_flags():
        flags.DEFINE_enum('dataset', DATASETS[0], DATASETS, 'Dataset of the paper preset.')
        flags.DEFINE_list(
            'switching_endpoints',
            None,
            'Endpoints at which the families switch between 2D and 3D, e.g. Mixed_3b,Mixed_4b; '
            "default the preset's.",
        )

    @classmethod
    def of(cls, values):
        endpoints = SWITCHING_ENDPOINTS[values.preset]
        if values.switching_endpoints is not None:
            endpoints = check_endpoints(tuple(values.switching_endpoints))
        return cls(values.preset, given_start(values), values.dataset, endpoints)

    def recipes(self):
        return self.named_recipes(NETWORKS) + [
            self.recipe(f'{name}/{endpoint}', name, fields={field: endpoint})
            for name in FIGURE_4
            for field in [FAMILIES[name].field]
            for endpoint in self.endpoints
        ]

    def summarise(self, study, trained, this):
        del study
        results = figure_results(trained)
        draw(results, this / 'speed_accuracy.png', self.dataset)
        return results, self._markdown(results, trained)

    def _markdown(self, results, trained):
        printed = _PRINTED.get(self.paper_dataset, {})
        rows = []
        for label, figures in sorted(results.items(), key=lambda item: item[1]['multiply_adds']):
            paper = printed.get(paper_results.PAPER_NAMES.get(label))
            rows.append(
                (
                    label,
                    figures['family'] or '-',
                    *reporting.beside(figures, paper, top1='top1'),
                    f'{figures["multiply_adds"] / 1e9:.4g}',
                    f'{figures["full_size_multiply_adds"] / 1e9:.2f}',
                )
            )
        header = ('network', 'family', 'top-1', 'paper', 'multiply-adds (G)', 'full size (G)')
        return self.page(
            trained,
            '![accuracy against multiply-adds](speed_accuracy.png)',
            markdown_table(header, rows),
            f"Top-1 in percent of the videos, seen whole; the paper's of {self.paper_dataset}. "
            'Multiply-adds are of one clip of the size that was trained on; full size: at full '
            'width, 64x224x224, 400 classes, as in `cost_table`.',
        )


def check_endpoints(names):
    """The names as they are; UsageError for one where no family switches, or that comes twice."""
    # At the first or last one, a family is a network of its own already.
    known = SPATIO_TEMPORAL_ENDPOINTS[1:-1]
    for name in names:
        if name not in known or names.count(name) > 1:
            raise UsageError(
                f'--switching_endpoints: found {name!r}, expected some of {", ".join(known)}, '
                'each once.'
            )
    return names


def figure_results(trained):
    """dict from label to `accuracies`, 'family' (None: apart) and 'switching_endpoint'."""
    results = {}
    for label, figures in accuracies(trained).items():
        family, _, endpoint = label.partition('/')
        family = family if family in FIGURE_4 else None
        results[label] = {'family': family, 'switching_endpoint': endpoint or None, **figures}
    return results


def draw(results, path, title):
    """Draws the figure: each family from I2D to the network where all is temporal."""

    def point(label):
        row = results[label]
        endpoint = row['switching_endpoint']
        name = label if endpoint is None else f'K = {endpoint}'
        return paper_plots.AccuracyPoint(
            row['multiply_adds'], row['top1'], name, row.get('top1_deviation')
        )

    curves = []
    for name in FIGURE_4:
        family = FAMILIES[name]
        own = [label for label, row in results.items() if row['family'] == name]
        on_it = [FAST] if name == _FAST_FAMILY and f'{name}/{_FAST_FROM}' not in own else []
        points = tuple(point(label) for label in ('i2d', *on_it, *own, family.whole))
        curves.append(paper_plots.AccuracyCurve(name, family.colour, family.line_style, points))
    paper_plots.accuracy_against_cost(curves, [point(FAST)], path, title)


define_flags, main = program(SpeedAccuracy)

if __name__ == '__main__':
    define_flags()
    entry.start(main)
