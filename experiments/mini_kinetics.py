"""The figures of sections 4.2 to 4.4 on Mini-Kinetics-200, RGB: I3D, S3D, Fast-S3D, S3D-G and what lies between.

  python -m experiments.convert --dataset=mini_kinetics200 --config=rgb --manual_dir=KINETICS
  python -m experiments.mini_kinetics

  python -m experiments.mini_kinetics --preset=tiny      on moving_shapes, twenty minutes on two cores

Expect, from the paper, top-1 on the validation videos: I3D 78.4, S3D with temporal convolutions in two branches
(`s3d_slim`) 78.4 and in all four (`s3d`) 78.9, Fast-S3D 78.0. The paper gives no figure for I2D and S3D-G here
in a table; they are trained for comparison.

Hardware: 56 GPUs with 6 clips each, 80,000 steps. On fewer GPUs the step keeps its 336 clips by accumulating
micro-batches of at most 6. `--dry_run` says what it takes: some 2,900 GPU-hours at an assumed 3e12 multiply-adds a
second, and 570 GB.
"""

from absl import flags

from experiments.paper import results as paper_results
from experiments.paper import study
from experiments.paper.accuracy_table import conduct_table
from experiments.training.presets import choose_dataset
from s3dg.program import entry

FLAGS = flags.FLAGS

DATASET = 'mini_kinetics200'
NETWORKS = ('i2d', 'i3d', 's3d_slim', 's3d', 'fast_s3d', 's3d_g')


def define_flags():
    """The flags of this program, for it alone."""
    study.define_flags('mini_kinetics')


def main(arguments):
    del arguments
    conduct_table(
        'mini_kinetics',
        NETWORKS,
        FLAGS.preset,
        choose_dataset(FLAGS.preset, DATASET),
        DATASET,
        paper_results.MINI_KINETICS,
        'Mini-Kinetics-200 (sections 4.2 to 4.4)',
        names={'s3d_slim': 'S3D, two branches'},
    )


if __name__ == '__main__':
    define_flags()
    entry.start(main)
