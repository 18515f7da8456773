"""Trains a network on a converted dataset and evaluates it.

  python -m experiments.train --dataset=moving_shapes --network=s3d_g
  python -m experiments.train --dataset=video_folder --config=mine --init=kinetics.keras \
      --workdir=runs/mine --batch_size=6 --freeze_batch_norm

Running the same command again goes on where it was stopped. Leaves `model.keras`, `results.json`,
`report.md`, `curves.png`, `confusion.png`, `predictions.npz`, `history.csv`, `checkpoints/` and
`tensorboard/` in the workdir.
"""

import dataclasses

from absl import flags

from data import catalog
from experiments import run, training_run
from experiments.network_fields import parse_fields
from experiments.presets import find_preset
from s3dg.analysis import plots
from s3dg.config import NETWORKS, named_config
from s3dg.schedules import StepSchedule
from s3dg.training import TrainingConfig
from s3dg.weights import inherited_fields

FLAGS = flags.FLAGS


def define_flags():
    """The flags of this program, for it alone."""
    run.define_workdir_flags('train')
    run.define_dataset_flags()
    run.define_runtime_flags()
    flags.DEFINE_enum(
        'preset', None, run.PRESETS, 'Set-up; tiny for embedded datasets by default, else paper.'
    )
    flags.DEFINE_enum('network', 's3d_g', list(NETWORKS), 'Network of the paper.')
    flags.DEFINE_multi_string('set', [], 'FIELD=VALUE of the network, e.g. temporal_from=Mixed_4b.')
    flags.DEFINE_string('init', None, 'A .keras file to start from; its network is taken over.')
    flags.DEFINE_string(
        'inflate_from',
        None,
        'A .keras file of a network with other temporal convolutions to start --network from, e.g. an I3D '
        'for an S3D: an approximation, see s3dg/weights/inflation.py.',
    )
    flags.DEFINE_string('train_split', 'train', 'Split trained on.')
    flags.DEFINE_string('eval_split', None, 'Split evaluated; default validation, or test.')
    flags.DEFINE_integer('steps', None, 'Length of the training; the schedule is stretched to it.')
    flags.DEFINE_integer('batch_size', None, 'Clips per step; the rate is scaled with it.')
    flags.DEFINE_integer(
        'micro_batch_size',
        None,
        'Clips one replica sees at once; the rest of its share of the step is accumulated.',
    )
    flags.DEFINE_float('learning_rate', None, 'First rate; the schedule is scaled to it.')
    flags.DEFINE_float('momentum', None, 'Of the SGD.')
    flags.DEFINE_float('weight_decay', None, 'L2, on kernels.')
    flags.DEFINE_integer('frames', None, 'Frames of a training clip.')
    flags.DEFINE_integer('evaluation_frames', None, 'Frames of an evaluation window.')
    flags.DEFINE_integer('crop', None, 'Height and width of the crop, pixels.')
    flags.DEFINE_enum(
        'flip',
        'auto',
        ['auto', 'yes', 'no'],
        'Mirror half of the training clips; auto: '
        'unless the labels of the dataset name directions.',
    )
    flags.DEFINE_bool(
        'freeze_batch_norm', False, 'Keep batch norm as it is; wise for small batches.'
    )
    flags.DEFINE_string('freeze_until', None, 'Freeze everything below this endpoint (or logits).')
    flags.DEFINE_bool('jit', False, 'Compile forward and backward pass with XLA.')
    flags.DEFINE_bool('sync_batch_norm', False, 'Batch statistics over all replicas together.')
    flags.DEFINE_integer('checkpoint_every', 500, 'Steps between checkpoints.')
    flags.DEFINE_integer('log_every', 50, 'Steps between lines of progress.')
    flags.DEFINE_integer('evaluate_every', 0, 'Steps between evaluations; 0: only at the end.')


def _override(value, flag):
    return value if FLAGS[flag].value is None else FLAGS[flag].value


def resolve_schedule(preset, report):
    """The preset's schedule with the flags' steps, batch and rate; reports what was scaled."""
    schedule = preset.schedule
    if FLAGS.steps is not None:
        schedule = schedule.with_steps(FLAGS.steps)
    batch_size = _override(preset.batch_size, 'batch_size')
    if FLAGS.learning_rate is not None:
        first = schedule.rates[0][1] if isinstance(schedule, StepSchedule) else schedule.rate
        schedule = schedule.scaled(FLAGS.learning_rate / first)
    elif batch_size != preset.batch_size:
        factor = batch_size / preset.batch_size
        schedule = schedule.scaled(factor)
        report(
            f'batch of {batch_size} instead of {preset.batch_size} clips: learning rate scaled by '
            f'{factor:.4g} (--learning_rate overrides)'
        )
    return schedule, batch_size


