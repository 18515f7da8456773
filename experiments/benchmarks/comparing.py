"""Sides that do the same work, in turns, so that what else the machine does meets them all."""

import dataclasses
import functools
import itertools
import resource
import statistics
import time
from collections.abc import Callable

from experiments.benchmarks import plain
from s3dg.figures import plots
from s3dg.program import entry

# A turn of a side that is quick is repeated for about this many seconds.
SECONDS_PER_TURN = 1.0


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a comparison."""

    name: str  # what it is called
    # Does it once, with what `prepare` has returned, and returns how many units it did.
    work: Callable[[object], float]
    prepare: Callable[[], object] = lambda: None  # what comes before every turn and is not timed


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a task compares: the side that is measured, first, with the limits of this machine.

    Attributes:
      unit: what the sides' work counts.
      sides: the first is ours.
      limits: names of the sides of which the slowest is what ours could reach.
      fraction: what the share of it is called in the results.
      figures: what else is known, for the results.
      processes: that our side uses besides its own.
    """

    unit: str
    sides: list[Side]
    limits: tuple[str, ...] = ('bare_loop',)
    fraction: str = 'fraction_of_bare_loop'
    figures: dict = dataclasses.field(default_factory=dict)
    processes: int = 0


def made_late(name, make):
    """A side whose work `make` makes with its first turn, so that it takes no memory before."""
    return Side(name, lambda work: work(None), functools.cache(make))


def for_a_while(function, count, seconds=SECONDS_PER_TURN):
    """A side's work that calls `function`, each time `count` units, until `seconds` have passed."""

    return lambda _: plain.for_a_while(function, count, seconds)


def _peak_memory(who):
    return 1024 * resource.getrusage(who).ru_maxrss


def largest_child():
    """Bytes of the largest child process that has ended, at its peak."""
    return _peak_memory(resource.RUSAGE_CHILDREN)


def compare(sides, unit, repeats, report=entry.report):
    """Runs the `Side`s in turns.

    Args:
      sides, repeats: what runs, and how many turns each has.
      unit: what their work counts.
      report: takes lines of progress.

    Returns:
      (dict from name to the units a second of each turn, bytes of this process at its peak after
      the first turn of the first side).
    """
    rates = {side.name: [] for side in sides}
    peak = None
    for turn, side in itertools.product(range(repeats), sides):
        prepared = side.prepare()
        started = time.perf_counter()
        count = side.work(prepared)
        rate = count / (time.perf_counter() - started)
        rates[side.name].append(rate)
        del prepared  # what it does in the background ends here
        peak = peak or _peak_memory(resource.RUSAGE_SELF)
        report(f'turn {turn + 1} of {repeats}: {side.name}: {rate:.4g} {unit}/s')
    return rates, peak


def summarize(comparison, rates):
    """The figures of a comparison: medians, their spreads, and what share of its limit ours has.

    The spread of a side is (fastest - slowest) / median of its turns.
    """
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ours, limit = comparison.sides[0].name, min(medians[name] for name in comparison.limits)
    spreads = {name: (max(v) - min(v)) / medians[name] for name, v in rates.items()}
    return {
        **comparison.figures,
        f'{comparison.unit}_per_second': medians[ours],
        comparison.fraction: medians[ours] / limit,
        'times_faster_than': {
            name: medians[ours] / median for name, median in medians.items() if name != ours
        },
        'medians': medians,
        'spreads': spreads,
        'rates': rates,
    }


def draw(title, unit, rates, path):
    """Draws every side's median rate as a bar, and its turns as points on it."""
    names = list(rates)[::-1]
    with plots.drawing(path, (8, 1.2 + 0.4 * len(names))) as figure:
        axes = figure.subplots()
        medians = [statistics.median(rates[name]) for name in names]
        bars = axes.barh(names, medians, color='tab:blue', alpha=0.6)
        axes.bar_label(bars, [f' {median:.4g}' for median in medians])
        for place, name in enumerate(names):
            axes.plot(rates[name], [place] * len(rates[name]), 'k|', markersize=10)
        axes.set(title=title, xlabel=f'{unit} a second')
        axes.margins(x=0.15)
