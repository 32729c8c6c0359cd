"""The images that a network is tried on: those of its run, unless others are named."""

from pathlib import Path
from typing import Any

from alexnet import cli
from alexnet.data import Dataset, Splits, Subset, load, recognize
from alexnet.data import options as data_options
from alexnet.data.identity import difference, identity
from alexnet.data.readers.table import Columns
from alexnet.errors import DataError
from alexnet.run.checkpoint import Checkpoint

SPLITS = ("train", "validation", "test")


def dataset(
    checkpoint: Checkpoint,
    split: str,
    *,
    data: str | None = None,
    data_root: Path | str | None = None,
    train_root: Path | str | None = None,
    val_root: Path | str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Dataset:
    """The set that is named, or the one of the run where none is.

    Args:
        split: one of `SPLITS`.
        data, data_root, train_root, val_root, image_column, label_column: as in training, see
            `alexnet.training.settings`.

    Raises:
        DataError: there is no such set.
        CheckpointError: its classes are not those of the network; or none is named, and the data
            of the run have changed.
        UsageError: the names contradict each other.
    """
    given = {
        "data": data,
        "data_root": data_root,
        "train_root": train_root,
        "val_root": val_root,
    }
    data_options.require_one_root(given)
    stored = checkpoint.arguments
    roots: dict[str, Any] = {"data_root": None, "train_root": None, "val_root": None}
    if are_given := data_root is not None or train_root is not None:
        roots = {name: given[name] for name in roots}
    elif data != "demo":
        roots = checkpoint.require_data_roots()
    name, root = data, roots.pop("data_root")
    if name is None:
        name = "auto" if are_given else stored.get("data")
    if name is None:
        raise DataError(
            "the network does not say which images it was trained on: give --data-root DIR, or "
            "--data demo"
        )
    if name not in ("auto", "folder"):
        roots = {}
    if roots.get("train_root"):
        name = "folder"
    elif name == "auto":
        if root is None:
            raise DataError("--data auto needs the folder the data lie in: give --data-root DIR")
        name = recognize(root)
    columns = Columns(image_column, label_column)
    if not are_given and name == "table":
        columns = Columns(
            image_column or stored.get("image_column"), label_column or stored.get("label_column")
        )
    splits = load(name, root, stored.get("seed", 0), columns=columns, **roots)
    if split not in splits:
        raise DataError(f"{name} has no set {split!r}; it has {', '.join(map(repr, splits))}")
    checkpoint.require(checkpoint.architecture, splits[split].classes)
    _compare(checkpoint, splits, split, named=data_options.names_data(given))
    return splits[split]


def _compare(checkpoint: Checkpoint, splits: Splits, split: str, named: bool) -> None:
    """Refuse other data than those of the run, unless they are named: then say so.

    A run knows its training and its validation set. The second stands for a test set, too: data
    whose validation set is another are other data.
    """
    known, used = ("training", "train") if split == "train" else ("validation", "validation")
    if known not in checkpoint.data or used not in splits:
        return
    dataset, subset = splits[used], checkpoint.arguments.get("subset")
    if used == "train" and subset is not None and subset <= len(dataset):
        dataset = Subset(dataset, subset, checkpoint.arguments.get("seed", 0))
    now = identity(dataset)
    if not named:
        checkpoint.require_data({known: now}, "name the data to use instead: --data-root DIR")
    elif changed := difference(checkpoint.data[known], now):
        cli.say(f"note: the {known} set is not that of the run: {changed}")
