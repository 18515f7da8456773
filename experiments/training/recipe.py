"""A network and how it is trained, as an experiment asks for it, and the plan that it becomes."""

import dataclasses
import pathlib

from experiments.training import dataset as datasets
from experiments.training.options import Options, override, resolve_accumulation
from experiments.training.plan import Plan
from experiments.training.presets import EVALUATED_FRAMES, Preset
from experiments.training.start import How, Start, saved_config
from s3dg.config import named_config
from s3dg.training import trainable
from s3dg.training.loop import TrainingConfig
from s3dg.weights.inflation import INHERITED_FIELDS, inherited_fields


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A network and how it is trained, before the data on disk and the replicas are known."""

    label: str  # what an experiment's tables call it; unique in the experiment
    network: str  # its name in `NETWORKS`
    dataset: str
    config: str | None
    preset: Preset
    # Fields of `NetworkConfig` that differ from the preset's and the named network's.
    fields: dict = dataclasses.field(default_factory=dict)
    start: Start = Start()
    options: Options = Options()  # the flags', once `overridden` has given them

    @property
    def name(self):
        """What folders call it: its network's name, or that of the file it is taken from."""
        start = self.start
        return pathlib.Path(start.source).stem if start.names_network else self.network

    def overridden(self, options, report):
        """The recipe with what the flags give in its preset and its network's fields."""
        own, start = options, self.start
        if start.how is How.STRUCTURE:
            # The layers that would be frozen know nothing.
            own = dataclasses.replace(own, freeze_batch_norm=False, freeze_until=None)
        preset = override(self.preset, own, report)
        if start.recipe is not None:
            fields = INHERITED_FIELDS if start.is_inflated else None
            before = start.recipe.overridden(options.for_pretraining(fields), report)
            start = dataclasses.replace(start, source=before)
        fields = {**self.fields, **own.network_fields}
        return dataclasses.replace(self, preset=preset, fields=fields, start=start, options=own)

    def network_config(self, num_classes, channels):
        """Its `NetworkConfig`, for a dataset with these numbers of classes and channels.

        Raises:
          UsageError: where the file that it starts from cannot be read.
          ConfigError: for a field that cannot be.
        """
        data_fields = {'num_classes': num_classes, 'channels': channels}
        named = {**self.preset.network, **data_fields}
        if self.start.source is not None:
            source = self._source(num_classes, channels)
            if not self.start.is_inflated:
                return source.replace(num_classes=num_classes, head='classifier', **self.fields)
            named.update(inherited_fields(source))
        return named_config(self.network, **{**named, **self.fields})

    def _source(self, num_classes, channels):
        if self.start.is_file:
            return saved_config(self.start.source, self.start.how)
        return self.start.recipe.network_config(num_classes, channels)

    def training_config(self, replicas):
        """Its `TrainingConfig` on a number of replicas.

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

    def plan(self, builder, splits, replicas, seed, find=None):
        """The `Plan` of its training on a dataset's splits, (training, evaluation), on disk.

        Args:
          find: as of `Start.resolved`; needed where it starts from another training.

        Raises:
          UsageError, ConfigError: for flags, fields or a start that do not fit the dataset.
        """
        options, metadata = self.options, builder.info.metadata
        names = datasets.class_names(builder)
        network = self.network_config(len(names), datasets.channels(builder))
        flag = '--init' if self.start.names_network else '--set'
        datasets.require_channels(network, builder, flag)
        config = self.training_config(replicas)
        infos = [builder.info.splits[split] for split in splits]
        together = config.micro_batch_size(replicas) * (replicas if options.sync_batch_norm else 1)
        return Plan(
            dataset=builder.name,
            config=builder.info.config_name,
            splits=splits,
            videos=tuple(info.num_examples for info in infos),
            stored_bytes=tuple(info.num_bytes for info in infos),
            network=network,
            video_format=self.preset.video_format(
                metadata['frames_per_second'], metadata['frame_size'], metadata['short_side']
            ),
            training=config,
            flip=metadata['flip_left_right'] if options.flip is None else options.flip,
            seed=seed,
            start=self.start.resolved(find),
            evaluated_frames=EVALUATED_FRAMES.get(builder.name),
            batch_norm_clips=None if options.freeze_batch_norm else together,
            freeze_batch_norm=options.freeze_batch_norm,
            freeze_until=options.freeze_until,
            sync_batch_norm=options.sync_batch_norm,
            dtype=options.dtype,
            deterministic=options.deterministic,
        )


def with_starts(recipes):
    """The recipes, each after the one whose weights it needs, if there is one; each once."""
    found = []
    for one in recipes:
        before = [] if one.start.trained is None else with_starts([one.start.trained])
        found += [recipe for recipe in (*before, one) if recipe not in found]
    return found


def describe_steps(recipe, plan, replicas):
    """Lines that say how a step is divided, where a replica does not take its share at once."""
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
            f'{replicas} replicas divide {config.batch_size} clips so that batch norm sees '
            f'{at_once} at once, not {usual}: another number of them, --batch_size or '
            '--sync_batch_norm changes that'
        )
    return lines
