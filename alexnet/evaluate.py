"""``python -m alexnet.evaluate``: how good a trained network is, and where it is wrong."""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli, style, table_files, text
from alexnet.data import Dataset
from alexnet.data.labels import display_name
from alexnet.errors import UsageError
from alexnet.inference import options, scores
from alexnet.inference.results import Estimate, Results, mean
from alexnet.inference.scores import ClassScores
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
CLASS_COLUMNS = 24  # of a name in a table, which has 80


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
        "--calibration",
        type=cli.picture,
        metavar="FILE",
        help="draw how often the network is right where it is how sure, as .png or .svg",
    )
    parser.add_argument(
        "--errors",
        type=cli.picture,
        metavar="FILE",
        help="draw the worst and the most confident errors, as .png or .svg",
    )
    parser.add_argument(
        "--predictions",
        type=table_files.output(),
        metavar="FILE",
        help="write a row for each image, with the probabilities of all classes, as .csv, .jsonl "
        "or .parquet",
    )
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    _require_different_files(arguments, "confusion", "calibration", "errors", "predictions")
    trained = options.network(arguments)
    dataset = options.dataset(arguments, trained)
    results = trained.evaluate(
        dataset, split=arguments.split, views=arguments.views, probabilities=True
    )
    if arguments.json:
        source = {"split": arguments.split, "views": arguments.views}
        source["precision"] = trained.precision
        print(text.as_json(source | as_json(results, dataset)))
    else:
        print(cli.printable(f"{results.title}\n\n{as_text(results)}"))
    if arguments.confusion:
        picture = result_figures.confusion_matrix(results, results.title)
        style.save(picture, arguments.confusion)
    if arguments.calibration:
        picture = result_figures.reliability_diagram(results, results.title)
        style.save(picture, arguments.calibration)
    if arguments.predictions:
        table_files.write(arguments.predictions, prediction_columns(results, dataset))
    if arguments.errors:
        preprocessing = trained.checkpoint.preprocessing
        sheet = result_figures.error_sheet(results, dataset, preprocessing, results.title)
        style.save(sheet, arguments.errors)
    return 0


def _require_different_files(arguments: argparse.Namespace, *names: str) -> None:
    given: dict[Path, str] = {}
    for name in names:
        path = getattr(arguments, name)
        if path is None:
            continue
        if (other := given.setdefault(path.resolve(), name)) != name:
            raise UsageError(f"--{other} and --{name} are the same file: {path}")


def as_text(results: Results) -> str:
    """All scores, those of each class, and the classes most often confused, as tables."""
    of_classes = scores.by_class(results)
    parts = [_scores_table(results, of_classes), *_class_tables(results, of_classes)]
    return "\n\n".join([*parts, _confusion_table(results)])


def _scores_table(results: Results, of_classes: list[ClassScores]) -> str:
    classes = len(results.classes)
    rows = [["", "", "95% interval", "chance"]]
    for k in (1, 5) if classes > 5 else (1,):
        rows.append([f"top-{k}", *results.accuracy(k).percentages(), f"{k / classes:.1%}"])
    loss = mean(results.loss)
    interval = "unknown" if math.isinf(loss.low) else f"{loss.low:.3f} to {loss.high:.3f}"
    rows.append(["loss", f"{loss.value:.3f}", interval, f"{math.log(classes):.3f}"])
    macro = scores.macro_scores(of_classes)
    rows += [
        ["balanced accuracy", *macro.balanced_accuracy.percentages(), f"{1 / classes:.1%}"],
        ["precision, mean of the classes", *macro.precision.percentages()],
        ["F1, mean of the classes", *macro.f1.percentages()],
    ]
    average = scores.mean_average_precision(scores.average_precisions(results))
    if not math.isnan(average):
        rows.append(["average precision, mean of the classes", f"{average:.1%}"])
    area = scores.area_below_roc(results)
    if not math.isnan(area.value):
        rows.append(["area below the ROC curve", *area.percentages(), "50.0%"])
    error = scores.calibration_error(results)
    if not math.isnan(error.value):
        rows.append(["calibration error", f"{error.value:.1%}", "", f"{error.by_chance:.1%}"])
    return text.table([row + [""] * (4 - len(row)) for row in rows])


