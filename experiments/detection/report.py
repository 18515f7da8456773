"""Table 6 as a page: ours beside the paper's."""

import shutil

from experiments.paper import reporting
from experiments.paper import results as paper_results
from experiments.training.dataset import class_names
from s3dg import files
from s3dg.detection.frame_ap import RULES
from s3dg.program.markdown import markdown_table

WHICH = ('all', 'annotated', 'localisation')
_PICTURES = ('precision_recall_pascal.png', 'found_and_true.png', 'filmstrip.png')


def summarise(dataset, results):
    """What results.json of the experiment holds.

    Args:
      dataset: the datasets' name.
      results: by label NETWORK/STREAMS or NETWORK/STREAMS/SPLIT, a list of a detector's results,
        one for each seed.

    Returns:
      {dataset: {NETWORK/STREAMS: {rule: {figure: mean over splits, and over seeds with its
      deviation}, 'per_class': {rule: {class: the same}}, ...}}}
    """
    by_network = {}
    for label, of_seeds in results.items():
        by_network.setdefault('/'.join(label.split('/')[:2]), []).append(of_seeds)
    return {dataset: {name: _summary(splits) for name, splits in by_network.items()}}


def _summary(splits):
    """Figures of one network: of every split a list of results, one for each seed."""
    summary = {rule: _over(splits, lambda one, rule=rule: one[rule]) for rule in RULES}
    summary['per_class'] = {
        rule: _over(splits, lambda one, rule=rule: one[rule]['per_class']) for rule in RULES
    }
    if 'reversed' in splits[0][0]:
        summary['reversed'] = {
            rule: _over(splits, lambda one, rule=rule: one['reversed'][rule]) for rule in RULES
        }
    if len(splits) > 1:
        summary['splits'] = [
            {rule: _over([split], lambda one, rule=rule: one[rule]) for rule in RULES}
            for split in splits
        ]
    return summary


def _over(splits, select):
    """Figures as the mean over splits, of every seed, and then over the seeds."""
    rows = []
    for of_seed in zip(*splits, strict=True):
        found = [_numbers(select(one)) for one in of_seed]
        names = [name for name in found[0] if all(name in row for row in found)]
        rows.append({name: sum(row[name] for row in found) / len(found) for name in names})
    return reporting.over_seeds(rows)


def _numbers(figures):
    """Those of the figures that are numbers: a class without true boxes has none."""
    return {name: value for name, value in figures.items() if isinstance(value, float)}


def describe(title, dataset, summary, jobs, settings, this):
    """The report in Markdown; copies pictures of the first detector into the run `this`."""
    figures = summary[dataset]
    rows, per_class = [], []
    for name, found in figures.items():
        network, streams = name.split('/')
        for rule in RULES:
            cells = [reporting.percent(found[rule], which) for which in WHICH]
            printed = _printed(network, dataset) if streams == 'both' else '-'
            rows.append((network, streams, 'normal', rule, *cells, printed))
        if 'reversed' in found:
            cells = [reporting.percent(found['reversed']['pascal'], which) for which in WHICH]
            rows.append((network, streams, 'reversed', 'pascal', *cells, '-'))
        per_class += [
            (name, key, *(reporting.percent(found['per_class'][rule], key) for rule in RULES))
            for key in class_names(jobs[0].builders[0])
            if key in found['per_class']['pascal']
        ]
    paper = [
        (method, reporting.printed(row.jhmdb), reporting.printed(row.ucf101_24))
        for method, row in paper_results.TABLE_6.items()
    ]
    return reporting.join(
        f'# {title}, {dataset}',
        _tiny_note(jobs[0].plan) if settings['preset'] == 'tiny' else '',
        markdown_table(('network', 'clips of', 'order', 'rule', *WHICH, 'the paper'), rows),
        'Mean frame-AP in percent at an overlap of 0.5'
        f'{", mean of three splits" if dataset == "jhmdb" else ""}. all: all frames of the videos '
        'that have boxes; annotated: frames with boxes alone; localisation: all frames, labels '
        'ignored. pascal: the rule of the Object Detection API; act: that of the ACT detector.',
        markdown_table(('the paper', 'JHMDB', 'UCF-101-24'), paper),
        'The paper counts 3,207 videos of UCF-101-24. The corrected annotations, which are read '
        'here, have 3,194, 2,284 to train and 910 to test.'
        if dataset == 'ucf101_24'
        else '',
        '## By class',
        markdown_table(('detector', 'class', *RULES), per_class),
        *_pictures(jobs[0], this),
        '## Detectors',
        markdown_table(
            ('detector', 'seed', 'trained on', 'steps', 'key frames a step', 'folder'),
            [
                (
                    job.recipe.label,
                    job.seed,
                    f'{job.plan.dataset}/{job.plan.config}',
                    job.plan.training.schedule.steps,
                    job.plan.training.batch_size,
                    f'`{job.folder}`',
                )
                for job in jobs
            ],
        ),
        reporting.changes_note(settings),
    )


def _printed(network, dataset):
    row = paper_results.TABLE_6.get(
        f'Faster R-CNN, {paper_results.PAPER_NAMES.get(network, network)}'
    )
    return reporting.printed(getattr(row, dataset, None))


def _tiny_note(plan):
    height, width = plan.video_format.frame_size
    return (
        f'A small network (clips of {plan.video_format.clip_frames} frames of {height}x{width}) on '
        f'generated videos, {plan.dataset}: what it shows can be compared with the paper, its '
        'figures cannot.'
    )


def _pictures(job, this):
    titles = ('precision and recall', 'found and true boxes', 'over time')
    shown = []
    for title, name in zip(titles, _PICTURES, strict=True):
        if (job.folder / name).exists():  # else somebody has deleted it
            with files.unfinished(this / name) as temporary:
                shutil.copyfile(job.folder / name, temporary)
            shown.append(f'![{title}]({name})')
    return [f'Of {job.recipe.label}, seed {job.seed}:', *shown]
