"""Table 4: networks on optical flow, and both streams fused, on Kinetics-Full.

  python -m experiments.convert --dataset=kinetics400 --config=rgb --manual_dir=KINETICS
  python -m experiments.convert --dataset=kinetics400 --config=flow --manual_dir=KINETICS
  python -m experiments.optical_flow --imagenet=inception_v1.ckpt

On moving_shapes and its TV-L1 flow, forty minutes on two cores, fifteen of them for the flow:

  python -m experiments.optical_flow --preset=tiny

Trains I3D and S3D-G on RGB and on flow, and adds the logits of both for every video
(`--fusion=probabilities` averages probabilities instead). Expect, from the paper, top-1 and top-5:
I3D on flow 63.91 and 85.0, RGB 71.1 and 89.3, both 74.1 and 91.6; S3D-G 68.0 and 87.6, 74.7 and
93.4, both 77.22 and 93.0.

Hardware: 56 GPUs with 6 clips each, 115,000 steps. Flow is trained as RGB, as section 5.1 says;
`--flow_schedule=i3d` gives it the 155,000 steps of I3D's authors. TV-L1 takes about half a second
of a core for a pair of frames: for Kinetics, years of one core; convert on a cluster (`--runner`).
Training takes some 3,700 GPU-hours by `--dry_run`, at an assumed 3e12 multiply-adds a second.
"""

import dataclasses

from absl import flags

from data.records.heads import labels
from experiments.paper import reporting, starts
from experiments.paper import results as paper_results
from experiments.paper.conduct import program
from experiments.paper.experiment import Experiment
from experiments.training.dataset import choose_split, class_names, describe_difference
from experiments.training.presets import I3D_FLOW
from s3dg import two_stream
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.markdown import markdown_table
from s3dg.training.evaluation import compute_metrics

DATASET = 'kinetics400'
NETWORKS = ('i3d', 's3d_g')
MODALITIES = ('rgb', 'flow')
STREAMS = (*MODALITIES, 'two_stream')


@dataclasses.dataclass(frozen=True)
class OpticalFlow(Experiment):
    """Table 4."""

    name = 'optical_flow'
    title = 'Table 4: optical flow and two streams'
    printed = {
        DATASET: {
            f'{network}, {stream.replace("_", "-")}': figures
            for network, streams in paper_results.TABLE_4.items()
            for stream, figures in streams.items()
        }
    }

    paper_dataset = DATASET
    decisive = ('fusion',)

    fusion: str  # a key of `two_stream.FUSIONS`
    flow_schedule: str  # 'rgb' or 'i3d'

    @staticmethod
    def define_flags():
        flags.DEFINE_enum('fusion', 'logits', list(two_stream.FUSIONS), 'What is averaged.')
        flags.DEFINE_enum(
            'flow_schedule',
            'rgb',
            ['rgb', 'i3d'],
            "How flow is trained: as RGB (section 5.1), or by I3D's longer schedule.",
        )

    @classmethod
    def of(cls, values):
        if values.preset == 'tiny' and values.flow_schedule == 'i3d':
            raise UsageError("--flow_schedule=i3d: it is Kinetics'; --preset=tiny has its own.")
        return super().of(values)

    def recipes(self):
        """Of every network on every modality: 'i3d/rgb' and so on."""
        changed = {'flow': {'preset': I3D_FLOW}} if self.flow_schedule == 'i3d' else {}
        return [
            self.recipe(f'{network}/{modality}', network, modality, **changed.get(modality, {}))
            for network in NETWORKS
            for modality in MODALITIES
        ]

    def check(self, study, recipes):
        del recipes
        check_same_videos(*(study.builder(*self.trained_on(modality)) for modality in MODALITIES))

    def summarise(self, study, trained, this):
        del this
        results = {}
        for network in NETWORKS:
            pairs = zip(*(trained[f'{network}/{modality}'] for modality in MODALITIES), strict=True)
            seeds = [fused_figures(study, *pair, self.fusion) for pair in pairs]
            results[network] = {
                name: reporting.over_seeds([figures[name] for figures in seeds]) for name in STREAMS
            }
        return results, self._markdown(results, trained)

    def _markdown(self, results, trained):
        rows = []
        for network, streams in results.items():
            before = starts.pretraining(trained[f'{network}/{MODALITIES[0]}'][0])
            printed = paper_results.TABLE_4[paper_results.PAPER_NAMES[network]]
            for name, figures in streams.items():
                cells = reporting.beside(figures, printed[name], top1='top1', top5='top5')
                rows.append((network, name.replace('_', '-'), before, *cells))
        header = ('network', 'stream', 'pre-train', 'top-1', 'paper', 'top-5', 'paper')
        return self.page(
            trained,
            markdown_table(header, rows),
            f'Top-1 and top-5 in percent of the videos; the paper: {DATASET}. Fused by '
            f'{self.fusion}, with equal weight, for every video by its id. The paper starts all of '
            f'them from ImageNet ({starts.IMAGENET}).',
            "Flow is trained by I3D's schedule, which is longer than RGB's."
            if self.flow_schedule == 'i3d'
            else 'Flow is trained as RGB (section 5.1).' * (self.preset == 'paper'),
        )


def check_same_videos(rgb, flow):
    """Refuses, by UsageError, builders whose classes differ, or whose evaluated videos do."""
    names = [f'{one.name}/{one.info.config_name}' for one in (rgb, flow)]
    classes = [class_names(one) for one in (rgb, flow)]
    if classes[0] != classes[1]:
        raise UsageError(
            f'{names[1]} has other classes than {names[0]}: '
            f'{describe_difference(classes[1], classes[0])}; convert both from the same videos.'
        )
    split = choose_split(rgb, None, 'dataset')
    ids = [set(labels(one, split)) for one in (rgb, flow)]
    for one, other in ((0, 1), (1, 0)):
        missing = sorted(ids[other] - ids[one])
        if missing:
            raise UsageError(
                f'{names[one]}: split {split!r} lacks {len(missing)} videos of {names[other]}, '
                f'e.g. {missing[0]}, and both streams are fused video by video: convert both from '
                'the same videos, without those that one of them skips.'
            )


def fused_figures(study, rgb, flow, fusion):
    """Top-1 and top-5 of two `Trained` networks and of their fusion: {'top1', 'top5'} by stream.

    Raises:
      EvaluationError: where the streams are not of the same videos.
    """
    streams = [study.predictions(rgb), study.predictions(flow)]
    streams.append(two_stream.fuse(*streams, fusion))
    figures = {}
    for name, predictions in zip(STREAMS, streams, strict=True):
        metrics = compute_metrics(predictions, rgb.plan.videos[1])
        figures[name] = {'top1': metrics.top1, 'top5': metrics.top5}
    return figures


define_flags, main = program(OpticalFlow)

if __name__ == '__main__':
    define_flags()
    entry.start(main)
