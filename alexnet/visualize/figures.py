"""Pictures of a run."""

import math
import warnings
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator, PercentFormatter

from alexnet import files
from alexnet.run.metrics import Row

# Okabe and Ito's palette: these two stay apart for colour-blind readers and in print.
TRAINING, VALIDATION, REFERENCE = "#0072B2", "#D55E00", "#767676"


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
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
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


def fitted(text: str, width: float, size: float, weight: str = "normal") -> str:
    """A text that is at most so wide, shortened at its end where it would be wider.

    Args:
        width: inches.
        size, weight: of the font; points.
    """
    font = FontProperties(size=size, weight=weight)

    def inches(text: str) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph", UserWarning)
            points, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
        return points / 72

    text = text.encode("utf-8", "replace").decode()  # a name of a file need not be text
    if inches(text) <= width:
        return text
    length = len(text) - 1
    while length and inches(f"{text[:length].rstrip()}…") > width:
        length -= 1
    return f"{text[:length].rstrip()}…"


def save(figure: Figure, path: Path) -> None:
    """Write a figure as the format that the name of the file ends in; all of it or nothing.

    Raises:
        OSError: it cannot be written.
    """
    with warnings.catch_warnings():
        # A letter of a name that the font lacks is drawn as a box.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        with files.replacing(path) as temporary:
            figure.savefig(temporary, dpi=150)
