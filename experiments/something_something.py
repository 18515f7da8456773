"""Table 3: networks on Something-Something, RGB, and a submission for its test split.

  python -m experiments.convert --dataset=something_something_v1 --config=rgb \\
      --manual_dir=SOMETHING
  python -m experiments.something_something --imagenet=inception_v1.ckpt

On moving_shapes, twenty minutes on two cores:

  python -m experiments.something_something --preset=tiny

Trains I2D, I3D, S3D and S3D-G. Expect, from the paper, on release 1, top-1 and top-5 on the
validation videos: I2D 34.4 and 69.0, I3D 45.8 and 76.5, S3D 47.3 and 78.1, S3D-G 48.2 and 78.7, and
42.0 top-1 on the test videos. Labels of the test videos are not published: each network's
predictions for them go to `submission_NETWORK.csv` in the workdir.
`--dataset=something_something_v2` does the same on release 2, for which the paper has no figures.

Hardware: 16 GPUs with 6 clips each, 10,000 steps at a rate of 0.1. On fewer GPUs the step keeps its
96 clips by accumulating micro-batches of at most 6. `--dry_run` says what it takes: some 80
GPU-hours at an assumed 3e12 multiply-adds a second, and 110 GB.
"""

import dataclasses

from absl import flags

from data.catalog import published_facts
from experiments.paper import results as paper_results
from experiments.paper import submission
from experiments.paper.accuracy_table import AccuracyTable
from experiments.paper.conduct import program
from experiments.training.dataset import class_names
from s3dg.program import entry

DATASETS = ('something_something_v1', 'something_something_v2')
TEST_SPLIT = 'test'


@dataclasses.dataclass(frozen=True)
class SomethingSomething(AccuracyTable):
    name = 'something_something'
    title = 'Table 3: Something-Something'
    printed = {DATASETS[0]: paper_results.TABLE_3}
    networks = ('i2d', 'i3d', 's3d', 's3d_g')

    paper_dataset: str

    @staticmethod
    def define_flags():
        flags.DEFINE_enum('dataset', DATASETS[0], DATASETS, 'Release.')

    def more(self, study, trained, this):
        return write_submissions(study, {label: of[0] for label, of in trained.items()}, this)


def write_submissions(study, trained, this):
    """Predicts the test split with every network and writes a submission file for each.

    `trained` has one network by label. Returns paragraphs of the report.
    """
    written = []
    for label, one in trained.items():
        if TEST_SPLIT not in one.builder.info.splits:
            return [f'{one.builder.info.full_name} has no test split to submit predictions for.']
        path = this / f'submission_{label}.csv'
        predictions = study.predictions(one, TEST_SPLIT)
        names = class_names(one.builder)
        row = submission.ROWS[one.plan.dataset]
        submission.write_submission(path, predictions.ids, predictions.logits, names, row)
        written.append(f'`{path.name}`')
    published = published_facts(one.plan.dataset, one.plan.config).videos[TEST_SPLIT]
    test_top1 = {name: paper_results.TABLE_3[name].test_top1 for name in ('S3D-G', 'TRN')}
    return [
        'Predictions for the test split, to be submitted where the release comes from: '
        f'{", ".join(written)}. Each has {len(predictions.ids)} of the {published} videos that are '
        'published; those that conversion skipped have no line. The networks are those of seed '
        f'{one.seed}. The paper reached {test_top1["S3D-G"]} with S3D-G, TRN {test_top1["TRN"]}.'
    ]


define_flags, main = program(SomethingSomething)

if __name__ == '__main__':
    define_flags()
    entry.start(main)
