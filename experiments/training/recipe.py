"""A network and how it is trained, as an experiment asks for it, and the plan it becomes with data at hand."""

import dataclasses
import functools
import hashlib
import pathlib

from experiments.training import training_run
from experiments.training.options import Options, override, resolve_accumulation
from experiments.training.presets import Preset
from s3dg.config import named_config
from s3dg.program.loading import load_network
from s3dg.program.workdir import home_path
from s3dg.training import trainable
from s3dg.training.loop import TrainingConfig
from s3dg.weights import inherited_fields


@functools.cache  # several recipes may start from one file
def _saved_config(path, flag):
    return load_network(path, flag).config


@functools.cache
def _sha256(path):
    with home_path(path).open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


@dataclasses.dataclass(frozen=True)
class Start:
    """The weights that a training starts from.

    Attributes:
      path: of the .keras file.
      digest: what tells them from others, wherever they lie.
    """

    path: str
    digest: str


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A network and how it is trained, before the data on disk and the replicas are known.

    Attributes:
      label: what an experiment's tables call it; unique in the experiment.
      network: its name in `NETWORKS`.
      dataset, config: what it is trained on.
      preset: the `Preset`.
      fields: fields of `NetworkConfig` that differ from the preset's and the named network's.
      start: what it starts from: another `Recipe`, the path of a .keras file, or None (random weights).
        Without `inflate`, its network is taken over, with a fresh classifier where the classes differ.
      inflate: whether `start` has other temporal convolutions, and is inflated.
      fresh: whether of `start` only the network is taken over, and the weights are random.
      pretraining: whether others start from it; most flags are not for it (`Options.for_pretraining`).
      options: the `Options`, once `overridden` has given them.
    """

    label: str
    network: str
    dataset: str
    config: str | None
    preset: Preset
    fields: dict = dataclasses.field(default_factory=dict)
    start: 'Recipe | str | None' = None
    inflate: bool = False
    fresh: bool = False
    pretraining: bool = False
    options: Options = Options()

    @property
    def is_taken_over(self):
        """Whether its network is that of a file."""
        return isinstance(self.start, str) and not self.inflate

    @property
    def name(self):
        """What folders call it: its network's name, or that of the file it is taken from."""
        return pathlib.Path(self.start).stem if self.is_taken_over else self.network

    @property
    def trained_start(self):
        """The recipe whose trained weights it starts from, or None."""
        return self.start if isinstance(self.start, Recipe) and not self.fresh else None

    def overridden(self, options, report):
        """The recipe with what the flags give in its preset and its network's fields.

        Args:
          options: the `Options`.
          report: takes a line.
        """
        start = self.start
        own = options.for_pretraining() if self.pretraining else options
        if self.fresh:  # the layers that would be frozen know nothing
            own = dataclasses.replace(own, freeze_batch_norm=False, freeze_until=None)
        return dataclasses.replace(
            self,
            preset=override(self.preset, own, report),
            fields={**self.fields, **own.network_fields},
            start=start.overridden(options, report) if isinstance(start, Recipe) else start,
            options=own,
        )

    def network_config(self, num_classes, channels):
        """Its `NetworkConfig`, for a dataset of so many classes and channels.

        Raises:
          UsageError: where `start` cannot be read.
          ConfigError: for a field that cannot be.
        """
        data_fields = {'num_classes': num_classes, 'channels': channels}
        named = {**self.preset.network, **data_fields}
        if self.start is not None:
            source = self._source(num_classes, channels)
            if not self.inflate:
                return source.replace(num_classes=num_classes, head='classifier', **self.fields)
            named.update(inherited_fields(source))
        return named_config(self.network, **{**named, **self.fields})

    def _source(self, num_classes, channels):
        if isinstance(self.start, Recipe):
            return self.start.network_config(num_classes, channels)
        return _saved_config(self.start, '--init' if self.is_taken_over else '--inflate_from')

    def training_config(self, replicas):
        """Its `TrainingConfig` on so many replicas.

        Raises:
          UsageError, ConfigError: for flags that cannot be.
        """
        preset, options = self.preset, self.options
        if options.freeze_until is not None:
            trainable.layers_below(options.freeze_until)  # before hours of training, not after
        return TrainingConfig(
            preset.schedule,
            preset.batch_size,
            resolve_accumulation(preset, replicas),
            momentum=preset.momentum,
            weight_decay=preset.weight_decay,
            checkpoint_every=options.checkpoint_every,
            log_every=options.log_every,
            evaluate_every=options.evaluate_every,
            jit=options.jit,
            deterministic=options.deterministic,
        )

    def plan(self, builder, splits, replicas, seed, start=None):
        """The `Plan` of its training.

        Args:
          builder: of the dataset, as it is on disk.
          splits: (training, evaluation).
          replicas: on how many it will run.
          seed: as in `Plan`.
          start: the `Start` it has, which for the path of a file it finds itself; or None.

        Raises:
          UsageError, ConfigError: for flags, fields or a start that do not fit the dataset.
        """
        preset, options = self.preset, self.options
        channels = training_run.channels(builder)
        network = self.network_config(len(training_run.class_names(builder)), channels)
        flag = '--init' if self.is_taken_over else '--set'
        training_run.require_channels(network, builder, flag)
        config = self.training_config(replicas)
        if isinstance(self.start, str) and not self.fresh:
            start = Start(self.start, _sha256(self.start))
        path = None if start is None else start.path
        usual = builder.info.metadata['flip_left_right']
        infos = [builder.info.splits[split] for split in splits]
        together = config.micro_batch_size(replicas) * (replicas if options.sync_batch_norm else 1)
        return training_run.Plan(
            dataset=builder.name,
            config=builder.info.config_name,
            splits=splits,
            videos=tuple(info.num_examples for info in infos),
            stored_bytes=tuple(info.num_bytes for info in infos),
            network=network,
            video_format=training_run.stored_format(
                builder, preset.crop_size, preset.frames, preset.evaluation_frames
            ),
            training=config,
            flip=usual if options.flip is None else options.flip,
            seed=seed,
            init=None if self.inflate else path,
            inflate_from=path if self.inflate else None,
            start_digest=None if start is None else start.digest,
            batch_norm_clips=None if options.freeze_batch_norm else together,
            freeze_batch_norm=options.freeze_batch_norm,
            freeze_until=options.freeze_until,
            sync_batch_norm=options.sync_batch_norm,
            dtype=options.dtype,
            deterministic=options.deterministic,
        )


def named_recipes(networks, dataset, preset):
    """A `Recipe` for each of the named networks, by its name, on the RGB videos of one dataset."""
    return [Recipe(network, network, dataset, 'rgb', preset) for network in networks]


def describe_steps(recipe, plan, replicas):
    """Lines that say how a step is divided, where one replica does not take its whole share at once.

    Args:
      recipe: the `Recipe`, with what the flags give.
      plan: its `Plan` on so many `replicas`.
    """
    config, usual = plan.training, recipe.preset.micro_batch_size
    at_once = config.micro_batch_size(replicas)
    lines = []
    if config.accumulation > 1:
        lines.append(
            f'{config.batch_size} clips per step: {replicas} replicas x {config.accumulation} '
            f'micro-batches x {at_once} clips'
        )
    if at_once < usual and plan.batch_norm_clips is not None and not plan.sync_batch_norm:
        lines.append(
            f'{replicas} replicas divide {config.batch_size} clips so that batch norm sees {at_once} at once, not '
            f'{usual}: another number of them, --batch_size or --sync_batch_norm changes that'
        )
    return lines
