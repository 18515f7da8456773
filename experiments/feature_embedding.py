"""Figure 7: what networks make of videos at rising levels, as t-SNE maps coloured by action groups.

  python -m experiments.convert --dataset=something_something_v1 --config=rgb \\
      --manual_dir=SOMETHING
  python -m experiments.feature_embedding --imagenet=inception_v1.ckpt

On moving_shapes, a quarter of an hour on two cores:

  python -m experiments.feature_embedding --preset=tiny

Upper row: one S3D at rising levels. Lower row: MaxPool_5a of I2D, bottom-heavy S3D and top-heavy
S3D, both switching at Mixed_4b, and S3D. 2,200 validation videos of Something-Something's ten
action groups, one clip each, activations averaged over time and space. Expect, from the paper,
groups that separate at higher levels. `--network=i3d` shows I3D's layers, and what is bottom-heavy
and top-heavy between it and I2D. Maps are for the eye; beside each stands the share of a
video's ten nearest neighbours that are of its group.

Hardware of the paper: as for Table 3, some 60 GPU-hours by `--dry_run`. Networks of Table 3 that
are there are reused.
"""

import dataclasses
import functools

import numpy as np
from absl import flags

from data import clips
from data.datasets.something_something_v2 import action_groups
from data.records import faults
from data.records.heads import labels
from experiments.paper import reporting
from experiments.paper.conduct import program
from experiments.paper.experiment import Experiment
from experiments.training import evaluating
from experiments.training.dataset import choose_split, class_names
from s3dg import files
from s3dg.commands.feature_file import FeatureFileError
from s3dg.figures import feature_embedding, paper_plots
from s3dg.files.readers import read_npz
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import define_count
from s3dg.progress import ProgressLine

DATASETS = ('something_something_v1', 'something_something_v2')
# Low to high: the figure's lowest and highest, and between them the pools that halve time or space.
LEVELS = ('MaxPool_3a_3x3', 'MaxPool_4a_3x3', 'MaxPool_5a_2x2', 'Mixed_5c')
COMPARED_LEVEL = 'MaxPool_5a_2x2'  # that the lower row shows
AGREEMENT = 'neighbour_agreement'


@dataclasses.dataclass(frozen=True)
class FeatureEmbedding(Experiment):
    """Figure 7; its networks are some of Figure 4's."""

    name = 'feature_embedding'
    title = 'Figure 7: t-SNE of activations'
    printed = {'something_something_v1': None}

    decisive = ('network', 'videos', 'neighbours')

    paper_dataset: str
    network: str  # of the upper row: 's3d' or 'i3d'
    videos: int  # on the maps, at most
    neighbours: int  # nearest ones that are looked at
    seed: int  # of the choice of the videos, and of the maps

    @staticmethod
    def define_flags():
        flags.DEFINE_enum('dataset', DATASETS[0], DATASETS, 'Dataset of the paper preset.')
        flags.DEFINE_enum(
            'network', 's3d', ['s3d', 'i3d'], 'Whose layers, and between which and I2D the others.'
        )
        define_count('videos', 2200, 'Videos on the maps, at most.', 100_000)
        define_count('neighbours', 10, 'Nearest neighbours that are looked at.', 100_000)

    def recipes(self):
        names = ('i2d', f'bottom_heavy_{self.network}', f'top_heavy_{self.network}', self.network)
        return self.named_recipes(names)

    def check(self, study, recipes):
        del recipes
        self._shown(study)

    def _shown(self, study):
        return shown_videos(study, self.trained_on(), self.videos, self.neighbours, self.seed)

    def summarise(self, study, trained, this):
        names, shown = self._shown(study)
        groups = np.array(list(shown.values()))
        features = {
            label: [extract(study, one, list(shown)) for one in networks]
            for label, networks in trained.items()
        }
        results = {
            label: {level: _agreement(of_seeds, level, groups, self.neighbours) for level in LEVELS}
            for label, of_seeds in features.items()
        }
        for label, levels in results.items():
            told = [f'{level} {reporting.percent(levels[level], AGREEMENT)}' for level in LEVELS]
            study.report(f'{label}, % of neighbours that are of the group: {", ".join(told)}')

        def panel(label, level, title):
            agreement = reporting.percent(results[label][level], AGREEMENT)
            places = feature_embedding.project(features[label][0][level], self.seed)
            return f'{title}: {agreement}%', places

        rows = {
            self.network: dict(panel(self.network, level, level) for level in LEVELS),
            COMPARED_LEVEL: dict(panel(label, COMPARED_LEVEL, label) for label in trained),
        }
        paper_plots.embeddings(rows, groups, names, this / 'feature_embedding.png')
        return results, self._markdown(results, trained, groups)

    def _markdown(self, results, trained, groups):
        chance = feature_embedding.chance_agreement(groups)
        rows = [
            (label, *(reporting.percent(levels[level], AGREEMENT) for level in LEVELS))
            for label, levels in results.items()
        ]
        return self.page(
            trained,
            '![t-SNE maps](feature_embedding.png)',
            f'Percent of the {self.neighbours} nearest neighbours of a video that are of its '
            f'group, over {len(groups)} videos; {100 * chance:.1f} where features say nothing. The '
            'paper has maps and no figures.',
            markdown_table(('network', *LEVELS), rows),
        )


