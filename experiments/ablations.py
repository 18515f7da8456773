"""Ablations of sections 4.4 and 4.6 and of footnote 5, on Mini-Kinetics-200, RGB.

  python -m experiments.convert --dataset=mini_kinetics200 --config=rgb --manual_dir=KINETICS
  python -m experiments.ablations --imagenet=inception_v1.ckpt

On moving_shapes, all of them or some:

  python -m experiments.ablations --preset=tiny
  python -m experiments.ablations --preset=tiny --ablations=gate_pooling,branches

Each compares networks that differ in one thing: over what gates pool and where they stand (section
4.6: space and time together are best), temporal convolutions in two or in four branches (footnote
5: 78.4 and 78.9 % top-1), the width (section 4.4: fewer parameters alone do not help), the stem
(Figure 6 draws it separable, the authors' code has 3x7x7, I3D 7x7x7), and what the conclusion puts
together: top-heavy, separable and gated. Networks that are in several ablations, or in
`mini_kinetics`, are trained once.

Networks of another width have no network for ImageNet to start from, so all of that ablation start
from random weights.

Hardware: as for `mini_kinetics`, 56 GPUs and 80,000 steps for each network; `--dry_run` says what
it takes.
"""

import dataclasses

from absl import flags

from experiments.paper import reporting, starts
from experiments.paper import results as paper_results
from experiments.paper.accuracy_table import accuracies
from experiments.paper.conduct import program
from experiments.paper.experiment import Experiment
from experiments.training.start import Start
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.markdown import markdown_table

DATASET = 'mini_kinetics200'


@dataclasses.dataclass(frozen=True)
class Variant:
    """A network of an ablation."""

    network: str  # its name in `NETWORKS`
    fields: dict = dataclasses.field(default_factory=dict)  # of `NetworkConfig` that differ
    width: float = 1.0  # as a share of the preset's
    paper: str | None = None  # a key of `paper_results.MINI_KINETICS`


@dataclasses.dataclass(frozen=True)
class Ablation:
    """Networks that differ in one thing."""

    question: str  # as a heading
    source: str  # where the paper has it
    variants: dict  # from what it is called to a `Variant`
    from_scratch: bool = False  # whether its networks start from random weights


_FACTORED = {'stem_separable': True, 'stem_temporal_size': 7}
ABLATIONS = {
    'gate_pooling': Ablation(
        'What gates pool over',
        'section 4.6',
        {
            'space and time': Variant('s3d_g'),
            'space': Variant('s3d_g', {'gate_pooling': 'space'}),
            'time': Variant('s3d_g', {'gate_pooling': 'time'}),
        },
    ),
    'gate_placement': Ablation(
        'Where gates stand',
        'section 4.6',
        {
            'nowhere': Variant('s3d', paper='S3D'),
            'after temporal convolutions': Variant('s3d_g'),
            'after every branch (TF-slim)': Variant('s3d_g', {'gating': 'branch'}),
            'after every block (Model Garden)': Variant('s3d_g', {'gating': 'cell'}),
        },
    ),
    'branches': Ablation(
        'Branches with temporal convolutions',
        'footnote 5',
        {
            'four': Variant('s3d', paper='S3D'),
            'two': Variant('s3d_slim', paper='S3D, two branches'),
        },
    ),
    # With 0.85 of the width, I3D has about as many parameters as the paper's S3D.
    'width': Ablation(
        'Fewer parameters alone',
        'section 4.4',
        {
            'I3D': Variant('i3d'),
            'I3D, 0.85 of the width': Variant('i3d', width=0.85),
            'I3D, 0.7 of the width': Variant('i3d', width=0.7),
            'S3D': Variant('s3d'),
        },
        from_scratch=True,
    ),
    'stem': Ablation(
        'The stem',
        'Figure 6',
        {
            '3x7x7': Variant('s3d', paper='S3D'),
            '7x7x7': Variant('s3d', {'stem_temporal_size': 7}),
            '1x7x7 and 7x1x1': Variant('s3d', _FACTORED),
            '1x7x7': Variant('s3d', {'stem_temporal_size': 1}),
        },
    ),
    'combination': Ablation(
        'Top-heavy, separable and gated',
        'conclusion',
        {
            'S3D': Variant('s3d', paper='S3D'),
            'S3D-G': Variant('s3d_g'),
            'top-heavy S3D': Variant('top_heavy_s3d'),
            'top-heavy S3D-G': Variant('s3d_g_top_heavy'),
        },
    ),
}


