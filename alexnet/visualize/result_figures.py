"""Pictures of predictions and errors; each function returns a figure as wide as a page."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alexnet import cli, text
from alexnet.data import Dataset
from alexnet.data.batch import Batch
from alexnet.data.labels import caption
from alexnet.data.transforms import Preprocessing, central_view, ten_views
from alexnet.inference import results, scores
from alexnet.inference.evaluation import predict
from alexnet.inference.inputs import UNKNOWN
from alexnet.inference.results import Results
from alexnet.inference.trained import Trained
from alexnet.style import BLUE, GRAY, PAGE_WIDTH, VERMILION, fitted, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Up to so many classes every cell of a confusion matrix has its number; more than the second number
# of classes it does not show.
NUMBERED_CLASSES, NAMED_CLASSES = 20, 40
ERRORS_PER_KIND, ERROR_COLUMNS = 12, 6
PREDICTION_COLUMNS = 4
PICTURED_IMAGES, PICTURED_CLASSES = 12, 5  # fit a page
# Pale enough for black text on top; the frame tells the true class without color, too.
BAR, TRUE_BAR = "#A9CDE5", "#F5C19A"


class Prediction(NamedTuple):
    """The most probable classes of an image.

    Attributes:
        image: uint8 (H, W, 3).
        name: of the image, whose last part is shown where its class is not known.
        label: the true class, or None if unknown.
        top: class and probability of the most probable classes, the most probable first.
    """

    image: np.ndarray
    name: str
    label: str | None
    top: list[tuple[str, float]]


def pictured(prediction: results.Prediction, pixels: np.ndarray) -> Prediction:
    """What is shown of the prediction for an image, of which the pixels are uint8 (H, W, 3)."""
    known = prediction.label != UNKNOWN
    return Prediction(
        pixels,
        prediction.name,
        prediction.classes[prediction.label] if known else None,
        prediction.top(PICTURED_CLASSES),
    )


def predict_images(
    trained: Trained, dataset: Dataset, indices: np.ndarray, views: int = 1
) -> list[Prediction]:
    """The predictions for some images of a set, all at once.

    Args:
        views: see `Trained.predict`.
    """
    preprocessing, classes = trained.checkpoint.preprocessing, trained.classes
    all_views = []
    for index in indices:
        pixels = dataset.image(int(index), preprocessing.resize)
        if views == 10:
            all_views += ten_views(pixels, preprocessing)
        else:
            all_views.append(central_view(pixels, preprocessing))
    labels = dataset.labels[indices]
    batch = Batch.from_views(all_views, labels, indices, preprocessing)
    ((_, log_probabilities),) = predict(trained.model, iter([batch]), trained.device)
    middles = map(batch.crop, range(4 if views == 10 else 0, len(all_views), views))
    return [
        pictured(results.Prediction(dataset.name(int(index)), classes, row, int(label)), middle)
        for index, label, row, middle in zip(indices, labels, np.exp(log_probabilities), middles)
    ]


def confusion_matrix(results: Results, title: str) -> Figure:
    """What is taken for what: a row per true class, as shares of its images.

    Of more than `NAMED_CLASSES` classes it has those that are most often confused with each other,
    a class close to the one that it is confused with most.
    """
    chosen = _confused_classes(results)
    classes = len(chosen)
    numbered = classes <= NUMBERED_CLASSES
    confusion = results.confusion()
    images = confusion.sum(axis=1, keepdims=True)
    shares = np.where(images > 0, confusion / np.maximum(images, 1), np.nan)
    shares = shares[np.ix_(chosen, chosen)]
    if classes < len(results.classes):
        title = f"{title}, {classes} of {len(results.classes):,} classes"
    figure = new_figure(6.6, layout="constrained")
    axes = figure.subplots()
    from matplotlib.colors import PowerNorm  # after the figure, see `alexnet.style`

    # The square root: errors of a few percent are what one looks for.
    picture = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    axes.set_facecolor("0.85")  # rows of classes without images

    places = np.arange(classes)
    size = 8 if numbered else 6
    names = [fitted(caption(results.classes[label]), 1.2, size) for label in chosen]
    style = {"fontsize": size, "parse_math": False}
    axes.set_yticks(places, names, **style)
    axes.set_xticks(places, names, rotation=90 if classes > 10 else 40, **style)
    if classes <= 10:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.set_xlabel("taken for")
    axes.set_ylabel("true class")
    axes.set_title(
        f"{title}: {results.accuracy().value:.1%} right", fontsize=10, parse_math=False, loc="left"
    )
    if numbered:
        for (i, j), share in np.ndenumerate(shares):
            if share > 0:
                text = f"{100 * share:.0f}" if share >= 0.005 else "<1"
                color = "white" if share > 0.35 else "black"
                axes.text(j, i, text, ha="center", va="center", color=color, fontsize=size)
    bar = figure.colorbar(picture, ax=axes, shrink=0.7, format="{x:.0%}")
    bar.set_label(
        "share of the images of the true class" + ("; in the cells: %" if numbered else "")
    )
    bar.set_ticks([0, 0.01, 0.05, 0.1, 0.25, 0.5, 1])
    bar.outline.set_visible(False)
    axes.spines[:].set_color("0.8")
    return figure


def _confused_classes(results: Results) -> list[int]:
    """All classes in their order; or those of the most frequent confusions, if they are many."""
    classes = len(results.classes)
    if classes <= NAMED_CLASSES:
        return list(range(classes))
    chosen: list[int] = []
    for pair in results.confused_pairs(NAMED_CLASSES**2):
        for label, other in ((pair.label, pair.predicted), (pair.predicted, pair.label)):
            if label not in chosen and len(chosen) < NAMED_CLASSES:
                place = chosen.index(other) + 1 if other in chosen else len(chosen)
                chosen.insert(place, label)
    others = (label for label in range(classes) if label not in chosen)
    return chosen + list(itertools.islice(others, NAMED_CLASSES - len(chosen)))


def reliability_diagram(results: Results, title: str) -> Figure:
    """How often the network is right where it is how sure; below, how often it is that sure."""
    found = scores.calibration(results)
    error = scores.calibration_error(results)
    figure = new_figure(4.6, width=4.6, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    bins = len(found.images)
    middles = (np.arange(bins) + 0.5) / bins
    above.plot([0, 1], [0, 1], color=GRAY, linestyle="--", linewidth=1)
    above.bar(middles, found.accuracy, 0.92 / bins, color=BAR, edgecolor=BLUE)
    above.plot(found.confidence, found.accuracy, "o", color=BLUE, markersize=3, clip_on=False)
    above.set_ylabel("share that is right")
    above.set_title(
        f"{title}\ncalibration error {error.value:.1%}; by chance {error.by_chance:.1%}",
        fontsize=9,
        parse_math=False,
        loc="left",
    )
    below.bar(middles, found.images / max(1, found.images.sum()), 0.92 / bins, color=BAR)
    below.set_ylabel("images")
    below.set_xlabel("probability of the predicted class")
    for axes in (above, below):
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def error_sheet(
    results: Results, dataset: Dataset, preprocessing: Preprocessing, title: str
) -> Figure:
    """The errors with the highest loss and the most confident ones, as the network sees them."""
    kinds = [
        ("Highest loss: what it is seems least possible", results.worst(ERRORS_PER_KIND)),
        (
            "Most confident errors: what it is taken as seems most certain",
            results.most_confident_errors(ERRORS_PER_KIND),
        ),
    ]
    rows = math.ceil(max(1, len(kinds[0][1])) / ERROR_COLUMNS)
    figure = new_figure(0.3 + 2 * (0.3 + rows * 1.62), layout="constrained")
    figure.suptitle(title, fontsize=10, x=0.006, ha="left", parse_math=False)
    for part, (heading, errors) in zip(figure.subfigures(2, 1), kinds):
        part.suptitle(heading, fontsize=9, weight="bold", x=0.006, ha="left")
        grid = part.subplots(rows, ERROR_COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        if not len(errors):
            grid[0, 0].text(0, 0.5, "none", fontsize=9)
        for axes, position in zip(grid.flat, errors):
            image = dataset.image(int(results.indices[position]))
            axes.imshow(central_view(image, preprocessing).crop)
            label, predicted = (
                fitted(caption(results.classes[kind[position]]), 0.98, 6.5)
                for kind in (results.labels, results.predicted)
            )
            probability, loss = results.probability[position], results.loss[position]
            axes.set_title(
                f"is: {label}\nas: {predicted}\n{probability:.1%} sure, loss {loss:.1f}",
                fontsize=6.5,
                parse_math=False,
                loc="left",
                pad=2,
            )
    return figure


def predictions(items: list[Prediction]) -> Figure:
    """Figure 4 (left) of the paper: each image, its true class, and bars of the most probable."""
    columns = min(PREDICTION_COLUMNS, len(items))
    rows = math.ceil(len(items) / columns)
    cell = PAGE_WIDTH / PREDICTION_COLUMNS
    bars = max(len(item.top) for item in items)
    # A bar is an eighth of a picture high; with it come its space and the name below the picture.
    height = rows * (1 + 0.12 * bars) * cell
    figure = new_figure(height, width=columns * cell, layout="constrained")
    ratios = [1, 0.13 * bars] * rows
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=ratios)
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.03)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, item in enumerate(items):
        row, column = divmod(number, columns)
        _draw_image(grid[2 * row, column], item)
        _draw_bars(grid[2 * row + 1, column], item, bars)
    return figure


def _draw_image(axes: Axes, item: Prediction) -> None:
    axes.imshow(item.image)
    known, file_name = item.label is not None, cli.one_line(Path(item.name).name)
    weight = "bold" if known else "normal"
    axes.set_title(
        fitted(caption(item.label) if known else file_name, 1.6, 8, weight),
        fontsize=8,
        weight=weight,
        style="normal" if known else "italic",
        parse_math=False,
        y=0,
        va="top",
        pad=-3,
    )


def _draw_bars(axes: Axes, item: Prediction, bars: int) -> None:
    """Bars of the most probable classes, in a place that has room for `bars`."""
    for place, (name, probability) in enumerate(item.top):
        right = name == item.label
        axes.barh(
            place,
            probability,
            height=0.82,
            color=TRUE_BAR if right else BAR,
            edgecolor=VERMILION if right else BAR,
        )
        style = {"fontsize": 7, "va": "center", "weight": "bold" if right else "normal"}
        axes.text(
            0.015, place, fitted(caption(name), 1.25, 7, style["weight"]), parse_math=False, **style
        )
        axes.text(1.25, place, text.percentage(probability), ha="right", **style)
    axes.set_xlim(0, 1.25)  # beside a full bar there is room for its percentage
    axes.set_ylim(bars - 0.5, -0.5)
