"""The sections of a run's report on the run and its network: functions from `Report` to HTML.

One that cannot be written raises `Missing`. Those on images are in `alexnet.report.images`.
"""

import argparse
import functools
import itertools
import json
import math
import shlex
import statistics
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alexnet.data import Dataset
from alexnet.inference import layers
from alexnet.inference.layers import layer_costs
from alexnet.inference.results import Results
from alexnet.model import parameter_count
from alexnet.report.html import figure, pairs, picture, slider, table, text
from alexnet.run.checkpoint import Checkpoint
from alexnet.run.folder import RUN_JSON
from alexnet.run.metrics import Row
from alexnet.visualize import curves, response_figures
from alexnet.visualize.kernel_figures import epoch_name, evenly, kernels_figure
from alexnet.visualize.tuning import mean_circular_variance, tuning
from minigrad import nn

MAX_FRAMES = 20  # of the slider; each has 90 kB


class Missing(Exception):
    """What a section tells of is not there; `remedy` is the command that brings it."""

    def __init__(self, reason: str, remedy: str):
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class Start(NamedTuple):
    """When, where and after how many steps a run was started or continued, and what it changed."""

    time: str
    after_step: int
    changed: dict[str, Any]
    environment: dict[str, Any]


@dataclass
class Images:
    """A set, and what the network said of its images."""

    dataset: Dataset
    results: Results


@dataclass
class Report:
    """What the sections tell of.

    Attributes:
        arguments: options of the command.
        rows: one an epoch.
        snapshots: conv1's kernels by epoch; where there are none, `no_snapshots` says why.
        images: or None, and then `no_images` says why.
    """

    arguments: argparse.Namespace
    checkpoint: Checkpoint
    model: nn.Module
    rows: list[Row]
    snapshots: dict[int, np.ndarray]
    no_snapshots: str = ""
    images: Images | None = None
    no_images: str = ""

    @property
    def folder(self) -> Path:
        return self.arguments.checkpoint

    @property
    def data_name(self) -> str:
        return self.arguments.data or self.checkpoint.arguments.get("data", "images")

    @functools.cached_property
    def variance_by_epoch(self) -> dict[int, float]:
        """Mean circular variance of conv1's kernels."""
        return {epoch: mean_circular_variance(k) for epoch, k in self.snapshots.items()}

    def require_images(self) -> Images:
        if self.images is None:
            remedy = f"python -m alexnet.report {shlex.quote(str(self.folder))} --data-root DIR"
            raise Missing(self.no_images, remedy)
        return self.images

    def require_rows(self) -> list[Row]:
        if not self.rows:
            raise Missing(f"{self.folder} has no complete epoch", "python -m alexnet.train")
        return self.rows

    def run_json(self) -> tuple[dict[str, Any], list[Start]]:
        """The arguments of the run, and its starts, of which there is at least one."""
        try:
            run = json.loads((self.folder / RUN_JSON).read_text(encoding="utf-8"))
            starts = [
                Start(
                    str(start["time"]),
                    int(start["after_step"]),
                    dict(start["changed"]),
                    dict(start["versions"]) | dict(start["machine"]),
                )
                for start in run["starts"]
            ]
            if not starts:
                raise ValueError("no start")
            return dict(run["arguments"]), starts
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Missing(f"there is no readable {RUN_JSON}", "python -m alexnet.train") from error


def missing(reason: str, remedy: str = "") -> str:
    """The line in place of what is not there."""
    remedy = f" <code>{text(remedy)}</code> gives it." if remedy else ""
    return f'<p class="missing">Left out: {text(" ".join(reason.split()))}.{remedy}</p>'


def headline(report: Report) -> str:
    """The numbers that one asks for first."""
    classes = len(report.checkpoint.classes)
    cards = []
    if report.rows:
        best = max(report.rows, key=lambda row: row["val_top1"])
        note = f"validation, epoch {best['epoch']} of {report.rows[-1]['epoch']}"
        cards += [
            ("top-1", f"{best['val_top1']:.1%}", f"chance {1 / classes:.1%}; {note}"),
            ("top-5", f"{best['val_top5']:.1%}", f"chance {min(5 / classes, 1):.1%}"),
            ("loss", f"{best['val_loss']:.3f}", f"guessing {math.log(classes):.3f}"),
        ]
    cards.append(("parameters", f"{parameter_count(report.model):,}", f"{classes:,} classes"))
    if report.rows:
        speed = statistics.median(row["images_per_s"] for row in report.rows)
        cards += [
            ("speed", f"{speed:,.1f}", "images/s in training, median"),
            ("time", _duration(report.rows), "training and validation"),
        ]
    items = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd><dd>{text(note)}</dd></div>"
        for name, value, note in cards
    )
    return f'<dl class="numbers">{items}</dl>'


def setup(report: Report) -> str:
    try:
        arguments, _ = report.run_json()
    except Missing:
        arguments = report.checkpoint.arguments  # of the start of the run
    return pairs([(name.replace("_", " "), value) for name, value in arguments.items()])


