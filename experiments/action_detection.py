"""Table 6: action detection on JHMDB and UCF-101-24, Faster R-CNN with the features of a clip.

  python -m experiments.convert --dataset=jhmdb --config=split1_rgb --manual_dir=JHMDB
  python -m experiments.convert --dataset=jhmdb --config=split1_flow --manual_dir=JHMDB
  python -m experiments.convert --dataset=ucf101_24 --config=split1_rgb --manual_dir=UCF101
  python -m experiments.convert --dataset=ucf101_24 --config=split1_flow --manual_dir=UCF101
  python -m experiments.action_detection --init_rgb=i3d.keras,s3d_g.keras \
      --init_flow=i3d_flow.keras,s3d_g_flow.keras

Convert split2 and split3 of JHMDB as well, which takes seconds. The networks are those of
`kinetics` and `optical_flow`, or imported ones. On moving_shapes_boxes, RGB alone, some fifteen
minutes on two cores:

  python -m experiments.action_detection --preset=tiny

Expect, from the paper, frame-AP at an overlap of 0.5, RGB and flow together: I3D 73.2 on JHMDB
(mean of three splits) and 76.3 on UCF-101-24 (split 1), S3D-G 75.2 and 78.8. Two rules are in use,
and both are reported: that of the Object Detection API, which is Pascal's, and that of the ACT
detector's code. UCF-101-24 counts all frames of its test videos; those with boxes alone are
reported too. The paper counts 3,207 videos; the corrected annotations, which are read here, have
3,194.

ResNet-50, which proposes boxes, starts from ImageNet: Keras downloads its weights, or
`--resnet=FILE` names them. `--annotations=act` takes the boxes published with the ACT detector.
`--streams=rgb` or `flow` trains detectors of one of the two.

Hardware: the paper has 11 workers with one image each, 600,000 steps without waiting for each
other; here 54,546 synchronous steps of 11 images. `--dry_run` says what training and evaluation
take. One GPU accumulates the 11 images; on 2, 4 or 8 give `--batch_size=8`, and the rate follows.

The tiny preset trains S3D-G on the easy videos of moving_shapes first, and the proposal network by
itself, for ImageNet's weights are not there. Its detectors are evaluated on clips played backwards
too, in which one movement looks like another. `--frames=1` shows what the key frame alone is worth.
"""

import dataclasses
import gc

from absl import flags

from data.errors import DatasetError
from experiments.detection import dry_run
from experiments.detection import run as detection
from experiments.detection.plan import MODALITIES, Recipe, make_plan
from experiments.detection.presets import PRESETS
from experiments.detection.report import describe, summarise
from experiments.paper import results as paper_results
from experiments.paper.conduct import (
    ConductOptions,
    accept_missing,
    define_conduct_flags,
    report_folder,
)
from experiments.paper.experiment import Section
from experiments.paper.starts import define_start_flags, given_start
from experiments.paper.study import Study, decisive, digest
from experiments.training import options as network_options
from experiments.training import presets as network_presets
from experiments.training import recipe as networks
from experiments.training.run import alone
from experiments.training.start import How, Start
from s3dg.config import NETWORKS
from s3dg.detection.config import DetectorConfig
from s3dg.program import entry
from s3dg.program.entry import MissingFileError, UsageError
from s3dg.program.flags import parse_fields
from s3dg.program.number_flags import (
    MOST_BOXES,
    MOST_CLIPS,
    MOST_FRAMES,
    MOST_STEPS,
    define_count,
    define_number,
)
from s3dg.program.runtime import start_runtime
from s3dg.program.workdir import RESULTS_FILE, Run

FLAGS = flags.FLAGS

EMBEDDED = 'moving_shapes_boxes'
# Of a dataset, the configurations of its splits, without the modality and whose boxes.
SPLITS = {
    'jhmdb': ('split1', 'split2', 'split3'),
    'ucf101_24': ('split1',),
    EMBEDDED: ('',),
}
# By preset: networks, streams, and what the tiny preset's networks start from.
_NETWORKS = {'paper': ('i3d', 's3d_g'), 'tiny': ('s3d_g',)}
_STREAMS = {'paper': 'both', 'tiny': 'rgb'}
_START_DATASET = 'moving_shapes'


