"""Accuracy, running means, and the tables of results that a run writes."""

import csv
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet import files

COLUMNS = (
    *("epoch", "train_loss", "train_top1", "val_loss", "val_top1", "val_top5"),
    *("lr", "images_per_s", "seconds"),
)
# The only columns that differ when a command is repeated.
TIMING_COLUMNS = ("images_per_s", "seconds")

Row = dict[str, int | float]


def topk_correct(logits: np.ndarray, labels: np.ndarray, k: int) -> int:
    """How many images have their label among the k highest class scores.

    A label counts only if fewer than k *other* classes score as high or higher. Ties count
    against it: a network that gives every class the same score gets nothing right, instead of
    every image of the class that happens to be sorted first. A row with a NaN is wrong.

    Args:
        logits: (N, C).
        labels: (N,), integers in [0, C).
        k: with k >= C every row without a NaN is right.
    """
    label_scores = np.take_along_axis(logits, labels[:, np.newaxis], axis=1)
    rank = (logits >= label_scores).sum(axis=1)  # counts the label itself
    return int(((rank <= k) & ~np.isnan(logits).any(axis=1)).sum())


@dataclass
class Mean:
    """The mean of a value over images, from its sums over batches of any size."""

    total: float = 0.0
    count: int = 0

    def add(self, total: float, count: int) -> None:
        """Add `count` images, whose values add up to `total`."""
        self.total += total
        self.count += count

    @property
    def value(self) -> float:
        return self.total / self.count


class RowLog:
    """NAME.csv and NAME.jsonl of a folder: the same rows, numbered by their first column.

    A row is appended and handed to the operating system at once, so a process that is killed
    loses none. A row in the middle of which it was killed is incomplete, and `keep_until` removes
    it.
    """

    def __init__(self, folder: Path, name: str, columns: tuple[str, ...]):
        self._csv = folder / f"{name}.csv"
        self._jsonl = folder / f"{name}.jsonl"
        self.columns = columns
        self._begun = False

    def append(self, row: Row, sync: bool = False) -> None:
        """Add a row to both files; the first row of a new run replaces what is in them.

        Args:
            sync: wait until the row is on the disk, where a power cut cannot take it away.
        """
        if tuple(row) != self.columns:
            raise ValueError(
                f"a row needs the columns {', '.join(self.columns)}; got {', '.join(row)}"
            )
        # Rows in the files now are of a run that ended before its first checkpoint.
        mode = "a" if self._begun else "w"
        _write(self._csv, mode, _csv_text(self.columns, [row], header=not self._begun), sync)
        _write(self._jsonl, mode, _jsonl_text([row]), sync)
        self._begun = True

    def keep_until(self, last: int) -> list[Row]:
        """Continue the files of an interrupted run, without the rows numbered above `last`.

        A row may be written before the checkpoint that it belongs to; such rows are written again.

        Returns:
            the rows that the files hold now.
        """
        rows = [row for row in self.read() if row[self.columns[0]] <= last]
        files.write(self._csv, _csv_text(self.columns, rows, header=True).encode())
        files.write(self._jsonl, _jsonl_text(rows).encode())
        self._begun = True
        return rows

    def read(self) -> list[Row]:
        """The complete rows in the files; none without files."""
        if not self._jsonl.exists():
            return []
        with open(self._jsonl, encoding="utf-8", errors="replace") as file:
            return [row for row in map(self._parse, file) if row]

    def _parse(self, line: str) -> Row | None:
        try:
            row = json.loads(line)
        except ValueError:
            return None
        return row if isinstance(row, dict) and tuple(row) == self.columns else None


class MetricsLog:
    """metrics.csv and metrics.jsonl of a run folder: one row an epoch.

    Columns: epoch (from 1); train_loss and train_top1, means over the epoch while the network
    learns, with augmentation and dropout; val_loss, val_top1 and val_top5 after it, without;
    lr, the rate of the weights in the epoch's last step; images_per_s of the training; seconds
    of training and validation. Losses are means per image, accuracies fractions. All but
    `TIMING_COLUMNS` repeat digit for digit when a command is repeated.

    Attributes:
        rows: the rows in the files.
    """

    def __init__(self, folder: Path):
        self._files = RowLog(folder, "metrics", COLUMNS)
        self.rows: list[Row] = []

    def append(self, row: Row) -> None:
        """Add the row of an epoch; it is on the disk when this returns."""
        self._files.append(row, sync=True)
        self.rows.append(row)

    def keep_until(self, epoch: int) -> None:
        """Continue the files of an interrupted run, without the rows after `epoch`."""
        self.rows = self._files.keep_until(epoch)


def read_rows(folder: Path) -> list[Row]:
    """The complete rows of the epochs in a run folder; none if it has no metrics."""
    return RowLog(folder, "metrics", COLUMNS).read()


def _csv_text(columns: tuple[str, ...], rows: list[Row], header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _jsonl_text(rows: list[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _write(path: Path, mode: str, text: str, sync: bool) -> None:
    with open(path, mode, encoding="utf-8", newline="") as file:
        file.write(text)
        if sync:
            file.flush()
            os.fsync(file.fileno())
