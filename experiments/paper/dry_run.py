"""What an experiment would train and what that takes, also without its data: --dry_run."""

from data import catalog
from data.example import CHANNELS
from experiments.paper import workload
from experiments.training.recipe import with_starts


def describe(study, recipes, seeds, gpu_rate):
    """What of an experiment is still to be trained, as text.

    Networks that are finished take nothing, nor do datasets on disk. `recipes` have what the flags
    give; `gpu_rate` is that of `Workload.gpu_hours`.

    Raises:
      UsageError, ConfigError: for flags or fields that cannot be.
    """
    needed = with_starts(recipes)
    facts = {
        (one.dataset, one.config): catalog.published_facts(one.dataset, one.config)
        for one in needed
    }
    workloads, finished = [], []
    for one in needed:
        for number, seed in enumerate(seeds, start=1):
            label = one.label if len(seeds) == 1 else f'{one.label} ({number} of {len(seeds)})'
            wanted = _workload(one, facts[one.dataset, one.config], label)
            folder = study.finished(one, seed)
            if folder is None:
                workloads.append(wanted)
            else:
                finished.append(f'{label} is finished, and not counted: {folder}')
    disks = [
        workload.Disk(
            f'{dataset}/{config}',
            known.count,
            workload.dataset_bytes(known),
            catalog.is_stored(dataset, config, study.data_dir),
        )
        for (dataset, config), known in facts.items()
    ]
    steps = dict.fromkeys(
        f'A step is of {one.preset.batch_size} clips, at most {one.preset.micro_batch_size} at '
        'once on a GPU; on fewer GPUs the rest of it is accumulated.'
        for one in needed
    )
    lengths = [
        f'{dataset}/{config}: {known.seconds:.1f} s a video in the mean, {known.source}.'
        for (dataset, config), known in facts.items()
    ]
    return '\n'.join([workload.describe(workloads, disks, gpu_rate), *finished, *lengths, *steps])


def _workload(recipe, facts, label):
    preset = recipe.preset
    # These two refuse what could not be trained.
    recipe.training_config(replicas=1)
    video = preset.video_format(facts.frames_per_second, facts.frame_size)
    config = recipe.network_config(facts.classes, CHANNELS[facts.modality])
    cost = workload.forward_cost(config, video.clip_frames, *video.crop_size)
    name = f'{recipe.dataset}/{recipe.config}'
    return workload.Workload(label, name, cost, preset.schedule.steps, preset.batch_size)