class ActionDetection(Section):
    name = 'action_detection'
    title = 'Table 6: action detection'
    printed = {
        dataset: {
            method: paper_results.FrameAp(getattr(row, dataset))
            for method, row in paper_results.TABLE_6.items()
            if getattr(row, dataset) is not None
        }
        for dataset in ('jhmdb', 'ucf101_24')
    }
    needed = ' --init_rgb=... --init_flow=...'


@dataclasses.dataclass(frozen=True)
class Options:
    """What the flags of this program say beside those that all experiments share.

    None leaves it to the preset.
    """

    preset: str
    dataset: str  # of the paper
    annotations: str  # whose boxes
    networks: tuple[str, ...]
    streams: str  # a key of `MODALITIES`
    init: dict  # by modality, a file for each network; empty: they are trained
    start: Start  # where those start that are trained
    resnet: str  # 'imagenet', 'random' or a file
    chunk: int  # proposals that are classified at once
    pretraining_steps: int | None  # of the networks that are trained to start from
    changes: dict  # fields of `DetectionPreset`, and 'steps', 'learning_rate' and 'rpn_steps'
    course: dict  # what does not decide the result, as of `make_plan`

    @classmethod
    def of(cls, values):
        """The options in parsed flags; raises UsageError for what cannot be."""
        preset, dataset = values.preset, values.dataset
        chosen = tuple(values.networks or _NETWORKS[preset])
        for name in chosen:
            if name not in NETWORKS:
                raise UsageError(
                    f'--networks: found {name!r}, expected names of {", ".join(NETWORKS)}.'
                )
        if len(set(chosen)) < len(chosen):
            raise UsageError(f'--networks: {", ".join(chosen)}: found one twice.')
        streams = values.streams or _STREAMS[preset]
        init = {}
        for modality in ('rgb', 'flow'):
            files = values[f'init_{modality}'].value
            if files and modality not in MODALITIES[streams]:
                raise UsageError(f'--init_{modality}: --streams={streams} has no use for it.')
            if files and len(files) != len(chosen):
                raise UsageError(
                    f'--init_{modality}: found {len(files)} files, expected one for each of '
                    f'{", ".join(chosen)} (--networks).'
                )
            if files:
                init[modality] = tuple(files)
        if preset == 'paper' and (values['imagenet'].present or values['from_scratch'].present):
            raise UsageError(
                '--imagenet, --from_scratch: with --preset=paper the networks are those of '
                '--init_rgb and --init_flow, which are trained already.'
            )
        if preset == 'tiny' and (values['dataset'].present or values['annotations'].present):
            raise UsageError(f'--preset=tiny: its dataset is {EMBEDDED}; drop --dataset.')
        names = ('steps', 'learning_rate', 'rpn_steps', 'batch_size', 'micro_batch_size', 'frames')
        given = {name: values[name].value for name in (*names, 'most_boxes')}
        given['detector'] = parse_fields(values.set, DetectorConfig) or None
        return cls(
            preset=preset,
            dataset=dataset if preset == 'paper' else EMBEDDED,
            annotations=values.annotations,
            networks=chosen,
            streams=streams,
            init=init,
            start=Start() if preset == 'paper' else given_start(values, 'rgb'),
            resnet=values.resnet or ('imagenet' if PRESETS[preset].rpn is None else 'random'),
            chunk=values.chunk,
            pretraining_steps=values.pretraining_steps,
            changes={name: value for name, value in given.items() if value is not None},
            course={
                'dtype': values.dtype,
                'deterministic': values.deterministic,
                'checkpoint_every': values.checkpoint_every,
                'log_every': values.log_every,
            },
        )

    def recipes(self, report):
        """The `Recipe`s of all detectors; `report` takes what flags entail."""
        preset = PRESETS[self.preset].with_changes(self.changes, report)
        if (preset.rpn is None) == (self.resnet == 'random'):
            raise UsageError(
                f'--resnet: found {self.resnet!r}; expected weights with --preset=paper, and none '
                'with --preset=tiny, which trains its own.'
            )
        whose = 'act_' if self.annotations == 'act' else ''
        found = []
        for number, network in enumerate(self.networks):
            for split in SPLITS[self.dataset]:
                config = f'{split}_{whose}{{}}' if split else '{}'
                label = '/'.join(filter(None, (network, self.streams, split)))
                starts = tuple(self._start(m, number) for m in MODALITIES[self.streams])
                found.append(
                    Recipe(label, network, self.streams, self.dataset, config, preset, starts)
                )
        return found

    def _start(self, modality, number):
        if modality in self.init:
            return Start(self.init[modality][number], How.TAKEN_OVER)
        name = self.networks[number]
        dataset = _START_DATASET if self.preset == 'tiny' else 'kinetics400'
        preset = network_presets.find_preset(self.preset, dataset)
        recipe = networks.Recipe(name, name, dataset, modality, preset, start=self.start)
        steps = self.pretraining_steps
        given = network_options.Options(steps=steps, pretraining_steps=steps)
        return Start(recipe.overridden(given, entry.report), How.TAKEN_OVER)


