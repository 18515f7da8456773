"""Figure 7: what networks make of videos at rising levels, as t-SNE maps coloured by groups of actions.

  python -m experiments.convert --dataset=something_something_v1 --config=rgb --manual_dir=SOMETHING
  python -m experiments.feature_embedding

  python -m experiments.feature_embedding --preset=tiny      on moving_shapes, a quarter of an hour on two cores

Upper row: one S3D at rising levels. Lower row: MaxPool_5a of I2D, bottom-heavy S3D and top-heavy S3D, both switching at
Mixed_4b, and S3D. 2,200 validation videos of Something-Something's ten action groups, one clip each, activations averaged over
time and space. Expect, from the paper, groups that separate at higher levels, and better where the network is temporal there. Maps
are for the eye; beside each stands the share of a video's ten nearest neighbours that are of its group.

Hardware of the paper: as for Table 3, some 60 GPU-hours by `--dry_run`. Networks of Table 3 that are there are reused.
"""

import numpy as np
from absl import flags

from data import clips
from data.progress import ProgressLine
from data.something_something_v2 import action_groups
from experiments import presets, reporting, run, study, training_run
from experiments.recipe import Recipe
from experiments.study import conduct
from s3dg.analysis import feature_embedding, plots

FLAGS = flags.FLAGS

DATASETS = ('something_something_v1', 'something_something_v2')
# Low to high. The figure's lowest and highest; between them the pools, where time or space is halved.
LEVELS = ('MaxPool_3a_3x3', 'MaxPool_4a_3x3', 'MaxPool_5a_2x2', 'Mixed_5c')
# The lower row, and the level that it shows.
NETWORKS = ('i2d', 'bottom_heavy_s3d', 'top_heavy_s3d', 's3d')
COMPARED_LEVEL = 'MaxPool_5a_2x2'
UPPER_NETWORK = 's3d'


def define_flags():
    """The flags of this program, for it alone."""
    study.define_flags('feature_embedding')
    flags.DEFINE_enum('dataset', DATASETS[0], DATASETS, 'Dataset of the paper preset.')
    flags.DEFINE_integer('videos', 2200, 'Videos on the maps, at most.')
    flags.DEFINE_integer('neighbours', 10, 'Nearest neighbours that are looked at.')


def recipes(preset, dataset):
    """The `Recipe`s of the figure's networks."""
    chosen = presets.find_preset(preset, dataset)
    return [Recipe(network, network, dataset, 'rgb', chosen) for network in NETWORKS]


def groups_of(dataset, class_names):
    """What the maps of a dataset are coloured by.

    Returns:
      (names of the groups, dict from label index to group index): Something-Something's action groups, which
      leave labels out; elsewhere the classes themselves.
    """
    if dataset in DATASETS:
        by_label = {i: action_groups.group_index(name) for i, name in enumerate(class_names)}
        grouped = {label: group for label, group in by_label.items() if group is not None}
        return list(action_groups.ACTION_GROUPS), grouped
    return list(class_names), {i: i for i in range(len(class_names))}


def choose_videos(predictions, group_of, most, seed):
    """Which videos are on the maps: up to `most` of those that have a group, drawn at random.

    Args:
      predictions: `Predictions` of the split, for its ids and labels.
      group_of: dict from label to group.
      most: number of videos.
      seed: of the draw.

    Returns:
      dict from id to group, in the order of the ids.
    """
    groups = {
        video: group_of[label]
        for video, label in zip(predictions.ids.tolist(), predictions.labels.tolist(), strict=True)
        if label in group_of
    }
    ids = sorted(groups)
    if len(ids) > most:
        ids = sorted(np.random.default_rng(seed).choice(ids, most, replace=False).tolist())
    return {video: groups[video] for video in ids}


