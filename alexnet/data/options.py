"""The options of commands that read data sets."""

from collections.abc import Mapping
from typing import Any

from alexnet import cli
from alexnet.data.images import MAX_PIXELS as MAX_PIXELS_OF_AN_IMAGE
from alexnet.data.sources import NAMES
from alexnet.errors import UsageError

DATA = cli.Option("--data", choices=NAMES)
DATA_ROOT = cli.Option(
    "--data-root",
    type=cli.path,
    metavar="DIR",
    help="where the data lie; or a table with the names and labels of images",
)
IMAGE_COLUMN = cli.Option(
    "--image-column",
    metavar="NAME",
    help="of a table: names of the images; default: file_name, or another usual name",
)
LABEL_COLUMN = cli.Option(
    "--label-column",
    metavar="NAME",
    help="of a table: labels; default: label, or another usual name",
)
TRAIN_ROOT = cli.Option(
    "--train-root",
    type=cli.path,
    metavar="DIR",
    help="instead, a folder per class with the images to learn from; several with commas between",
)
VAL_ROOT = cli.Option(
    "--val-root",
    type=cli.path,
    metavar="DIR",
    help="with --train-root: the same for validation; default: a fifth of those",
)
SUBSET = cli.Option("--subset", type=cli.count, metavar="N")
BAD_IMAGES = cli.Option(
    "--bad-images",
    choices=("error", "skip"),
    help="what to do with files that are no images; default: error",
)
MAX_BAD_IMAGES = cli.Option("--max-bad-images", type=cli.count_or_zero, metavar="N")
MAX_PIXELS = cli.Option(
    "--max-pixels",
    type=cli.count,
    metavar="N",
    help=f"images with more pixels cannot be used; default: {MAX_PIXELS_OF_AN_IMAGE}",
)
WORKERS = cli.Option(
    "-j",
    "--workers",
    type=cli.count_or_zero,
    metavar="N",
    help="threads that decode; default: 2",
)


def require_one_root(given: Mapping[str, Any], data_root: str = "--data-root") -> None:
    """Raise UsageError if options name the folders of the data in two ways.

    Args:
        given: the values of the options by their names: data, data_root, train_root, val_root.
        data_root: how the option, or the argument, for the folder of all sets is called.
    """
    if given.get("val_root") is not None and given.get("train_root") is None:
        raise UsageError("--val-root needs --train-root, the images to learn from")
    if given.get("train_root") is None:
        return
    if given.get("data_root") is not None:
        raise UsageError(f"--train-root is given instead of {data_root}: leave out one of them")
    if given.get("data") not in (None, "auto", "folder"):
        raise UsageError(f"--train-root is for folders of images, not for --data {given['data']}")


def names_data(given: Mapping[str, Any]) -> bool:
    """Whether options name data; where none does, commands use those of the run."""
    return any(given.get(name) is not None for name in ("data", "data_root", "train_root"))