def define_flags():
    """The flags of this program, for it alone."""
    define_conduct_flags(ActionDetection)
    define_start_flags()
    flags.DEFINE_enum('dataset', 'jhmdb', ['jhmdb', 'ucf101_24'], 'Dataset of the paper preset.')
    flags.DEFINE_enum(
        'annotations',
        'default',
        ['default', 'act'],
        "Whose boxes: the dataset's masks or corrected boxes, or those of the ACT detector.",
    )
    flags.DEFINE_list('networks', None, 'Networks of the paper; default i3d,s3d_g, tiny s3d_g.')
    flags.DEFINE_enum(
        'streams', None, list(MODALITIES), 'What the clips are of; default both, tiny rgb.'
    )
    for modality in ('rgb', 'flow'):
        flags.DEFINE_list(
            f'init_{modality}', None, f'A .keras file of {modality} for each of --networks.'
        )
    flags.DEFINE_string(
        'resnet',
        None,
        "ResNet-50's weights, no classifier: a .h5 file, or imagenet, which Keras downloads.",
    )
    define_count('chunk', 64, 'Proposals that are classified at once.', MOST_BOXES)
    flags.DEFINE_multi_string('set', [], 'FIELD=VALUE of the detector, e.g. proposals=100.')
    counts = (
        ('steps', MOST_STEPS, 'Length of the training; the schedule is stretched to it.'),
        ('rpn_steps', MOST_STEPS, 'As --steps, of the proposal network by itself (tiny).'),
        ('pretraining_steps', MOST_STEPS, 'As --steps, of networks to start from (tiny).'),
        ('batch_size', MOST_CLIPS, 'Key frames per step; the rate is scaled with it.'),
        ('micro_batch_size', MOST_CLIPS, 'Key frames one replica sees at once.'),
        ('frames', MOST_FRAMES, 'Frames of a clip.'),
        ('most_boxes', MOST_BOXES, 'Boxes of a frame that are trained on.'),
    )
    for name, most, words in counts:
        define_count(name, None, words, most)
    define_number('learning_rate', None, 'First rate; the schedule is scaled to it.', 1000)
    define_count('checkpoint_every', 500, 'Steps between checkpoints.', MOST_STEPS)
    define_count('log_every', 50, 'Steps between lines of progress.', MOST_STEPS)


@dataclasses.dataclass(frozen=True)
class Job:
    """A detector to be trained."""

    recipe: Recipe
    seed: int
    builders: tuple  # of RGB, and of flow where it is used
    plan: object  # the `Plan`
    folder: object  # where it lies or will lie


