"""The figures of sections 4.2 and 4.4 on Mini-Kinetics-200, RGB.

  python -m experiments.convert --dataset=mini_kinetics200 --config=rgb --manual_dir=KINETICS
  python -m experiments.mini_kinetics --imagenet=inception_v1.ckpt

On moving_shapes, half an hour on two cores:

  python -m experiments.mini_kinetics --preset=tiny

Expect, from the paper, top-1 on the validation videos: I3D 78.4, S3D with temporal convolutions in
two branches (`s3d_slim`) 78.4 and in all four (`s3d`) 78.9, Fast-S3D 78.0. The paper has no figure
for I2D and S3D-G here in a table; they are trained for comparison.

Hardware: 56 GPUs with 6 clips each, 80,000 steps. On fewer GPUs the step keeps its 336 clips by
accumulating micro-batches of at most 6. `--dry_run` says what it takes: some 2,900 GPU-hours at an
assumed 3e12 multiply-adds a second, and 570 GB.
"""

from experiments.paper import results as paper_results
from experiments.paper.accuracy_table import AccuracyTable
from experiments.paper.conduct import program
from s3dg.program import entry

DATASET = 'mini_kinetics200'


class MiniKinetics(AccuracyTable):
    name = 'mini_kinetics'
    title = 'Mini-Kinetics-200 (sections 4.2 and 4.4)'
    printed = {DATASET: paper_results.MINI_KINETICS}
    paper_dataset = DATASET
    networks = ('i2d', 'i3d', 's3d_slim', 's3d', 'fast_s3d', 's3d_g')
    paper_names = {'s3d_slim': 'S3D, two branches'}


define_flags, main = program(MiniKinetics)

if __name__ == '__main__':
    define_flags()
    entry.start(main)
