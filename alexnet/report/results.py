"""The sections of a report on the results: accuracy by class, and images with their predictions."""

import numpy as np

from alexnet import cli
from alexnet.data.labels import display_name
from alexnet.report.content import Report
from alexnet.report.html import figure, picture, table
from alexnet.visualize import result_figures

SAMPLES = 8  # right ones, and as many wrong ones
LISTED_CLASSES, EXTREME_CLASSES, LISTED_PAIRS = 20, 10, 10


def accuracy(report: Report) -> str:
    images = report.require_images()
    results = images.results
    title = cli.counted(len(results), f"{report.arguments.split} image")
    confusion = result_figures.confusion_matrix(results, title)
    alt = f"Confusion matrix of {title}: {results.accuracy().value:.1%} are right"
    names = [display_name(name) for name in results.classes]
    rows = [["all images", f"{len(results):,}", *results.accuracy().percentages()]]
    accuracies = results.accuracy_by_class()
    counts = np.bincount(results.labels, minlength=len(names))
    shown = [label for label in range(len(names)) if counts[label]]
    which = "of each class"
    if len(shown) > LISTED_CLASSES:
        shown.sort(key=lambda label: (-accuracies[label].value, label))
        shown = shown[:EXTREME_CLASSES] + shown[-EXTREME_CLASSES:]
        which = f"of the {EXTREME_CLASSES} best and the {EXTREME_CLASSES} worst classes"
    for label in shown:
        rows.append([names[label], f"{counts[label]:,}", *accuracies[label].percentages()])
    if report.precision != "float32":
        which += f", with products in float32; in training they are in {report.precision}"
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
    for name, selected in (("right", results.rank == 1), ("wrong", results.rank > 1)):
        positions = np.flatnonzero(selected)
        count = min(SAMPLES, len(positions))
        if not count:
            parts.append(f"<p>None of the {len(results):,} images is classified {name}.</p>")
            continue
        chosen = np.sort(generator.choice(positions, count, replace=False))
        indices = results.indices[chosen]
        items = result_figures.predict_images(report.trained, images.dataset, indices)
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
