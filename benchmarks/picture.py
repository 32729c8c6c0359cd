"""The picture of `benchmarks.layers --plot`: where the time goes, and what bounds each pass."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alexnet.style import REFERENCE, TRAINING, VALIDATION, new_figure
from benchmarks.machine import Peaks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, TORCH = TRAINING, VALIDATION
MARKERS = {"forward": "o", "d input": "s", "d weight": "^"}


def draw(results: list, peaks: Peaks, path: Path) -> None:
    """Bars of the milliseconds of each layer, and its passes under the machine's roofline.

    Args:
        results: of `benchmarks.layers`, in one precision.
        path: where the PNG goes.
    """
    figure = new_figure(5, width=11, layout="constrained")
    bars, roofline = figure.subplots(1, 2)
    _draw_bars(bars, results)
    _draw_roofline(roofline, results, peaks)
    for axes in (bars, roofline):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    figure.savefig(path, dpi=120)


def _draw_bars(axes: Axes, results: list) -> None:
    layers = list(dict.fromkeys(result.layer for result in results))
    y = np.arange(len(layers))

    def milliseconds(side: str) -> list[float]:
        return [
            1e3 * sum(getattr(r, side).median for r in results if r.layer == layer)
            for layer in layers
        ]

    axes.barh(y - 0.2, milliseconds("ours"), 0.4, color=OURS, label="minigrad")
    if all(result.torch for result in results):
        axes.barh(y + 0.2, milliseconds("torch"), 0.4, color=TORCH, label="PyTorch")
    axes.set_yticks(y, layers)
    axes.invert_yaxis()
    axes.set(title="All passes of each layer", xlabel="ms")
    axes.grid(axis="x", color="0.92")
    axes.legend(frameon=False)


def _draw_roofline(axes: Axes, results: list, peaks: Peaks) -> None:
    computing = [result for result in results if result.flops]
    for of, marker in MARKERS.items():
        chosen = [result for result in computing if result.of == of]
        intensity = [result.flops / result.transferred for result in chosen]
        for side, color in (("ours", OURS), ("torch", TORCH)):
            samples = [getattr(result, side) for result in chosen]
            if not all(samples):
                continue
            gflops = [r.flops / s.median / 1e9 for r, s in zip(chosen, samples)]
            axes.plot(intensity, gflops, marker, color=color, alpha=0.7, ms=6)
        axes.plot([], [], marker, color=REFERENCE, label=of)
    peak = peaks.of(results[0].precision)
    knee = peak / peaks.gbytes
    reach = np.geomspace(knee / 4, max([8 * knee] + [r.flops / r.transferred for r in computing]))
    roof = np.minimum(peak, reach * peaks.gbytes)
    axes.plot(reach, roof, color=REFERENCE, lw=1.2, label="copy and matrix product")
    axes.set(
        title="Convolutions and linear layers",
        xlabel="FLOPs of the direct sum per byte it must move",
        ylabel="GFLOP/s",
        xscale="log",
        ylim=(0, None),
    )
    axes.grid(color="0.92")
    axes.legend(frameon=False)
