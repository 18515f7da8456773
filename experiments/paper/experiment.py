"""What an experiment is: a table or figure of the paper, and how a program reproduces it."""

import abc
import dataclasses
from typing import ClassVar

from experiments.paper import reporting, starts
from experiments.training.presets import choose_videos, find_preset
from experiments.training.recipe import Recipe
from experiments.training.start import Start


class Section:
    """A section of the page that `report` writes.

    Attributes:
      name: of the program.
      title: what it reproduces.
      printed: dict from a dataset of the paper to the figures printed for it, a table of `results`,
        or None where there are none. Of several datasets --dataset chooses one. Empty for a program
        that needs no data and has no presets.
      needed: flags that its paper preset cannot do without.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    printed: ClassVar[dict] = {}
    needed: ClassVar[str] = ''


# Where a field is not called as its flag.
_FLAGS = {'paper_dataset': 'dataset'}


@dataclasses.dataclass(frozen=True)
class Experiment(Section, abc.ABC):
    """An experiment with the values of its own flags; `conduct` carries it out.

    Attributes:
      preset: 'paper' or 'tiny'.
      start: where networks start that start from no other of the experiment's.
      paper_dataset: what its networks are trained on with the paper preset; a field where a flag
        chooses it.
      decisive: names of the fields that decide the results beside preset, seeds and networks.
    """

    needed = ' --imagenet=inception_v1.ckpt'

    preset: str
    start: Start
    paper_dataset: ClassVar[str]
    decisive: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of(cls, values):
        """The experiment that parsed flags ask for; raises UsageError for what cannot be."""
        names = [field.name for field in dataclasses.fields(cls) if field.name != 'start']
        given = {name: values[_FLAGS.get(name, name)].value for name in names}
        return cls(start=starts.given_start(values), **given)

    @staticmethod
    def define_flags():
        """Defines the flags that it has for itself."""

    @property
    def dataset(self):
        """What its networks are trained on."""
        return self.trained_on()[0]

    def trained_on(self, modality='rgb'):
        """What its networks of a modality are trained on: (dataset, configuration)."""
        return choose_videos(self.preset, self.paper_dataset, modality)

    def recipe(self, label, network, modality='rgb', **changes):
        """The `Recipe` of one of its networks; `changes`: of fields of the recipe."""
        dataset, config = self.trained_on(modality)
        preset = find_preset(self.preset, dataset, config)
        recipe = Recipe(label, network, dataset, config, preset, start=self.start)
        return dataclasses.replace(recipe, **changes)

    def named_recipes(self, networks):
        """The `Recipe`s of named networks, which are their labels too."""
        return [self.recipe(network, network) for network in networks]

    @property
    def settings(self):
        """What decides the results beside preset, seeds and networks; JSON-serialisable."""
        return {'dataset': self.dataset, **{name: getattr(self, name) for name in self.decisive}}

    @property
    def changes(self):
        """What of its flags makes it another experiment than the paper's, for `config.json`."""
        return {} if self.start.source else {'from_scratch': True}

    @abc.abstractmethod
    def recipes(self):
        """The `Recipe`s of its networks, in the order in which they are trained."""

    def check(self, study, recipes):
        """Refuses what `summarise` could not use, before hours of training.

        Raises:
          UsageError: naming the flag or the dataset at fault.
        """

    @abc.abstractmethod
    def summarise(self, study, trained, this):
        """Draws the pictures of the report into the run `this`; (results, report in Markdown)."""

    def page(self, trained, *paragraphs, heading=None):
        """A report in Markdown: the heading, `paragraphs`, and the networks behind them."""
        return reporting.join(
            f'# {heading or f"{self.title}, {self.dataset}"}',
            reporting.tiny_note(trained),
            *paragraphs,
            starts.note(trained),
            '## Networks',
            reporting.networks_table(trained),
        )
