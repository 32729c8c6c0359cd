"""Check every image of a data set before training: counts, sizes, damage, duplicates."""

import argparse
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli, text
from alexnet.data import options
from alexnet.data.commands.contact_sheet import contact_sheet
from alexnet.data.commands.inspection import Inspection, find_copies, inspect
from alexnet.data.images import MAX_PIXELS, set_max_pixels
from alexnet.data.readers.table import Columns
from alexnet.data.sources import load, recognize
from alexnet.data.statistics import SQUARE
from alexnet.errors import UsageError

UNRELIABLE = 3  # exit code
# Up to so many classes are listed; of more, the smallest and the largest.
LISTED_CLASSES, EXTREME_CLASSES = 20, 5
LISTED_LINES = 20  # of each kind of finding
LARGE_IMBALANCE = 10  # images of the largest class for one of the smallest
FEW_IMAGES = 10  # of a class
ELONGATED = 3  # longer side by shorter side

Report = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "root",
        type=Path,
        nargs="?",
        metavar="DIR",
        help="the data; not for --data demo and --train-root",
    )
    options.TRAIN_ROOT.add_to(parser)
    options.VAL_ROOT.add_to(parser)
    options.IMAGE_COLUMN.add_to(parser)
    options.LABEL_COLUMN.add_to(parser)
    options.DATA.add_to(parser, default="auto", help="default: what DIR holds")
    parser.add_argument(
        "--picture",
        type=cli.output_file(".png"),
        metavar="FILE.png",
        help="draw samples as the network gets them",
    )
    options.MAX_PIXELS.add_to(parser, default=MAX_PIXELS)
    parser.add_argument("--json", action="store_true", help="the report for programs")
    options.WORKERS.add_to(
        parser,
        type=cli.count,
        default=os.cpu_count() or 1,
        help="threads that decode; default: one a processor",
    )
    cli.SEED.add_to(
        parser,
        default=0,
        help="that of the training: of the split of a folder without one, and of the samples",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return 3 if something makes training unreliable, else 0."""
    set_max_pixels(arguments.max_pixels)
    name, root, train_root = arguments.data, arguments.root, arguments.train_root
    options.require_one_root({**vars(arguments), "data_root": root}, "DIR")
    if root is None and name != "demo" and train_root is None:
        raise UsageError("give DIR, the folder that holds the data, or --data demo")
    if train_root is not None:
        name, root = "folder", train_root
    elif name == "auto":
        name = recognize(root)
    with cli.log():
        splits = load(
            *(name, root, arguments.seed),
            train_root=train_root,
            val_root=arguments.val_root,
            columns=Columns(arguments.image_column, arguments.label_column),
        )
    inspections = inspect(splits, arguments.workers)
    report = findings(inspections)
    title = name if root is None else f"{name} in {root}"
    if arguments.json:
        print(text.as_json({"data": title, **report}, indent=2))
    else:
        print(cli.printable(f"{title}\n\n{as_text(report)}"))
    if arguments.picture:
        contact_sheet(inspections["train"], title, arguments.seed, arguments.picture)
        cli.say(f"{arguments.picture}: samples of the training images")
    return UNRELIABLE if report["problems"] else 0


# -- what the report says ---------------------------------------------------------------------


def findings(inspections: dict[str, Inspection]) -> Report:
    """The report, as a dict for JSON."""
    datasets = {split: one.dataset for split, one in inspections.items()}
    classes = datasets["train"].classes
    counts = {
        split: np.bincount(dataset.labels, minlength=len(classes)).tolist()
        for split, dataset in datasets.items()
    }
    training = [count for count in counts["train"] if count]
    sizes = np.concatenate([one.sizes[one.usable] for one in inspections.values()])
    copies = find_copies(inspections)
    report = {
        "sets": {split: len(dataset) for split, dataset in datasets.items()},
        "classes": [
            {"class": name, **{split: counts[split][label] for split in counts}}
            for label, name in enumerate(classes)
        ],
        "imbalance": max(training) / min(training),
        "classes_missing": {
            split: [name for name, count in zip(classes, counts[split]) if count == 0]
            for split in counts
        },
        "classes_with_few_training_images": [
            name for name, count in zip(classes, counts["train"]) if 0 < count < FEW_IMAGES
        ],
        "pixels": _pixels(sizes),
        "kinds_of_files": dict(sum((one.kinds for one in inspections.values()), Counter())),
        "damaged_sets": [one.damage for one in inspections.values() if one.damage],
        "bad_images": [line for one in inspections.values() for line in one.bad_images],
        "identical_in_several_sets": _groups(c for c in copies if len(set(c.splits)) > 1),
        "identical_with_several_labels": _groups(c for c in copies if len(set(c.labels)) > 1),
        "identical_in_training": _groups(c for c in copies if c.splits.count("train") > 1),
    }
    return report | {"problems": _problems(report)}


def _pixels(sizes: np.ndarray) -> Report:
    """Least, median and most of heights and widths (N, 2), and how many are unusual."""
    if len(sizes) == 0:
        return {}
    shorter, longer = sizes.min(axis=1), sizes.max(axis=1)
    spread = np.percentile(sizes, (0, 50, 100), axis=0).round().astype(int).T.tolist()
    return {
        "width": spread[1],
        "height": spread[0],
        "small": int((shorter < SQUARE).sum()),
        "elongated": int((longer > ELONGATED * shorter).sum()),
    }


def _groups(copies: Any) -> list[list[str]]:
    return [[f"{name} ({label})" for name, label in zip(one.names, one.labels)] for one in copies]


def _problems(report: Report) -> list[str]:
    """What makes training, or its results, unreliable."""
    problems = [f"a damaged set: {line}" for line in report["damaged_sets"]]
    for key, what in (
        ("bad_images", "images that cannot be used"),
        ("identical_in_several_sets", "pictures in more than one set"),
        ("identical_with_several_labels", "pictures under more than one label"),
    ):
        if report[key]:
            problems.append(f"{what}: {len(report[key]):,}")
    return problems


# -- as text ----------------------------------------------------------------------------------


def as_text(report: Report) -> str:
    """The report for people, short for any number of classes and findings."""
    parts = [
        _counts(report),
        _size_and_kind(report),
        *(_listed(*item) for item in _lists(report)),
        _summary(report),
    ]
    return "\n\n".join(part for part in parts if part)


def _counts(report: Report) -> str:
    splits, classes = list(report["sets"]), report["classes"]
    by_size = sorted(classes, key=lambda row: row["train"])
    few = len(classes) <= LISTED_CLASSES
    shown = classes if few else [*by_size[:EXTREME_CLASSES], None, *by_size[-EXTREME_CLASSES:]]
    rows = [["images of the class", *splits]]
    for row in shown:
        if row is None:
            rows.append(
                [f"... {len(classes) - 2 * EXTREME_CLASSES:,} more ...", *("" for _ in splits)]
            )
        else:
            rows.append([row["class"], *(f"{row[split]:,}" for split in splits)])
    rows.append(
        [f"all {len(classes):,} classes", *(f"{images:,}" for images in report["sets"].values())]
    )
    lines = [text.table(rows, gap=3)]
    if report["imbalance"] > LARGE_IMBALANCE:
        lines.append(
            f"The largest class has {report['imbalance']:.0f} times the training images of the "
            "smallest:\nthe network will favor it. Add images to the small classes, or train with "
            "--class-weights auto\nor --sampling balanced."
        )
    return "\n".join(lines)


def _size_and_kind(report: Report) -> str:
    pixels, total = report["pixels"], sum(report["sets"].values())
    if not pixels:
        return ""
    rows = [["pixels", "least", "median", "most"]]
    rows += [[side, *(f"{n:,}" for n in pixels[side])] for side in ("width", "height")]
    tables = [text.table(rows, gap=3)]
    unusual = {
        f"shorter side below {SQUARE}: enlarged": pixels["small"],
        f"more than {ELONGATED} times as long as wide": pixels["elongated"],
        **dict(sorted(report["kinds_of_files"].items(), key=lambda item: -item[1])),
    }
    rows = [["size and kind", "images", ""]]
    rows += [[name, f"{n:,}", f"{n / total:.1%}"] for name, n in unusual.items() if n]
    if len(rows) > 1:
        tables.append(text.table(rows, gap=3))
    return "\n\n".join(tables)


def _lists(report: Report) -> list[tuple[str, list[str]]]:
    """Titles, and the lines below each."""
    lists = [
        (f"classes without an image in {split}", names)
        for split, names in report["classes_missing"].items()
    ]
    few = f"classes with fewer than {FEW_IMAGES} training images"
    lists += [
        (few, report["classes_with_few_training_images"]),
        ("damaged sets", report["damaged_sets"]),
        ("images that cannot be used", report["bad_images"]),
    ]
    for key, title in (
        ("identical_in_several_sets", "identical pictures in more than one set"),
        ("identical_with_several_labels", "identical pictures under more than one label"),
        ("identical_in_training", "identical pictures within the training set"),
    ):
        lists.append((title, [" = ".join(names) for names in report[key]]))
    return lists


def _listed(title: str, lines: list[str]) -> str:
    """The first ones of a list, and the number of the others."""
    if not lines:
        return ""
    shown = [f"  {cli.one_line(line)}" for line in lines[:LISTED_LINES]]
    if len(lines) > LISTED_LINES:
        shown.append(f"  ... and {len(lines) - LISTED_LINES:,} more")
    return "\n".join([f"{title}: {len(lines):,}", *shown])


def _summary(report: Report) -> str:
    if not report["problems"]:
        return "Nothing was found that makes training unreliable."
    return "Training would be unreliable; " + "; ".join(report["problems"])
