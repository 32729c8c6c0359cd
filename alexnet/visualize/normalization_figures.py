"""Pictures of what the response normalizations of a network do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from alexnet.inference.normalizations import Pairs
from alexnet.style import BLUE, GRAY, NORMAL, SMALL, VERMILION, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DENSITY = "Blues"
CELLS = 120  # of the density, along each axis
BINS = np.linspace(0, 1, 51)  # of the gain
DRAWN_SHARE = 0.999  # of the inputs; the largest ones would leave the others no room
ROW_HEIGHT, TITLE_HEIGHT = 2.6, 0.3  # inches


def normalization_figure(normalizations: Sequence[Pairs], title: str) -> Figure:
    """A row for each normalization: output over input, and how much of the constant is left."""
    height = TITLE_HEIGHT + ROW_HEIGHT * len(normalizations)
    figure = new_figure(height, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=NORMAL, parse_math=False)
    rows = figure.subplots(len(normalizations), 2, squeeze=False, width_ratios=(3, 2))
    for (density, histogram), pairs in zip(rows, normalizations):
        draw_density(density, pairs)
        density.set_title(f"{pairs.layer}: {described(pairs)}", fontsize=NORMAL, loc="left")
        draw_gain(histogram, pairs)
    return figure


def described(pairs: Pairs) -> str:
    """What a normalization does, in numbers."""
    if not len(pairs.input):
        return "its input is 0 for all images"
    low, median, high = np.quantile(pairs.gain, (0.01, 0.5, 0.99))
    return f"{median:.1%} of {pairs.constant:.3f} (median), {low:.1%} to {high:.1%} (1% to 99%)" + (
        ": a constant" if pairs.is_constant else ""
    )


def draw_density(axes: Axes, pairs: Pairs) -> None:
    """Output over input: how many pairs lie where, and the line of the constant.

    Without their signs, which a normalization keeps.
    """
    from matplotlib.colors import LogNorm

    inputs, outputs = np.abs(pairs.input), np.abs(pairs.output)
    reach = float(np.quantile(inputs, DRAWN_SHARE)) if len(inputs) else 1.0
    extent = (0.0, reach, 0.0, 1.05 * reach * pairs.constant)
    counts, _, _ = np.histogram2d(inputs, outputs, bins=CELLS, range=(extent[:2], extent[2:]))
    counts = np.where(counts > 0, counts, np.nan)
    axes.imshow(
        counts.T,
        origin="lower",
        extent=extent,
        aspect="auto",
        cmap=DENSITY,
        norm=LogNorm(vmin=0.3, vmax=max(1.0, np.nanmax(counts, initial=1.0))),
    )
    line = (0, reach), (0, reach * pairs.constant)
    label = f"constant: {pairs.constant:.3f} times the input"
    axes.plot(*line, color=VERMILION, lw=1, ls="--", label=label)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.set_xlabel("input", fontsize=SMALL)
    axes.set_ylabel("output", fontsize=SMALL)
    axes.legend(fontsize=SMALL, loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)


def draw_gain(axes: Axes, pairs: Pairs) -> None:
    """Shares of the activations, by what is left of the constant."""
    counts, _ = np.histogram(np.minimum(pairs.gain, 1), bins=BINS)
    shares = counts / max(1, len(pairs.input))
    axes.bar(BINS[:-1], shares, width=np.diff(BINS), align="edge", color=BLUE)
    axes.axvline(1, color=GRAY, lw=0.8, ls=":")
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("output / input, as a share of the constant", fontsize=SMALL)
    axes.set_ylabel("share of the activations", fontsize=SMALL)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
    plain(axes)
    axes.tick_params(labelsize=SMALL)
