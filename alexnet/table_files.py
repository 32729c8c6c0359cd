"""Tables as files for other programs: CSV, JSON lines, or Parquet, by the name of the file."""

import argparse
import csv
import importlib.util
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli, files, text

SUFFIXES = (".csv", ".jsonl", ".parquet")
ROWS_AT_ONCE = 1000


def output(*others: str) -> Callable[[str], Path]:
    """The type of an option: a table to write, or a file of another kind, by its suffix."""
    output_file = cli.output_file(*SUFFIXES, *others)

    def parse(given: str) -> Path:
        path = output_file(given)
        if path.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
            raise argparse.ArgumentTypeError(
                f"{given}: writing Parquet files needs pyarrow: pip install pyarrow"
            )
        return path

    return parse


def write(path: Path, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    """Write a table with these columns, all of one length, one-dimensional.

    Text files have 7 significant digits of each fraction, as many as float32 has, and nothing, or
    null, where a number is not finite. Bytes of names
    that are no text are written as in Python, ``\\udcff``.

    Raises:
        OSError: the file cannot be written; one that was there before is still there then.
    """
    with files.replacing(path) as temporary:
        if path.suffix.lower() == ".parquet":
            _write_parquet(temporary, columns)
            return
        with temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            if path.suffix.lower() == ".csv":
                # All texts in quotes: readers take a lone carriage return for the end of a line.
                writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
                writer.writerow(columns)
                writer.writerows(_rows(columns))
            else:
                for row in _rows(columns):
                    file.write(f"{text.as_json(dict(zip(columns, row)))}\n")


def _rows(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> Iterator[list[Any]]:
    """The rows, as numbers and texts of Python; not all at once, which may be a lot."""
    count = len(next(iter(columns.values())))
    for start in range(0, count, ROWS_AT_ONCE):
        parts = [column[start : start + ROWS_AT_ONCE] for column in columns.values()]
        lists = [part.tolist() if isinstance(part, np.ndarray) else part for part in parts]
        for row in zip(*lists):
            yield [_rounded(cell) if isinstance(cell, float) else cell for cell in row]


def _rounded(value: float) -> float | None:
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _write_parquet(path: Path, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    import pyarrow
    from pyarrow import parquet

    def valid(value: Any) -> Any:
        is_text = isinstance(value, str)
        return value.encode("utf-8", "backslashreplace").decode() if is_text else value

    arrays = {
        valid(name): column if isinstance(column, np.ndarray) else [valid(cell) for cell in column]
        for name, column in columns.items()
    }
    parquet.write_table(pyarrow.table(arrays), path)
