"""What conv1's kernels are tuned to: orientation, spatial frequency, color."""

from __future__ import annotations

import argparse
import copy
import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alexnet import cli, files
from alexnet.inference import layers, options
from alexnet.inference.trained import Trained
from alexnet.run import filter_snapshots
from alexnet.style import save
from alexnet.visualize.kernel_figures import epoch_name
from alexnet.visualize.output import add_out_option, destination, run_name
from alexnet.visualize.response_figures import kernel_pages, overview_figure
from alexnet.visualize.tuning import (
    Tuning,
    grating_response,
    mean_circular_variance,
    tuning,
)
from minigrad import nn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("fourier", "gratings")


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_checkpoint_option(parser)
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="fourier (default): exact; gratings: measured, by drawing gratings and showing them "
        "to the layer",
    )
    parser.add_argument(
        "--epoch",
        type=cli.count_or_zero,
        metavar="N",
        help="of the kernels after this epoch of a run with --snapshot-filters, 0 for the start",
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.add_argument(
        "--csv", type=cli.output_file(), metavar="FILE", help="write a row for each kernel"
    )
    add_out_option(
        parser,
        "responses.png in the run folder; the kernels' own curves go to "
        "responses-1.png, responses-2.png, ... beside it",
    )
    parser.set_defaults(backend="cpu")  # a single small layer


def run(arguments: argparse.Namespace) -> int:
    """Draw an overview and a page for every 24 kernels; print the means, or JSON."""
    trained = options.network(arguments)
    name = "responses" if arguments.epoch is None else f"responses-epoch-{arguments.epoch}"
    path = destination(arguments, f"{name}.png")
    measured = measure(trained, arguments.method, arguments.epoch)
    rows = kernel_rows(measured.tuning, measured.columns)
    if arguments.csv:
        _write_csv(rows, arguments.csv)

    save(overview(trained, measured), path)
    title = _title(trained, measured)
    pages = kernel_pages(measured.kernels, measured.tuning, measured.columns, title)
    for number, page in enumerate(pages, start=1):
        save(page, path.with_name(f"{path.stem}-{number}{path.suffix}"))

    summary = column_rows(measured.tuning, measured.columns)
    if arguments.json:
        epochs = [
            {"epoch": epoch, "circular_variance": _number(variance)}
            for epoch, variance in measured.variance_by_epoch.items()
        ]
        values = {"epoch": arguments.epoch, "kernels": rows, "columns": summary, "epochs": epochs}
        print(json.dumps(values))
        return 0
    for column in summary:
        print(
            f"column {column['column']}: {column['kernels']} kernels, "
            f"{column['undefined']} without a response; circular variance "
            f"{_text(column['circular_variance'])}, color selectivity "
            f"{_text(column['color_selectivity'])} (means)"
        )
    print(cli.printable(str(path)))
    return 0


class Responses(NamedTuple):
    """What conv1's kernels respond to.

    Attributes:
        kernels: (C, 3, KH, KW).
        epoch: after which they are these; None for those of the checkpoint.
        tuning: of the kernels.
        columns: equal parts of the kernels.
        variance_by_epoch: their mean circular variance, of a run that has kept them.
    """

    kernels: np.ndarray
    epoch: int | None
    tuning: Tuning
    columns: int
    variance_by_epoch: dict[int, float]


def measure(trained: Trained, method: str = METHODS[0], epoch: int | None = None) -> Responses:
    """The responses of conv1's kernels to gratings.

    Args:
        method: one of `METHODS`.
        epoch: of a run that has kept the kernels of its epochs; by default those of the checkpoint.

    Raises:
        CheckpointError: a file with the kernels of an epoch is damaged, or none were kept.
        UsageError: those of this epoch were not kept.
    """
    conv1 = layers.convolutions(trained.model)["conv1"]
    if epoch is None:
        snapshots = filter_snapshots.load(trained.folder)
    else:
        snapshots = filter_snapshots.require(trained.folder, conv1.weight.shape)
        conv1 = copy.copy(conv1)
        conv1.weight = nn.Parameter(filter_snapshots.of_epoch(snapshots, epoch))
    measured = grating_response(conv1) if method == "gratings" else None
    return Responses(
        conv1.weight.numpy(),
        epoch,
        tuning(conv1.weight.numpy(), measured),
        layers.columns(trained.model, "conv1"),
        {epoch: mean_circular_variance(kernels) for epoch, kernels in snapshots.items()},
    )


def overview(trained: Trained, measured: Responses) -> Figure:
    """Histograms of circular variance and color selectivity, tuning, and change with training."""
    title = _title(trained, measured)
    return overview_figure(measured.tuning, measured.columns, title, measured.variance_by_epoch)


def _title(trained: Trained, measured: Responses) -> str:
    when = "" if measured.epoch is None else f", {epoch_name(measured.epoch)}"
    return f"conv1 of {run_name(trained.source, 60)}{when}"


def kernel_rows(tuning: Tuning, columns: int) -> list[dict[str, Any]]:
    """The numbers of each kernel; None where one is undefined."""
    per_column = len(tuning.frequency) // columns
    return [
        {
            "kernel": kernel,
            "column": kernel // per_column + 1,
            "circular_variance": _number(tuning.circular_variance[kernel]),
            "orientation_degrees": _number(tuning.orientation[kernel]),
            "frequency_cycles_per_pixel": _number(tuning.frequency[kernel]),
            "response": float(tuning.response[kernel].max()),
            "color_selectivity": _number(tuning.color_selectivity[kernel]),
        }
        for kernel in range(len(tuning.frequency))
    ]


def column_rows(tuning: Tuning, columns: int) -> list[dict[str, Any]]:
    """Means over the kernels of each column for which they are defined."""
    parts = zip(
        np.split(tuning.circular_variance, columns), np.split(tuning.color_selectivity, columns)
    )
    return [
        {
            "column": number,
            "kernels": len(variance),
            "undefined": int(np.isnan(variance).sum()),
            "circular_variance": _mean(variance),
            "color_selectivity": _mean(color),
        }
        for number, (variance, color) in enumerate(parts, start=1)
    ]


def _mean(values: np.ndarray) -> float | None:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write(path, table.getvalue().encode())
