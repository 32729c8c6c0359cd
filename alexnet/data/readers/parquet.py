"""Parquet files as Hugging Face writes them: a column of encoded images and one of labels.

    train-*.parquet    validation-*.parquet or val-*.parquet    test-*.parquet
                                                       in a folder or in its subfolder data/

Unlike in all other sources, images are in the order of the files and their rows. Rows can only be
read in groups of hundreds; any other order would read most groups again and again. Training in a
random order does just that: prepare a large set with ``python -m alexnet.data prepare`` first.
"""

import io
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alexnet.data.dataset import Splits
from alexnet.data.images import decode
from alexnet.data.labels import find_synsets
from alexnet.data.readers.parquet_columns import Columns, find_columns
from alexnet.errors import BadImage, DataError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

PATTERNS = {
    "train": ("train-*.parquet",),
    "validation": ("validation-*.parquet", "val-*.parquet"),
    "test": ("test-*.parquet",),
}
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
        self.labels = np.concatenate([labels for _, labels in read])
        self.classes = columns.classes
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

    def _find(self, index: int) -> tuple[int, int]:
        """The row group of an image, and its row in that group."""
        group = int(np.searchsorted(self._starts, index, side="right")) - 1
        return group, int(index - self._starts[group])

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
    """Whether files in `root` or `root`/data have the names of a set's files."""
    return any(_files(root).values())


def open_splits(root: Path, seed: int = 0) -> Splits:
    """The sets "train", "validation" (the test images where there are no others) and "test".

    Raises:
        DataError: a file is missing or damaged, has no images or labels, or a label no class.
    """
    files = _files(root)
    if not files["train"] or not (files["validation"] or files["test"]):
        raise DataError(
            f"{root}: train-*.parquet, and validation-*.parquet or test-*.parquet, have to be "
            "there or in its subfolder data/; download what is missing"
        )
    for paths in files.values():
        _check_complete(paths)
    columns = _open(files["train"][0], find_columns)
    splits = {split: ParquetDataset(paths, columns) for split, paths in files.items() if paths}
    for split, dataset in splits.items():
        if len(dataset) == 0:
            raise DataError(f"{files[split][0]}: no rows in it; download it again")
    if "test" in splits and (splits["test"].labels == -1).all():
        logger.warning("%s: left out the test images, whose labels are hidden (-1)", root)
        del splits["test"]
    if "validation" not in splits:
        if "test" not in splits:
            raise DataError(f"{root}: no labeled images to validate; add validation-*.parquet")
        splits["validation"] = splits.pop("test")
    _settle_classes(splits)
    return splits


def _files(root: Path) -> dict[str, list[Path]]:
    """The files of each split, in order."""
    for folder in (root, root / "data"):
        files = {
            split: sorted(path for pattern in patterns for path in folder.glob(pattern))
            for split, patterns in PATTERNS.items()
        }
        if any(files.values()):
            break
    return files


def _check_complete(paths: list[Path]) -> None:
    """Files called train-00000-of-00294.parquet say how many there are."""
    numbered = re.compile(r"(\w+)-\d+-of-(\d+)", re.ASCII)
    for path in paths:
        match = numbered.match(path.name)
        if match and int(match[2]) != len(paths):
            raise DataError(
                f"{path.parent}: {len(paths)} of the {int(match[2])} files "
                f"{match[1]}-*-of-{match[2]}.parquet are there; download the others, or rename "
                "them if you mean to use only these"
            )


def _settle_classes(splits: Splits) -> None:
    """Check the labels and name the classes; those of ImageNet become synsets, in their order."""
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
        raise DataError("reading parquet files needs pyarrow: pip install '.[parquet]'") from error
    try:
        with ParquetFile(path) as file:
            return use(file, path)
    except DataError:
        raise
    except Exception as error:  # damaged bytes make the library raise nearly anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason}); download it again") from error


def _read_labels(path: Path, columns: Columns) -> tuple[list[Group], np.ndarray]:
    """The row groups of a file, and the labels (int64) of all its rows; -1 for none."""

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
        column = file.read(columns=[columns.label])[columns.label].cast("int64").fill_null(-1)
        labels = column.to_numpy()
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