def extract(study, trained, videos, path):
    """Features of the first clip of some videos at all levels, kept at `path`.

    Args:
      study: the `Study`.
      trained: the `Trained` network.
      videos: ids, sorted.
      path: .npz file; what is there is taken from it.

    Returns:
      dict from level to float32 (videos, channels), in the order of `videos`.
    """
    if path.exists():
        with np.load(path) as file:
            return {level: file[level] for level in LEVELS}
    plan = trained.plan
    windows = clips.evaluation_windows(
        trained.builder,
        plan.splits[1],
        frames=plan.video_format.evaluation_frames,
        crop_size=plan.video_format.crop_size,
        batch_size=training_run.evaluation_batch_size(study.strategy, plan.video_format),
    )
    wanted, ids = set(videos), []

    def batches():
        for batch in windows.as_numpy_iterator():
            names = [name.decode() for name in batch['id']]
            first = [name in wanted and batch['window'][i] == 0 for i, name in enumerate(names)]
            if any(first):
                ids.extend(name for name, kept in zip(names, first, strict=True) if kept)
                yield batch['clip'][np.array(first)]

    progress = ProgressLine(
        f'features of {trained.recipe.label}', 'videos', study.report, len(wanted)
    )
    features = feature_embedding.pooled_features(study.load(trained), batches(), LEVELS, progress)
    order = np.argsort(ids)
    features = {level: vectors[order] for level, vectors in features.items()}
    temporary = path.with_suffix('.new.npz')
    np.savez(temporary, id=np.array(ids)[order], **features)
    temporary.replace(path)
    return features


def main(arguments):
    del arguments
    for name in ('videos', 'neighbours'):
        if FLAGS[name].value < 1:
            raise run.UsageError(f'--{name} must be at least 1, found {FLAGS[name].value}.')
    dataset = presets.choose_dataset(FLAGS.preset, FLAGS.dataset)

    def summarise(study, trained, this):
        first = {label: networks[0] for label, networks in trained.items()}
        names, group_of = groups_of(
            dataset, training_run.class_names(study.builder(dataset, 'rgb'))
        )
        shown = choose_videos(
            study.predictions(first[UPPER_NETWORK]), group_of, FLAGS.videos, FLAGS.seed
        )
        groups = np.array(list(shown.values()))
        features, results = {}, {}
        for label, one in first.items():
            features[label] = extract(study, one, list(shown), this / f'features_{label}.npz')
            results[label] = {
                level: {
                    'neighbour_agreement': feature_embedding.neighbour_agreement(
                        features[label][level], groups, FLAGS.neighbours
                    )
                }
                for level in LEVELS
            }
            for level, figures in results[label].items():
                study.report(
                    f'{label} at {level}: {figures["neighbour_agreement"]:.3f} of the neighbours are of the group'
                )

        def panel(label, level, title):
            agreement = results[label][level]['neighbour_agreement']
            return plots.Embedding(
                f'{title}: {agreement:.0%}',
                feature_embedding.project(features[label][level], FLAGS.seed),
                groups,
            )

        rows = {
            UPPER_NETWORK: [panel(UPPER_NETWORK, level, level) for level in LEVELS],
            COMPARED_LEVEL: [panel(label, COMPARED_LEVEL, label) for label in NETWORKS],
        }
        plots.embeddings(rows, names, this / 'feature_embedding.png')
        return results, _markdown(dataset, results, trained, groups)

    settings = {'dataset': dataset, 'videos': FLAGS.videos, 'neighbours': FLAGS.neighbours}
    conduct('feature_embedding', recipes(FLAGS.preset, dataset), summarise, settings)


def _markdown(dataset, results, trained, groups):
    shares = np.bincount(groups) / len(groups)
    rows = [
        (label, *(f'{100 * levels[level]["neighbour_agreement"]:.1f}' for level in LEVELS))
        for label, levels in results.items()
    ]
    return reporting.join(
        f'# Figure 7: t-SNE of activations, {dataset}',
        reporting.tiny_note(FLAGS.preset),
        '![t-SNE maps](feature_embedding.png)',
        f'Percent of the {FLAGS.neighbours} nearest neighbours of a video that are of its group, over {len(groups)} '
        f'videos; {100 * (shares**2).sum():.1f} where features say nothing. The paper gives maps and no figures.',
        run.markdown_table(('network', *LEVELS), rows),
        '## Networks',
        reporting.networks_table(trained),
    )


if __name__ == '__main__':
    define_flags()
    run.start(main)
