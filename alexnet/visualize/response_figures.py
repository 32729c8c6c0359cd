"""Pictures of what conv1's kernels are tuned to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alexnet.style import (
    COLORS,
    GRAY,
    NORMAL,
    PAGE_HEIGHT,
    SMALL,
    new_figure,
    plain,
    whole_numbers,
)
from alexnet.visualize.kernel_figures import pictures
from alexnet.visualize.tuning import FREQUENCIES, ORIENTATIONS, Tuning

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS, DOWN = 3, 8  # kernels on a page
MARKERS = ("o", "^")
_MARGINS = {
    "left": 0.07, "right": 0.985, "top": 0.91, "bottom": 0.075, "wspace": 0.2, "hspace": 0.42
}  # fmt: skip
_TITLE = {"fontsize": NORMAL, "loc": "left"}
# White, so that no line of the grid runs through the words.
_LEGEND = {"fontsize": SMALL, "loc": "upper left", "framealpha": 1, "edgecolor": "white"}


def overview_figure(
    tuning: Tuning, columns: int, title: str, variance_by_epoch: dict[int, float]
) -> Figure:
    """Histograms of circular variance and color selectivity, tuning of all, change with training.

    Args:
        columns: of conv1, equal parts of the kernels.
        variance_by_epoch: mean circular variance; may be empty.
    """
    figure = new_figure(5.6)
    grid = figure.subplots(2, 2, gridspec_kw=_MARGINS)
    figure.text(0.01, 0.995, title, va="top", weight="bold", fontsize=NORMAL, parse_math=False)
    (variance, color), (preferred, over_epochs) = grid

    _histogram(variance, tuning.circular_variance, columns)
    variance.set_title("circular variance: 0 one orientation, 1 none", **_TITLE)
    variance.set_xlabel("circular variance", fontsize=SMALL)
    _histogram(color, tuning.color_selectivity, columns)
    # Not up to where the legend is.
    color.axvline(2 / 3, 0, 0.74, color=GRAY, ls=":", lw=1, label="expected of random kernels")
    color.legend(**_LEGEND)
    color.set_title("color selectivity: 0 gray levels only, 1 color only", **_TITLE)
    color.set_xlabel("share of energy that is color", fontsize=SMALL)

    _draw_preferred(preferred, tuning, columns)
    _draw_epochs(over_epochs, variance_by_epoch)
    for axes in grid.ravel():
        plain(axes)
        axes.tick_params(labelsize=SMALL)
    return figure


def _draw_preferred(axes: Axes, tuning: Tuning, columns: int) -> None:
    """Orientation and frequency of the best grating of each kernel."""
    parts = zip(
        np.split(tuning.orientation, columns),
        np.split(tuning.frequency, columns),
        np.split(tuning.circular_variance, columns),
    )
    for number, (orientation, frequency, column_variance) in enumerate(parts):
        size = 4 + 36 * (1 - np.nan_to_num(column_variance, nan=1.0))
        style = {"color": COLORS[number], "marker": MARKERS[number], "alpha": 0.65, "lw": 0}
        axes.scatter(orientation, frequency, s=size, **style)
    if columns > 1:
        marks = [f"column {number}" for number in range(1, columns + 1)]
        axes.legend(marks, **_LEGEND | {"loc": "upper center", "ncols": columns})
    axes.set_title("best grating of each kernel; larger: more selective", **_TITLE)
    axes.set(xlim=(-5, 180), xticks=range(0, 181, 45), ylim=(0, 0.58))  # a legend above 0.5
    axes.set_xlabel("orientation of the bars, degrees (90: vertical)", fontsize=SMALL)
    axes.set_ylabel("cycles per pixel", fontsize=SMALL)


def _draw_epochs(axes: Axes, variance_by_epoch: dict[int, float]) -> None:
    """Mean circular variance over the epochs."""
    if variance_by_epoch:
        marker = "o" if len(variance_by_epoch) <= 30 else None
        epochs, means = list(variance_by_epoch), list(variance_by_epoch.values())
        axes.plot(epochs, means, color=COLORS[2], marker=marker, ms=3.5)
    else:
        style = {"fontsize": NORMAL, "ha": "center", "color": GRAY, "transform": axes.transAxes}
        axes.text(0.5, 0.5, "not known: train with --snapshot-filters", **style)
    axes.set_ylim(0, 1)
    axes.set_title("mean circular variance through training", **_TITLE)
    axes.set_xlabel("epoch (0: before training)", fontsize=SMALL)
    whole_numbers(axes.xaxis)


def _histogram(axes: Axes, values: np.ndarray, columns: int) -> None:
    """Numbers of kernels, a bar for each column side by side; says how many are undefined."""
    parts = np.split(values, columns)
    labels = []
    for number, part in enumerate(parts, start=1):
        defined = part[~np.isnan(part)]
        name = f"column {number}: " if columns > 1 else ""
        mean = f"mean {defined.mean():.2f}" if len(defined) else "none defined"
        missing = len(part) - len(defined)
        labels.append(name + mean + (f", {missing} undefined" if missing else ""))
    colors = COLORS[:columns]
    defined = [part[~np.isnan(part)] for part in parts]
    axes.hist(defined, bins=np.linspace(0, 1, 21), color=colors, label=labels, rwidth=0.9)
    axes.set_xlim(0, 1)
    axes.set_ylabel("kernels", fontsize=SMALL)
    whole_numbers(axes.yaxis)
    # Room for the legend above the bars.
    axes.set_ylim(0, max(1, axes.get_ylim()[1]) * 1.35)
    axes.legend(**_LEGEND)


def kernel_pages(kernels: np.ndarray, tuning: Tuning, columns: int, title: str) -> list[Figure]:
    """Pages with 24 kernels each, (C, 3, KH, KW), and their tuning curves; none has two columns."""
    colors = pictures(kernels, "filter", columns)
    pages = []
    for column, members in enumerate(np.split(np.arange(len(kernels)), columns), start=1):
        name = f"{title}, column {column}" if columns > 1 else title
        for first in range(0, len(members), ACROSS * DOWN):
            part = members[first : first + ACROSS * DOWN]
            pages.append(_page(part, colors, tuning, name))
    return pages


def _page(members: np.ndarray, colors: np.ndarray, tuning: Tuning, title: str) -> Figure:
    figure = new_figure(PAGE_HEIGHT)
    figure.text(0.01, 0.995, f"{title}: kernels {members[0]} to {members[-1]}", va="top",
                fontsize=NORMAL, weight="bold", parse_math=False)  # fmt: skip
    figure.text(
        0.01, 0.98,
        "Each: the kernel; response to gratings by orientation at its best frequency (0 to 180 "
        "degrees, 90: vertical bars);\nresponse by frequency at its best orientation (0 to "
        "0.5 cycles per pixel). Curves are relative to their maximum. CV: circular variance.",
        va="top", fontsize=SMALL,
    )  # fmt: skip
    top, cell_height, cell_width = 0.945, 0.945 / DOWN, 1 / ACROSS
    for i, kernel in enumerate(members):
        left = i % ACROSS * cell_width
        bottom = top - (i // ACROSS + 1) * cell_height
        image, orientation, frequency = (
            figure.add_axes((left + x, bottom + 0.022, width, 0.06))
            for x, width in ((0.01, 0.085), (0.11, 0.085), (0.23, 0.085))
        )
        image.imshow(colors[kernel])
        image.set(xticks=[], yticks=[])
        image.spines[:].set_visible(False)
        variance = tuning.circular_variance[kernel]
        selectivity = (
            f"CV {variance:.2f}" if not np.isnan(variance) else "CV undefined: no response"
        )
        figure.text(left + 0.01, bottom + 0.092, f"{kernel}   {selectivity}", fontsize=NORMAL)
        if np.isnan(variance):
            orientation.set_visible(False)
            frequency.set_visible(False)
            continue
        _tuning_curves(orientation, frequency, tuning.response[kernel])
    return figure


def _tuning_curves(orientation: Axes, frequency: Axes, response: np.ndarray) -> None:
    """Both curves of a kernel's response (F, O) through its highest point."""
    best, preferred = np.unravel_index(response.argmax(), response.shape)
    response = response / response.max()
    # The orientations go round: the first is drawn once more as the last.
    around = np.append(response[best], response[best, 0])
    orientation.plot(np.append(ORIENTATIONS, 180), around, color=COLORS[0], lw=1.2)
    orientation.set(xlim=(0, 180), xticks=(0, 90, 180))
    frequency.plot(FREQUENCIES, response[:, preferred], color=COLORS[1], lw=1.2)
    frequency.set(xlim=(0, 0.5), xticks=(0, 0.25, 0.5), xticklabels=("0", ".25", ".5"))
    for axes in (orientation, frequency):
        axes.set(ylim=(0, 1.05), yticks=(0, 1), yticklabels=())
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=6, length=2, pad=1.5)
