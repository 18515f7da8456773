"""What the paper's experiments share: the networks they need, each trained once for all of them.

A trained network lies in a folder of --networks_dir, which holds what `train` leaves. A finished one with
the same settings is reused, whichever experiment, or `train`, made it; one that was stopped goes on.
"""

import dataclasses
import gc
import hashlib
import json
import statistics

from absl import flags

from data import catalog
from data.errors import DatasetError
from experiments.paper import dry_run, reporting, workload
from experiments.training import evaluating
from experiments.training import run as training
from experiments.training.dataset import choose_split
from experiments.training.options import define_training_flags, read_options
from experiments.training.plan import FREE_SETTINGS, Plan
from experiments.training.recipe import Recipe, describe_steps, with_starts
from s3dg.program import entry
from s3dg.program.entry import MissingFileError, UsageError
from s3dg.program.flags import (
    PRESETS,
    define_data_dir_flag,
    define_runtime_flags,
    define_workdir_flags,
)
from s3dg.program.loading import load_network
from s3dg.program.number_flags import MOST_SEED, MOST_STEPS, define_count, define_number
from s3dg.program.runtime import RuntimeOptions, start_runtime
from s3dg.program.settings import flatten, read_settings
from s3dg.program.workdir import RESULTS_FILE, Run, home_path, workdir_path
from s3dg.training.evaluation import Predictions, compute_metrics

FLAGS = flags.FLAGS

_MOST_SEEDS = 1000


