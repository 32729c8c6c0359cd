"""The tables of experiments for a page, in Markdown."""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping

from alexnet import cli
from alexnet.experiments import intervals
from alexnet.experiments.experiment import EpochsTo, Experiment, TenViews
from alexnet.experiments.measures import MEASURES
from alexnet.experiments.record import Record, RunRow, done
from alexnet.experiments.verdicts import judge


def page(experiment: Experiment, record: Record) -> str:
    """The claims, a row for each arm, and a row for each comparison.

    Raises:
        UsageError: SciPy is not installed.
    """
    parts = [f'{experiment.section}: "{claim}"' for claim in experiment.claims]
    if experiment.is_quick:
        parts.append(
            "**This is the quick form: it shows that everything works. It says nothing about the "
            "paper.**"
        )
    parts.append(_markdown(_arms_table(experiment, record)))
    if experiment.comparisons:
        parts.append(_markdown(_comparisons_table(experiment, record)))
        count = len(experiment.comparisons)
        has_views = any(isinstance(each, TenViews) for each in experiment.comparisons)
        also = "; that of ten views is over images, too" if has_views else ""
        parts.append(
            f"{cli.counted(count, 'comparison')}: of twenty 95% intervals, one misses the true "
            f"value on average. Intervals are over seeds, on these test images{also}. Nothing is "
            "paired by seed."
        )
    if (search := experiment.rates_from) is not None:
        seeds = ", ".join(map(str, search.seed_numbers()))
        others = "another seed" if search.seeds == 1 else "other seeds"
        parts.append(f"The rates were searched in `{search.name}`, with {others}: {seeds}.")
    return "\n\n".join(parts)


def overview(records: Mapping[str, Record], experiments: Mapping[str, Experiment]) -> str:
    """A row for each comparison of every experiment that has a record, with what it cost.

    Raises:
        UsageError: SciPy is not installed.
    """
    table = [["experiment", "comparison", "paper", "here", "95% interval", "verdict"]]
    table[0] += ["runs", "hours"]
    for name, record in records.items():
        for comparison in experiments[name].comparisons:
            rows = [row for arm in comparison.arms for row in record.arm_rows(arm)]
            seconds = sum(row.values["seconds"] for row in rows)
            cost = [str(len(rows)), f"{seconds / 3600:.1f}"]
            table.append([f"`{name}`", *judge(comparison, record), *cost])
    return _markdown(table)


def _arms_table(experiment: Experiment, record: Record) -> list[list[str]]:
    names = ["val_error", "train_error"] + ["ten_views_error"] * experiment.ten_views
    header = ["arm", "runs"]
    for name in names:
        header += [MEASURES[name].title]
        header += ["95% interval"] * (name == "val_error")
    header += [f"epochs to {epochs_to}" for epochs_to in experiment.epochs_to]
    table = [header]
    for arm in experiment.arms:
        rows = record.arm_rows(arm)
        finished = done(rows)
        cells = [arm, _count(rows)]
        for name in names:
            values = [MEASURES[name].value(row.values) for row in finished]
            cells.append(_mean(values))
            if name == "val_error":
                cells.append(_interval(values))
        cells += [_epochs(finished, epochs_to) for epochs_to in experiment.epochs_to]
        table.append(cells)
    return table


def _count(rows: list[RunRow]) -> str:
    diverged = len(rows) - len(done(rows))
    return f"{len(rows)} ({diverged} diverged)" if diverged else str(len(rows))


def _mean(values: list[float]) -> str:
    """Of shares: the mean and the standard deviation over the runs."""
    if not values:
        return ""
    mean = f"{statistics.fmean(values):.2%}"
    return f"{mean} ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else mean


def _interval(values: list[float]) -> str:
    if len(values) < 2:
        return "one run: none" if values else ""
    _, low, high = intervals.mean_interval(values)
    return f"{low:.2%} to {high:.2%}"


def _epochs(rows: list[RunRow], epochs_to: EpochsTo) -> str:
    """The geometric mean; a bound where a run never gets there."""
    epochs = [row.values[epochs_to.column] for row in rows]
    if not epochs:
        return ""
    mean = math.exp(statistics.fmean(math.log(value) for value, _ in epochs))
    never = sum(censored for _, censored in epochs)
    if never:
        return f"> {mean:.2f} ({never} of {len(epochs)} never)"
    return f"{mean:.2f}"


def _comparisons_table(experiment: Experiment, record: Record) -> Iterator[list[str]]:
    yield ["comparison", "paper", "here", "95% interval", "verdict"]
    for comparison in experiment.comparisons:
        yield list(judge(comparison, record))


def _markdown(rows: Iterable[list[str]]) -> str:
    header, *others = rows
    lines = [header, ["---"] * len(header), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
