"""Which sources of images there are, and which of them a folder holds."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from alexnet.data.dataset import Splits
from alexnet.data.readers import cifar, folder, imagenet, parquet, shards, table
from alexnet.data.readers.demo import DemoDataset
from alexnet.errors import DataError


class Source(NamedTuple):
    """A kind of data.

    Attributes:
        found_in: whether a folder holds data of this kind, by names alone.
        open: the sets in a folder; the seed decides the split where the data have none.
    """

    found_in: Callable[[Path], bool]
    open: Callable[[Path, int], Splits]


# In the order in which `recognize` tries them.
SOURCES = {
    "shards": Source(shards.found_in, lambda root, seed: shards.open_splits(root)),
    "cifar10": Source(
        lambda root: cifar.found_in(root, "cifar10"),
        lambda root, seed: cifar.open_splits(root, "cifar10"),
    ),
    "cifar100": Source(
        lambda root: cifar.found_in(root, "cifar100"),
        lambda root, seed: cifar.open_splits(root, "cifar100"),
    ),
    "imagenet": Source(imagenet.found_in, imagenet.open_splits),
    "table": Source(table.found_in, table.open_splits),
    "parquet": Source(parquet.found_in, parquet.open_splits),
    "folder": Source(folder.found_in, folder.open_splits),
}
# Which are not read, but may have to be unpacked.
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
NAMES = ("auto", "demo", *SOURCES)


def recognize(root: str | Path) -> str:
    """The name of the source that a folder holds.

    Raises:
        DataError: there is no such folder, or nothing in it is known.
    """
    root = Path(root)
    if table.is_table(root):
        return "table"
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give the one that holds the data")
    try:
        for name, source in SOURCES.items():
            if source.found_in(root):
                return name
    except OSError as error:
        raise DataError(f"{error.filename or root}: cannot be read ({error.strerror})") from error
    archives = sorted(path.name for path in root.iterdir() if path.suffix.lower() in ARCHIVES)
    advice = f"unpack {archives[0]} first" if archives else "docs/data.md lists what is read"
    raise DataError(
        f"{root}: nothing in it is known as data: no image files, and no CIFAR, ImageNet, Parquet "
        f"or prepared data; {advice}"
    )


def load(
    name: str,
    root: str | Path | None = None,
    seed: int = 0,
    *,
    train_root: str | Path | None = None,
    val_root: str | Path | None = None,
    columns: table.Columns = table.BY_NAME,
) -> Splits:
    """The sets of a source: "train", "validation", and "test" where there is one.

    Args:
        name: one of `NAMES`; "auto" recognizes what `root` holds.
        root: the folder with the data; the demo set needs none.
        seed: decides the demo images, and the split of a folder without one.
        train_root, val_root: instead of `root`, the folders with the images of each set, in a
            folder per class, several with commas between them; without `val_root`, those of
            `train_root` are divided.
        columns: of a table, which hold the images and the labels.

    Raises:
        DataError: the data are not there, are damaged, or not of this kind.
    """
    if name not in NAMES:
        raise DataError(f"unknown data set {name!r}: choose {', '.join(NAMES)}")
    if name == "demo":
        return {split: DemoDataset(split, seed=seed) for split in ("train", "validation")}
    root = root if train_root is None else train_root
    if root is None:
        raise DataError(f"data set {name!r} needs the folder it lies in: give --data-root DIR")
    try:
        if train_root is not None:
            return folder.open_separate(train_root, val_root, seed)
        root = Path(root)
        name = recognize(root) if name == "auto" else name
        if name == "table":
            return table.open_splits(root, seed, columns)
        if columns != table.BY_NAME:
            raise DataError(
                f"{root} holds {name} data, and no table: leave out --image-column and "
                "--label-column"
            )
        return SOURCES[name].open(root, seed)
    except OSError as error:
        raise DataError(f"{error.filename or root}: cannot be read ({error.strerror})") from error