def learning_curves(report: Report) -> str:
    run = curves.Run(report.folder.resolve().name, report.require_rows(), report.variance_by_epoch)
    best = max(run.rows, key=lambda row: row["val_top1"])
    alt = (
        f"Loss, accuracy, learning rate and speed over {len(run.rows)} epochs; the best "
        f"validation top-1 is {best['val_top1']:.1%} in epoch {best['epoch']}"
    )
    return figure(
        picture(curves.curves_figure([run]), alt),
        "Loss and accuracy in training (with augmentation and dropout) and on the validation "
        "set, learning rate, and images per second.",
    )


def filters(report: Report) -> str:
    conv1 = layers.convolutions(report.model)["conv1"]
    columns = layers.columns(report.model, "conv1")
    caption = (
        f"The {conv1.out_channels} kernels of the first layer, each at full contrast; grey is a "
        "weight of 0."
    )
    if not report.snapshots:
        image = picture(
            kernels_figure(conv1.weight.numpy(), columns, "conv1"), "Kernels of conv1", "png"
        )
        return figure(image, caption, scroll=False) + missing(
            report.no_snapshots, "python -m alexnet.train --snapshot-filters"
        )
    epochs = evenly(list(report.snapshots), MAX_FRAMES)
    labels = [epoch_name(epoch) for epoch in epochs]
    images = [
        picture(
            kernels_figure(report.snapshots[epoch], columns, f"conv1, {label}"),
            f"Kernels of conv1, {label}",
            "png",
            hidden=epoch != epochs[-1],
        )
        for epoch, label in zip(epochs, labels)
    ]
    return figure(slider(images, labels, "Epoch"), caption, scroll=False)


def responses(report: Report) -> str:
    kernels = layers.convolutions(report.model)["conv1"].weight.numpy()
    columns = layers.columns(report.model, "conv1")
    result = tuning(kernels)
    overview = response_figures.overview_figure(result, columns, "conv1", report.variance_by_epoch)
    mean = mean_circular_variance(kernels)
    alt = f"Tuning of conv1's kernels; their mean circular variance is {mean:.2f}"
    command = f"python -m alexnet.visualize responses {shlex.quote(str(report.folder))}"
    return (
        figure(
            picture(overview, alt),
            "What gratings the kernels answer, exactly, from their Fourier amplitudes.",
        )
        + f"<p><code>{text(command)}</code> draws the tuning curves of each kernel.</p>"
    )


def budget(report: Report) -> str:
    """Speed, and what each layer costs."""
    model = report.checkpoint.build()  # on the CPU: the cost of an image is the same anywhere
    costs = layer_costs(model, report.checkpoint.preprocessing.image_size)
    batch_size = report.checkpoint.arguments.get("batch_size", report.arguments.batch_size)
    # ReLU, dropout and flattening are counted with the layer they belong to.
    names = [name for name, stage in layers.stages(model).items() for _ in stage]
    rows, totals = [], [0, 0, 0]
    for name, parts in itertools.groupby(zip(names, costs, strict=True), lambda pair: pair[0]):
        of_stage = [cost for _, cost in parts]
        amounts = [
            sum(cost.parameters for cost in of_stage),
            sum(cost.multiply_adds for cost in of_stage),
            sum(cost.activation_bytes for cost in of_stage) * batch_size,
        ]
        totals = [total + amount for total, amount in zip(totals, amounts)]
        rows.append([name, "×".join(map(str, of_stage[-1].output_shape)), *_amounts(*amounts)])
    rows.append(["total", "", *_amounts(*totals)])
    multiply_adds = totals[1]
    header = ["layer", "output", "parameters", "multiply-adds", "output, MB"]
    caption = (
        "Parameters, and multiply-adds of an image; the outputs that are kept for the backward "
        f"pass, of a batch of {batch_size}."
    )
    speed = ""
    if report.rows:
        rates = [row["images_per_s"] for row in report.rows]
        rate = statistics.median(rates)
        # Forward, and backward to weights and to inputs: three times, of two operations each.
        speed = (
            f"<p>Training ran at {rate:,.1f} images/s (median of the epochs; from "
            f"{min(rates):,.1f} to {max(rates):,.1f}), which is "
            f"{6 * multiply_adds * rate / 1e9:,.1f} GFLOP/s.</p>"
        )
    return speed + table(header, rows, caption)


def _amounts(parameters: int, multiply_adds: int, size: int) -> list[str]:
    """Cells of a table; a dash for none."""
    texts = [f"{parameters:,}", f"{multiply_adds:,}", f"{size / 1e6:,.2f}"]
    amounts = [parameters, multiply_adds, size]
    return [cell if amount else "–" for cell, amount in zip(texts, amounts)]


def environment(report: Report) -> str:
    _, starts = report.run_json()
    latest = pairs([("started", starts[-1].time), *starts[-1].environment.items()])
    if len(starts) == 1:
        return latest
    rows = [
        [start.time, f"{start.after_step:,}", ", ".join(_change(*c) for c in start.changed.items())]
        for start in starts
    ]
    # The last column is text, too; a number of steps is as well read from the left.
    starts_table = table(["started", "after step", "changed"], rows, "All starts", texts=3)
    return latest + starts_table


def _change(name: str, values: object) -> str:
    """A setting of which run.json has the value before and now."""
    if isinstance(values, list) and len(values) == 2:
        return f"{name}: {values[0]} → {values[1]}"
    return name


def _duration(rows: list[Row]) -> str:
    return str(timedelta(seconds=round(sum(row["seconds"] for row in rows))))
