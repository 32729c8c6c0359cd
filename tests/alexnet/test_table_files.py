"""Tables as files: what other programs read from them."""

import csv
import json

import numpy as np
import pytest
from pyarrow import parquet

from alexnet import table_files

COLUMNS = {
    "name": ['a, "b"\n', "Äpfel\udcff\r", ""],
    "right": np.array([True, False, True]),
    "count": np.array([1, -2, 3], np.int64),
    "share": np.array([0.1, 1 / 3, 1e-12], np.float32),
    "loss": np.array([np.inf, np.nan, 2.5]),
}
NAMES = ['a, "b"\n', "Äpfel\\udcff\r", ""]


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    monkeypatch.setattr(table_files, "ROWS_AT_ONCE", 2)


def test_csv(tmp_path):
    table_files.write(tmp_path / "x.csv", COLUMNS)
    assert (tmp_path / "x.csv").read_bytes().count(b"\r\n") == 0
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == list(COLUMNS)
    assert [row[0] for row in rows] == NAMES
    assert [row[1:] for row in rows] == [
        ["True", "1", "0.1", ""],
        ["False", "-2", "0.3333333", ""],
        ["True", "3", "1e-12", "2.5"],
    ]


def test_json_lines(tmp_path):
    table_files.write(tmp_path / "x.JSONL", COLUMNS)
    rows = [json.loads(line) for line in (tmp_path / "x.JSONL").read_text().splitlines()]
    assert [row["name"] for row in rows] == NAMES
    others = {"right": False, "count": -2, "share": 0.3333333, "loss": None}
    assert rows[1] == {"name": NAMES[1], **others}


def test_parquet(tmp_path):
    table_files.write(tmp_path / "x.parquet", COLUMNS)
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table.column_names == list(COLUMNS)
    assert table["name"].to_pylist() == NAMES
    assert str(table["share"].type) == "float" and str(table["count"].type) == "int64"
    assert np.array_equal(table["share"].to_numpy(), COLUMNS["share"])


@pytest.mark.parametrize("suffix", table_files.SUFFIXES)
def test_no_rows(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    table_files.write(path, {"name": [], "share": np.empty(0, np.float32)})
    if suffix == ".parquet":
        assert parquet.read_table(path).num_rows == 0
    else:
        assert path.read_text() == ('"name","share"\n' if suffix == ".csv" else "")


def test_a_failure_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("before")
    with pytest.raises(TypeError):
        table_files.write(path, {"name": ["a", "b"], "other": [1, None], "third": 3})
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(table_files.argparse.ArgumentTypeError, match="pip install pyarrow"):
        table_files.output()(str(tmp_path / "x.parquet"))
    assert table_files.output()(str(tmp_path / "x.csv")) == tmp_path / "x.csv"
