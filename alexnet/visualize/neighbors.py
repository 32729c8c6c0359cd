"""Images that a network finds similar: the nearest training images, as in the paper's figure 4."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexnet import cli
from alexnet.data import options
from alexnet.data.dataset import Dataset, Subset
from alexnet.data.labels import display_name
from alexnet.errors import UsageError
from alexnet.inference import load
from alexnet.run.checkpoint import Checkpoint
from alexnet.visualize import figures, nearest, pictures
from alexnet.visualize.features import LAYER, Features, features
from alexnet.visualize.pictures import Picture
from alexnet.visualize.style import add_out_option, destination, folder_of
from minigrad import backend, nn

NEIGHBOURS = 6  # in the paper's figure
MAX_COLUMNS = 10  # of which the names can be read
TEXT, GAP = 0.34, 0.08  # inches: two lines below each image, and space between images


def add_options(parser: argparse.ArgumentParser) -> None:
    load.add_checkpoint_option(parser)
    load.add_data_options(parser)
    pictures.add_image_options(parser, default=8)
    parser.add_argument(
        "-k",
        type=cli.count,
        default=NEIGHBOURS,
        metavar="K",
        help=f"neighbours of each image; default: {NEIGHBOURS}",
    )
    parser.add_argument(
        "--distance", choices=nearest.DISTANCES, default="euclidean", help="default: euclidean"
    )
    options.SUBSET.add_to(
        parser,
        help="look among so many training images, of all classes in turn; default: all",
    )
    parser.add_argument(
        "--index",
        type=Path,
        metavar="FILE",
        help="keeps what was computed of the training images; default: index.safetensors beside "
        "the checkpoint",
    )
    parser.add_argument(
        "--precision",
        action="store_true",
        help="also find the neighbours of every image of the set, and count how many are of its "
        "class",
    )
    load.add_computing_options(parser)
    add_out_option(parser, "neighbours.png beside the checkpoint")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(arguments: argparse.Namespace) -> int:
    if arguments.split == "train":
        raise UsageError(
            "the neighbours are training images, and each would find itself: choose another --split"
        )
    checkpoint, model = load.network(arguments)
    path = destination(arguments, "neighbours.png")
    queries = pictures.chosen(arguments, checkpoint)
    training = load.dataset(arguments, checkpoint, "train")
    if arguments.subset:
        training = Subset(training, arguments.subset)
    index = _index(arguments, checkpoint, model, training)
    if arguments.k > len(index.values):
        raise UsageError(f"-k {arguments.k}: there are {len(index.values)} images to find")

    of_queries = _features(arguments, checkpoint, model, queries)
    found = nearest.nearest(of_queries.values, index.values, arguments.k, arguments.distance)
    results = {"k": arguments.k, "distance": arguments.distance, "layer": LAYER}
    results["queries"] = _listed(queries, of_queries, training, index, *found)
    if arguments.precision:
        whole = load.dataset(arguments, checkpoint)
        results |= _precision(arguments, checkpoint, model, whole, index)

    figure = neighbours_figure(
        pictures.shown(queries, of_queries.indices, checkpoint.preprocessing),
        [
            pictures.shown(training, index.indices[row], checkpoint.preprocessing)
            for row in found[0]
        ],
        found[1],
        checkpoint.classes,
        f"Nearest of {len(index.values):,} training images by "
        f"{arguments.distance.replace('euclid', 'Euclid')} distance in {LAYER}",
    )
    figures.save(figure, path)
    results["picture"] = str(path)
    print(json.dumps(results, indent=2) if arguments.json else cli.printable(_text(results)))
    return 0


# -- what is computed ----------------------------------------------------------------------------


def _features(
    arguments: argparse.Namespace, checkpoint: Checkpoint, model: nn.Module, dataset: Dataset
) -> Features:
    loader = load.loader(arguments, checkpoint, dataset)
    return features(model, loader, backend.get(arguments.backend))


def _index(
    arguments: argparse.Namespace, checkpoint: Checkpoint, model: nn.Module, training: Dataset
) -> Features:
    """The index from its file, if it belongs to this network and these images; else a new one."""
    path = arguments.index or folder_of(arguments.checkpoint) / "index.safetensors"
    belongs_to = nearest.identity(checkpoint, training, LAYER)
    if path.exists():
        try:
            return nearest.load(path, belongs_to)
        except nearest.OtherIndex as other:
            cli.say(f"{other}: it is replaced")
    cli.writable(path)
    cli.say(f"computing {LAYER} of {len(training):,} training images, kept in {path}")
    index = _features(arguments, checkpoint, model, training)
    nearest.save(path, index, belongs_to)
    return index


def _precision(
    arguments: argparse.Namespace,
    checkpoint: Checkpoint,
    model: nn.Module,
    dataset: Dataset,
    index: Features,
) -> dict[str, Any]:
    """precision@k of all images of a set, with the chance level: the share of a class."""
    of_set = _features(arguments, checkpoint, model, dataset)
    positions, _ = nearest.nearest(of_set.values, index.values, arguments.k, arguments.distance)
    mean, of_class = nearest.precision(index.labels[positions], of_set.labels, len(dataset.classes))
    shares = np.bincount(index.labels, minlength=len(dataset.classes)) / len(index.labels)
    return {
        "images": len(of_set.labels),
        "precision": mean,
        "chance": float(shares[of_set.labels].mean()),
        "precision_of_class": dict(zip(dataset.classes, of_class)),
    }


def _listed(
    queries: Dataset,
    of_queries: Features,
    training: Dataset,
    index: Features,
    positions: np.ndarray,
    distances: np.ndarray,
) -> list[dict[str, Any]]:
    """Each query with its neighbours, by name and class."""

    def described(dataset: Dataset, image: int, label: int) -> dict[str, Any]:
        known = None if label == pictures.UNKNOWN else dataset.classes[label]
        return {"name": dataset.name(image), "class": known}

    return [
        described(queries, image, label)
        | {
            "neighbours": [
                described(training, index.indices[p], index.labels[p]) | {"distance": float(d)}
                for p, d in zip(row, row_distances)
            ]
        }
        for image, label, row, row_distances in zip(
            of_queries.indices, of_queries.labels, positions, distances
        )
    ]


def _text(results: dict[str, Any]) -> str:
    lines = []
    for query in results["queries"]:
        classes = ", ".join(display_name(neighbour["class"]) for neighbour in query["neighbours"])
        true = display_name(query["class"]) if query["class"] else "class unknown"
        lines.append(f"{cli.one_line(query['name'])} ({true}): {classes}")
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
    return "\n".join([*lines, f"picture: {results['picture']}"])


# -- the picture -----------------------------------------------------------------------------------


def neighbours_figure(
    queries: list[Picture],
    neighbours: list[list[Picture]],
    distances: np.ndarray,
    classes: list[str],
    title: str,
) -> Figure:
    """A row for each query: the image, and its neighbours from the nearest on.

    At most `pictures.MAX_ROWS` queries and `MAX_COLUMNS` neighbours of each are drawn.

    Those of the query's class have a blue frame and a tick, others a dashed orange one and a cross.

    Args:
        distances: (Q, k).
        classes: names of the labels.
    """
    queries = queries[: pictures.MAX_ROWS]
    columns = 1 + min(len(neighbours[0]), MAX_COLUMNS)
    cell = (pictures.WIDTH - 0.2) / (columns + 0.3)  # the query stands apart by 0.3 of a cell
    row = cell - GAP + TEXT
    above = 0.55
    height = above + len(queries) * row
    figure = Figure(figsize=(pictures.WIDTH, height))
    figure.text(0.1 / pictures.WIDTH, 1 - 0.15 / height, title, va="top", fontsize=9, weight="bold")
    explanation = "Below each image: its class and its distance."
    if any(query.label != pictures.UNKNOWN for query in queries):
        explanation += (
            " Blue frame, ✓: the class of the query; dashed orange frame, ✗: another one."
        )
    figure.text(0.1 / pictures.WIDTH, 1 - 0.32 / height, explanation, va="top", fontsize=7)

    def name_of(label: int, width: float) -> str:
        return figures.fitted(pictures.class_name(classes, label), width, 7)

    def draw(i: int, left: float, picture: Picture, note: str) -> Axes:
        bottom = height - above - i * row - (cell - GAP)
        side = cell - GAP
        axes = figure.add_axes(
            (left / pictures.WIDTH, bottom / height, side / pictures.WIDTH, side / height)
        )
        axes.imshow(picture.pixels)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color="0.6", linewidth=0.5)
        axes.set_xlabel(note, fontsize=7, labelpad=2, linespacing=1.1, parse_math=False)
        return axes

    for i, query in enumerate(queries):
        name = name_of(query.label, cell - GAP)
        draw(i, 0.1, query, f"{name}\nquery" if name else "query")
        for j, neighbour in enumerate(neighbours[i][:MAX_COLUMNS]):
            name = name_of(
                neighbour.label, cell - GAP - (0.14 if query.label != pictures.UNKNOWN else 0)
            )
            right = neighbour.label == query.label
            if query.label != pictures.UNKNOWN:
                name = f"{'✓' if right else '✗'} {name}"
            axes = draw(i, 0.1 + (j + 1.3) * cell, neighbour, f"{name}\n{_short(distances[i, j])}")
            if query.label != pictures.UNKNOWN:
                style = (
                    {"color": pictures.RIGHT} if right else {"color": pictures.WRONG, "ls": "--"}
                )
                axes.spines[:].set(linewidth=1.8, **style)
    return figure


def _short(distance: float) -> str:
    return f"{distance:#.3g}"
