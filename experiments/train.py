"""Trains a network on a converted dataset and evaluates it.

  python -m experiments.train --dataset=moving_shapes --network=s3d_g
  python -m experiments.train --dataset=video_folder --config=mine --init=kinetics.keras \
      --workdir=runs/mine --batch_size=6 --freeze_batch_norm

Running the same command again goes on where it was stopped. Leaves `model.keras`, `results.json`,
`report.md`, `curves.png`, `confusion.png`, `predictions.npz`, `history.csv`, `checkpoints/` and
`tensorboard/` in the workdir.
"""

import dataclasses

from absl import flags

from data import catalog
from experiments.training import run as training
from experiments.training.dataset import choose_split
from experiments.training.options import Options, define_training_flags
from experiments.training.presets import find_preset
from experiments.training.recipe import Recipe, describe_steps
from experiments.training.start import How, Start
from s3dg.config import NETWORKS
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import (
    PRESETS,
    define_dataset_flags,
    define_runtime_flags,
    define_workdir_flags,
    required,
)
from s3dg.program.runtime import RuntimeOptions, start_runtime

FLAGS = flags.FLAGS


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('train')
    define_dataset_flags()
    define_runtime_flags()
    flags.DEFINE_enum(
        'preset', None, PRESETS, 'Set-up; tiny for embedded datasets by default, else paper.'
    )
    flags.DEFINE_enum('network', 's3d_g', list(NETWORKS), 'Network of the paper.')
    flags.DEFINE_string('init', None, 'A .keras file to start from; its network is taken over.')
    flags.DEFINE_string(
        'inflate_from',
        None,
        'A .keras file of a network with other temporal convolutions to start --network from, e.g. '
        'an I3D for an S3D: an approximation, see s3dg/weights/inflation.py.',
    )
    flags.DEFINE_string(
        'imagenet',
        None,
        "A 2D network for images to start --network from, inflated: TF-slim's inception_v1.ckpt, "
        'or a .keras file of s3dg import-weights.',
    )
    flags.DEFINE_string('train_split', 'train', 'Split trained on.')
    flags.DEFINE_string('eval_split', None, 'Split evaluated; default validation, or test.')
    define_training_flags()


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """What the flags of this program say."""

    dataset: str
    config: str | None
    data_dir: str
    splits: tuple[str | None, str | None]  # (training, evaluation); None leaves it to the dataset
    network: str
    preset: str
    start: Start
    workdir: str
    overwrite: bool
    runtime: RuntimeOptions
    training: Options

    @classmethod
    def of(cls, values):
        """The options in parsed flags, which `define_flags` has defined.

        Raises:
          UsageError: naming the flags that cannot be.
        """
        dataset = required('dataset', values.dataset)
        names = ('dataset', 'config', 'data_dir', 'network', 'workdir', 'overwrite')
        return cls(
            **{name: values[name].value for name in names},
            splits=(values.train_split, values.eval_split),
            preset=values.preset or ('tiny' if dataset in catalog.EMBEDDED else 'paper'),
            start=_start(values),
            runtime=RuntimeOptions.of(values),
            training=Options.of(values),
        )


def _start(values):
    ways = {'init': How.TAKEN_OVER, 'inflate_from': How.INFLATED, 'imagenet': How.IMAGES}
    given = [name for name in ways if values[name].value is not None]
    if not given:
        return Start()
    if len(given) > 1:
        said = ' and '.join(f'--{name}' for name in given)
        raise UsageError(f'{said}: a network starts from one file.')
    (name,) = given
    if name == 'init' and values['network'].present:
        raise UsageError('--network and --init: the file already says which network it is.')
    return Start(values[name].value, ways[name])


def prepare(options, program='train', preset=None):
    """Starts TensorFlow, opens the dataset and the workdir: (strategy, builder, plan, the `Run`).

    Args:
      options: the `TrainOptions`.
      program: whose run it is.
      preset: the `Preset` to train by instead of the one that the options name.

    Raises:
      UsageError, ConfigError: for flags that do not fit the dataset.
    """
    strategy = start_runtime(options.runtime)
    builder = catalog.open_dataset(options.dataset, options.config, options.data_dir, entry.report)
    splits = tuple(  # before hours of training, not after
        choose_split(builder, name, flag)
        for name, flag in zip(options.splits, ('train_split', 'eval_split'), strict=True)
    )
    if preset is None:
        preset = find_preset(options.preset, options.dataset, options.config)
    recipe = Recipe(
        label=options.network,
        network=options.network,
        dataset=options.dataset,
        config=options.config,
        preset=preset,
        start=options.start,
    )
    replicas = strategy.num_replicas_in_sync
    recipe = recipe.overridden(options.training, entry.report)
    plan = recipe.plan(builder, splits, replicas, options.runtime.seed)
    for line in describe_steps(recipe, plan, replicas):
        entry.report(line)
    this = training.open_run(plan, options.workdir, options.overwrite, options.data_dir, program)
    return strategy, builder, plan, this


def main(arguments):
    del arguments
    options = TrainOptions.of(FLAGS)
    strategy, builder, plan, this = prepare(options)
    if this.results is not None:
        top1 = this.figure('top1')
        entry.report(f'{this.path}: finished already, top-1 {top1:.4f}; --overwrite starts anew')
        return
    entry.report(f'{plan.start.source or options.network}: {plan.network}')
    results = training.train_and_evaluate(builder, plan, this, strategy, entry.report)
    entry.report(f'top-1 {results["top1"]:.4f}  top-5 {results["top5"]:.4f}  {this / "report.md"}')


if __name__ == '__main__':
    define_flags()
    entry.start(main)
