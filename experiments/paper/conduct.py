"""How an experiment is conducted: its flags, its networks, its report."""

import dataclasses

from absl import flags

from data.errors import DatasetError
from experiments.paper import dry_run, reporting, workload
from experiments.paper.starts import define_start_flags
from experiments.paper.study import Study
from experiments.training.options import Options, define_training_flags
from experiments.training.recipe import with_starts
from s3dg.program import entry
from s3dg.program.entry import MissingFileError, UsageError
from s3dg.program.flags import (
    PRESETS,
    define_data_dir_flag,
    define_runtime_flags,
    define_workdir_flags,
)
from s3dg.program.number_flags import MOST_SEED, MOST_STEPS, define_count, define_number
from s3dg.program.runtime import RuntimeOptions, start_runtime
from s3dg.program.workdir import RESULTS_FILE, Run, home_path, workdir_path

FLAGS = flags.FLAGS

_MOST_SEEDS = 1000

# By preset, so that neither is in the other's way.
_WORKDIRS = {'paper': 'runs/{}', 'tiny': 'runs/{}_tiny'}
# By preset: what helps where a dataset is not there.
_HINTS = {'paper': '; or --preset=tiny, which makes its own videos', 'tiny': ''}


def program(experiment):
    """The `define_flags` and the `main` of an experiment's program, from its class."""

    def define_flags():
        define_experiment_flags(experiment)
        experiment.define_flags()

    def main(arguments):
        del arguments
        conduct(experiment.of(FLAGS), ConductOptions.of(FLAGS), Options.of(FLAGS))

    return define_flags, main


def define_experiment_flags(experiment):
    """The flags that all experiments have; `experiment`: a class of `Experiment`."""
    define_conduct_flags(experiment)
    define_training_flags()
    define_start_flags()
    help_text = 'As --steps, for networks that others start from.'
    define_count('pretraining_steps', None, help_text, MOST_STEPS)


def define_conduct_flags(section):
    """Flags of where and how often something is trained; `section`: a class of `Section`."""
    name = section.name
    define_workdir_flags(name, 'Write the report anew; trained networks are kept.')
    FLAGS.set_default('workdir', None)
    FLAGS['workdir'].help += (
        f' Default {_WORKDIRS["paper"].format(name)}, of the tiny preset '
        f'{_WORKDIRS["tiny"].format(name)}.'
    )
    define_data_dir_flag()
    define_runtime_flags()
    flags.DEFINE_enum(
        'preset',
        'paper',
        PRESETS,
        'paper: the published set-up; tiny: the same on moving_shapes, minutes a network.',
    )
    define_count(
        'seeds', 1, 'Trainings of every network, with the seeds from --seed on.', _MOST_SEEDS
    )
    flags.DEFINE_string(
        'networks_dir',
        None,
        'Folder of trained networks, which experiments share; default networks beside the workdir.',
    )
    flags.DEFINE_bool(
        'dry_run', False, 'Print which networks would be trained, and what that takes, and end.'
    )
    define_number(
        'gpu_rate',
        workload.ASSUMED_GPU_RATE,
        'With --dry_run: 1e12 multiply-adds a second that a GPU sustains.',
        1_000_000,
    )


def report_folder(name, preset, options):
    """The folder of an experiment's report, and that of trained networks, as `pathlib.Path`s."""
    workdir = workdir_path(options.workdir or _WORKDIRS[preset].format(name))
    return workdir, home_path(options.networks_dir or workdir.parent / 'networks')


@dataclasses.dataclass(frozen=True)
class ConductOptions:
    """What the flags that all experiments share say."""

    workdir: str | None  # folder of the report; None: the preset's
    overwrite: bool  # whether to write the report anew
    data_dir: str  # folder of the datasets
    networks_dir: str | None  # folder of the trained networks; None: beside the workdir
    seeds: range  # a range
    dry_run: bool  # whether only to say what would be trained
    gpu_rate: float  # as of `Workload.gpu_hours`
    runtime: RuntimeOptions

    @classmethod
    def of(cls, values):
        """The options in parsed flags; raises UsageError, naming one that cannot be."""
        most = MOST_SEED - values.seed + 1
        if values.seeds > most:
            raise UsageError(f'--seeds must be from 1 to {most}, found {values.seeds}.')
        names = ('workdir', 'overwrite', 'data_dir', 'networks_dir', 'dry_run', 'gpu_rate')
        return cls(
            **{name: values[name].value for name in names},
            seeds=range(values.seed, values.seed + values.seeds),
            runtime=RuntimeOptions.of(values),
        )


