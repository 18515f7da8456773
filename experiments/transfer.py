"""Table 5: a network trained on Kinetics, fine-tuned on UCF-101 and HMDB-51, three splits each.

  python -m experiments.convert --dataset=ucf101 --config=split1_rgb --manual_dir=UCF101
  python -m experiments.convert --dataset=hmdb51 --config=split1_rgb --manual_dir=HMDB51
  s3dg import-weights --source=slim --checkpoint=model.ckpt --output=kinetics.keras
  python -m experiments.transfer --init=kinetics.keras

Convert split2_rgb and split3_rgb of both as well, which takes seconds: the videos are stored once.
On moving_shapes, ten minutes on two cores:

  python -m experiments.transfer --preset=tiny

Without `--init` the network of `experiments.kinetics` is taken, and trained first if it is not
there (`--imagenet=inception_v1.ckpt`). The classifier is replaced, the rest goes on learning, batch
norm too (`--freeze_batch_norm` and `--freeze_until=ENDPOINT` change that). Flags are of the
fine-tuning; of what it starts from they change the structure (`--set`), `--micro_batch_size` and,
with `--pretraining_steps`, the length. `--compare_scratch` also trains from random weights for as
long, which shows what Kinetics is worth. Expect, from the paper, the mean of three splits, RGB:
S3D-G 96.8 on UCF-101 and 75.9 on HMDB-51; I3D 95.6 and 74.8 (`--network=i3d`).

Of test videos longer than 250 frames the first 250 are evaluated, as I3D's authors did (issue 28 of
deepmind/kinetics-i3d).

Hardware: 8 GPUs with 6 clips each, 8,000 steps for each split: by `--dry_run` some 7 GPU-hours each
at an assumed 3e12 multiply-adds a second. On fewer, the step keeps its 48 clips by accumulating
micro-batches of at most 6.

The tiny preset goes from one half of the classes of moving_shapes to the other, three splits, with
and without what the first half taught.
"""

import dataclasses

from absl import flags

from experiments.paper import reporting, starts
from experiments.paper import results as paper_results
from experiments.paper.conduct import program
from experiments.paper.experiment import Experiment
from experiments.paper.starts import start_unless_given
from experiments.training.presets import find_preset
from experiments.training.recipe import Recipe
from experiments.training.start import How, Start
from s3dg.config import NETWORKS
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.markdown import markdown_table

SPLITS = ('split1', 'split2', 'split3')
PRETRAINING = {'paper': ('kinetics400', 'rgb'), 'tiny': ('moving_shapes', 'half_rgb')}
DATASETS = {'paper': ('ucf101', 'hmdb51'), 'tiny': ('moving_shapes',)}
# None: those of the datasets' presets.
STEPS = {'paper': None, 'tiny': 100}
PRETRAINING_STEPS = {'paper': None, 'tiny': 500}
COMPARE_SCRATCH = {'paper': False, 'tiny': True}
SCRATCH = 'from_scratch'
# What Table 5 says of the paper's own networks; of others it is not taken over here.
_PRETRAINING, _OF_THE_PAPER = f'{starts.IMAGENET} + Kinetics', ('I3D', 'S3D-G')


