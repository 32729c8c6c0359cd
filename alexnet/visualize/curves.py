"""Learning curves of one or several runs: loss, accuracy, learning rate, speed, selectivity."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from alexnet import cli
from alexnet.errors import CheckpointError, UsageError
from alexnet.run import filter_snapshots
from alexnet.run.metrics import Row, read_rows
from alexnet.style import (
    COLORS,
    GRAY,
    NORMAL,
    SMALL,
    add_legend,
    new_figure,
    plain,
    save,
    whole_numbers,
)
from alexnet.visualize.output import add_out_option, run_name
from alexnet.visualize.tuning import mean_circular_variance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGINS = {
    "left": 0.065, "right": 0.99, "top": 0.95, "bottom": 0.08, "wspace": 0.28, "hspace": 0.42
}  # fmt: skip


class Run(NamedTuple):
    """What is drawn of a run: its name, its rows, and circular variance by epoch, if known."""

    name: str
    rows: list[Row]
    circular_variance: dict[int, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help=f"run folders, at most {len(COLORS)}"
    )
    add_out_option(parser, "curves.png in the first run folder")


def run(arguments: argparse.Namespace) -> int:
    """Draw the curves and print the path of the picture."""
    figure = curves(arguments.runs)
    path = arguments.out or cli.writable(arguments.runs[0] / "curves.png")
    save(figure, path)
    print(cli.printable(str(path)))
    return 0


def curves(folders: list[Path]) -> Figure:
    """The curves of runs, see `curves_figure`.

    Raises:
        CheckpointError: a folder has no complete epoch, or is no run folder.
        UsageError: there are more runs than colors.
    """
    if len(folders) > len(COLORS):
        raise UsageError(f"at most {len(COLORS)} runs can be told apart in one picture")
    return curves_figure([read(folder) for folder in folders])


def read(folder: Path) -> Run:
    """Read a run from its folder.

    Raises:
        CheckpointError: the folder has no complete epoch, or is no run folder.
    """
    rows = read_rows(folder)
    if not rows:
        raise CheckpointError(f"{folder} is no run folder with a complete epoch: no metrics.jsonl")
    kernels = filter_snapshots.load(folder)
    return Run(str(folder), rows, {e: mean_circular_variance(k) for e, k in kernels.items()})


def curves_figure(runs: list[Run]) -> Figure:
    """Six panels; colors tell the runs apart, dashes training from validation.

    The last one, mean circular variance of conv1's kernels, is left out if no run has snapshots.
    """
    selectivity = any(run.circular_variance for run in runs)
    legend = 0.17 * max(2, len(runs)) + 0.1
    figure = new_figure(4.6 + legend)
    above, below = figure.subfigures(2, 1, height_ratios=(legend, 4.6))
    grid = below.subplots(2, 3, gridspec_kw=_MARGINS).ravel()
    loss, top1, top5, lr, speed, variance = grid
    for run, color in zip(runs, COLORS):
        _draw(loss, run, "train_loss", color, "--")
        _draw(loss, run, "val_loss", color, "-")
        _draw(top1, run, "train_top1", color, "--")
        _draw(top1, run, "val_top1", color, "-")
        _draw(top5, run, "val_top5", color, "-")
        _draw(lr, run, "lr", color, "-")
        _draw(speed, run, "images_per_s", color, "-")
        epochs = run.circular_variance
        _line(variance, list(epochs), list(epochs.values()), color, "-")
    titles = (
        *("cross-entropy loss", "top-1 accuracy", "top-5 accuracy"),
        *("learning rate", "images per second, training", "mean circular variance of conv1"),
    )
    for axes, title in zip(grid, titles):
        plain(axes)
        axes.tick_params(labelsize=SMALL)
        axes.set_title(title, fontsize=NORMAL, loc="left")
        axes.set_xlabel("epoch", fontsize=SMALL)
        whole_numbers(axes.xaxis)
    for axes in (loss, lr, speed):
        axes.set_ylim(0, 1.04 * axes.get_ylim()[1])
    for axes in (top1, top5):
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter("{x:.0%}")
    variance.set_ylim(0, 1)
    variance.set_visible(selectivity)
    _legend(above, runs)
    return figure


def _draw(axes: Axes, run: Run, column: str, color: str, style: str) -> None:
    _line(axes, [row["epoch"] for row in run.rows], [row[column] for row in run.rows], color, style)


def _line(axes: Axes, epochs: list[int], values: list[float], color: str, style: str) -> None:
    # A marker shows the only point of a first epoch; on long runs it would only clutter.
    marker = "o" if len(epochs) <= 30 else None
    axes.plot(epochs, values, color=color, linestyle=style, marker=marker, ms=2.5, lw=1.3)


def _legend(figure: Figure, runs: list[Run]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=color, lw=2) for color in COLORS[: len(runs)]]
    names = [run_name(run.name, 70) for run in runs]
    styles = [Line2D([], [], color=GRAY, linestyle=style) for style in ("-", "--")]
    options = {"frameon": False, "fontsize": NORMAL, "borderaxespad": 0.4}
    add_legend(figure, lines, names, loc="upper left", **options)
    figure.legend(styles, ["validation", "training"], loc="upper right", **options)
