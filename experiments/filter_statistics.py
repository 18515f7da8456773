"""Figure 5: how the kernels of an I3D that began equal at all temporal offsets differ after training.

  python -m experiments.import_weights --source=inception_v1 --checkpoint=inception_v1.ckpt --network=i2d --output=imagenet.keras
  python -m experiments.convert --dataset=kinetics400 --config=rgb --manual_dir=KINETICS
  python -m experiments.filter_statistics --inflate_from=imagenet.keras

  python -m experiments.filter_statistics --preset=tiny      on moving_shapes, five minutes on two cores

An I3D is inflated from a 2D network (its kernels repeated over time and divided by three), so that at step 0 the
weights at offsets -1, 0 and 1 are the same; it is trained as in Table 2, and the boxes of its weights are drawn
per offset for four layers, low to high. Expect, from the paper: after training, low layers still look alike
at all offsets, high ones do not. The paper does not name its layers; ours are in s3dg/analysis/filter_statistics.py.

The tiny preset trains the 2D network itself, an I2D on the same videos. Hardware of the paper: as for Table 2.
"""

from absl import flags

from experiments import presets, reporting, run, study, training_run
from experiments.recipe import Recipe
from experiments.study import conduct
from s3dg.analysis import plots
from s3dg.analysis.filter_statistics import filter_statistics

FLAGS = flags.FLAGS

DATASET = 'kinetics400'
TINY_PRETRAINING_STEPS = 300


def define_flags():
    """The flags of this program, for it alone."""
    study.define_flags('filter_statistics', pretraining=True)
    flags.DEFINE_string(
        'inflate_from',
        None,
        'A .keras file of a 2D network to inflate, e.g. of import_weights --source=inception_v1.',
    )


def recipe(preset, dataset, inflate_from):
    """The `Recipe` of the inflated I3D.

    Args:
      preset: 'paper' or 'tiny'.
      dataset: what it is trained on.
      inflate_from: path of a 2D network; None: one that is trained on the same videos.
    """
    chosen = presets.find_preset(preset, dataset)
    start = inflate_from
    if start is None:
        shorter = chosen.with_steps(TINY_PRETRAINING_STEPS) if preset == 'tiny' else chosen
        start = Recipe('i2d', 'i2d', dataset, 'rgb', shorter, pretraining=True)
    return Recipe('i3d_inflated', 'i3d', dataset, 'rgb', chosen, start=start, inflate=True)


def statistics_at_start(study, trained):
    """`filter_statistics` of the network that a training began with."""
    names = training_run.class_names(trained.builder)
    return filter_statistics(training_run.create_network(trained.plan, names, study.report))


def spread(statistics):
    """How far the offsets of a layer are apart: dict from layer to the largest over the smallest deviation."""
    deviations = {
        layer: [box['std'] for box in offsets.values()] for layer, offsets in statistics.items()
    }
    return {layer: max(values) / min(values) for layer, values in deviations.items()}


def main(arguments):
    del arguments
    if FLAGS.preset == 'paper' and FLAGS.inflate_from is None and not FLAGS.dry_run:
        raise run.UsageError(
            '--inflate_from is needed: a 2D network with ImageNet weights, of import_weights '
            '--source=inception_v1 --network=i2d.'
        )
    dataset = presets.choose_dataset(FLAGS.preset, DATASET)

    def summarise(study, trained, this):
        one = trained['i3d_inflated'][0]
        before = statistics_at_start(study, one)
        after = filter_statistics(study.load(one))
        plots.filter_boxes({'step 0': before, 'trained': after}, this / 'filter_statistics.png')
        run.write_json(this / 'step_0.json', before)
        return after, _markdown(dataset, before, after, trained)

    conduct('filter_statistics', [recipe(FLAGS.preset, dataset, FLAGS.inflate_from)], summarise)


def _markdown(dataset, before, after, trained):
    fields = ('min', 'q1', 'median', 'q3', 'max', 'std')
    rows = [
        (layer, offset, *(f'{box[field]:.5f}' for field in fields))
        for layer, offsets in after.items()
        for offset, box in offsets.items()
    ]
    ratios = [
        (layer, f'{start:.3f}', f'{end:.3f}')
        for (layer, start), end in zip(spread(before).items(), spread(after).values(), strict=True)
    ]
    return reporting.join(
        f'# Figure 5: weights per temporal offset of an inflated I3D, {dataset}',
        reporting.tiny_note(FLAGS.preset),
        '![weights per temporal offset](filter_statistics.png)',
        'Largest standard deviation of an offset over the smallest, by layer: 1 where all offsets are alike.',
        run.markdown_table(('layer', 'step 0', 'trained'), ratios),
        'The paper prints no figures: its boxes of low layers look alike at all offsets, those of high layers do not.',
        '## The boxes after training',
        run.markdown_table(('layer', 'offset', *fields), rows),
        '## Networks',
        reporting.networks_table(trained),
    )


if __name__ == '__main__':
    define_flags()
    run.start(main)
