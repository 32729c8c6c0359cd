"""Images whose labels stand in a table, as CSV, JSON lines or Parquet.

    root/metadata.csv                 as Hugging Face's image folders have it: file_name and a label
    root/{train,val,test}/metadata.csv                                   a table for each set
    labels.csv                        any table, given in place of a folder

The names of the images are relative to the folder of the table; they may lack the ending of a file.
A column "split" says which set an image belongs to, or a folder in its name that is called like a
set; without either a fifth of each class is held out.
"""

import csv
import itertools
import json
import logging
import math
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from alexnet.data.dataset import Splits
from alexnet.data.readers import folder, splits
from alexnet.data.readers.image_tree import class_name, files_below, is_image, subfolders
from alexnet.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
METADATA = tuple(f"metadata{suffix}" for suffix in SUFFIXES)
# How people call the columns, where no option does; in lower case, the usual ones first.
IMAGE_COLUMNS = (
    *("file_name", "filename", "image", "image_path", "path", "filepath", "file", "image_name"),
    *("image_id", "id", "img", "name"),
)
LABEL_COLUMNS = (
    *("label", "class", "category", "target", "class_name", "label_name", "labels", "classes"),
    *("species", "breed", "diagnosis"),
)
SPLIT_COLUMN = "split"
DELIMITERS = (",", ";", "\t")

logger = logging.getLogger("alexnet.data")


class Columns(NamedTuple):
    """The columns that are used; None for those that are found by their names."""

    image: str | None = None
    label: str | None = None


BY_NAME = Columns()


class _Row(NamedTuple):
    path: str
    label: str
    split: str | None


def is_table(path: Path) -> bool:
    """Whether a file is called like a table."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def found_in(root: Path) -> bool:
    """Whether a folder, or the folder of a set in it, holds metadata.csv or the like."""
    return bool(_tables(root))


def open_splits(root: Path, seed: int = 0, columns: Columns = BY_NAME) -> Splits:
    """The sets of a table, or of the tables in a folder; classes and files in alphabetical order.

    Raises:
        DataError: a table cannot be read or lacks a column, images are missing, an image has two
            labels, or fewer than two classes have an image.
    """
    tables = {None: root} if is_table(root) else _tables(root)
    if not tables:
        raise DataError(f"{root}: no {METADATA[0]} or the like in it")
    rows = []
    for split, path in tables.items():
        try:
            rows += _rows(path, split, columns)
        except DataError as error:
            if split != "test":
                raise
            logger.warning("not used: %s", error)  # training does not need it
    found: dict[str | None, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    known: dict[str, _Row] = {}
    for row in rows:
        other = known.setdefault(row.path, row)
        if other.label != row.label:
            raise DataError(f"{row.path}: has the labels {other.label!r} and {row.label!r}")
        if other.split != row.split:
            raise DataError(f"{row.path}: is in two sets, {other.split} and {row.split}")
        found[row.split][row.label][row.path] = None
    sets = {split: _in_order(classes) for split, classes in found.items()}
    if "train" in sets and None in sets:
        left = [path for paths in sets[None].values() for path in paths]
        logger.warning("not used: %d images that are in no set, such as %s", len(left), left[0])
    train = sets.pop("train", None) or sets.pop(None, {})
    if len(train) < 2:
        raise DataError(f"{root}: at least 2 classes with images to learn from are needed")
    if not sets.keys() & {"validation", "test"}:
        return folder.divided(train, [_folder_of(root)], seed)
    opened = {"train": _dataset("train", root, train)}
    held_out = "validation" if "validation" in sets else "test"
    note = "" if held_out == "validation" else folder.NO_VALIDATION
    opened["validation"] = _dataset("validation", root, _like(train, sets[held_out], root), note)
    if held_out == "validation" and "test" in sets:
        opened["test"] = _dataset("test", root, _like(train, sets["test"], root))
    return opened


def _folder_of(root: Path) -> Path:
    return root.parent if root.is_file() else root


def _tables(root: Path) -> dict[str | None, Path]:
    """The table in a folder, or those in the folders of its sets."""
    if path := _table_in(root):
        return {None: path}
    if not root.is_dir():
        return {}
    names = [path.name for path in root.iterdir() if path.is_dir() and _table_in(path)]
    named = splits.by_split(names)
    if "train" not in named or any(len(of_split) > 1 for of_split in named.values()):
        return {}
    for path in subfolders(root):
        if path.name not in names and splits.split_of(path.name):
            logger.warning("not used: %s (no %s in it)", path, METADATA[0])
    return {split: _table_in(root / of_split[0]) or root for split, of_split in named.items()}


def _table_in(root: Path) -> Path | None:
    return next((root / name for name in METADATA if (root / name).is_file()), None)


def _rows(table: Path, split: str | None, columns: Columns) -> list[_Row]:
    """The images of a table that have a label."""
    names, content = _read(table)
    if not any(names):
        raise DataError(f"{table}: is empty; its first line names the columns")
    image = _column(table, names, columns.image, IMAGE_COLUMNS, "--image-column")
    split_column = next((name for name in names if name.lower() == SPLIT_COLUMN), SPLIT_COLUMN)
    others = [name for name in names if name not in (image, split_column)]
    label = columns.label or (others[0] if len(others) == 1 else None)
    label = _column(table, names, label, LABEL_COLUMNS, "--label-column")
    for column in (image, label, split_column):
        if names.count(column) > 1:  # of others nothing depends
            raise DataError(f"{table}: two columns are called {column!r}")
    if label == image:
        raise DataError(f"{table}: the column {label!r} cannot hold both the images and the labels")
    rows, missing, unlabelled = [], [], 0
    find = _Finder(table.parent)
    for line in content:
        name, own = (_word(table, column, line.get(column)) for column in (image, label))
        if not own:
            unlabelled += 1
            continue
        if (path := find(name)) is None:
            missing.append(name)
            continue
        own_split = split or _split(table, name, _word(table, split_column, line.get(split_column)))
        rows.append(_Row(path, class_name(own), own_split))
    if missing:
        raise DataError(
            f"{table}: {len(missing):,} of its images are not there, such as {missing[0]!r}; names "
            f"are relative to {table.parent}, and without an ending no two files may have the name"
        )
    if unlabelled:
        logger.info("not used: %d images of %s, which have no label", unlabelled, table)
    return rows


def _column(
    table: Path, names: list[str], given: str | None, usual: Iterable[str], option: str
) -> str:
    """The column of an option, or else the first that is called as usual."""
    if given is not None:
        if given not in names:
            raise DataError(f"{table}: no column {given!r}; it has {', '.join(names)}")
        return given
    lower = {name.lower(): name for name in reversed(names)}
    for name in usual:
        if name in lower:
            return lower[name]
    raise DataError(f"{table}: give {option}: one of {', '.join(names)}")


def _word(table: Path, column: str, value: Any) -> str:
    """What a cell of a table says; empty where it says nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers of which some are missing
    if not isinstance(value, str | int | float):
        raise DataError(
            f"{table}: the column {column!r} holds neither texts nor numbers; Parquet files that "
            "hold the images themselves are given as a folder"
        )
    return str(value).strip()


