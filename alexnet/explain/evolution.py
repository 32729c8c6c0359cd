"""How a kernel of conv1 became what it is, from the snapshots of a run."""

from pathlib import Path

import numpy as np

from alexnet import text
from alexnet.errors import UsageError
from alexnet.explain.pictures import colored
from alexnet.explain.text import number
from alexnet.report import html
from alexnet.report.html import Section
from alexnet.run import filter_snapshots
from alexnet.visualize.kernel_figures import pictures

HEADER = ["epoch", "norm", "norm of the change", "cosine to the last"]


def snapshots(folder: Path, shape: tuple[int, ...], kernel: int) -> dict[int, np.ndarray]:
    """A kernel (3, KH, KW) of conv1 by epoch.

    Args:
        shape: of conv1's kernels (C, 3, KH, KW).

    Raises:
        CheckpointError: the run kept no kernels, or those of another network.
        UsageError: there is no such kernel.
    """
    kernels = filter_snapshots.require(folder, shape)
    if not 0 <= kernel < shape[0]:
        raise UsageError(f"conv1 has no filter {kernel}: they go from 0 to {shape[0] - 1}")
    return {epoch: values[kernel].astype(np.float64) for epoch, values in kernels.items()}


def as_text(kernels: dict[int, np.ndarray], kernel: int) -> str:
    """A table for a terminal."""
    return f"{_title(kernels, kernel)}\n\n{text.table([HEADER, *_rows(kernels)], texts=0)}"


def page(kernels: dict[int, np.ndarray], kernel: int) -> str:
    """A page with a picture of each epoch."""
    colors = pictures(np.stack(list(kernels.values())), "joint", 1)
    shown = "".join(
        html.figure(colored(image, f"epoch {epoch}"), f"epoch {epoch}", scroll=False)
        for epoch, image in zip(kernels, colors)
    )
    caption = "The norm of its weights, of their change since the row before, and the cosine of "
    caption += "the angle between them and the last ones"
    table = html.table(HEADER, _rows(kernels), caption)
    sections = [
        Section("pictures", "Epoch by epoch", f'<div class="maps">{shown}</div>'),
        Section("numbers", "In numbers", table),
    ]
    note = "<p>Gray is a weight of 0; all epochs have the same contrast.</p>"
    return html.page(_title(kernels, kernel), note, sections)


def _title(kernels: dict[int, np.ndarray], kernel: int) -> str:
    return f"conv1, filter {kernel}, epochs {min(kernels)} to {max(kernels)}"


def _rows(kernels: dict[int, np.ndarray]) -> list[list[str]]:
    last = kernels[max(kernels)]
    found, before = [], None
    for epoch, values in kernels.items():
        change = "" if before is None else number(float(np.linalg.norm(values - before)))
        norms = float(np.linalg.norm(values)), float(np.linalg.norm(last))
        cosine = float((values * last).sum()) / (norms[0] * norms[1] or 1.0)
        found.append([str(epoch), number(norms[0]), change, f"{cosine:.3f}"])
        before = values
    return found