def make_job(study, recipe, seed, options):
    """The `Job` of a recipe; raises DatasetError where a dataset is not there."""
    modalities = ('rgb', 'flow') if 'flow' in recipe.modalities else ('rgb',)
    builders = tuple(study.builder(recipe.dataset, recipe.config.format(m)) for m in modalities)
    starts = tuple(one.resolved(lambda other: study.found(other, seed)) for one in recipe.starts)
    resnet = options.resnet
    if resnet not in ('imagenet', 'random'):
        resnet = Start(resnet, How.TAKEN_OVER).resolved().digest
    replicas = study.strategy.num_replicas_in_sync
    splits = ('train', 'test')
    plan = make_plan(recipe, builders, splits, replicas, seed, starts, resnet, options.course)
    settings = decisive(plan.to_dict(), detection.FREE_SETTINGS)
    name = f'detector-{recipe.network}-{recipe.streams}-{plan.dataset}-{plan.config}-seed{seed}'
    folder = study.networks_dir / f'{name}-{digest(settings)[:8]}'
    return Job(recipe, seed, builders, plan, folder)


def train(study, job, options):
    """The results of a job's detector; trained, or trained on, where it is not finished."""
    # What is finished needs no lock, and may be where nothing can be written.
    if not (job.folder / RESULTS_FILE).exists():
        for start in job.recipe.starts:
            if start.recipe is not None:
                study.train(start.recipe, job.seed)
        with alone(job.folder, study.report):
            _train(study, job, options)
    this = detection.open_run(job.plan, job.folder)
    figure = this.results['pascal']['all']
    study.report(f'{job.recipe.label}, seed {job.seed}: frame-AP {figure:.4f}  {job.folder}')
    return this.results


def _train(study, job, options):
    this = detection.open_run(job.plan, job.folder)
    if this.results is not None:  # by another process, while this one waited
        return
    study.report(f'training {job.recipe.label}, seed {job.seed}, in {job.folder}')
    detection.train_and_evaluate(
        job.builders,
        job.plan,
        this,
        study.strategy,
        None if options.resnet == 'random' else options.resnet,
        options.chunk,
        study.report,
        reverse=options.preset == 'tiny',
    )
    gc.collect()  # networks hold themselves in circles


def main(arguments):
    del arguments
    options, shared = Options.of(FLAGS), ConductOptions.of(FLAGS)
    workdir, networks_dir = report_folder(ActionDetection.name, options.preset, shared)
    study = Study(networks_dir, shared.data_dir, start_runtime(shared.runtime), entry.report)
    recipes = options.recipes(entry.report)
    if shared.dry_run:
        entry.report(dry_run.describe(recipes, shared.seeds, shared.gpu_rate))
        return
    missing = [m for m in MODALITIES[options.streams] if m not in options.init]
    if options.preset == 'paper' and missing:
        raise UsageError(
            f'--init_{missing[0]} is needed: a network for each of {", ".join(options.networks)}, '
            'as `kinetics`, `optical_flow` or `s3dg import-weights` leave it.'
        )
    try:
        jobs = [make_job(study, one, seed, options) for one in recipes for seed in shared.seeds]
    except (DatasetError, MissingFileError) as error:
        accept_missing(error, workdir, options.preset, shared.overwrite)
        return
    settings = {
        'preset': options.preset,
        'dataset': options.dataset,
        'seeds': list(shared.seeds),
        'networks': {
            f'{job.recipe.label}, seed {job.seed}': decisive(
                job.plan.to_dict(), detection.FREE_SETTINGS
            )
            for job in jobs
        },
    }
    if options.changes:
        settings['overridden'] = options.changes
    anew = shared.overwrite
    this = Run(ActionDetection.name, workdir, settings, anew, ('overridden',), replaces=anew)
    if this.results is not None:
        entry.report(f'{this.path}: finished already; see {this / "report.md"}, or --overwrite')
        return
    if not all((job.folder / RESULTS_FILE).exists() for job in jobs):
        detection.check_resnet(options.resnet)
    results = {}
    for number, job in enumerate(jobs, 1):
        entry.report(f'detector {number} of {len(jobs)}: {job.recipe.label}, seed {job.seed}')
        results.setdefault(job.recipe.label, []).append(train(study, job, options))
    summary = summarise(options.dataset, results)
    this.finish(
        summary, describe(ActionDetection.title, options.dataset, summary, jobs, settings, this)
    )
    entry.report(f'finished: {this / "report.md"}')


if __name__ == '__main__':
    define_flags()
    entry.start(main)
