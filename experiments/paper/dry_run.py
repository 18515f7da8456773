"""What an experiment would train and what that takes, told without its data: --dry_run."""

from data import catalog, published
from data.example import CHANNELS
from experiments.paper import workload
from experiments.training.recipe import with_starts


def describe(recipes, seeds, data_dir, gpu_rate):
    """The plan of an experiment, as text.

    Args:
      recipes: a list of `Recipe`, with the flags' values.
      seeds: trainings of each.
      data_dir: of the datasets; those that are there are not counted as to be stored.
      gpu_rate: as of `Workload.gpu_hours`.

    Raises:
      UsageError, ConfigError: for flags or fields that cannot be.
    """
    needed = with_starts(recipes)
    facts = {
        (one.dataset, one.config): published.published_facts(one.dataset, one.config)
        for one in needed
    }
    workloads = [
        _workload(one, facts[one.dataset, one.config], seed, seeds)
        for one in needed
        for seed in range(seeds)
    ]
    disks = [
        workload.Disk(
            f'{dataset}/{config}',
            known.count,
            workload.dataset_bytes(known),
            catalog.is_stored(dataset, config, data_dir),
        )
        for (dataset, config), known in facts.items()
    ]
    steps = dict.fromkeys(
        f'A step is of {one.preset.batch_size} clips, at most {one.preset.micro_batch_size} at once on a GPU; '
        'on fewer GPUs the rest of it is accumulated.'
        for one in needed
    )
    lengths = [
        f'{dataset}/{config}: {known.seconds:.1f} s a video in the mean, {known.source}.'
        for (dataset, config), known in facts.items()
    ]
    return '\n'.join([workload.describe(workloads, disks, gpu_rate), *lengths, *steps])


def _workload(recipe, facts, seed, seeds):
    preset = recipe.preset
    # These two refuse what could not be trained.
    recipe.training_config(replicas=1)
    video = preset.video_format(facts.frames_per_second, facts.frame_size)
    config = recipe.network_config(facts.classes, CHANNELS[facts.modality])
    label = recipe.label if seeds == 1 else f'{recipe.label} ({seed + 1} of {seeds})'
    return workload.training_workload(
        label,
        f'{recipe.dataset}/{recipe.config}',
        config,
        (video.clip_frames, *video.crop_size),
        preset.schedule.steps,
        preset.batch_size,
    )
