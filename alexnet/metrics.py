"""Accuracy, running means, and the table of results that a run writes."""

import csv
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minigrad import files

COLUMNS = (
    *("epoch", "train_loss", "train_top1", "val_loss", "val_top1", "val_top5"),
    *("lr", "images_per_s", "seconds"),
)
# The only columns that differ between two runs of the same command.
TIMING_COLUMNS = ("images_per_s", "seconds")

Row = dict[str, int | float]


class Diverged(Exception):
    """The loss or a parameter is no longer a finite number."""


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
    of_label = np.take_along_axis(logits, labels[:, np.newaxis], axis=1)
    rank = (logits >= of_label).sum(axis=1)  # counts the label itself
    return int(((rank <= k) & ~np.isnan(logits).any(axis=1)).sum())


@dataclass
class Mean:
    """The mean over images of something known as a sum or mean over batches of any size."""

    total: float = 0.0
    count: int = 0

    def add(self, total: float, count: int) -> None:
        """`count` more images, whose values add up to `total`."""
        self.total += total
        self.count += count

    @property
    def value(self) -> float:
        return self.total / self.count


class MetricsLog:
    """metrics.csv and metrics.jsonl of a run folder: the same rows, one an epoch.

    Columns: epoch (from 1); train_loss and train_top1, means over the epoch while the network
    learns, with augmentation and dropout; val_loss, val_top1 and val_top5 after it, without;
    lr, the rate of the weights in the epoch's last step; images_per_s of the training; seconds
    of training and validation. Losses are means per image, accuracies fractions. All but
    `TIMING_COLUMNS` repeat digit for digit when a command is repeated.

    Attributes:
        rows: the rows in the files.
    """

    def __init__(self, folder: Path):
        self._csv = folder / "metrics.csv"
        self._jsonl = folder / "metrics.jsonl"
        self.rows: list[Row] = []

    def append(self, row: Row) -> None:
        """Add the row of an epoch to both files; the first one begins them anew."""
        if tuple(row) != COLUMNS:
            raise ValueError(f"a row needs the columns {', '.join(COLUMNS)}; got {', '.join(row)}")
        # Files without rows of this run are from one that ended before its first checkpoint.
        mode = "a" if self.rows else "w"
        for path, text in (
            (self._csv, _csv_text([row], header=not self.rows)),
            (self._jsonl, _jsonl_text([row])),
        ):
            with open(path, mode, encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                # The checkpoint of the epoch is no use without its row.
                os.fsync(file.fileno())
        self.rows.append(row)

    def keep_until(self, epoch: int) -> None:
        """Read the files of an interrupted run and drop the rows after `epoch`."""
        lines = self._jsonl.read_text("utf-8").splitlines() if self._jsonl.exists() else []
        # The row of an epoch is written before its checkpoint: where a run was killed, a row
        # may be incomplete, but then its epoch is one of those that will be repeated.
        self.rows = [row for row in map(_parse, lines) if row and row["epoch"] <= epoch]
        files.write(self._csv, _csv_text(self.rows, header=True).encode())
        files.write(self._jsonl, _jsonl_text(self.rows).encode())


def _csv_text(rows: list[Row], header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _jsonl_text(rows: list[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _parse(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and tuple(row) == COLUMNS else None