def define_flags(program, pretraining=False):
    """The flags of an experiment.

    Args:
      program: its name.
      pretraining: whether some of its networks start from others that it trains too.
    """
    define_workdir_flags(program, 'Write the report anew; trained networks are kept.')
    define_data_dir_flag()
    define_runtime_flags()
    flags.DEFINE_enum(
        'preset',
        'paper',
        PRESETS,
        'paper: the published set-up; tiny: the same on moving_shapes, minutes on two cores.',
    )
    define_count(
        'seeds', 1, 'Trainings of every network, with the seeds from --seed on.', _MOST_SEEDS
    )
    flags.DEFINE_string(
        'networks_dir',
        None,
        "Folder of trained networks, shared by the experiments; default 'networks' beside the workdir.",
    )
    flags.DEFINE_bool(
        'dry_run',
        False,
        'Print what is trained, as if nothing were yet, and what it takes, and end.',
    )
    define_number(
        'gpu_rate',
        workload.ASSUMED_GPU_RATE,
        'With --dry_run: 1e12 multiply-adds a second that a GPU sustains.',
        1_000_000,
    )
    define_training_flags()
    if pretraining:
        define_count(
            'pretraining_steps',
            None,
            'As --steps, for networks that others start from.',
            MOST_STEPS,
        )


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
      recipe, seed: what it was trained by.
      builder: of its dataset.
      plan: the `Plan`.
      run: the finished `Run` of its training.
      start: the `Trained` network that it started from, where that is of a recipe too.
    """

    recipe: Recipe
    seed: int
    builder: object
    plan: Plan
    run: Run
    start: 'Trained | None' = None

    @property
    def results(self):
        return self.run.results


def _decisive(settings):
    """The settings of a training that decide the network, flat, as config.json holds them."""
    flat = flatten(json.loads(json.dumps(settings)))
    return {name: flat[name] for name in flat if name not in FREE_SETTINGS}


def _digest(decisive):
    text = json.dumps(decisive, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_finished(folder):
    """Whether a training in a folder has ended and its network is still there."""
    return all((folder / name).exists() for name in (RESULTS_FILE, training.MODEL_FILE))


class Study:
    """Trains what an experiment needs, and hands out what is finished.

    Args:
      networks_dir: `pathlib.Path` of the trained networks.
      data_dir: of the datasets.
      strategy: the `tf.distribute.Strategy`.
      report: takes each line of progress.
    """

    def __init__(self, networks_dir, data_dir, strategy, report):
        self.networks_dir = networks_dir
        self.data_dir, self.strategy, self.report = data_dir, strategy, report
        self._builders, self._strange = {}, set()

    def builder(self, dataset, config):
        """The builder of a dataset on disk.

        Raises:
          DatasetError: where it has not been converted.
        """
        if (dataset, config) not in self._builders:
            self._builders[dataset, config] = catalog.open_dataset(
                dataset, config, self.data_dir, self.report
            )
        return self._builders[dataset, config]

    def plan(self, recipe, seed):
        """The `Plan` of a recipe, with the flags' values in it, for a seed."""
        builder = self.builder(recipe.dataset, recipe.config)
        splits = ('train', choose_split(builder, None, 'dataset'))

        def find(before):
            plan = self.plan(before, seed)
            return self.folder(plan, before) / training.MODEL_FILE, _digest(
                _decisive(plan.to_dict())
            )

        return recipe.plan(builder, splits, self.strategy.num_replicas_in_sync, seed, find)

    def plans(self, recipes, seeds):
        """What decides the networks of all recipes, for `config.json`; before hours of training.

        Raises:
          DatasetError: where a dataset is not there.
          UsageError, ConfigError: where a flag does not fit it.
        """
        return {
            recipe.label: {
                str(seed): _decisive(self.plan(recipe, seed).to_dict()) for seed in seeds
            }
            for recipe in recipes
        }

    def folder(self, plan, recipe):
        """Where the network of a plan lies or, if it is not there yet, will lie."""
        wanted = _decisive(plan.to_dict())
        own = f'{recipe.name}-{plan.dataset}-{plan.config}-seed{plan.seed}-{_digest(wanted)[:8]}'
        found = [path for path in self._trainings() if self._settings(path) == wanted]
        finished = [path for path in found if _is_finished(path)]
        return next(iter(finished or found), self.networks_dir / own)

    def _trainings(self):
        folders = (path.parent for path in self.networks_dir.glob('*/config.json'))
        return sorted(path for path in folders if not path.name.startswith('.'))

    def _settings(self, folder):
        """What decides the network in a folder; None where there is none."""
        try:
            settings = read_settings(folder / 'config.json')
        except UsageError as error:
            if folder not in self._strange:
                self._strange.add(folder)
                self.report(f'--networks_dir: left out: {error}')
            return None
        return _decisive(settings) if settings.pop('program') == 'train' else None

    def train(self, recipe, seed):
        """The `Trained` network of a recipe; trained, or trained on, where it is not finished.

        Raises:
          what training does.
        """
        before = recipe.start.trained
        start = None if before is None else self.train(before, seed)
        plan = self.plan(recipe, seed)
        builder = self.builder(recipe.dataset, recipe.config)
        folder = self.folder(plan, recipe)
        # What is finished needs no lock, and may be where nothing can be written.
        if not _is_finished(folder):
            with training.alone(folder, self.report):
                self._train(recipe, seed, builder, plan, folder)
        this = training.open_run(plan, folder)
        self.report(f'{recipe.label}, seed {seed}: top-1 {this.figure("top1"):.4f}  {folder}')
        return Trained(recipe, seed, builder, plan, this, start)

    def _train(self, recipe, seed, builder, plan, folder):
        this = training.open_run(plan, folder)
        if _is_finished(folder):  # by another process, while this one waited
            return
        self.report(f'training {recipe.label}, seed {seed}, in {folder}')
        for line in describe_steps(recipe, plan, self.strategy.num_replicas_in_sync):
            self.report(line)
        training.train_and_evaluate(builder, plan, this, self.strategy, self.report)
        gc.collect()  # networks hold themselves in circles

    def load(self, trained):
        """The trained `Network`."""
        with self.strategy.scope():
            return load_network(trained.run / training.MODEL_FILE, '--networks_dir')

    def predictions(self, trained, split=None, reverse=False):
        """`Predictions` of a trained network, kept beside it.

        Args:
          trained: the `Trained` network.
          split: by default the one that it was evaluated on.
          reverse: whether the frames come in reversed order.

        Raises:
          EvaluationError: where what was kept is damaged.
        """
        own = trained.plan.splits[1]
        split = split or own
        order = 'reversed' if reverse else 'normal'
        evaluated = split == own and not reverse  # by the training itself
        name = training.PREDICTIONS_FILE if evaluated else f'predictions_{split}_{order}.npz'
        path = trained.run / name
        expected = trained.builder.info.splits[split].num_examples
        kept = _kept_predictions(path, expected)
        if kept is None:
            with training.alone(trained.run.path, self.report):
                if _kept_predictions(path, expected) is None:
                    self._predict(trained, split, reverse).save(path)
            kept = Predictions.load(path)
        return kept

    def _predict(self, trained, split, reverse):
        return evaluating.predict_split(
            self.load(trained),
            trained.builder,
            split,
            strategy=self.strategy,
            most_frames=trained.plan.evaluated_frames,
            reverse=reverse,
            report=self.report,
        )

    def metrics(self, trained, reverse=False):
        """`Metrics` of the split that a network was evaluated on, in either order."""
        return compute_metrics(self.predictions(trained, reverse=reverse), trained.plan.videos[1])


