"""Table 2: I3D, S3D and S3D-G on Kinetics-Full (Kinetics-400), RGB.

  python -m experiments.convert --dataset=kinetics400 --config=rgb --manual_dir=KINETICS
  python -m experiments.kinetics --imagenet=inception_v1.ckpt

On moving_shapes, twenty minutes on two cores:

  python -m experiments.kinetics --preset=tiny

Expect, from the paper, top-1 and top-5 on the validation videos: I3D 71.1 and 89.3, S3D 72.2 and
90.6, S3D-G 74.7 and 93.4. Later reproductions of S3D reached 68.4 (torchvision, one clip of a
video) and 72.1 (kylemin). Many videos of Kinetics have vanished from YouTube since, which costs
points too.

Hardware: 56 GPUs with 6 clips each, 115,000 steps (I3D's schedule; the paper has none for
Kinetics-Full). On fewer GPUs the step keeps its 336 clips by accumulating micro-batches of at most
6. `--dry_run` says what it takes: some 2,700 GPU-hours at an assumed 3e12 multiply-adds a second,
and 2 TB.
"""

from experiments.paper import results as paper_results
from experiments.paper.accuracy_table import AccuracyTable
from experiments.paper.conduct import program
from s3dg.program import entry
from s3dg.program.markdown import markdown_table

DATASET = 'kinetics400'


class Kinetics(AccuracyTable):
    name = 'kinetics'
    title = 'Table 2: Kinetics-Full'
    printed = {DATASET: paper_results.TABLE_2}
    paper_dataset = DATASET
    networks = ('i3d', 's3d', 's3d_g')

    def more(self, study, trained, this):
        del study, trained, this
        rows = [
            (row.network, row.top1, row.top5, row.source)
            for row in paper_results.REPRODUCTIONS.values()
        ]
        table = markdown_table(('network', 'top-1', 'top-5', 'source'), [map(str, r) for r in rows])
        return [f'Others have reached on Kinetics-400 since:\n\n{table}']


define_flags, main = program(Kinetics)

if __name__ == '__main__':
    define_flags()
    entry.start(main)
