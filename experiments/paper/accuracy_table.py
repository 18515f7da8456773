"""Tables of what networks get right and cost: Tables 2 and 3, and Mini-Kinetics-200."""

from typing import ClassVar

from experiments.paper import reporting, starts, workload
from experiments.paper import results as paper_results
from experiments.paper.experiment import Experiment
from s3dg.cost import FRAMES, HEIGHT, WIDTH
from s3dg.figures import plots
from s3dg.program.markdown import markdown_table
from s3dg.training.history import read_history


def network_costs(plan):
    """What the network of a plan costs: for one clip as it is trained, and in full size.

    Full size is the row of `cost_table`: full width, 400 classes, 64x224x224. Parameters are the
    trainable ones.
    """
    config, clip = plan.network, plan.video_format
    cost = workload.forward_cost(config, clip.clip_frames, *clip.crop_size)
    full = workload.forward_cost(
        config.replace(width=1.0, channels=3, num_classes=paper_results.CLASSES),
        FRAMES,
        HEIGHT,
        WIDTH,
    )
    return {
        'parameters': cost.parameters,
        'multiply_adds': cost.multiply_adds,
        'full_size_parameters': full.parameters,
        'full_size_multiply_adds': full.multiply_adds,
    }


def accuracies(trained):
    """dict from label to top1, top5, means over the seeds with deviations, and `network_costs`."""
    return {
        label: {
            **reporting.over_seeds(
                [{name: one.run.figure(name) for name in ('top1', 'top5')} for one in networks]
            ),
            **network_costs(networks[0].plan),
        }
        for label, networks in trained.items()
    }


def accuracy_rows(results, printed, names, pretraining):
    """(header, rows) of a report: ours beside the paper's.

    Args:
      results: the value of `accuracies`.
      printed: dict from the paper's network names to a table of `paper_results`.
      names: dict from our networks to the paper's names where `PAPER_NAMES` is too coarse.
      pretraining: dict from label to what the network was trained on before.
    """
    header = (
        'network',
        'pre-train',
        'top-1',
        'paper',
        'top-5',
        'paper',
        'parameters (M)',
        'full size (M)',
        'paper',
        'multiply-adds (G)',
        'full size (G)',
        'paper',
    )
    rows, shown = [], set()
    for label, figures in results.items():
        name = paper_results.PAPER_NAMES.get(label)
        paper_name = names.get(label, name)
        paper = printed.get(paper_name)
        shown.add(paper_name)
        cost = paper_results.COSTS.get(name)
        rows.append(
            (
                label,
                pretraining[label],
                *reporting.beside(figures, paper, top1='top1', top5='top5'),
                f'{figures["parameters"] / 1e6:.4g}',
                f'{figures["full_size_parameters"] / 1e6:.2f}',
                reporting.printed(cost and cost.parameters),
                f'{figures["multiply_adds"] / 1e9:.4g}',
                f'{figures["full_size_multiply_adds"] / 1e9:.2f}',
                reporting.printed(cost and cost.multiply_adds),
            )
        )
    for name, paper in printed.items():
        if name not in shown:  # of others: TRN
            top5 = reporting.printed(getattr(paper, 'top5', None))
            row = (f'the paper: {name}', '-', '-', reporting.printed(paper.top1), '-', top5)
            rows.append(row + ('-',) * (len(header) - len(row)))
    return header, rows


class AccuracyTable(Experiment):
    """An experiment that compares networks in a table; `printed` is of a single dataset.

    Attributes:
      networks: their names.
      paper_names: as `names` of `accuracy_rows`.
    """

    networks: ClassVar[tuple[str, ...]]
    paper_names: ClassVar[dict] = {}

    def recipes(self):
        return self.named_recipes(self.networks)

    def more(self, study, trained, this):
        """Further paragraphs of the report; arguments as of `summarise`."""
        del study, trained, this
        return []

    def summarise(self, study, trained, this):
        results = accuracies(trained)
        histories = {
            label: [read_history(one.run.path) for one in networks]
            for label, networks in trained.items()
        }
        plots.learning_curves(histories, this / 'learning_curves.png')
        ((paper_dataset, printed),) = self.printed.items()
        pretraining = {label: starts.pretraining(of[0]) for label, of in trained.items()}
        report = self.page(
            trained,
            markdown_table(*accuracy_rows(results, printed, self.paper_names, pretraining)),
            f'Ours: top-1 and top-5 in percent of the videos of {self.dataset}, seen whole. The '
            f'paper: of {paper_dataset}. Parameters and multiply-adds are of the network and of '
            'one clip as they were trained; full size: at full width, 64x224x224, 400 classes, as '
            'in `cost_table`.',
            '![learning curves](learning_curves.png)',
            *self.more(study, trained, this),
            heading=self.title,
        )
        return results, report