def _kept_predictions(path, videos):
    """`Predictions` that were kept, if they are of as many videos: a split may have been converted anew."""
    if not path.exists():
        return None
    kept = Predictions.load(path)
    return kept if len(kept.ids) == videos else None


def over_seeds(rows):
    """Figures of several seeds as one row.

    Args:
      rows: dicts with the same keys and numbers, one for every seed.

    Returns:
      dict from each key to the mean; with more than one row also 'KEY_deviation', the sample standard
      deviation (n - 1), and 'seeds', how many there are.
    """
    figures = {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}
    if len(rows) == 1:
        return figures
    deviations = {
        f'{name}_deviation': statistics.stdev(row[name] for row in rows) for name in rows[0]
    }
    return {**figures, **deviations, 'seeds': len(rows)}


def check_fields(recipes, fields):
    """Refuses fields of --set in which the networks of an experiment differ: each would lose its name.

    Args:
      recipes: a list of `Recipe`, without the flags' values.
      fields: names of fields of `NetworkConfig`.

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
                f'--set: in {name} the networks of this experiment differ ({one[1]}: {one[0]}, {other[1]}: '
                f'{other[0]}); `train` takes any value of it.'
            )


def conduct(program, recipes, summarise, settings=None, check=None):
    """The main function of an experiment, once its flags have become recipes.

    Args:
      program: its name.
      recipes: a list of `Recipe`, in the order in which they are trained.
      summarise: a function of (study, dict from label to the `Trained` networks of every seed, the `Run`)
        that draws pictures and gives (results, report in Markdown).
      settings: what else decides the results, JSON-serialisable.
      check: a function of (study, the recipes with the flags' values) that refuses what `summarise` could not
        use, before hours of training; or None.

    Raises:
      UsageError: for flags that cannot be, or where a dataset is not there.
    """
    most = MOST_SEED - FLAGS.seed + 1
    if FLAGS.seeds > most:
        raise UsageError(f'--seeds must be from 1 to {most}, found {FLAGS.seeds}.')
    options = read_options()
    if FLAGS.dry_run:
        resolved = _with_options(recipes, options)
        entry.report(dry_run.describe(resolved, FLAGS.seeds, FLAGS.data_dir, FLAGS.gpu_rate))
        return
    workdir = workdir_path(FLAGS.workdir)
    networks_dir = home_path(FLAGS.networks_dir or workdir.parent / 'networks')
    study = Study(
        networks_dir, FLAGS.data_dir, start_runtime(RuntimeOptions.of(FLAGS)), entry.report
    )
    seeds = range(FLAGS.seed, FLAGS.seed + FLAGS.seeds)
    is_finished = (workdir / RESULTS_FILE).exists() and not FLAGS.overwrite
    try:
        recipes = _with_options(recipes, options)
        plans = study.plans(recipes, seeds)
    except (DatasetError, MissingFileError) as error:
        if is_finished:
            entry.report(f'{workdir}: finished already, not compared with what it needed: {error}')
            return
        is_data = isinstance(error, DatasetError) and FLAGS.preset == 'paper'
        hint = '; or --preset=tiny, which makes its own videos' if is_data else ''
        raise UsageError(f'{error}{hint}') from error
    if check is not None:
        check(study, recipes)
    settings = {'preset': FLAGS.preset, 'seeds': list(seeds), **(settings or {}), 'networks': plans}
    if options.changes():
        settings['overridden'] = options.changes()  # what that comes to is in the plans
    this = Run(
        program, workdir, settings, FLAGS.overwrite, ('overridden',), replaces=FLAGS.overwrite
    )
    if this.results is not None:
        entry.report(f'{this.path}: finished already; see {this / "report.md"}, or --overwrite')
        return
    trained = {}
    for number, recipe in enumerate(recipes, start=1):
        entry.report(f'network {number} of {len(recipes)}: {recipe.label}')
        trained[recipe.label] = [study.train(recipe, seed) for seed in seeds]
    results, report = summarise(study, trained, this)
    this.finish(results, reporting.join(report, reporting.changes_note(settings)))
    entry.report(f'finished: {this / "report.md"}')


def _with_options(recipes, options):
    """The recipes with what the flags give; reports what that entails, and refuses what cannot be."""
    needed = with_starts(recipes)
    if options.pretraining_steps is not None and all(r.start.recipe is None for r in recipes):
        raise UsageError(
            '--pretraining_steps: nothing is trained to start from, but files or random weights.'
        )
    check_fields(needed, options.network_fields)
    remarks = []
    recipes = [recipe.overridden(options, remarks.append) for recipe in recipes]
    for remark in dict.fromkeys(remarks):  # each once, not for every recipe
        entry.report(remark)
    return recipes
