"""A map of images: those that a network finds similar lie close together."""

from __future__ import annotations

import argparse
import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alexnet import cli
from alexnet.data.dataset import Dataset
from alexnet.errors import UsageError
from alexnet.inference import options
from alexnet.inference.features import features
from alexnet.inference.trained import Trained
from alexnet.run.checkpoint import Checkpoint
from alexnet.style import (
    COLORS,
    LARGE,
    NORMAL,
    PAGE_WIDTH,
    add_axes,
    add_legend,
    add_text,
    fitted,
    frame,
    new_figure,
    save,
)
from alexnet.visualize import embedding, pictures
from alexnet.visualize.output import add_out_option, destination

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COUNT = 1000
METHODS = ("tsne", "pca")
PERPLEXITY = 30.0
CELLS = 30  # thumbnails along the longer side of the map
# In turn with the 7 colors: marks next to each other in the list differ in both.
MARKERS = ("o", "s", "^", "D", "v")
MAX_CLASSES = 20
LEGEND, MAX_HEIGHT = 1.7, PAGE_WIDTH  # inches


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_checkpoint_option(parser)
    options.add_data_options(parser)
    pictures.add_image_options(parser, default=COUNT)
    parser.add_argument("--layer", help="default: the last hidden one, fc7 of AlexNet")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="default: tsne")
    parser.add_argument(
        "--perplexity",
        type=cli.number(float, lambda x: x > 1, "a number above 1"),
        default=PERPLEXITY,
        metavar="P",
        help="t-SNE: about how many neighbors of an image count; default: 30",
    )
    options.add_computing_options(parser)
    add_out_option(parser, "map.png beside the checkpoint; the images go to map-images.png")


def run(arguments: argparse.Namespace) -> int:
    trained = options.network(arguments)
    path = destination(arguments, "map.png")
    trained.chosen_layer(arguments.layer)
    images = pictures.select_images(arguments, trained)
    found = place(
        trained,
        images,
        layer=arguments.layer,
        method=arguments.method,
        perplexity=arguments.perplexity,
        seed=arguments.seed,
    )
    images_path = path.with_stem(f"{path.stem}-images")
    save(map_figure(found.points, found.labels, trained.classes, found.title), path)
    save(thumbnails_figure(found, images, trained.checkpoint), images_path)
    print(cli.printable(f"{found.title}: {path}, {images_path}"))
    return 0


class Map(NamedTuple):
    """Where N images of a set lie on a map.

    Attributes:
        points: float (N, 2).
        labels: int64 (N,), -1 if unknown.
        indices: int64 (N,), which images they are; skipped images are missing.
        title: how it was made.
    """

    points: np.ndarray
    labels: np.ndarray
    indices: np.ndarray
    title: str


def place(
    trained: Trained,
    images: Dataset,
    *,
    layer: str | None = None,
    method: str = METHODS[0],
    perplexity: float = PERPLEXITY,
    seed: int = 0,
) -> Map:
    """Give images places on a map by the activations of a layer.

    Args:
        layer: by default the last hidden one.
        method: one of `METHODS`.
        perplexity: of t-SNE: about how many neighbors of an image count; above 1.
        seed: of t-SNE.

    Raises:
        UsageError: there is no such layer, or there are fewer than 4 images.
    """
    layer = trained.chosen_layer(layer)
    batches = trained.loader(images).batches(0)
    found = features(trained.model, batches, len(images), trained.device, layer)
    count = len(found.values)
    vectors = found.values.reshape(count, -1)
    if count < 4:
        raise UsageError(f"a map needs at least 4 images, got {count}")
    if method == "pca":
        points, shares = embedding.pca(vectors)
        title = f"PCA of {layer}: {shares[0]:.0%} and {shares[1]:.0%} of the variance"
    else:
        # With few images nearly all would be neighbors of each other.
        possible = min(perplexity, (count - 1) / 3)
        if possible < perplexity:
            cli.say(
                f"perplexity {possible:.3g}, the largest for {count:,} images, instead of "
                f"{perplexity:g}"
            )
        points, divergence = embedding.tsne(vectors, possible, seed)
        title = f"t-SNE of {layer}, perplexity {possible:.3g}, KL {divergence:.2f}"
    return Map(points, found.labels, found.indices, f"{title}, {count:,} images")


