"""Parquet files as Hugging Face writes them: a column of encoded images and one of labels.

`alexnet.data.readers.parquet_files` says which files hold which set. Labels are numbers or names.

Unlike in all other sources, images are in the order of the files and their rows. Rows can only be
read in groups of hundreds; any other order would read most groups again and again. Training in a
random order does just that: prepare a large set with ``python -m alexnet.data prepare`` first.
"""

import copy
import io
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alexnet.data.dataset import Splits
from alexnet.data.images import decode
from alexnet.data.labels import find_synsets
from alexnet.data.readers import parquet_files
from alexnet.data.readers.folder import HELD_OUT, NO_VALIDATION, VALIDATION_FRACTION, rank
from alexnet.data.readers.parquet_columns import Columns, find_columns
from alexnet.data.readers.splits import say_set
from alexnet.errors import BadImage, DataError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

# Limits of what a file may claim to hold.
MAX_ROWS, MAX_GROUP_BYTES, MAX_CLASSES = 2**26, 2**31, 100_000
CACHE_BYTES = 2**29  # of the row groups read last
ROWS_AT_A_TIME = 16

logger = logging.getLogger("alexnet.data")


class Group(NamedTuple):
    """A row group, the rows of a file that are read together: its number and its first row."""

    path: Path
    number: int
    first: int
    rows: int


class ParquetDataset:
    """Images in parquet files; threads may read at the same time.

    The row groups read last are kept.
    """

    def __init__(self, paths: list[Path], columns: Columns):
        read = [_read_labels(path, columns) for path in paths]
        # Until `_settle_classes`, the labels are as the files have them: numbers or names.
        self.labels = np.concatenate([labels for _, labels in read])
        self.classes = columns.classes
        self._rows = np.arange(len(self.labels))
        self._column = columns.image
        self._groups = [group for groups, _ in read for group in groups]
        # Index of the first image of each row group.
        self._starts = np.cumsum([0] + [group.rows for group in self._groups])[:-1]
        self._kept: OrderedDict[int, list[bytes | None]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        """See `Dataset.image`; raises DataError if the file, not just the image, is damaged."""
        return decode(self.file(index), self.name(index), square)

    def file(self, index: int) -> io.BytesIO:
        group, row = self._find(index)
        contents = self._group_images(group)[row]
        if contents is None:
            raise BadImage(f"{self.name(index)}: there is no image in this row")
        return io.BytesIO(contents)

    def name(self, index: int) -> str:
        number, row = self._find(index)
        group = self._groups[number]
        return f"{group.path}, row {group.first + row}"

    def part(self, indices: np.ndarray) -> "ParquetDataset":
        """A set of some of the images, which shares what has been read."""
        part = copy.copy(self)
        part.labels, part._rows = self.labels[indices], self._rows[indices]
        return part

    def place(self, index: int) -> str:
        """The file of an image without its folder, and its row there."""
        number, row = self._find(index)
        group = self._groups[number]
        return f"{group.path.name}/{group.first + row}"

    def _find(self, index: int) -> tuple[int, int]:
        """The row group of an image, and its row in that group."""
        row = self._rows[index]
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        return group, int(row - self._starts[group])

    def _group_images(self, group: int) -> list[bytes | None]:
        """The encoded images of a row group."""
        # One thread reads at a time: the others mostly need the same row group.
        with self._lock:
            if group not in self._kept:
                self._kept[group] = _read_images(self._groups[group], self._column)
                sizes = [sum(len(image or b"") for image in kept) for kept in self._kept.values()]
                for _ in range(len(sizes) - 1):
                    if sum(sizes) > CACHE_BYTES:
                        self._kept.popitem(last=False)
                        sizes.pop(0)
            self._kept.move_to_end(group)
            return self._kept[group]


def found_in(root: Path) -> bool:
    """Whether there are Parquet files that may hold sets."""
    return bool(parquet_files.find(root))


def open_splits(root: Path, seed: int = 0) -> Splits:
    """The sets "train", "validation" and "test".

    Where there is none for validation, the test images take its place; without those, a fifth of
    each class is held out, which depends on `seed` and the names of the files.

    Raises:
        DataError: a file is missing or damaged, has no images or labels, or a label no class.
    """
    files = parquet_files.find(root)
    if "train" not in files:
        raise DataError(
            f"{root}: no Parquet file for training, such as train-00000-of-00001.parquet, is "
            "there; download what is missing"
        )
    for paths in files.values():
        parquet_files.require_complete(paths)
    columns = _open(files["train"][0], find_columns)
    splits = {split: ParquetDataset(paths, columns) for split, paths in files.items()}
    for split, dataset in splits.items():
        if len(dataset) == 0:
            raise DataError(f"{files[split][0]}: no rows in it; download it again")
    if "test" in splits and _unlabeled(splits["test"]).all():
        logger.warning("%s: left out the test images, whose labels are hidden (-1)", root)
        del splits["test"]
    notes = dict.fromkeys(splits, "")
    if "validation" not in splits and "test" in splits:
        splits["validation"], files["validation"] = splits.pop("test"), files["test"]
        notes["validation"] = NO_VALIDATION
    _settle_classes(splits)
    if "validation" not in splits:
        splits = _divided(splits["train"], seed)
        files["validation"], notes["validation"] = files["train"], HELD_OUT
    for split, dataset in splits.items():
        first, *others = files[split]
        more = f" and {len(others)} more" if others else ""
        say_set(split, f"{first}{more}", dataset, notes[split])
    return splits


def _divided(train: ParquetDataset, seed: int) -> Splits:
    """Hold out a fraction of each class, as of a folder."""
    held_out = np.zeros(len(train), bool)
    for label in range(len(train.classes)):
        members = np.flatnonzero(train.labels == label)
        ranked = sorted(members.tolist(), key=lambda index: rank(seed, train.place(index)))
        count = min(max(1, round(VALIDATION_FRACTION * len(members))), len(members) - 1)
        held_out[ranked[: max(count, 0)]] = True
    return {
        "train": train.part(np.flatnonzero(~held_out)),
        "validation": train.part(np.flatnonzero(held_out)),
    }


def _unlabeled(dataset: ParquetDataset) -> np.ndarray:
    """Which labels are missing: None of names, -1 of numbers; bool (N,)."""
    return dataset.labels == (None if dataset.labels.dtype == object else -1)


def _number_names(splits: Splits) -> None:
    """Replace labels that are names by their place among the sorted names of the training set."""
    if splits["train"].labels.dtype != object:
        return
    names = sorted({name for name in splits["train"].labels if name is not None})
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"{splits['train'].name(0)}: {len(names):,} different labels; they are no classes"
        )
    numbers = {name: number for number, name in enumerate(names)} | {None: -1}
    for dataset in splits.values():
        for index, name in enumerate(dataset.labels):
            if name not in numbers:
                raise DataError(
                    f"{dataset.name(index)}: the training set has no label {name!r}; remove the row"
                )
        dataset.labels = np.array([numbers[name] for name in dataset.labels], np.int64)
        dataset.classes = names


