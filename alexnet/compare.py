"""``python -m alexnet.compare``: runs side by side, and their networks on the same images."""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli, runs, style, table_files, text
from alexnet.data import Dataset
from alexnet.data.identity import difference as difference_of_sets
from alexnet.data.identity import identity
from alexnet.errors import UsageError
from alexnet.inference import options, pairs
from alexnet.inference.results import Results, mean
from alexnet.inference.trained import Trained
from alexnet.run import setting_texts
from alexnet.visualize import curves

NAME = "python -m alexnet.compare"
EXAMPLES = f"""\
examples:
  {NAME} runs/cifar10-alexnet-1 runs/cifar10-alexnet-2
      the settings in which they differ, and the difference of their best networks on the same
      validation images, with its 95% interval
  {NAME} runs/* --curves curves.png --images images.csv
      also their curves, and the images that some of them get right and others do not
"""
LINE_COLUMNS, PATH_COLUMNS = 80, 70  # in a terminal with 80


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(prog=NAME, description=EXAMPLES)
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="run folders, or checkpoints; the others are compared with the first",
    )
    options.add_data_options(parser)
    options.add_views_option(parser)
    options.add_computing_options(parser)
    options.add_precision_option(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--curves", type=cli.picture, metavar="FILE", help="draw their curves, as .png or .svg"
    )
    parser.add_argument(
        "--images",
        type=table_files.output(),
        metavar="FILE",
        help="write the images that some get right and others do not, as .csv, .jsonl or .parquet",
    )
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    if len(arguments.runs) < 2:
        raise UsageError("one run alone cannot be compared: give two or more")
    names = [str(path) for path in arguments.runs]
    # What is wrong with them is to be said before an hour of computing.
    figure = curves.curves(arguments.runs) if arguments.curves else None
    dataset, results, settings = None, [], []
    for path in arguments.runs:
        arguments.checkpoint = path
        trained = options.network(arguments)
        dataset = _same_images(dataset, arguments, trained)
        results.append(trained.evaluate(dataset, split=arguments.split, views=arguments.views))
        settings.append(setting_texts.flat(trained.checkpoint.arguments))
    assert dataset is not None
    results = _of_the_same_images(results)
    if arguments.json:
        print(text.as_json(as_json(names, settings, results)))
    else:
        print(cli.printable(as_text(names, settings, results)))
    if arguments.images:
        table_files.write(arguments.images, image_columns(names, results, dataset))
    if figure is not None:
        style.save(figure, arguments.curves)
    return 0


def _same_images(
    before: Dataset | None, arguments: argparse.Namespace, trained: Trained
) -> Dataset:
    """The set of a run, which has to be that of the runs before.

    Raises:
        UsageError: it is another one.
    """
    dataset = options.dataset(arguments, trained)
    if before is None:
        return dataset
    if other := difference_of_sets(identity(before), identity(dataset)):
        raise UsageError(
            f"{arguments.checkpoint} has other {arguments.split} images than the runs before: "
            f"{other}; --data-root DIR names images for all of them"
        )
    return before


def _of_the_same_images(results: list[Results]) -> list[Results]:
    """The results in the same order of the same images, none of which was skipped by one only."""
    if any(not np.array_equal(each.indices, results[0].indices) for each in results):
        raise UsageError("some images could be read for one of the runs only: try again")
    return results


