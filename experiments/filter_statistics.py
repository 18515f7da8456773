"""Figure 5: how kernels of an I3D differ after training that were equal at all temporal offsets.

  python -m experiments.convert --dataset=kinetics400 --config=rgb --manual_dir=KINETICS
  python -m experiments.filter_statistics --imagenet=inception_v1.ckpt

On moving_shapes, ten minutes on two cores:

  python -m experiments.filter_statistics --preset=tiny

The I3D of Table 2 is inflated from a network for images (kernels repeated over time and divided by
three), so that at step 0 the weights at offsets -1, 0 and 1 are the same; after its training the
boxes of its weights are drawn per offset for four layers, low to high. Expect, from the paper:
after training, low layers still look alike at all offsets, high ones do not. The paper does not
name its layers; ours are in s3dg/figures/filter_statistics.py. `results.json` has the boxes after
training, `step_0.json` those before, `temporal_variation.json` how far kernels differ over time.

Hardware of the paper: as
for Table 2, 1,200 GPU-hours by `--dry_run`.
"""

import dataclasses

from experiments.paper import reporting
from experiments.paper.conduct import program
from experiments.paper.experiment import Experiment
from experiments.training import run as training
from experiments.training.dataset import class_names
from s3dg import files
from s3dg.figures import paper_plots
from s3dg.figures.filter_statistics import FIGURE_5_LAYERS, filter_statistics, temporal_variation
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.markdown import markdown_table

DATASET = 'kinetics400'


@dataclasses.dataclass(frozen=True)
class FilterStatistics(Experiment):
    """Figure 5."""

    name = 'filter_statistics'
    title = 'Figure 5: weights per temporal offset'
    printed = {DATASET: None}
    paper_dataset = DATASET

    @classmethod
    def of(cls, values):
        if values.from_scratch:
            raise UsageError('--from_scratch: Figure 5 is of kernels that began alike over time.')
        return super().of(values)

    def recipes(self):
        return self.named_recipes(['i3d'])

    def check(self, study, recipes):
        del study
        check_layers(*recipes)

    def summarise(self, study, trained, this):
        (of_seeds,) = trained.values()
        networks = {
            'step 0': [
                training.create_network(one.plan, class_names(one.builder), study.report)
                for one in of_seeds
            ],
            'trained': [study.load(one) for one in of_seeds],
        }
        figures = {
            when: over_networks([filter_statistics(network) for network in found])
            for when, found in networks.items()
        }
        variations = {
            when: reporting.over_seeds([temporal_variation(network) for network in found])
            for when, found in networks.items()
        }
        paper_plots.filter_boxes(figures, this / 'filter_statistics.png')
        files.write_json(this / 'step_0.json', figures['step 0'])
        files.write_json(this / 'temporal_variation.json', variations)
        return figures['trained'], self._markdown(figures['trained'], variations, trained)

    def _markdown(self, after, variations, trained):
        fields = ('min', 'q1', 'median', 'q3', 'max', 'std')
        rows = [
            (layer, offset, *(f'{box[field]:.5f}' for field in fields))
            for layer, offsets in after.items()
            for offset, box in offsets.items()
        ]
        shares = [
            (layer, *(f'{layers[layer]:.3f}' for layers in variations.values()))
            for layer in FIGURE_5_LAYERS
        ]
        return self.page(
            trained,
            '![weights per temporal offset](filter_statistics.png)',
            'What of the weights differs between the offsets: the root mean square of their '
            'differences from the mean over time, as a share of that of the weights. 0: all '
            'offsets alike; 0.816: they have nothing in common.',
            markdown_table(('layer', *variations), shares),
            'The paper prints no figures: its boxes of low layers look alike at all offsets, those '
            'of high layers do not.',
            '## The boxes after training',
            markdown_table(('layer', 'offset', *fields), rows),
            heading=f'{self.title} of an inflated I3D, {self.dataset}',
        )


def over_networks(figures):
    """Means, with deviations, of the {layer: {offset: {...}}} of several networks."""
    return {
        layer: {
            offset: reporting.over_seeds([one[layer][offset] for one in figures])
            for offset in offsets
        }
        for layer, offsets in figures[0].items()
    }


def check_layers(recipe):
    """Refuses, by UsageError, a network whose layers of the figure are not temporal and dense."""
    config = recipe.network_config(num_classes=1, channels=3)
    if config.separable:
        raise UsageError(
            '--set, --imagenet: separable convolutions begin as identities over time, and '
            'Figure 5 is of dense ones, which begin alike at all offsets.'
        )
    for layer in FIGURE_5_LAYERS:
        if not config.is_temporal(layer):
            raise UsageError(
                f'--set: {layer} does not extend over time in this network, and Figure 5 shows it.'
            )


define_flags, main = program(FilterStatistics)

if __name__ == '__main__':
    define_flags()
    entry.start(main)
