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
    steps = dict.fromkeys(
        f'A step is of {one.preset.batch_size} clips, at most {one.preset.micro_batch_size} at '
        'once on a GPU; on fewer GPUs the rest of it is accumulated.'
        for one in needed
    )
    lengths = [
        f'{dataset}/{config}: {known.seconds:.1f} s a video in the mean, {known.source}.'
        for (dataset, config), known in facts.items()
    ]
    told = [workload.describe(workloads, _disks(facts, study.data_dir), gpu_rate)]
    if all(one.dataset in catalog.EMBEDDED for one in needed):
        told.append(workload.describe_cpu(workloads))
    return '\n'.join([*told, *finished, *lengths, *steps])


def _disks(facts, data_dir):
    """What the datasets take on disk; divisions of one pool share its videos, and count once."""
    found = {}
    for (dataset, config), known in facts.items():
        pool = catalog.stored_in(dataset, config)
        names = {config, pool}
        there = any(catalog.is_stored(dataset, name, data_dir) for name in names)
        name = f'{dataset}/{pool}'
        if name in found:
            there = there and found[name].stored
        found[name] = workload.Disk(
            name, known.count, workload.dataset_bytes(known), there, workload.flow_seconds(known)
        )
    return list(found.values())


def _workload(recipe, facts, label):
    preset = recipe.preset
    # These two refuse what could not be trained.
    recipe.training_config(replicas=1)
    video = preset.video_format(facts.frames_per_second, facts.frame_size)
    config = recipe.network_config(facts.classes, CHANNELS[facts.modality])
    cost = workload.forward_cost(config, video.clip_frames, *video.crop_size)
    name = f'{recipe.dataset}/{recipe.config}'
    return workload.Workload(label, name, cost, preset.schedule.steps, preset.batch_size)