@dataclasses.dataclass(frozen=True)
class Transfer(Experiment):
    """Table 5, on several datasets."""

    name = 'transfer'
    title = 'Table 5: transfer'
    printed = {
        'ucf101, hmdb51': {
            f'{dataset}, {network}': figures
            for dataset, networks in paper_results.TABLE_5.items()
            for network, figures in networks.items()
        }
    }

    network: str  # name of the network; of no account with `init`
    init: str | None  # path of a trained network; None: one is trained
    compare_scratch: bool  # whether every split is also trained from random weights

    @staticmethod
    def define_flags():
        flags.DEFINE_enum('network', 's3d_g', list(NETWORKS), 'Network of the paper.')
        flags.DEFINE_string('init', None, 'A .keras file to start from; its network is taken over.')
        flags.DEFINE_bool(
            'compare_scratch', None, 'Also train from random weights; default with the tiny preset.'
        )

    @classmethod
    def of(cls, values):
        if values.init is not None and values['network'].present:
            raise UsageError('--network and --init: the file already says which network it is.')
        compare_scratch = values.compare_scratch
        if compare_scratch is None:
            compare_scratch = COMPARE_SCRATCH[values.preset]
        start = start_unless_given(values, 'init', 'rgb')
        return cls(values.preset, start, values.network, values.init, compare_scratch)

    @property
    def datasets(self):
        return DATASETS[self.preset]

    @property
    def settings(self):
        settings = {'dataset': ', '.join(self.datasets), 'compare_scratch': self.compare_scratch}
        if self.init is None:  # else the weights in the file decide, wherever it lies
            settings['network'] = self.network
        return settings

    @property
    def changes(self):
        return {} if self.init else super().changes

    def recipes(self):
        """Of every split: 'ucf101/split1' and so on, and 'ucf101/split1/from_scratch'."""
        source = self.init or self._pretraining()
        starts = {'': Start(source, How.TAKEN_OVER)}
        if self.compare_scratch:
            starts[f'/{SCRATCH}'] = Start(source, How.STRUCTURE)
        found = []
        for dataset in self.datasets:
            chosen = find_preset(self.preset, dataset).with_steps(STEPS[self.preset])
            for split in SPLITS:
                for suffix, start in starts.items():
                    label, config = f'{dataset}/{split}{suffix}', f'{split}_rgb'
                    found.append(Recipe(label, self.network, dataset, config, chosen, start=start))
        return found

    def _pretraining(self):
        dataset, config = PRETRAINING[self.preset]
        chosen = find_preset(self.preset, dataset).with_steps(PRETRAINING_STEPS[self.preset])
        return Recipe(self.network, self.network, dataset, config, chosen, start=self.start)

    def summarise(self, study, trained, this):
        del study, this
        results = {}
        for dataset in self.datasets:
            results[dataset] = split_figures(trained, dataset)
            if self.compare_scratch:
                results[dataset][SCRATCH] = split_figures(trained, dataset, f'/{SCRATCH}')
        name = next(iter(trained.values()))[0].recipe.name
        return results, self._markdown(name, results, trained)

    def _markdown(self, name, results, trained):
        columns = (*SPLITS, 'mean')
        rows = []
        for dataset, figures in results.items():
            before = starts.pretraining(trained[f'{dataset}/{SPLITS[0]}'][0])
            tuned = [reporting.percent(figures, column) for column in columns]
            rows.append((dataset, f'{name}, fine-tuned', before, *tuned))
            if SCRATCH in figures:
                scratch = [reporting.percent(figures[SCRATCH], column) for column in columns]
                rows.append((dataset, f'{name}, from scratch', '-', *scratch))
        for dataset, printed in paper_results.TABLE_5.items():
            for network, accuracy in printed.items():
                paper = [reporting.printed(accuracy.top1) if c == 'mean' else '-' for c in columns]
                before = _PRETRAINING if network in _OF_THE_PAPER else '-'
                rows.append((dataset, f'the paper: {network}', before, *paper))
        return self.page(
            trained,
            markdown_table(('dataset', 'network', 'pre-train', *columns), rows),
            'Top-1 in percent of the test videos of each split, RGB, and their mean. Of UCF-101 '
            'and HMDB-51 the first 250 frames of longer videos are evaluated.',
            heading=self.title,
        )


def split_figures(trained, dataset, suffix=''):
    """Top-1 of the splits of a dataset and their mean, over the seeds."""
    by_split = {split: trained[f'{dataset}/{split}{suffix}'] for split in SPLITS}
    rows = []
    for of_seed in zip(*by_split.values(), strict=True):
        row = {split: one.run.figure('top1') for split, one in zip(SPLITS, of_seed, strict=True)}
        rows.append({**row, 'mean': sum(row.values()) / len(row)})
    return reporting.over_seeds(rows)


define_flags, main = program(Transfer)

if __name__ == '__main__':
    define_flags()
    entry.start(main)