def _settle_classes(splits: Splits) -> None:
    """Check the labels and name the classes; those of ImageNet become synsets, in their order."""
    _number_names(splits)
    train = splits["train"]
    classes = train.classes
    if classes is None:
        count = min(int(train.labels.max()) + 1, MAX_CLASSES)
        classes = [str(label) for label in range(count)]
    for dataset in splits.values():
        wrong = np.flatnonzero((dataset.labels < 0) | (dataset.labels >= len(classes)))
        if len(wrong):
            raise DataError(
                f"{dataset.name(wrong[0])}: label {dataset.labels[wrong[0]]} where there are "
                f"{len(classes)} classes, numbered from 0 (-1 also for no label); remove the row"
            )
    if len(classes) < 2:
        raise DataError(f"{train.name(0)}: a single class in the whole set; at least 2 are needed")
    rank = np.arange(len(classes))
    if synsets := find_synsets(classes):
        rank = np.argsort(np.argsort(synsets))
        classes = sorted(synsets)
    for dataset in splits.values():
        dataset.labels, dataset.classes = rank[dataset.labels], classes


def _open(path: Path, use: Callable[["ParquetFile", Path], Any]) -> Any:
    """The result of `use` on an open file; any error in the file becomes a DataError."""
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise DataError("reading parquet files needs pyarrow: pip install pyarrow") from error
    try:
        with ParquetFile(path) as file:
            return use(file, path)
    except DataError:
        raise
    except Exception as error:  # damaged bytes make the library raise nearly anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason}); download it again") from error


def _read_labels(path: Path, columns: Columns) -> tuple[list[Group], np.ndarray]:
    """The row groups of a file, and the labels of all its rows.

    They are numbers, int64 with -1 for none, or names, objects with None for none.
    """
    from pyarrow import types

    def read(file: "ParquetFile", path: Path) -> tuple[list[Group], np.ndarray]:
        if find_columns(file, path) != columns:
            raise DataError(f"{path}: not the columns or classes of the first file for training")
        metadata = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        rows = [group.num_rows for group in metadata]
        largest = max((group.total_byte_size for group in metadata), default=0)
        if sum(rows) > MAX_ROWS or largest > MAX_GROUP_BYTES:
            raise DataError(
                f"{path}: {sum(rows):,} rows in groups of up to {largest:,} bytes, but at most "
                f"{MAX_ROWS:,} and {MAX_GROUP_BYTES:,} can be read; write smaller groups and files"
            )
        column = file.read(columns=[columns.label])[columns.label]
        if types.is_integer(column.type):
            labels = column.cast("int64").fill_null(-1).to_numpy()
        else:
            labels = np.array(column.cast("string").to_pylist(), object)
        if min(rows, default=0) < 0 or len(labels) != sum(rows):
            raise DataError(f"{path}: damaged, {len(labels)} labels; download it again")
        firsts = np.cumsum([0, *rows]).tolist()
        return [Group(path, i, firsts[i], rows[i]) for i in range(len(rows))], labels

    return _open(path, read)


def _read_images(group: Group, column: str) -> list[bytes | None]:
    """The encoded images of a row group, None where there is none."""
    from pyarrow import compute, types

    def read(file: "ParquetFile", path: Path) -> list[bytes | None]:
        images, size = [], 0
        # In small steps: a few bytes of a file can unpack into any number of images.
        for batch in file.iter_batches(ROWS_AT_A_TIME, [group.number], [column]):
            values = batch.column(column)
            if types.is_struct(values.type):
                values = compute.struct_field(values, "bytes")
            size += values.nbytes
            if size > MAX_GROUP_BYTES:
                raise DataError(
                    f"{path}: row group {group.number} has over {MAX_GROUP_BYTES:,} bytes"
                )
            images += values.to_pylist()
        if len(images) != group.rows:
            raise DataError(f"{path}: it has changed since it was opened; start again")
        return images

    return _open(group.path, read)
