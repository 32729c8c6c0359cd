"""The picture of a training run: loss and accuracy over the epochs."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from alexnet import files
from alexnet.run.metrics import Row
from alexnet.style import REFERENCE, TRAINING, VALIDATION, plain


def training_curves(rows: list[Row], num_classes: int, path: Path) -> None:
    """Draw loss and accuracy over the epochs, with what guessing would reach, as a PNG.

    Args:
        rows: of `alexnet.run.metrics.MetricsLog`, one an epoch.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)

    _curve(loss, rows, "train_loss", "training", TRAINING, "-")
    _curve(loss, rows, "val_loss", "validation", VALIDATION, "-")
    _reference(loss, math.log(num_classes), f"guessing: ln {num_classes}")
    loss.set(title="Cross-entropy loss per image", xlabel="epoch", ylim=(0, None))

    _curve(accuracy, rows, "val_top5", "validation, top-5", VALIDATION, "--")
    _curve(accuracy, rows, "val_top1", "validation, top-1", VALIDATION, "-")
    _curve(accuracy, rows, "train_top1", "training, top-1", TRAINING, "-")
    _reference(accuracy, 1 / num_classes, f"guessing, top-1: {1 / num_classes:.1%}")
    accuracy.set(title="Accuracy", xlabel="epoch", ylim=(0, 1.02))
    accuracy.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))

    for axes in (loss, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        plain(axes)
    loss.legend(frameon=False)
    accuracy.legend(frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _curve(axes: Axes, rows: list[Row], column: str, label: str, color: str, style: str) -> None:
    epochs = [row["epoch"] for row in rows]
    values = [row[column] for row in rows]
    # A marker shows the only point of a first epoch; on long runs it would only clutter.
    marker = "o" if len(rows) <= 30 else None
    axes.plot(epochs, values, color=color, linestyle=style, marker=marker, ms=3.5, label=label)


def _reference(axes: Axes, level: float, label: str) -> None:
    axes.axhline(level, color=REFERENCE, linewidth=0.9, linestyle=":", label=label)