def _split(table: Path, name: str, given: str) -> str | None:
    """The set that an image belongs to, by its column or the folders in its name."""
    if given:
        if (split := splits.split_of(given)) is None:
            raise DataError(f"{table}: {given!r} is the name of no set, such as train or val")
        return split
    folders = Path(name.replace("\\", "/")).parts[:-1]
    return next((found for part in folders if (found := splits.split_of(part))), None)


class _Finder:
    """Finds images by their names in a table."""

    def __init__(self, root: Path):
        self._root, self._stems = root, None

    def __call__(self, name: str) -> str | None:
        """The path of an image, or None."""
        path = self._root / name.replace("\\", "/")
        if not name.strip():
            return None
        if path.is_file():
            return os.path.normpath(path)
        if is_image(path.name):
            return None
        return self._by_stem().get(os.path.normpath(path)) or self._by_stem().get(path.name)

    def _by_stem(self) -> dict[str, str]:
        """Images by their paths and by their names, both without the ending; unclear ones not."""
        if self._stems is None:
            stems: dict[str, str] = {}
            unclear = set()
            for file in files_below(self._root):
                whole = os.path.splitext(file)[0]
                for stem in (os.path.normpath(whole), os.path.basename(whole)):
                    if stems.setdefault(stem, file) != file:
                        unclear.add(stem)
            self._stems = {stem: file for stem, file in stems.items() if stem not in unclear}
        return self._stems


def _read(table: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of the columns, and the rows by them."""
    try:
        suffix = table.suffix.lower()
        if suffix == ".parquet":
            return _read_parquet(table)
        with table.open(newline="", encoding="utf-8-sig") as file:
            if suffix == ".jsonl":
                rows = [json.loads(line) for line in file if line.strip()]
                if not all(isinstance(row, dict) for row in rows):
                    raise DataError(f"{table}: a line is no object such as {{...}}")
                return list(dict.fromkeys(itertools.chain.from_iterable(rows))), rows
            header = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=header.count)
            reader = csv.DictReader(file, delimiter=delimiter)
            rows = list(reader)
            if any(any(row.get(None, ())) for row in rows):  # a delimiter at the end is no field
                raise DataError(
                    f"{table}: a line has more fields than the first; a name with the delimiter "
                    f"{delimiter!r} in it stands in quotation marks"
                )
            return [name for name in reader.fieldnames or [] if name is not None], rows
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{table}: cannot be read ({reason})") from error


def _read_parquet(table: Path) -> tuple[list[str], list[dict[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError("reading parquet files needs pyarrow: pip install pyarrow") from error
    try:
        content = parquet.read_table(table)
        return content.column_names, content.to_pylist()
    except ArrowException as error:
        raise DataError(f"{table}: cannot be read ({' '.join(str(error).split())})") from error


def _in_order(classes: dict[str, dict[str, None]]) -> folder.Files:
    return {name: sorted(classes[name]) for name in sorted(classes)}


def _like(train: folder.Files, images: folder.Files, root: Path) -> folder.Files:
    """The images of another set, with the classes of the training set."""
    if unknown := sorted(images.keys() - train.keys()):
        raise DataError(f"{root}: no image to learn from has the label {unknown[0]!r}")
    return {name: images.get(name, []) for name in train}


def _dataset(split: str, root: Path, images: folder.Files, note: str = "") -> folder.FolderDataset:
    dataset = folder.FolderDataset(images)
    splits.say_set(split, root, dataset, note)
    return dataset
