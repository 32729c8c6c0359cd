"""Images that a network finds similar: the nearest training images, as in the paper's figure 4."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alexnet import cli, text
from alexnet.data import options as data_options
from alexnet.data.batch import Batch
from alexnet.data.dataset import Dataset, Subset
from alexnet.data.labels import display_name
from alexnet.errors import CheckpointError, UsageError
from alexnet.inference import options
from alexnet.inference.features import Features, features
from alexnet.inference.inputs import UNKNOWN
from alexnet.inference.trained import Trained
from alexnet.style import (
    LARGE,
    PAGE_WIDTH,
    RIGHT,
    SMALL,
    WRONG,
    add_axes,
    add_text,
    fitted,
    frame,
    new_figure,
    save,
)
from alexnet.visualize import nearest, pictures
from alexnet.visualize.output import add_out_option, destination
from alexnet.visualize.pictures import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INDEX = "index.safetensors"
SOME_IMAGES = 2000  # of a training set, where its index is not kept
NEIGHBORS = 6  # in the paper's figure
MAX_COLUMNS = 10  # of which the names can be read
# Inches: the title, two lines below each image, space between images, the mark before a name.
HEADER, TEXT, GAP, MARK = 0.55, 0.34, 0.08, 0.14


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_checkpoint_option(parser)
    options.add_data_options(parser)
    pictures.add_image_options(parser, default=8)
    parser.add_argument(
        "-k",
        type=cli.count,
        default=NEIGHBORS,
        metavar="K",
        help=f"neighbors of each image; default: {NEIGHBORS}",
    )
    parser.add_argument(
        "--distance", choices=nearest.DISTANCES, default="euclidean", help="default: euclidean"
    )
    data_options.SUBSET.add_to(
        parser,
        help="look among so many training images, of all classes in turn; default: all",
    )
    parser.add_argument(
        "--index",
        type=cli.path,
        metavar="FILE",
        help="keeps what was computed of the training images; default: index.safetensors beside "
        "the checkpoint",
    )
    parser.add_argument(
        "--precision",
        action="store_true",
        help="also find the neighbors of every image of the set, and count how many are of its "
        "class",
    )
    options.add_computing_options(parser)
    add_out_option(parser, "neighbours.png beside the checkpoint")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(arguments: argparse.Namespace) -> int:
    if arguments.split == "train":
        raise UsageError(
            "the neighbors are training images, and each would find itself: choose another --split"
        )
    trained = options.network(arguments)
    path = destination(arguments, "neighbours.png")
    queries = pictures.select_images(arguments, trained)
    training = options.dataset(arguments, trained, "train")
    if arguments.subset:
        training = Subset(training, arguments.subset)
    index = kept_index(trained, training, arguments.index)
    found = find(trained, queries, training, index, arguments.k, arguments.distance)
    results = {"k": arguments.k, "distance": arguments.distance}
    results["layer"] = trained.chosen_layer()
    results["queries"] = _listed(found)
    if arguments.precision:
        whole = options.dataset(arguments, trained)
        results |= _precision(arguments, trained, whole, index)

    save(show(trained, found), path)
    pictures.say_rows_left_out(len(found.positions), path)
    if arguments.k > MAX_COLUMNS:
        cli.say(f"{path} shows the {MAX_COLUMNS} nearest of {arguments.k}")
    results["picture"] = str(path)
    print(text.as_json(results, 2) if arguments.json else cli.printable(_text(results)))
    return 0


# -- what is computed ----------------------------------------------------------------------------


class Neighbors(NamedTuple):
    """The k training images that are nearest to each of Q images.

    Attributes:
        queries, training: the sets.
        query_features, index: of their images that can be used.
        positions: int64 (Q, k), in `index`, the nearest first.
        distances: float64 (Q, k).
        distance: which, one of `nearest.DISTANCES`.
    """

    queries: Dataset
    query_features: Features
    training: Dataset
    index: Features
    positions: np.ndarray
    distances: np.ndarray
    distance: str


def find(
    trained: Trained,
    queries: Dataset,
    training: Dataset,
    index: Features,
    k: int = NEIGHBORS,
    distance: str = nearest.DISTANCES[0],
) -> Neighbors:
    """The nearest images to those of a set.

    Args:
        training: the set that the index is of.
        index: see `kept_index`.

    Raises:
        UsageError: the index has fewer than k images.
    """
    if k > len(index.values):
        raise UsageError(f"{k} neighbors of an image: there are {len(index.values)} images to find")
    query_features = set_features(trained, queries)
    found = nearest.nearest(query_features.values, index.values, k, distance)
    return Neighbors(queries, query_features, training, index, *found, distance)


Batches = Generator[Batch]


def set_features(
    trained: Trained,
    dataset: Dataset,
    taking_turns: Callable[[Batches], Batches] = lambda batches: batches,
) -> Features:
    """The features of the images of a set, by which they are compared.

    Args:
        taking_turns: gives the batches on, and lets others compute between them.
    """
    batches = taking_turns(trained.loader(dataset).batches(0))
    found = features(trained.model, batches, len(dataset), trained.device)
    return found._replace(values=found.values.reshape(len(found.values), -1))


def kept_index(trained: Trained, training: Dataset, path: Path | None = None) -> Features:
    """The index from its file, if it belongs to this network and these images; else a new one.

    Args:
        path: by default `INDEX` in the run folder.
    """
    path = path or trained.folder / INDEX
    belongs_to = nearest.identity(trained.checkpoint, training, trained.chosen_layer())
    if path.exists():
        try:
            return nearest.load(path, belongs_to)
        except nearest.OtherIndex as other:
            cli.say(f"{other}: it is replaced")
    cli.writable(path)
    cli.say(f"computing {belongs_to['layer']} of {len(training):,} training images, kept in {path}")
    index = set_features(trained, training)
    nearest.save(path, index, belongs_to)
    return index


def some_index(
    trained: Trained,
    training: Dataset,
    taking_turns: Callable[[Batches], Batches] = lambda batches: batches,
) -> Features:
    """The index that is kept in the run folder, or else one of at most `SOME_IMAGES`, not kept.

    Args:
        taking_turns: see `set_features`.
    """
    path = trained.folder / INDEX
    if path.exists():
        belongs_to = nearest.identity(trained.checkpoint, training, trained.chosen_layer())
        try:
            return nearest.load(path, belongs_to)
        except (nearest.OtherIndex, CheckpointError):
            pass  # of a network before this one
    some = Subset(training, min(SOME_IMAGES, len(training)))
    found = set_features(trained, some, taking_turns)
    return found._replace(indices=some.indices[found.indices])


def _precision(
    arguments: argparse.Namespace,
    trained: Trained,
    dataset: Dataset,
    index: Features,
) -> dict[str, Any]:
    """precision@k of all images of a set, with the chance level: the share of a class."""
    found = set_features(trained, dataset)
    positions, _ = nearest.nearest(found.values, index.values, arguments.k, arguments.distance)
    mean, class_precisions = nearest.precision(
        index.labels[positions], found.labels, len(dataset.classes)
    )
    shares = np.bincount(index.labels, minlength=len(dataset.classes)) / len(index.labels)
    return {
        "images": len(found.labels),
        "precision": mean,
        "chance": float(shares[found.labels].mean()),
        "precision_of_class": dict(zip(dataset.classes, class_precisions)),
    }


def _listed(found: Neighbors) -> list[dict[str, Any]]:
    """Each query with its neighbors, by name and class."""
    index = found.index

    def described(dataset: Dataset, image: int, label: int) -> dict[str, Any]:
        known = None if label == UNKNOWN else dataset.classes[label]
        return {"name": dataset.name(image), "class": known}

    return [
        described(found.queries, image, label)
        | {
            "neighbours": [
                described(found.training, index.indices[p], index.labels[p])
                | {"distance": float(d)}
                for p, d in zip(row, row_distances)
            ]
        }
        for image, label, row, row_distances in zip(
            found.query_features.indices,
            found.query_features.labels,
            found.positions,
            found.distances,
        )
    ]


def _text(results: dict[str, Any]) -> str:
    lines = []
    for query in results["queries"]:
        classes = ", ".join(display_name(neighbor["class"]) for neighbor in query["neighbours"])
        true = display_name(query["class"]) if query["class"] else "class unknown"
        lines.append(f"{query['name']} ({true}): {classes}")
    if "precision" in results:
        k = results["k"]
        lines.append(
            f"precision@{k} of {results['images']:,} images: {results['precision']:.1%} "
            f"(chance {results['chance']:.1%})"
        )
        for name, share in results["precision_of_class"].items():
            lines.append(
                f"  {display_name(name)}: " + ("no image" if share is None else f"{share:.1%}")
            )
    return "\n".join(map(cli.one_line, [*lines, f"picture: {results['picture']}"]))


# -- the picture -----------------------------------------------------------------------------------


def show(trained: Trained, found: Neighbors) -> Figure:
    """The images and their neighbors, see `neighbors_figure`."""
    preprocessing, index = trained.checkpoint.preprocessing, found.index
    return neighbors_figure(
        pictures.load_pictures(found.queries, found.query_features.indices, preprocessing),
        [
            pictures.load_pictures(found.training, index.indices[row], preprocessing)
            for row in found.positions
        ],
        found.distances,
        trained.classes,
        f"Nearest of {len(index.values):,} training images by "
        f"{found.distance.replace('euclid', 'Euclid')} distance in {trained.chosen_layer()}",
    )


def neighbors_figure(
    queries: list[Picture],
    neighbors: list[list[Picture]],
    distances: np.ndarray,
    classes: list[str],
    title: str,
) -> Figure:
    """A row for each query: the image, and its neighbors from the nearest on.

    At most `pictures.MAX_ROWS` queries and `MAX_COLUMNS` neighbors of each are drawn. Those of
    the query's class have a blue frame and a tick, others a dashed orange one and a cross.

    Args:
        distances: (Q, k).
        classes: names of the labels.
    """
    queries = queries[: pictures.MAX_ROWS]
    columns = 1 + min(len(neighbors[0]), MAX_COLUMNS)
    cell = (PAGE_WIDTH - 0.2) / (columns + 0.3)  # the query stands apart by 0.3 of a cell
    side = cell - GAP
    figure = new_figure(HEADER + len(queries) * (side + TEXT))
    add_text(figure, 0.1, 0.15, title, fontsize=LARGE, weight="bold")
    explanation = "Below each image: its class and its distance."
    if any(query.label != UNKNOWN for query in queries):
        explanation += (
            " Blue frame, ✓: the class of the query; dashed orange frame, ✗: another one."
        )
    add_text(figure, 0.1, 0.32, explanation, fontsize=SMALL)
    for row, query in enumerate(queries):
        top = HEADER + row * (side + TEXT)
        name = _fitted_name(classes, query, side)
        note = f"{name}\nquery" if name else "query"
        _draw(add_axes(figure, 0.1, top, side, side), query, note)
        for column, neighbor in enumerate(neighbors[row][:MAX_COLUMNS]):
            axes = add_axes(figure, 0.1 + (column + 1.3) * cell, top, side, side)
            _draw_neighbor(axes, neighbor, query, distances[row, column], classes, side)
    return figure


def _fitted_name(classes: list[str], picture: Picture, width: float) -> str:
    return fitted(pictures.class_name(classes, picture.label), width, SMALL)


def _draw(axes: Axes, picture: Picture, note: str) -> None:
    """A picture, and a note of two lines below it."""
    axes.imshow(picture.pixels)
    frame(axes, "0.6")
    axes.set_xlabel(note, fontsize=SMALL, labelpad=2, linespacing=1.1, parse_math=False)


def _draw_neighbor(
    axes: Axes,
    neighbor: Picture,
    query: Picture,
    distance: float,
    classes: list[str],
    width: float,
) -> None:
    """A neighbor with its class and its distance; its frame tells whether the class is right."""
    judged, right = query.label != UNKNOWN, neighbor.label == query.label
    name = _fitted_name(classes, neighbor, width - (MARK if judged else 0))
    if judged:
        name = f"{'✓' if right else '✗'} {name}"
    _draw(axes, neighbor, f"{name}\n{distance:#.3g}")
    if judged:
        style = {"color": RIGHT} if right else {"color": WRONG, "ls": "--"}
        axes.spines[:].set(linewidth=1.8, **style)
