"""The sections of a run's report: each is a function from `Report` to HTML.

One that cannot be written raises `Missing`, or the error of what it needs.
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
from typing import Any

import numpy as np

from alexnet import result_figures, trained
from alexnet.checkpoint import Checkpoint
from alexnet.data import Dataset
from alexnet.data.dataset import Subset
from alexnet.data.labels import display_name
from alexnet.data.loader import Batch
from alexnet.data.transforms import central_view
from alexnet.evaluation import predict
from alexnet.html_page import figure, pairs, picture, slider, table, text
from alexnet.metrics import Row
from alexnet.model import parameter_count
from alexnet.predict import top_classes
from alexnet.result_figures import Prediction
from alexnet.results import Estimate, Results
from alexnet.summary import layer_costs
from alexnet.visualize import curves, layers, nearest, neighbours, pictures, response_figures
from alexnet.visualize.features import LAYER, Features, features
from alexnet.visualize.kernel_figures import epoch_name, evenly, kernels_figure
from alexnet.visualize.tuning import mean_circular_variance, tuning
from minigrad import backend, nn
from minigrad.io import CheckpointError

# Each bounds the time that a report takes, or its size.
MAX_FRAMES = 20  # of the slider
INDEXED_IMAGES, QUERIES, NEIGHBOURS = 2000, 6, 6
SAMPLES = 8  # right ones, and as many wrong ones
LISTED_CLASSES, EXTREME_CLASSES, LISTED_PAIRS = 20, 10, 10


class Missing(Exception):
    """What a section tells of is not there; `remedy` is the command that brings it."""

    def __init__(self, reason: str, remedy: str):
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


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

    def run_json(self) -> dict[str, dict[str, Any]]:
        """arguments, versions and machine of run.json, and when the run started."""
        try:
            run = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
            parts = {name: dict(run[name]) for name in ("arguments", "versions", "machine")}
            return parts | {"started": run["started"]}
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Missing("there is no readable run.json", "python -m alexnet.train") from error


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
            ("speed", f"{speed:,.0f}", "images/s in training, median"),
            ("time", _duration(report.rows), f"{len(report.rows)} epochs with validation"),
        ]
    items = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd><dd>{text(note)}</dd></div>"
        for name, value, note in cards
    )
    return f'<dl class="numbers">{items}</dl>'


def setup(report: Report) -> str:
    try:
        arguments = report.run_json()["arguments"]
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


def accuracy(report: Report) -> str:
    images = report.require_images()
    results = images.results
    title = f"{len(results):,} {report.arguments.split} images"
    confusion = result_figures.confusion_matrix(results, title)
    alt = f"Confusion matrix of {title}: {results.accuracy().value:.1%} are right"
    names = [display_name(name) for name in results.classes]
    rows = [["all images", f"{len(results):,}", *_percentages(results.accuracy())]]
    of_class = results.accuracy_by_class()
    counts = np.bincount(results.labels, minlength=len(names))
    shown = [label for label in range(len(names)) if counts[label]]
    which = "of each class"
    if len(shown) > LISTED_CLASSES:
        shown.sort(key=lambda label: (-of_class[label].value, label))
        shown = shown[:EXTREME_CLASSES] + shown[-EXTREME_CLASSES:]
        which = f"of the {EXTREME_CLASSES} best and the {EXTREME_CLASSES} worst classes"
    for label in shown:
        rows.append([names[label], f"{counts[label]:,}", *_percentages(of_class[label])])
    classes = table(["class", "images", "top-1", "95% interval"], rows, f"Accuracy {which}")
    pairs = [
        [names[label], names[predicted], f"{count:,}", f"{share:.1%}"]
        for label, predicted, count, share in results.confused_pairs(LISTED_PAIRS)
    ]
    header = ["class", "taken for", "images", "of the class"]
    return (
        figure(picture(confusion, alt, "png"), "What is taken for what, in percent of a row.")
        + classes
        + (table(header, pairs, "Most confused", texts=2) if pairs else "")
    )


def samples(report: Report) -> str:
    images = report.require_images()
    results = images.results
    generator = np.random.default_rng(0)
    parts = []
    for name, of_kind in (("right", results.rank == 1), ("wrong", results.rank > 1)):
        positions = np.flatnonzero(of_kind)
        count = min(SAMPLES, len(positions))
        if not count:
            parts.append(f"<p>None of the {len(results):,} images is classified {name}.</p>")
            continue
        chosen = np.sort(generator.choice(positions, count, replace=False))
        items = _predictions(report, images.dataset, results.indices[chosen])
        alt = f"{count} images that are classified {name}, with the most probable classes: "
        alt += ", ".join(display_name(item.label) for item in items)
        caption = (
            f"{count} of the {len(positions):,} images that are classified {name}, drawn by lot: "
            "the true class below the image, and the most probable classes."
        )
        parts.append(figure(picture(result_figures.predictions(items), alt, "jpg"), caption))
    if (results.rank > 1).any():
        sheet = result_figures.error_sheet(
            results, images.dataset, report.checkpoint.preprocessing, "The worst errors"
        )
        parts.append(
            figure(
                picture(sheet, "The errors with the highest loss, and the most confident", "jpg"),
                "Errors are a good place to look for wrong labels.",
            )
        )
    return "".join(parts)


def _predictions(report: Report, dataset: Dataset, indices: np.ndarray) -> list[Prediction]:
    """What the network says of some images of a set."""
    preprocessing, classes = report.checkpoint.preprocessing, report.checkpoint.classes
    views = [central_view(dataset.image(i, preprocessing.resize), preprocessing) for i in indices]
    crops, flips, shifts = zip(*views)
    batch = Batch(
        np.stack(crops), np.array(flips), np.stack(shifts), dataset.labels[indices], indices,
        preprocessing,
    )  # fmt: skip
    ((_, log_probabilities),) = predict(
        report.model, iter([batch]), backend.get(report.arguments.backend)
    )
    return [
        Prediction(crop, dataset.name(i), classes[dataset.labels[i]], top_classes(row, classes, 5))
        for crop, i, row in zip(crops, indices, np.exp(log_probabilities))
    ]


def similar_images(report: Report) -> str:
    dataset = report.require_images().dataset
    arguments, checkpoint = report.arguments, report.checkpoint
    if arguments.split == "train":
        remedy = f"python -m alexnet.report {shlex.quote(str(report.folder))} --split validation"
        raise Missing("each training image would find itself", remedy)
    training = trained.dataset(arguments, checkpoint, "train")
    index = _index(report, training)
    queries = Subset(dataset, min(QUERIES, len(dataset)))
    of_queries = _features(report, queries)
    count = min(NEIGHBOURS, len(index.values))
    positions, distances = nearest.nearest(of_queries.values, index.values, count)
    shown = neighbours.neighbours_figure(
        pictures.shown(queries, of_queries.indices, checkpoint.preprocessing),
        [
            pictures.shown(training, index.indices[row], checkpoint.preprocessing)
            for row in positions
        ],
        distances,
        checkpoint.classes,
        f"Nearest of {len(index.values):,} training images, euclidean distance in {LAYER}",
    )
    same = (index.labels[positions] == of_queries.labels[:, np.newaxis]).sum()
    alt = (
        f"{len(queries)} images, each with its {count} nearest training images; {same} of "
        f"{positions.size} neighbours are of the same class"
    )
    return figure(
        picture(shown, alt, "jpg"),
        f"Images of the {arguments.split} set, and the training images whose {LAYER} activations "
        "are nearest to theirs. Blue: of the same class; dashed red: of another.",
    )


def _index(report: Report, training: Dataset) -> Features:
    """The index of `visualize neighbours` where there is one, else of some training images."""
    path = pictures.beside(report.folder, "index.safetensors")
    if path.exists():
        try:
            return nearest.load(path, nearest.identity(report.checkpoint, training, LAYER))
        except (nearest.OtherIndex, CheckpointError):
            pass  # of a network before this one
    some = Subset(training, min(INDEXED_IMAGES, len(training)))
    found = _features(report, some)
    return found._replace(indices=some.indices[found.indices])


def _features(report: Report, dataset: Dataset) -> Features:
    loader = trained.loader(report.arguments, report.checkpoint, dataset)
    return features(report.model, loader, backend.get(report.arguments.backend))


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
            f"<p>Training ran at {rate:,.1f} images/s (median of {len(rates)} epochs; from "
            f"{min(rates):,.1f} to {max(rates):,.1f}), which is "
            f"{6 * multiply_adds * rate / 1e9:,.0f} GFLOP/s.</p>"
        )
    return speed + table(header, rows, caption)


def _amounts(parameters: int, multiply_adds: int, size: int) -> list[str]:
    """Cells of a table; a dash for none."""
    texts = [f"{parameters:,}", f"{multiply_adds:,}", f"{size / 1e6:,.2f}"]
    amounts = [parameters, multiply_adds, size]
    return [cell if amount else "–" for cell, amount in zip(texts, amounts)]


def environment(report: Report) -> str:
    run = report.run_json()
    values = [("started", run["started"]), *run["versions"].items(), *run["machine"].items()]
    return pairs(values)


# In the order of the page: id, heading, function.
SECTIONS = (
    ("setup", "Setup", setup),
    ("curves", "Learning curves", learning_curves),
    ("filters", "Filters of the first layer", filters),
    ("responses", "Orientation tuning", responses),
    ("accuracy", "Accuracy by class and confusion", accuracy),
    ("samples", "Predictions", samples),
    ("neighbours", "Nearest neighbours", similar_images),
    ("budget", "Speed and cost by layer", budget),
    ("environment", "Environment", environment),
)


def _percentages(estimate: Estimate) -> tuple[str, str]:
    return f"{estimate.value:.1%}", f"{estimate.low:.1%} to {estimate.high:.1%}"


def _duration(rows: list[Row]) -> str:
    return str(timedelta(seconds=round(sum(row["seconds"] for row in rows))))
