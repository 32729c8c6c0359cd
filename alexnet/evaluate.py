"""``python -m alexnet.evaluate``: how good a trained network is, and where it is wrong."""

import argparse
import math
import sys
from collections.abc import Iterator
from typing import Any

from alexnet import cli, style, text
from alexnet.data import Dataset
from alexnet.data.labels import display_name
from alexnet.errors import UsageError
from alexnet.inference import options
from alexnet.inference.results import Estimate, Results, mean
from alexnet.visualize import result_figures

NAME = "python -m alexnet.evaluate"
EXAMPLES = f"""\
examples:
  {NAME} runs/demo-alexnet-1
      the best network of a run, on the validation images of that run
  {NAME} runs/cifar10-alexnet-1 --views 10
      the mean over ten views of each image, as in the paper
  {NAME} runs/cifar10-alexnet-1 --confusion confusion.png --errors errors.png
      what is taken for what, and the worst errors as pictures
  {NAME} best.safetensors --data-root photos --split test --json
"""
# The largest number of classes that are all listed, and how many of the best and of the worst are
# listed where there are more.
LISTED_CLASSES, EXTREME_CLASSES = 20, 5
LISTED_PAIRS, LISTED_ERRORS = 10, 12


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(prog=NAME, description=EXAMPLES)
    options.add_checkpoint_option(parser)
    options.add_data_options(parser)
    options.add_views_option(parser)
    options.add_computing_options(parser)
    options.add_precision_option(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--confusion",
        type=cli.picture,
        metavar="FILE",
        help="draw what is taken for what, as .png or .svg",
    )
    parser.add_argument(
        "--errors",
        type=cli.picture,
        metavar="FILE",
        help="draw the worst and the most confident errors, as .png or .svg",
    )
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.confusion is not None and arguments.confusion == arguments.errors:
        raise UsageError(f"--confusion and --errors are the same file: {arguments.errors}")
    trained = options.network(arguments)
    dataset = options.dataset(arguments, trained)
    results = trained.evaluate(dataset, split=arguments.split, views=arguments.views)
    if arguments.json:
        source = {"split": arguments.split, "views": arguments.views}
        source["precision"] = trained.precision
        print(text.as_json(source | as_json(results, dataset)))
    else:
        print(cli.printable(f"{results.title}\n\n{as_text(results)}"))
    if arguments.confusion:
        picture = result_figures.confusion_matrix(results, results.title)
        style.save(picture, arguments.confusion)
    if arguments.errors:
        preprocessing = trained.checkpoint.preprocessing
        sheet = result_figures.error_sheet(results, dataset, preprocessing, results.title)
        style.save(sheet, arguments.errors)
    return 0


def as_text(results: Results) -> str:
    """Accuracy and loss, accuracy by class, and the classes most often confused, as tables."""
    classes = len(results.classes)
    rows = [["", "", "95% interval", "chance"]]
    for k in (1, 5):
        chance = min(k / classes, 1)
        rows.append([f"top-{k}", *results.accuracy(k).percentages(), f"{chance:.1%}"])
    loss = mean(results.loss)
    interval = "unknown" if math.isinf(loss.low) else f"{loss.low:.3f} to {loss.high:.3f}"
    rows.append(["loss", f"{loss.value:.3f}", interval, f"{math.log(classes):.3f}"])
    return "\n\n".join([text.table(rows), *_class_tables(results), _confusion_table(results)])


def _class_tables(results: Results) -> Iterator[str]:
    """The accuracy of each class, or of the best and the worst, and the classes without images."""
    classes = len(results.classes)
    names = [cli.one_line(display_name(name)) for name in results.classes]
    images, accuracies = results.confusion().sum(axis=1), results.accuracy_by_class()
    shown = [label for label in range(classes) if images[label]]
    heading = "accuracy by class"
    if classes > LISTED_CLASSES:
        shown.sort(key=lambda label: (-accuracies[label].value, label))
        if len(shown) > 2 * EXTREME_CLASSES:
            shown = shown[:EXTREME_CLASSES] + shown[-EXTREME_CLASSES:]
            heading = f"the {EXTREME_CLASSES} best and the {EXTREME_CLASSES} worst classes"
    rows = [[heading, "images", "top-1", "95% interval"]]
    for label in shown:
        rows.append([names[label], f"{images[label]:,}", *accuracies[label].percentages()])
    yield text.table(rows)
    if len(shown) < classes <= LISTED_CLASSES:
        yield f"without images: {', '.join(n for n, c in zip(names, images) if not c)}"


def _confusion_table(results: Results) -> str:
    names = [display_name(name) for name in results.classes]
    rows = [["most confused", "taken for", "images", "of the class"]]
    for label, predicted, count, share in results.confused_pairs(LISTED_PAIRS):
        rows.append([names[label], names[predicted], f"{count:,}", f"{share:.1%}"])
    return text.table(rows, texts=2) if len(rows) > 1 else "no image was taken for another class"


def as_json(results: Results, dataset: Dataset) -> dict[str, Any]:
    """Everything that is known, for programs, under the same keys each time.

    Intervals are [low, high]; None stands for what is not known.
    """
    classes = len(results.classes)
    values = {"images": len(results)}
    for name, estimate, chance in (
        ("loss", mean(results.loss), math.log(classes)),
        ("top1", results.accuracy(1), 1 / classes),
        ("top5", results.accuracy(5), min(5 / classes, 1)),
    ):
        values |= {name: _known(estimate.value), f"{name}_interval": _interval(estimate)}
        values[f"{name}_chance"] = chance
    values["classes"] = _class_values(results)
    values["confusion"] = results.confusion().tolist()
    values["most_confused"] = [
        pair._asdict()
        | {"label": results.classes[pair.label], "predicted": results.classes[pair.predicted]}
        for pair in results.confused_pairs(LISTED_PAIRS)
    ]
    for name, positions in (
        ("worst_errors", results.worst(LISTED_ERRORS)),
        ("most_confident_errors", results.most_confident_errors(LISTED_ERRORS)),
    ):
        values[name] = [_error_values(results, dataset, position) for position in positions]
    return values


def _class_values(results: Results) -> list[dict[str, Any]]:
    columns = zip(results.classes, results.confusion(), results.accuracy_by_class())
    return [
        {
            "name": name,
            "words": display_name(name),
            "images": int(row.sum()),
            "correct": int(row[label]),
            "top1": _known(accuracy.value),
            "top1_interval": _interval(accuracy),
        }
        for label, (name, row, accuracy) in enumerate(columns)
    ]


def _error_values(results: Results, dataset: Dataset, position: int) -> dict[str, Any]:
    return {
        "image": dataset.name(results.indices[position]),
        "label": results.classes[results.labels[position]],
        "predicted": results.classes[results.predicted[position]],
        "probability": _known(float(results.probability[position])),
        "loss": _known(float(results.loss[position])),
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _interval(estimate: Estimate) -> list[float | None]:
    return [_known(estimate.low), _known(estimate.high)]


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