# -- the pictures ----------------------------------------------------------------------------------


def map_figure(points: np.ndarray, labels: np.ndarray, classes: list[str], title: str) -> Figure:
    """Images as marks, by class.

    Of more than 20 classes, the 20 with the most images are marked, the others gray.

    Args:
        points: (N, 2).
        labels: (N,), -1 if unknown.
    """
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    most = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
    marked = np.sort(most[counts[most] > 0])
    rest = ~np.isin(labels, marked)
    entries = len(marked) + rest.any()
    figure, axes = _page(title, points.min(axis=0), points.max(axis=0), legend=entries)
    marks, names = [], []
    if rest.any():
        names.append("class unknown" if (labels[rest] < 0).all() else "other classes")
        marks.append(axes.scatter(*points[rest].T, s=8, c="0.8", linewidths=0))
    styles = zip(itertools.cycle(COLORS), itertools.cycle(MARKERS))
    for label, (color, marker) in zip(marked, styles):
        names.append(fitted(pictures.class_name(classes, label), LEGEND - 0.38, NORMAL))
        place, style = points[labels == label].T, {"linewidths": 0.3, "edgecolors": "white"}
        marks.append(axes.scatter(*place, s=14, c=color, marker=marker, **style))
    add_legend(
        figure,
        marks,
        names,
        loc="upper left",
        bbox_to_anchor=((PAGE_WIDTH - 1.65) / PAGE_WIDTH, axes.get_position().y1),
        frameon=False,
        fontsize=NORMAL,
        markerscale=1.8,
        handletextpad=0.2,
        borderaxespad=0,
    )
    return figure


def thumbnails_figure(found: Map, dataset: Dataset, checkpoint: Checkpoint) -> Figure:
    """Images at their places on a map, in a grid: in each cell the one nearest to its middle."""
    points = found.points
    low, high = points.min(axis=0), points.max(axis=0)
    cell = float((high - low).max()) / CELLS or 1.0
    places = (points - low) / cell
    cells = np.minimum(places.astype(np.int64), CELLS - 1)
    order = np.argsort(((places - cells - 0.5) ** 2).sum(axis=1), kind="stable")
    _, first = np.unique(cells[order], axis=0, return_index=True)
    columns, rows = cells.max(axis=0) + 1
    title = found.title if len(first) == len(points) else f"{found.title}, {len(first):,} drawn"
    figure, axes = _page(title, np.zeros(2), np.array([columns, rows]), legend=0)
    limits = axes.get_xlim(), axes.get_ylim()
    for position in order[first]:
        index = found.indices[position]
        (picture,) = pictures.load_pictures(dataset, [index], checkpoint.preprocessing)
        x, y = cells[position]
        axes.imshow(picture.pixels, extent=(x, x + 0.95, y, y + 0.95), aspect="auto")
    axes.set(xlim=limits[0], ylim=limits[1])  # imshow sets its own
    return figure


def _page(title: str, low: np.ndarray, high: np.ndarray, legend: int) -> tuple[Figure, Axes]:
    """A figure with a title, and axes without numbers for points from `low` to `high` (2,).

    Its height is what the points need at the width of a page, with one scale in both directions.

    Args:
        legend: entries of the legend at the right, for which space is left.
    """
    space = 0.06 * (high - low).max()
    across, up = (high - low) + (space or 1.0)
    width = PAGE_WIDTH - 0.2 - (LEGEND if legend else 0)
    height = float(np.clip(width * up / across, max(2.0, 0.17 * legend), MAX_HEIGHT))
    page = height + 0.5
    figure = new_figure(page)
    add_text(figure, 0.1, 0.12, title, fontsize=LARGE, weight="bold")
    axes = add_axes(figure, 0.1, 0.4, width, height)
    half = np.array([width, height]) * max(across / width, up / height) / 2
    xlim, ylim = zip((low + high) / 2 - half, (low + high) / 2 + half)
    frame(axes, "0.7")
    axes.set(xlim=xlim, ylim=ylim)
    return figure, axes
