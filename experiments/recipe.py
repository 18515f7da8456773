"""A network and how it is trained, as an experiment asks for it, and the plan it becomes with data at hand."""

import dataclasses
import functools
import hashlib

from absl import flags

from experiments import run, training_flags, training_run
from experiments.presets import Preset
from s3dg.config import named_config
from s3dg.training import TrainingConfig
from s3dg.weights import inherited_fields

FLAGS = flags.FLAGS


@functools.cache  # several recipes may start from one file
def _saved_config(path, flag):
    return run.load_network(path, flag).config


@functools.cache
def _sha256(path):
    with run.home_path(path).open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


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
      pretraining: whether others start from it: --pretraining_steps is its length, and --steps,
        --learning_rate and what freezes layers are not for it.
    """

    label: str
    network: str
    dataset: str
    config: str | None
    preset: Preset
    fields: dict = dataclasses.field(default_factory=dict)
    start: 'Recipe | str | None' = None
    inflate: bool = False
    pretraining: bool = False

    def overridden(self, report):
        """The recipe with the flags' values in its preset and its network's fields.

        Raises:
          UsageError: naming the flag at fault.
        """
        steps = FLAGS.pretraining_steps if self.pretraining else FLAGS.steps
        rate = None if self.pretraining else FLAGS.learning_rate
        return dataclasses.replace(
            self,
            preset=training_flags.override(self.preset, report, steps, rate),
            fields={**self.fields, **training_flags.network_fields()},
            start=self.start.overridden(report) if isinstance(self.start, Recipe) else self.start,
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
        return _saved_config(self.start, '--inflate_from' if self.inflate else '--init')

    def plan(self, builder, splits, strategy, report, seed, start=None):
        """The `Plan` of its training.

        Args:
          builder: of the dataset, as it is on disk.
          splits: (training, evaluation).
          strategy: the `tf.distribute.Strategy` it will run under.
          report: takes a line.
          seed: as in `Plan`.
          start: path of the .keras file of `self.start`.

        Raises:
          UsageError, ConfigError: for flags, fields or a start that do not fit the dataset.
        """
        preset = self.preset
        channels = training_run.channels(builder)
        network = self.network_config(len(training_run.class_names(builder)), channels)
        flag = '--set' if start is None or self.inflate else '--init'
        training_run.require_channels(network, builder, flag)
        replicas = strategy.num_replicas_in_sync
        accumulation = training_flags.resolve_accumulation(preset, replicas)
        if accumulation > 1:
            report(
                f'{preset.batch_size} clips per step: {replicas} replicas x {accumulation} '
                f'micro-batches x {preset.batch_size // replicas // accumulation} clips'
            )
        flip = {'yes': True, 'no': False}.get(FLAGS.flip, builder.info.metadata['flip_left_right'])
        return training_run.Plan(
            dataset=builder.name,
            config=builder.info.config_name,
            splits=splits,
            videos=tuple(builder.info.splits[split].num_examples for split in splits),
            network=network,
            video_format=training_run.stored_format(
                builder, preset.crop_size, preset.frames, preset.evaluation_frames
            ),
            training=TrainingConfig(
                preset.schedule,
                preset.batch_size,
                accumulation,
                momentum=preset.momentum,
                weight_decay=preset.weight_decay,
                checkpoint_every=FLAGS.checkpoint_every,
                log_every=FLAGS.log_every,
                evaluate_every=FLAGS.evaluate_every,
                jit=FLAGS.jit,
                deterministic=FLAGS.deterministic,
            ),
            flip=flip,
            seed=seed,
            init=None if self.inflate else start,
            inflate_from=start if self.inflate else None,
            start_sha256=_sha256(self.start) if isinstance(self.start, str) else None,
            freeze_batch_norm=FLAGS.freeze_batch_norm and not self.pretraining,
            freeze_until=None if self.pretraining else FLAGS.freeze_until,
            sync_batch_norm=FLAGS.sync_batch_norm,
            dtype=FLAGS.dtype,
            deterministic=FLAGS.deterministic,
        )
