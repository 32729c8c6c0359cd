"""The figure of an experiment: a curve over the epochs for each arm, and what is concluded."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from alexnet.experiments import measures
from alexnet.experiments.experiment import EpochsTo, Experiment
from alexnet.experiments.record import Record, RunRow, done
from alexnet.experiments.verdicts import judge
from alexnet.style import (
    COLORS,
    NORMAL,
    PAGE_WIDTH,
    REFERENCE,
    add_axes,
    add_text,
    new_figure,
    plain,
    whole_numbers,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT, LEFT, TOP, RIGHT = 3.4, 0.65, 0.35, 0.1  # inches: of the axes, and around them
LINE = 0.18  # inches between the lines of the caption
INDENT = "    "
BELOW_AXES = 0.55
# Dashes tell the arms apart without color; the paper's figure 1 has a solid and a dashed line.
DASHES = ("-", "--", "-.", ":")


class Curve(NamedTuple):
    """What is drawn: a title, the epochs' place on the axis, and the level that counts, if any."""

    title: str
    shift: float
    epochs_to: EpochsTo | None


def experiment_figure(experiment: Experiment, record: Record) -> Figure:
    """Thin lines for the runs, and for each arm their mean in a band of one standard deviation.

    The curve is the one of the first level that the experiment measures, else the test error. The
    mean ends with the shortest run of its arm. Runs that have diverged have a line and do not count
    in it. Below stand the comparisons with their verdicts.

    Raises:
        UsageError: SciPy is not installed, which the verdicts need.
    """
    caption = list(_caption(experiment, record))
    height = TOP + HEIGHT + BELOW_AXES + LINE * len(caption) + 0.1
    figure = new_figure(height)
    axes = add_axes(figure, LEFT, TOP, figure.get_size_inches()[0] - LEFT - RIGHT, HEIGHT)
    curve = _curve(experiment)
    for number, arm in enumerate(experiment.arms):
        color, dashes = COLORS[number % len(COLORS)], DASHES[number % len(DASHES)]
        _draw_arm(axes, curve, arm, record.arm_rows(arm), color, dashes)
    _finish(axes, curve, experiment)
    for number, line in enumerate(caption):
        add_text(figure, LEFT, TOP + HEIGHT + BELOW_AXES + LINE * number, line, fontsize=NORMAL)
    return figure


def _caption(experiment: Experiment, record: Record) -> Iterator[str]:
    """The lines below the axes: the numbers of runs, and the comparisons with their verdicts."""
    counts = ", ".join(f"{arm} {len(record.arm_rows(arm))}" for arm in experiment.arms)
    texts = [f"Runs: {counts}" + ("; quick form, no result" if experiment.is_quick else "")]
    for comparison in experiment.comparisons:
        compared, paper, here, interval, verdict = judge(comparison, record)
        measured = f"{here} ({interval})" if interval else here
        texts += [f"{compared}:", f"{INDENT}paper {paper}, here {measured or 'nothing'}; {verdict}"]
    for text in texts:
        yield from wrapped(text, PAGE_WIDTH - LEFT - RIGHT, NORMAL, INDENT)


def _curve(experiment: Experiment) -> Curve:
    if not experiment.epochs_to:
        return Curve("test error", 0.0, None)
    epochs_to = experiment.epochs_to[0]
    title = "training loss" if epochs_to.curve == "train_loss" else "training error"
    # A mean over an epoch stands for its middle.
    return Curve(title, -0.5, epochs_to)


def _values(curve: Curve, row: RunRow) -> list[float]:
    if curve.epochs_to is None:
        return [1 - top1 for top1 in row.curves["val_top1"]]
    return measures.curve(curve.epochs_to, row.curves)


def _draw_arm(
    axes: Axes, curve: Curve, arm: str, rows: list[RunRow], color: str, dashes: str
) -> None:
    for values in (_values(curve, row) for row in rows):
        axes.plot(_epochs(values, curve), values, color=color, linestyle=dashes, lw=0.6, alpha=0.6)
    runs = [_values(curve, row) for row in done(rows)]
    if not runs:
        return
    means = [statistics.fmean(values) for values in zip(*runs)]
    epochs = _epochs(means, curve)
    axes.plot(epochs, means, color=color, linestyle=dashes, lw=2, label=arm)
    if len(runs) > 1:
        deviations = [statistics.stdev(values) for values in zip(*runs)]
        low = [mean - deviation for mean, deviation in zip(means, deviations)]
        high = [mean + deviation for mean, deviation in zip(means, deviations)]
        axes.fill_between(epochs, low, high, color=color, alpha=0.15, linewidth=0)


def _epochs(values: list[float], curve: Curve) -> list[float]:
    return [epoch + curve.shift for epoch in range(1, len(values) + 1)]


def _finish(axes: Axes, curve: Curve, experiment: Experiment) -> None:
    """The level, titles, ticks, and the legend."""
    is_loss = curve.epochs_to is not None and curve.epochs_to.curve == "train_loss"
    if curve.epochs_to is not None:
        axes.axhline(curve.epochs_to.level, color=REFERENCE, linewidth=0.9, linestyle=":")
    axes.set(xlabel="epoch", ylabel=curve.title, xlim=(0, None), ylim=(0, None))
    if not is_loss:
        axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_title(experiment.title, loc="left")
    plain(axes)
    whole_numbers(axes.xaxis)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
