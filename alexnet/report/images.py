"""The sections of a run's report on images: functions from `Report` to HTML.

One that cannot be written raises `Missing`, or the error of the images.
"""

import shlex

import numpy as np

from alexnet.data import Dataset
from alexnet.data.dataset import Subset
from alexnet.data.labels import display_name
from alexnet.data.loader import Batch
from alexnet.data.transforms import central_view
from alexnet.errors import CheckpointError
from alexnet.inference import load
from alexnet.inference.evaluation import predict
from alexnet.predict import top_classes
from alexnet.report.html import figure, picture, table
from alexnet.report.sections import Missing, Report
from alexnet.visualize import nearest, neighbors, pictures, result_figures
from alexnet.visualize.features import LAYER, Features, features
from alexnet.visualize.result_figures import Prediction
from minigrad import backend

INDEXED_IMAGES, QUERIES, NEIGHBOURS = 2000, 6, 6
SAMPLES = 8  # right ones, and as many wrong ones
LISTED_CLASSES, EXTREME_CLASSES, LISTED_PAIRS = 20, 10, 10


def accuracy(report: Report) -> str:
    images = report.require_images()
    results = images.results
    title = f"{len(results):,} {report.arguments.split} images"
    confusion = result_figures.confusion_matrix(results, title)
    alt = f"Confusion matrix of {title}: {results.accuracy().value:.1%} are right"
    names = [display_name(name) for name in results.classes]
    rows = [["all images", f"{len(results):,}", *results.accuracy().percentages()]]
    of_class = results.accuracy_by_class()
    counts = np.bincount(results.labels, minlength=len(names))
    shown = [label for label in range(len(names)) if counts[label]]
    which = "of each class"
    if len(shown) > LISTED_CLASSES:
        shown.sort(key=lambda label: (-of_class[label].value, label))
        shown = shown[:EXTREME_CLASSES] + shown[-EXTREME_CLASSES:]
        which = f"of the {EXTREME_CLASSES} best and the {EXTREME_CLASSES} worst classes"
    for label in shown:
        rows.append([names[label], f"{counts[label]:,}", *of_class[label].percentages()])
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
    training = load.dataset(arguments, checkpoint, "train")
    index = index_of(report, training)
    queries = Subset(dataset, min(QUERIES, len(dataset)))
    of_queries = _features(report, queries)
    count = min(NEIGHBOURS, len(index.values))
    positions, distances = nearest.nearest(of_queries.values, index.values, count)
    shown = neighbors.neighbours_figure(
        pictures.shown(queries, of_queries.indices, checkpoint.preprocessing),
        [
            pictures.shown(training, index.indices[row], checkpoint.preprocessing)
            for row in positions
        ],
        distances,
        checkpoint.classes,
        f"Nearest of {len(index.values):,} training images by Euclidean distance in {LAYER}",
    )
    same = (index.labels[positions] == of_queries.labels[:, np.newaxis]).sum()
    alt = (
        f"{len(queries)} images, each with its {count} nearest training images; {same} of "
        f"{positions.size} neighbours are of the same class"
    )
    return figure(
        picture(shown, alt, "jpg"),
        f"Images of the {arguments.split} set, and the training images whose {LAYER} activations "
        "are nearest to theirs. Blue: of the same class; dashed orange: of another.",
    )


def index_of(report: Report, training: Dataset) -> Features:
    """The index of `visualize neighbours` where there is one, else of some training images."""
    path = report.folder / "index.safetensors"
    if path.exists():
        try:
            return nearest.load(path, nearest.identity(report.checkpoint, training, LAYER))
        except (nearest.OtherIndex, CheckpointError):
            pass  # of a network before this one
    some = Subset(training, min(INDEXED_IMAGES, len(training)))
    found = _features(report, some)
    return found._replace(indices=some.indices[found.indices])


def _features(report: Report, dataset: Dataset) -> Features:
    loader = load.loader(report.arguments, report.checkpoint, dataset)
    return features(report.model, loader, backend.get(report.arguments.backend))
