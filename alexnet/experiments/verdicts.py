"""Whether the comparisons of an experiment bear out the paper, from their intervals alone."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from alexnet import cli
from alexnet.experiments import intervals
from alexnet.experiments.experiment import (
    ColorColumns,
    Comparison,
    Difference,
    Ratio,
    TenViews,
)
from alexnet.experiments.measures import MEASURES
from alexnet.experiments.record import Record, RunRow, done
from alexnet.inference.pairs import mcnemar
from alexnet.inference.results import Estimate

Shown = Callable[[float], str]  # how a difference is written

HOLDS, DOES_NOT, NOT_RESOLVED = "holds", "does not", "not resolved"
ONE_RUN = "no interval: one arm has only one run"


class Outcome(NamedTuple):
    """A comparison in words.

    Attributes:
        compared: what with what.
        paper: what the paper says.
        here: what was measured; empty without runs.
        interval: of 95%; empty where there is none.
        verdict: with what the runs can see where they do not resolve it.
    """

    compared: str
    paper: str
    here: str = ""
    interval: str = ""
    verdict: str = "no runs"


def judge(comparison: Comparison, record: Record) -> Outcome:
    """The outcome of a comparison.

    Raises:
        UsageError: SciPy is not installed.
    """
    arms = [record.arm_rows(arm) for arm in comparison.arms]
    rows = [done(arm) for arm in arms]
    match comparison:
        case Difference():
            outcome = _difference(comparison, *rows)
        case Ratio():
            outcome = _ratio(comparison, *rows)
        case TenViews():
            outcome = _ten_views(comparison, *rows)
        case ColorColumns():
            outcome = _color_columns(comparison, *rows)
    diverged = sum(map(len, arms)) - sum(map(len, rows))
    if diverged:
        note = f"{outcome.verdict}; without {cli.counted(diverged, 'run')} that diverged"
        outcome = outcome._replace(verdict=note)
    return outcome


def _difference(comparison: Difference, arm: list[RunRow], against: list[RunRow]) -> Outcome:
    measure, sign = MEASURES[comparison.measure], comparison.sign
    shown = partial(_points if measure.is_share else _number, signed=True)
    size = None if comparison.size is None else comparison.size * sign
    outcome = Outcome(
        f"{measure.title}: {comparison.arm} minus {comparison.against}",
        _claim(size, shown, sign),
    )
    if not arm or not against:
        return outcome
    values = [[measure.value(row.values) for row in rows] for rows in (arm, against)]
    means = [sum(runs) / len(runs) for runs in values]
    outcome = outcome._replace(here=shown(means[0] - means[1]))
    if min(map(len, values)) < 2:
        return outcome._replace(verdict=ONE_RUN)
    interval = intervals.welch(*values)
    verdict = _side(interval, sign, size, shown)
    if verdict == NOT_RESOLVED:
        verdict = _not_resolved(values, size, _points if measure.is_share else _number)
    return outcome._replace(interval=_interval(interval, shown), verdict=verdict)


def _ratio(comparison: Ratio, slower: list[RunRow], faster: list[RunRow]) -> Outcome:
    column, size = comparison.epochs_to.column, comparison.size
    outcome = Outcome(
        f"epochs to {comparison.epochs_to}: {comparison.slower} over {comparison.faster}",
        "more than 1" if size is None else f"{size:g}",
    )
    if not slower or not faster:
        return outcome
    epochs = [[row.values[column] for row in rows] for rows in (slower, faster)]
    logs = [[math.log(value) for value, _ in runs] for runs in epochs]
    ratio = math.exp(sum(logs[0]) / len(logs[0]) - sum(logs[1]) / len(logs[1]))
    censored = [sum(run.censored for run in runs) for runs in epochs]
    if any(censored):
        never = " and ".join(
            f"{count} of {cli.counted(len(rows), 'run')} of {arm}"
            for count, rows, arm in zip(censored, epochs, comparison.arms)
            if count
        )
        # More epochs than are known make the ratio larger, or smaller, or leave it open.
        here = "unknown" if all(censored) else f"{'>' if censored[0] else '<'} {ratio:.2f}"
        return outcome._replace(here=here, verdict=f"no interval: {never} never got there")
    outcome = outcome._replace(here=f"{ratio:.2f}")
    if min(map(len, epochs)) < 2:
        return outcome._replace(verdict=ONE_RUN)
    interval, log_size = intervals.welch(*logs), None if size is None else math.log(size)
    verdict = _side(interval, 1, log_size, _factor)
    if verdict == NOT_RESOLVED:
        verdict = _not_resolved(logs, log_size, lambda log: f"a ratio of {_factor(log)}")
    return outcome._replace(interval=_interval(interval, _factor), verdict=verdict)


def _ten_views(comparison: TenViews, rows: list[RunRow]) -> Outcome:
    shown = partial(_points, signed=True)
    size = None if comparison.size is None else -comparison.size
    outcome = Outcome(
        f"test error: ten views minus one, the same networks of {comparison.arm}",
        _claim(size, shown, -1),
    )
    if not rows:
        return outcome
    one, ten, images = (
        [row.values[name] for row in rows]
        for name in ("only_one_view", "only_ten_views", "val_images")
    )
    p = [mcnemar(*counts) for counts in zip(one, ten)]
    differences = [(a - b) / count for a, b, count in zip(one, ten, images)]
    tests = f"McNemar's p of each network: {', '.join(f'{value:.2g}' for value in p)}"
    outcome = outcome._replace(here=shown(sum(differences) / len(differences)))
    if len(rows) < 2:
        return outcome._replace(verdict=f"no interval: only one run; {tests}")
    interval = intervals.paired_difference(one, ten, images)
    verdict = f"{_side(interval, -1, size, shown)}; {tests}"
    return outcome._replace(interval=_interval(interval, shown), verdict=verdict)


def _color_columns(comparison: ColorColumns, rows: list[RunRow]) -> Outcome:
    chance = intervals.SIGNIFICANT
    outcome = Outcome(
        f"color selectivity of the halves of conv1 differs (p < {chance:.2g}): {comparison.arm}",
        f"chance: {chance:.0%} of the runs" if comparison.null else "in every run",
    )
    if not rows:
        return outcome
    p = [row.values["color_p"] for row in rows if row.values["color_p"] is not None]
    if not p:
        return outcome._replace(verdict="not measured: a half of conv1 has no kernel that responds")
    found = sum(value < chance for value in p)
    outcome = outcome._replace(here=f"in {found} of {cli.counted(len(p), 'run')}")
    if len(p) < 2:
        return outcome._replace(verdict="no interval: only one run")
    interval = intervals.share_interval(found, len(p))
    verdict = _by_chance(interval, len(p)) if comparison.null else _in_every_run(interval)
    if silent := len(rows) - len(p):
        verdict = (
            f"{verdict}; without {cli.counted(silent, 'run')} of which a half does not respond"
        )
    return outcome._replace(interval=_interval(interval, "{:.0%}".format), verdict=verdict)


def _in_every_run(interval: Estimate) -> str:
    # The paper's is every run: a share below a half is another result, also if it is above chance.
    if interval.high < 0.5:
        return DOES_NOT
    if interval.low <= intervals.SIGNIFICANT:
        return NOT_RESOLVED
    return HOLDS if interval.high == 1 else f"{HOLDS}, but 100% is outside the interval"


def _by_chance(interval: Estimate, runs: int) -> str:
    if interval.low > intervals.SIGNIFICANT:
        return DOES_NOT
    visible = intervals.visible_share(runs, intervals.SIGNIFICANT)
    return f"nothing beyond chance seen (these {runs} runs could see {visible:.0%})"


def _side(interval: Estimate, sign: int, size: float | None, shown: Shown) -> str:
    """The verdict on a difference of which the paper has the sign; without one, that of ours.

    Args:
        size: what the paper says, with its sign; a verdict that it holds tells if it is not this.
    """
    if interval.low <= 0 <= interval.high:
        return NOT_RESOLVED
    here = 1 if interval.low > 0 else -1
    if sign == 0:
        return "higher" if here > 0 else "lower"
    if here != sign:
        return DOES_NOT
    if size is not None and not interval.low <= size <= interval.high:
        return f"{HOLDS}, but {shown(size)} is outside the interval"
    return HOLDS


def _not_resolved(values: list[list[float]], size: float | None, shown: Shown) -> str:
    """What the runs can see, and how many could see what the paper has seen."""
    first, second = values
    seen = shown(intervals.visible_difference(first, second))
    verdict = f"{NOT_RESOLVED}: these runs can see {seen}"
    if size is None:
        return verdict
    needed = intervals.runs_needed(first, second, size)
    count = f"more than {intervals.MOST_RUNS}" if needed is None else str(needed)
    return f"{verdict}; {shown(abs(size))} would take {count} seeds an arm"


def _claim(size: float | None, shown: Shown, sign: int) -> str:
    if size is not None:
        return shown(size)
    return {-1: "lower", 0: "no claim", 1: "higher"}[sign]


def _points(value: float, signed: bool = False) -> str:
    return f"{100 * value:{'+' if signed else ''}.2f} points"


def _number(value: float, signed: bool = False) -> str:
    return f"{value:{'+' if signed else ''}.3f}"


def _factor(log: float) -> str:
    return f"{math.exp(log):.2f}"


def _interval(interval: Estimate, shown: Shown) -> str:
    low, high = shown(interval.low), shown(interval.high)
    return f"{low.removesuffix(' points')} to {high}"
