"""The picture of a training run: loss and accuracy over the epochs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet import files
from alexnet.run.metrics import Row
from alexnet.style import REFERENCE, TRAINING, VALIDATION, new_figure, plain, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def training_curves(rows: list[Row], num_classes: int, path: Path) -> None:
    """Draw loss and accuracy over the epochs, with what guessing would reach, as a PNG.

    Args:
        rows: of `alexnet.run.metrics.MetricsLog`, one an epoch.
    """
    figure = new_figure(4, width=10, layout="constrained")
    loss, accuracy = figure.subplots(1, 2)

    _curve(loss, rows, "train_loss", "training", TRAINING, "-")
    _curve(loss, rows, "val_loss", "validation", VALIDATION, "-")
    _reference(loss, math.log(num_classes), f"guessing: ln {num_classes}")
    loss.set(title="Cross-entropy loss per image", xlabel="epoch")
    loss.set_ylim(0, 1.04 * loss.get_ylim()[1])

    _curve(accuracy, rows, "val_top5", "validation, top-5", VALIDATION, "--")
    _curve(accuracy, rows, "val_top1", "validation, top-1", VALIDATION, "-")
    _curve(accuracy, rows, "train_top1", "training, top-1", TRAINING, "-")
    _reference(accuracy, 1 / num_classes, f"guessing, top-1: {1 / num_classes:.1%}")
    accuracy.set(title="Accuracy", xlabel="epoch", ylim=(0, 1.02))
    accuracy.yaxis.set_major_formatter("{x:.0%}")

    for axes in (loss, accuracy):
        whole_numbers(axes.xaxis)
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