@dataclasses.dataclass(frozen=True)
class Ablations(Experiment):
    name = 'ablations'
    title = 'Ablations (sections 4.4 and 4.6, footnote 5)'
    printed = {DATASET: None}
    paper_dataset = DATASET
    decisive = ('ablations',)

    ablations: tuple[str, ...]  # keys of `ABLATIONS`

    @staticmethod
    def define_flags():
        flags.DEFINE_list('ablations', list(ABLATIONS), f'Some of {", ".join(ABLATIONS)}.')

    @classmethod
    def of(cls, values):
        experiment = super().of(values)
        names = tuple(values.ablations)
        for name in names:
            if name not in ABLATIONS or names.count(name) > 1:
                raise UsageError(
                    f'--ablations: found {name!r}, expected some of {", ".join(ABLATIONS)}, each '
                    'once.'
                )
        return dataclasses.replace(experiment, ablations=names)

    def recipes(self):
        found = {}
        for name in self.ablations:
            ablation = ABLATIONS[name]
            for variant in ablation.variants.values():
                recipe = self._recipe(variant, ablation.from_scratch)
                found[recipe.label] = recipe
        return list(found.values())

    def _recipe(self, variant, from_scratch):
        recipe = self.recipe('', variant.network)
        fields = dict(variant.fields)
        if variant.width != 1.0:
            fields['width'] = variant.width * recipe.preset.network.get('width', 1.0)
        words = [variant.network, *(f'{field}={value}' for field, value in fields.items())]
        start = Start() if from_scratch else self.start
        if from_scratch and self.start.source is not None:
            words.append('from scratch')
        return dataclasses.replace(recipe, label=' '.join(words), fields=fields, start=start)

    def summarise(self, study, trained, this):
        del study, this
        figures = accuracies(trained)
        labels = {
            name: {
                title: self._recipe(variant, ABLATIONS[name].from_scratch).label
                for title, variant in ABLATIONS[name].variants.items()
            }
            for name in self.ablations
        }
        results = {
            name: {title: figures[label] for title, label in of_variant.items()}
            for name, of_variant in labels.items()
        }
        return results, self._markdown(results, labels, trained)

    def _markdown(self, results, labels, trained):
        parts = []
        for name, rows in results.items():
            ablation = ABLATIONS[name]
            cells = [
                (
                    title,
                    starts.pretraining(trained[labels[name][title]][0]),
                    *reporting.beside(
                        row,
                        paper_results.MINI_KINETICS.get(ablation.variants[title].paper),
                        top1='top1',
                    ),
                    f'{row["parameters"] / 1e6:.4g}',
                    f'{row["multiply_adds"] / 1e9:.4g}',
                )
                for title, row in rows.items()
            ]
            header = (
                'network',
                'pre-train',
                'top-1',
                'paper',
                'parameters (M)',
                'multiply-adds (G)',
            )
            parts += [f'## {ablation.question} ({ablation.source})', markdown_table(header, cells)]
        return self.page(
            trained,
            *parts,
            f'Top-1 in percent of the videos of {self.dataset}, seen whole; the paper: of '
            f'{DATASET}. Parameters and multiply-adds are of the network and of one clip as they '
            'were trained.',
        )


define_flags, main = program(Ablations)

if __name__ == '__main__':
    define_flags()
    entry.start(main)