def differing(names: list[str], settings: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The values of each setting that is not the same in all runs."""
    listed = [runs.Run(name, own, "", [], None, "") for name, own in zip(names, settings)]
    found = runs.differing_settings(listed)
    if len({own.get("epochs") for own in settings}) > 1:
        found.append("epochs")
    return {name: [setting_texts.shown(own.get(name)) for own in settings] for name in found}


def as_text(names: list[str], settings: list[dict[str, Any]], results: list[Results]) -> str:
    """The settings that differ, the accuracies, and the differences of the others to the first."""
    numbers = [f"[{number}]" for number in range(1, len(names) + 1)]
    paths = [text.cut(cli.one_line(name), PATH_COLUMNS) for name in names]
    parts = [text.table([["run", ""], *map(list, zip(numbers, paths))], texts=2)]
    if values := differing(names, settings):
        parts.append("\n".join(["settings that differ", *_differing_lines(numbers, values)]))
    else:
        parts.append("no setting differs that decides what is computed")
    rows = [["", "top-1", "95% interval", "loss"]]
    for number, each in zip(numbers, results):
        rows.append([number, *each.accuracy().percentages(), f"{mean(each.loss).value:.3f}"])
    parts.append(text.table(rows))
    rows = [["top-1 of", "minus [1]", "95% interval", "only [1]", "only it", "McNemar's p"]]
    for number, each in zip(numbers[1:], results[1:]):
        value, low, high = pairs.difference(_right(results[0]), _right(each))
        only = pairs.counts(_right(results[0]), _right(each))
        interval = f"{100 * low:+.2f} to {100 * high:+.2f}"
        rows.append(
            [number, f"{100 * value:+.2f} points", interval, *map(str, only)]
            + [f"{pairs.mcnemar(*only):.2g}"]
        )
    parts.append(text.table(rows))
    parts.append(
        "only: images that one of the two gets right. Intervals are over images: another\n"
        "seed of the same settings differs, too. The best epochs were chosen on the\n"
        "validation images, which flatters all of them; --split test does not."
    )
    return "\n\n".join(parts)


def _differing_lines(numbers: list[str], values: dict[str, list[str]]) -> Iterator[str]:
    """A line for each setting; where its values are too long for that, one for each run."""
    for name, of_runs in values.items():
        cells = [f"{number} {value}" for number, value in zip(numbers, of_runs)]
        line = f"  {name.replace('_', '-')}  {'  '.join(cells)}"
        if text.columns(line) <= LINE_COLUMNS:
            yield line
        else:
            yield f"  {name.replace('_', '-')}"
            for cell in cells:
                yield f"    {text.cut(cell, LINE_COLUMNS - 4)}"


def as_json(
    names: list[str], settings: list[dict[str, Any]], results: list[Results]
) -> dict[str, Any]:
    """The same for programs."""
    compared = []
    for name, each in zip(names, results):
        value, low, high = pairs.difference(_right(results[0]), _right(each))
        only_first, only_this = pairs.counts(_right(results[0]), _right(each))
        compared.append(
            {
                "run": name,
                "top1": each.accuracy().value,
                "top1_interval": list(each.accuracy()[1:]),
                "loss": _known(mean(each.loss).value),
                "minus_first": value,
                "minus_first_interval": [low, high],
                "only_first_right": only_first,
                "only_this_right": only_this,
                "mcnemar_p": pairs.mcnemar(only_first, only_this),
            }
        )
    return {
        "images": len(results[0]),
        "settings_that_differ": differing(names, settings),
        "runs": compared,
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def image_columns(names: list[str], results: list[Results], dataset: Dataset) -> dict[str, Any]:
    """The images that some runs get right and others do not, and what each takes them for.

    Columns end in the number of the run, from 1, and in its name.
    """
    right = np.stack([_right(each) for each in results])
    chosen = np.flatnonzero(right.any(axis=0) & ~right.all(axis=0))
    classes, first = results[0].classes, results[0]
    table: dict[str, Any] = {
        "image": [dataset.name(index) for index in first.indices[chosen].tolist()],
        "label": [classes[label] for label in first.labels[chosen]],
    }
    for number, (name, each) in enumerate(zip(names, results), start=1):
        run = f"{number}: {Path(name).name}"
        table[f"right {run}"] = _right(each)[chosen]
        table[f"predicted {run}"] = [classes[label] for label in each.predicted[chosen]]
        table[f"probability {run}"] = each.probability[chosen]
    return table


def _right(results: Results) -> np.ndarray:
    return results.rank == 1


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
