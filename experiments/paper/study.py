"""The networks that the paper's experiments need, each trained once for all of them.

A trained network lies in a folder of --networks_dir, which holds what `train` leaves. A finished
one with the same settings is reused, whichever experiment, or `train`, made it; one that was
stopped goes on.
"""

import dataclasses
import gc
import hashlib
import json

from data import catalog
from experiments.training import evaluating
from experiments.training import run as training
from experiments.training.dataset import choose_split
from experiments.training.plan import FREE_SETTINGS, Plan
from experiments.training.recipe import Recipe, describe_steps, with_starts
from s3dg.program.entry import UsageError
from s3dg.program.loading import load_network
from s3dg.program.workdir import CONFIG_FILE, RESULTS_FILE, Run, flatten, read_settings
from s3dg.training.evaluation import Predictions, compute_metrics


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


def decisive(settings, free=FREE_SETTINGS):
    """The settings of a training that decide the network, flat, as config.json holds them."""
    flat = flatten(json.loads(json.dumps(settings)))
    return {name: flat[name] for name in flat if name not in free}


def digest(decisive):
    """SHA-256 of what `decisive` returns."""
    text = json.dumps(decisive, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_finished(folder):
    """Whether a training in a folder has ended and its network is still there."""
    return all((folder / name).exists() for name in (RESULTS_FILE, training.MODEL_FILE))


class Study:
    """Trains what an experiment needs, and hands out what is finished.

    Args:
      networks_dir: `pathlib.Path` of the trained networks.
      data_dir, strategy, report: the datasets' folder, the devices, and what takes lines.
    """

    def __init__(self, networks_dir, data_dir, strategy, report):
        self.networks_dir = networks_dir
        self.data_dir, self.strategy, self.report = data_dir, strategy, report
        self._builders, self._strange = {}, set()

    def builder(self, dataset, config):
        """The builder of a dataset on disk; raises DatasetError where it has not been converted."""
        if (dataset, config) not in self._builders:
            self._builders[dataset, config] = catalog.open_dataset(
                dataset, config, self.data_dir, self.report
            )
        return self._builders[dataset, config]

    def plan(self, recipe, seed):
        """The `Plan` of a recipe, with what the flags give, for a seed."""
        builder = self.builder(recipe.dataset, recipe.config)
        splits = ('train', choose_split(builder, None, 'dataset'))

        replicas = self.strategy.num_replicas_in_sync
        return recipe.plan(builder, splits, replicas, seed, lambda one: self.found(one, seed))

    def found(self, recipe, seed):
        """Where the network of a recipe lies, or will lie, and what tells its weights from others.

        Returns:
          (path of the .keras file, digest)
        """
        plan = self.plan(recipe, seed)
        path = self.folder(plan, recipe) / training.MODEL_FILE
        return path, digest(decisive(plan.to_dict()))

    def plans(self, recipes, seeds):
        """What decides the networks of all recipes, for `config.json`; before hours of training.

        Raises:
          DatasetError: where a dataset is not there.
          UsageError, ConfigError: where a flag does not fit it.
        """
        return {
            recipe.label: {str(seed): decisive(self.plan(recipe, seed).to_dict()) for seed in seeds}
            for recipe in recipes
        }

    def folder(self, plan, recipe):
        """Where the network of a plan lies or, if it is not there yet, will lie."""
        wanted = decisive(plan.to_dict())
        own = f'{recipe.name}-{plan.dataset}-{plan.config}-seed{plan.seed}-{digest(wanted)[:8]}'
        found = [path for path in self._trainings() if self._settings(path) == wanted]
        finished = [path for path in found if _is_finished(path)]
        return next(iter(finished or found), self.networks_dir / own)

    def finished(self, recipe, seed):
        """The folder of the finished network of a recipe; None where it is still to be trained.

        Which network it is depends on the data, so it is to be trained where those are not there.
        """
        needed = with_starts([recipe])
        if not all(catalog.is_stored(one.dataset, one.config, self.data_dir) for one in needed):
            return None
        folder = self.folder(self.plan(recipe, seed), recipe)
        return folder if _is_finished(folder) else None

    def _trainings(self):
        folders = (path.parent for path in self.networks_dir.glob(f'*/{CONFIG_FILE}'))
        return sorted(path for path in folders if not path.name.startswith('.'))

    def _settings(self, folder):
        """What decides the network in a folder; None where there is none."""
        try:
            settings = read_settings(folder / CONFIG_FILE)
        except UsageError as error:
            if folder not in self._strange:
                self._strange.add(folder)
                self.report(f'--networks_dir: left out: {error}')
            return None
        return decisive(settings) if settings.pop('program') == 'train' else None

    def train(self, recipe, seed):
        """The `Trained` network of a recipe; trained, or trained on, where it is not finished."""
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
        """
        own = trained.plan.splits[1]
        split = split or own
        order = 'reversed' if reverse else 'normal'
        evaluated = split == own and not reverse  # by the training itself
        name = training.PREDICTIONS_FILE if evaluated else f'predictions_{split}_{order}.npz'
        path = trained.run / name
        expected = trained.builder.info.splits[split].num_examples

        def make():
            self._predict(trained, split, reverse).save(path)
            return Predictions.load(path)

        return self.kept(trained, lambda: _kept_predictions(path, expected), make)

    def kept(self, trained, find, make):
        """What `find` finds beside a trained network; where that is None, what `make` leaves there.

        One process makes it, and others wait.
        """
        found = find()
        if found is None:
            with training.alone(trained.run.path, self.report):
                found = find()
                if found is None:
                    found = make()
        return found

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
    """`Predictions` that were kept, if of as many videos: a split may have been converted anew."""
    if not path.exists():
        return None
    kept = Predictions.load(path)
    return kept if len(kept.ids) == videos else None