def resolve_accumulation(preset, batch_size, replicas, report):
    """How many micro-batches each replica runs per step."""
    most = _override(preset.micro_batch_size, 'micro_batch_size')
    if most < 1:
        raise run.UsageError(f'--micro_batch_size must be at least 1, found {most}.')
    if batch_size < 1 or batch_size % replicas:
        raise run.UsageError(
            f'--batch_size must be a multiple of the {replicas} replicas, found {batch_size}.'
        )
    share = batch_size // replicas
    accumulation = next(n for n in range(1, share + 1) if share % n == 0 and share // n <= most)
    if accumulation > 1:
        report(
            f'{batch_size} clips per step: {replicas} replicas x {accumulation} micro-batches x '
            f'{share // accumulation} clips'
        )
    return accumulation


def resolve_plan(builder, strategy, report):
    """The `Plan` that the flags and the preset give for a dataset."""
    dataset = FLAGS.dataset
    name = FLAGS.preset or ('tiny' if dataset in catalog.EMBEDDED else 'paper')
    preset = find_preset(name, dataset, builder.info.metadata['modality'])
    names = training_run.class_names(builder)
    splits = tuple(  # before hours of training, not after
        training_run.choose_split(builder, FLAGS[flag].value, flag)
        for flag in ('train_split', 'eval_split')
    )
    if FLAGS.init is not None:
        if FLAGS['network'].present:
            raise run.UsageError('--network and --init: the file already says which network it is.')
        if FLAGS.inflate_from is not None:
            raise run.UsageError('--init and --inflate_from: a network starts from one file.')
        config = run.load_network(FLAGS.init, '--init').config
        config = config.replace(num_classes=len(names), head='classifier')
    else:
        fields = {**preset.network, 'channels': training_run.channels(builder)}
        if FLAGS.inflate_from is not None:
            source = run.load_network(FLAGS.inflate_from, '--inflate_from')
            fields.update(inherited_fields(source.config))
        config = named_config(FLAGS.network, num_classes=len(names), **fields)
    config = config.replace(**parse_fields(FLAGS.set))
    flag = '--init' if FLAGS.init is not None else '--set'
    training_run.require_channels(config, builder, flag)
    schedule, batch_size = resolve_schedule(preset, report)
    accumulation = resolve_accumulation(preset, batch_size, strategy.num_replicas_in_sync, report)
    crop = (FLAGS.crop, FLAGS.crop) if FLAGS.crop else preset.crop_size
    flip = {'yes': True, 'no': False}.get(FLAGS.flip, builder.info.metadata['flip_left_right'])
    return training_run.Plan(
        dataset=dataset,
        config=builder.info.config_name,
        splits=splits,
        network=config,
        video_format=training_run.stored_format(
            builder,
            crop,
            _override(preset.frames, 'frames'),
            _override(preset.evaluation_frames, 'evaluation_frames'),
        ),
        training=TrainingConfig(
            schedule,
            batch_size,
            accumulation,
            momentum=_override(preset.momentum, 'momentum'),
            weight_decay=_override(preset.weight_decay, 'weight_decay'),
            checkpoint_every=FLAGS.checkpoint_every,
            log_every=FLAGS.log_every,
            evaluate_every=FLAGS.evaluate_every,
            jit=FLAGS.jit,
            deterministic=FLAGS.deterministic,
        ),
        flip=flip,
        seed=FLAGS.seed,
        init=FLAGS.init,
        inflate_from=FLAGS.inflate_from,
        freeze_batch_norm=FLAGS.freeze_batch_norm,
        freeze_until=FLAGS.freeze_until,
        sync_batch_norm=FLAGS.sync_batch_norm,
        dtype=FLAGS.dtype,
        deterministic=FLAGS.deterministic,
    )


def main(arguments):
    del arguments
    run.required('dataset')
    strategy = run.start_runtime()
    builder = catalog.open_dataset(FLAGS.dataset, FLAGS.config, FLAGS.data_dir, run.report)
    plan = resolve_plan(builder, strategy, run.report)
    this = run.Run(
        'train', FLAGS.workdir, plan.to_dict(), FLAGS.overwrite, training_run.FREE_SETTINGS
    )
    if this.results is not None:
        run.report(
            f'{this.path}: finished already, top-1 {this.results["top1"]:.4f}; --overwrite starts anew'
        )
        return
    run.report(f'{FLAGS.init or FLAGS.network}: {plan.network}')
    network, row = training_run.train(builder, plan, this.path, strategy, run.report)
    metrics, predictions = training_run.evaluate_split(
        network,
        builder,
        plan.splits[1],
        strategy=strategy,
        batch_size=training_run.evaluation_batch_size(strategy, plan.video_format),
        report=run.report,
    )
    predictions.save(this / 'predictions.npz')
    names = training_run.class_names(builder)
    plots.confusion_matrices({plan.splits[1]: metrics.confusion}, names, this / 'confusion.png')
    results = {
        'step': row['step'],
        'loss': row['loss'],
        'training_accuracy': row['accuracy'],
        'top1': metrics.top1,
        'top5': metrics.top5,
        'videos_expected': metrics.videos_expected,
        'videos_seen': metrics.videos_seen,
        'per_class': metrics.per_class(names),
        'clips_per_second': training_run.describe_clips_per_second(this.path),
        'model': str(this / 'model.keras'),
    }
    this.finish(results, _markdown(plan, results))
    run.report(f'top-1 {metrics.top1:.4f}  top-5 {metrics.top5:.4f}  {this / "report.md"}')


def _markdown(plan, results):
    per_class = [(name, *figures.values()) for name, figures in results['per_class'].items()]
    rows = [
        (k, results[k]) for k in ('step', 'loss', 'top1', 'top5', 'videos_seen', 'clips_per_second')
    ]
    changed = {k: v for k, v in dataclasses.asdict(plan.network).items()}
    return '\n'.join(
        [
            f'# {plan.dataset}/{plan.config}: training\n',
            run.markdown_table(('figure', 'value'), rows),
            '![curves](curves.png)\n',
            f'## {plan.splits[1]}, by class\n',
            run.markdown_table(('class', 'top-1', 'videos'), per_class),
            '![confusion](confusion.png)\n',
            '## Network\n',
            run.markdown_table(('field', 'value'), changed.items()),
        ]
    )


if __name__ == '__main__':
    define_flags()
    run.start(main)