def accept_missing(error, workdir, preset, overwrite):
    """Says of a finished report that what it needed is missing, as `error` has it.

    Raises:
      UsageError: where there is none, or it is to be written anew.
    """
    if (workdir / RESULTS_FILE).exists() and not overwrite:
        entry.report(f'{workdir}: finished already, not compared with what it needed: {error}')
        return
    hint = _HINTS[preset] if isinstance(error, DatasetError) else ''
    raise UsageError(f'{error}{hint}') from error


def conduct(experiment, options, training):
    """Trains the networks of an experiment that are not there yet, and writes its report.

    Raises:
      UsageError: for flags that cannot be, or where a dataset is not there.
    """
    workdir, networks_dir = report_folder(experiment.name, experiment.preset, options)
    study = Study(networks_dir, options.data_dir, start_runtime(options.runtime), entry.report)
    if options.dry_run:
        recipes = _with_options(experiment.recipes(), training)
        entry.report(dry_run.describe(study, recipes, options.seeds, options.gpu_rate))
        return
    try:
        recipes = _with_options(experiment.recipes(), training)
        plans = study.plans(recipes, options.seeds)
    except (DatasetError, MissingFileError) as error:
        accept_missing(error, workdir, experiment.preset, options.overwrite)
        return
    experiment.check(study, recipes)
    settings = {
        'preset': experiment.preset,
        'seeds': list(options.seeds),
        **experiment.settings,
        'networks': plans,
    }
    changes = {**experiment.changes, **training.changes()}
    if changes:
        settings['overridden'] = changes  # what that comes to is in the plans
    anew = options.overwrite
    this = Run(experiment.name, workdir, settings, anew, ('overridden',), replaces=anew)
    if this.results is not None:
        entry.report(f'{this.path}: finished already; see {this / "report.md"}, or --overwrite')
        return
    trained = {}
    for number, recipe in enumerate(recipes, start=1):
        entry.report(f'network {number} of {len(recipes)}: {recipe.label}')
        trained[recipe.label] = [study.train(recipe, seed) for seed in options.seeds]
    results, report = experiment.summarise(study, trained, this)
    this.finish(results, reporting.join(report, reporting.changes_note(settings)))
    entry.report(f'finished: {this / "report.md"}')


def _with_options(recipes, options):
    """The recipes with what the flags give; reports what that entails, refuses what cannot be."""
    needed = with_starts(recipes)
    if options.pretraining_steps is not None and all(r.start.trained is None for r in recipes):
        raise UsageError(
            '--pretraining_steps: nothing is trained to start from, but files or random weights.'
        )
    # What is inflated has temporal convolutions of its own, and no other fields of the flags.
    inflated = [one.start.recipe for one in needed if one.start.is_inflated]
    check_fields([one for one in needed if one not in inflated], options.network_fields)
    remarks = []
    recipes = [recipe.overridden(options, remarks.append) for recipe in recipes]
    for remark in dict.fromkeys(remarks):  # each once, not for every recipe
        entry.report(remark)
    return recipes


def check_fields(recipes, fields):
    """Refuses fields of --set in which the networks of an experiment differ: they tell them apart.

    Args:
      recipes: without the flags' values.
      fields: their names.

    Raises:
      UsageError: naming one, and what two networks have there.
    """
    if not fields:
        return
    configs = [(one.label, one.network_config(num_classes=2, channels=3)) for one in recipes]
    for name in fields:
        values = {}
        for label, config in configs:
            values.setdefault(getattr(config, name), label)
        if len(values) > 1:
            one, other = list(values.items())[:2]
            raise UsageError(
                f'--set: in {name} the networks of this experiment differ ({one[1]}: {one[0]}, '
                f'{other[1]}: {other[0]}); `train` takes any value of it.'
            )
