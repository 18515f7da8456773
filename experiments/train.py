"""Trains a network on a converted dataset and evaluates it.

  python -m experiments.train --dataset=moving_shapes --network=s3d_g
  python -m experiments.train --dataset=video_folder --config=mine --init=kinetics.keras \
      --workdir=runs/mine --batch_size=6 --freeze_batch_norm

Running the same command again goes on where it was stopped. Leaves `model.keras`, `results.json`,
`report.md`, `curves.png`, `confusion.png`, `predictions.npz`, `history.csv`, `checkpoints/` and
`tensorboard/` in the workdir.
"""

from absl import flags

from data import catalog
from experiments.training import run as training
from experiments.training.dataset import choose_split
from experiments.training.options import define_training_flags, read_options
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
        'A .keras file of a network with other temporal convolutions to start --network from, e.g. an I3D '
        'for an S3D: an approximation, see s3dg/weights/inflation.py.',
    )
    flags.DEFINE_string('train_split', 'train', 'Split trained on.')
    flags.DEFINE_string('eval_split', None, 'Split evaluated; default validation, or test.')
    define_training_flags()


def resolve_plan(builder, strategy, report):
    """The `Plan` that the flags and the preset give for a dataset."""
    if FLAGS.init is not None:
        if FLAGS['network'].present:
            raise UsageError('--network and --init: the file already says which network it is.')
        if FLAGS.inflate_from is not None:
            raise UsageError('--init and --inflate_from: a network starts from one file.')
    splits = tuple(  # before hours of training, not after
        choose_split(builder, FLAGS[flag].value, flag) for flag in ('train_split', 'eval_split')
    )
    start = Start()
    if FLAGS.init is not None:
        start = Start(FLAGS.init, How.TAKEN_OVER)
    elif FLAGS.inflate_from is not None:
        start = Start(FLAGS.inflate_from, How.INFLATED)
    name = FLAGS.preset or ('tiny' if FLAGS.dataset in catalog.EMBEDDED else 'paper')
    recipe = Recipe(
        label=FLAGS.network,
        network=FLAGS.network,
        dataset=FLAGS.dataset,
        config=FLAGS.config,
        preset=find_preset(name, FLAGS.dataset, builder.info.metadata['modality']),
        start=start,
    )
    replicas = strategy.num_replicas_in_sync
    recipe = recipe.overridden(read_options(), report)
    plan = recipe.plan(builder, splits, replicas, FLAGS.seed)
    for line in describe_steps(recipe, plan, replicas):
        report(line)
    return plan


def main(arguments):
    del arguments
    required('dataset', FLAGS.dataset)
    strategy = start_runtime(RuntimeOptions.of(FLAGS))
    builder = catalog.open_dataset(FLAGS.dataset, FLAGS.config, FLAGS.data_dir, entry.report)
    plan = resolve_plan(builder, strategy, entry.report)
    this = training.open_run(plan, FLAGS.workdir, FLAGS.overwrite, FLAGS.data_dir)
    if this.results is not None:
        entry.report(
            f'{this.path}: finished already, top-1 {this.figure("top1"):.4f}; --overwrite starts anew'
        )
        return
    entry.report(f'{FLAGS.init or FLAGS.network}: {plan.network}')
    results = training.train_and_evaluate(builder, plan, this, strategy, entry.report)
    entry.report(f'top-1 {results["top1"]:.4f}  top-5 {results["top5"]:.4f}  {this / "report.md"}')


if __name__ == '__main__':
    define_flags()
    entry.start(main)