def groups_of(dataset, class_names):
    """What the maps of a dataset are coloured by.

    Returns:
      (names of the groups, dict from label index to group index): Something-Something's action
      groups, which leave labels out; elsewhere the classes themselves.
    """
    if dataset in DATASETS:
        by_label = {i: action_groups.group_index(name) for i, name in enumerate(class_names)}
        grouped = {label: group for label, group in by_label.items() if group is not None}
        return list(action_groups.ACTION_GROUPS), grouped
    return list(class_names), {i: i for i in range(len(class_names))}


def choose_videos(labels, group_of, most, seed):
    """Up to `most` of the videos that have a group, drawn at random: dict from id to group, sorted.

    Args:
      labels, group_of: dicts from id to label, and from label to group.
    """
    grouped = sorted(video for video, label in labels.items() if label in group_of)
    if len(grouped) > most:
        grouped = sorted(np.random.default_rng(seed).choice(grouped, most, replace=False).tolist())
    return {video: group_of[labels[video]] for video in grouped}


@functools.cache  # reads what all records of the split hold beside frames
def shown_videos(study, trained_on, most, neighbours, seed):
    """The videos on the maps; arguments as the flags, and as of `choose_videos`.

    Returns:
      (names of the groups, dict from id to group).

    Raises:
      UsageError: where there are too few.
    """
    builder = study.builder(*trained_on)
    names, group_of = groups_of(builder.name, class_names(builder))
    split = choose_split(builder, None, 'dataset')
    videos = choose_videos(labels(builder, split), group_of, most, seed)
    least = max(neighbours + 1, feature_embedding.FEWEST_VIDEOS)
    if len(videos) < least:
        raise UsageError(
            f'--videos, --neighbours: found {len(videos)} videos for the maps, {neighbours} '
            f'neighbours need {least} at least.'
        )
    return names, videos


def extract(study, trained, videos):
    """Features of the first clip of some videos at all levels, kept beside the network.

    Returns:
      dict from level to float32 (videos, channels), in the order of the ids `videos`, sorted.
    """
    path = trained.run / f'features_{trained.plan.splits[1]}.npz'

    def make():
        features = _extract(study, trained, videos)
        with files.unfinished(path) as temporary:
            np.savez(temporary, id=np.array(videos), **features)
        return features

    return study.kept(trained, lambda: _kept_features(path, videos), make)


def _kept_features(path, videos):
    """What `extract` has written, if it is whole and of these videos."""
    if not path.exists():
        return None
    kinds = {'id': ('U', 1), **dict.fromkeys(LEVELS, ('f', 2))}
    try:
        kept = read_npz(path, kinds, FeatureFileError, 'it is written anew')
    except FeatureFileError:
        return None  # taken anew, as if it were not there
    is_whole = all(len(kept[level]) == len(videos) for level in LEVELS)
    return kept if kept.pop('id').tolist() == videos and is_whole else None


def _extract(study, trained, videos):
    plan = trained.plan
    most = evaluating.batch_size(study.strategy, plan.video_format)
    batch_size = most // study.strategy.num_replicas_in_sync  # one device takes them
    windows = clips.evaluation_windows(
        trained.builder,
        plan.splits[1],
        frames=plan.video_format.evaluation_frames,
        crop_size=plan.video_format.crop_size,
        batch_size=batch_size,
        most_frames=plan.video_format.evaluation_frames,  # one window
    )
    wanted, ids = set(videos), []

    def batches():
        for batch in windows.as_numpy_iterator():
            names = [name.decode() for name in batch['id']]
            shown = np.array([name in wanted for name in names])
            if shown.any():
                ids.extend(name for name in names if name in wanted)
                yield batch['clip'][shown]

    label = f'features of {trained.recipe.label}'
    progress = ProgressLine(label, 'videos', study.report, len(wanted))
    network = study.load(trained)
    with faults.named(trained.builder, [plan.splits[1]], study.report):
        features = feature_embedding.pooled_features(
            network, batches(), LEVELS, batch_size, progress
        )
    order = np.argsort(ids)
    return {level: vectors[order] for level, vectors in features.items()}


def _agreement(features, level, groups, neighbours):
    """The figures of a network's level, from the features of every seed."""
    rows = [
        {AGREEMENT: feature_embedding.neighbour_agreement(one[level], groups, neighbours)}
        for one in features
    ]
    return reporting.over_seeds(rows)


define_flags, main = program(FeatureEmbedding)

if __name__ == '__main__':
    define_flags()
    entry.start(main)