def _class_tables(results: Results, of_classes: list[ClassScores]) -> Iterator[str]:
    """The scores of each class, or of the worst and the best, and the classes without images."""
    classes = len(results.classes)
    names = [_shortened(name) for name in results.classes]
    images = results.confusion().sum(axis=1)
    shown = [label for label in range(classes) if images[label]]
    shown.sort(key=lambda label: (of_classes[label].recall.value, label))
    without, heading = len(shown) < classes, "class, the worst first"
    if classes > LISTED_CLASSES and len(shown) > 2 * EXTREME_CLASSES:
        shown = shown[:EXTREME_CLASSES] + shown[-EXTREME_CLASSES:]
        heading = f"{EXTREME_CLASSES} worst, {EXTREME_CLASSES} best classes"
    rows = [[heading, "images", "top-1", "95% interval", "precision", "F1"]]
    for label in shown:
        recall, precision, f1, *_ = of_classes[label]
        others = ["" if math.isnan(x.value) else f"{x.value:.1%}" for x in (precision, f1)]
        rows.append([names[label], f"{images[label]:,}", *recall.percentages(), *others])
    yield text.table(rows)
    if without and classes <= LISTED_CLASSES:
        yield "\n".join(["without images:", *(n for n, c in zip(names, images) if not c)])


def _confusion_table(results: Results) -> str:
    names = [_shortened(name) for name in results.classes]
    rows = [["most confused", "taken for", "images", "of the class"]]
    for label, predicted, count, share in results.confused_pairs(LISTED_PAIRS):
        rows.append([names[label], names[predicted], f"{count:,}", f"{share:.1%}"])
    return text.table(rows, texts=2) if len(rows) > 1 else "no image was taken for another class"


def _shortened(name: str) -> str:
    return text.cut(cli.one_line(display_name(name)), CLASS_COLUMNS)


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
    of_classes, averages = scores.by_class(results), scores.average_precisions(results)
    macro = scores.macro_scores(of_classes)
    for name, estimate in (
        ("balanced_accuracy", macro.balanced_accuracy),
        ("macro_precision", macro.precision),
        ("macro_f1", macro.f1),
        ("auroc", scores.area_below_roc(results)),
    ):
        values |= {name: _known(estimate.value), f"{name}_interval": _interval(estimate)}
    values["mean_average_precision"] = _known(scores.mean_average_precision(averages))
    error = scores.calibration_error(results)
    values["calibration_error"] = _known(error.value)
    values["calibration_error_chance"] = _known(error.by_chance)
    values["classes"] = _class_values(results, of_classes, averages)
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


def _class_values(
    results: Results, of_classes: list[ClassScores], averages: list[Estimate]
) -> list[dict[str, Any]]:
    columns = zip(results.classes, results.confusion(), of_classes, averages)
    values = []
    for label, (name, row, of_class, average) in enumerate(columns):
        value: dict[str, Any] = {
            "name": name,
            "words": display_name(name),
            "images": int(row.sum()),
            "correct": int(row[label]),
        }
        for key, estimate in (
            ("top1", of_class.recall),
            ("precision", of_class.precision),
            ("f1", of_class.f1),
            ("average_precision", average),
        ):
            value |= {key: _known(estimate.value), f"{key}_interval": _interval(estimate)}
        values.append(value)
    return values


def prediction_columns(results: Results, dataset: Dataset) -> dict[str, Any]:
    """A row for each image: what it is, what it is taken for, and the probability of each class.

    The rank is the place of the true class among all, from 1; the loss is the negative logarithm of
    its probability.
    """
    assert results.log_probabilities is not None
    columns: dict[str, Any] = {
        "image": [dataset.name(index) for index in results.indices.tolist()],
        "label": [results.classes[label] for label in results.labels],
        "predicted": [results.classes[label] for label in results.predicted],
        "correct": results.rank == 1,
        "probability": results.probability,
        "rank": results.rank,
        "loss": results.loss,
    }
    for name, logarithms in zip(results.classes, results.log_probabilities.T):
        column = f"p({name})"
        while column in columns:  # two classes of one name
            column += "'"
        columns[column] = np.exp(logarithms)
    return columns


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
