"""What conv1's kernels are tuned to: orientation, spatial frequency, color."""

import argparse
import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli, files
from alexnet.inference import layers, options
from alexnet.run import filter_snapshots
from alexnet.style import save
from alexnet.visualize.output import add_out_option, destination, run_folder, run_name
from alexnet.visualize.response_figures import kernel_pages, overview_figure
from alexnet.visualize.tuning import (
    Tuning,
    grating_response,
    mean_circular_variance,
    tuning,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_checkpoint_option(parser)
    parser.add_argument(
        "--method",
        choices=("fourier", "gratings"),
        default="fourier",
        help="fourier (default): exact; gratings: measured, by drawing gratings and showing them "
        "to the layer",
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
    folder = run_folder(arguments.checkpoint)
    model = options.network(arguments).model
    path = destination(arguments, "responses.png")
    conv1 = layers.convolutions(model)["conv1"]
    columns = layers.columns(model, "conv1")
    kernels = conv1.weight.numpy()
    measured = grating_response(conv1) if arguments.method == "gratings" else None
    result = tuning(kernels, measured)
    by_epoch = {
        epoch: mean_circular_variance(epoch_kernels)
        for epoch, epoch_kernels in filter_snapshots.load(folder).items()
    }
    rows = kernel_rows(result, columns)
    if arguments.csv:
        _write_csv(rows, arguments.csv)

    title = f"conv1 of {run_name(arguments.checkpoint, 60)}"
    save(overview_figure(result, columns, title, by_epoch), path)
    for number, page in enumerate(kernel_pages(kernels, result, columns, title), start=1):
        save(page, path.with_name(f"{path.stem}-{number}{path.suffix}"))

    summary = column_rows(result, columns)
    if arguments.json:
        epochs = [{"epoch": e, "circular_variance": _number(v)} for e, v in by_epoch.items()]
        print(json.dumps({"kernels": rows, "columns": summary, "epochs": epochs}))
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
