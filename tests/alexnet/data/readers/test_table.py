"""Images whose labels stand in a table."""

import csv
import json
import math

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from alexnet import evaluate, train
from alexnet.data import load, recognize
from alexnet.data.readers.table import Columns
from alexnet.errors import DataError
from tests.alexnet.runs import CLASSES
from tests.alexnet.runs import write_images as write_runs_images

ROWS = [(f"{i}.png", "cat" if i % 3 else "dog") for i in range(12)]


def write_images(root, names):
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), 20 * number, np.uint8)).save(root / name)


def write_table(path, rows, header=("file_name", "label"), delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix
    if suffix == ".jsonl":
        lines = [json.dumps(dict(zip(header, row))) for row in rows]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    elif suffix == ".parquet":
        columns = {name: list(column) for name, column in zip(header, zip(*rows))}
        parquet.write_table(pyarrow.table(columns), path)
    else:
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def labels_of(dataset):
    return {
        dataset.name(i).rpartition("/")[2]: dataset.classes[dataset.labels[i]]
        for i in range(len(dataset))
    }


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".tsv"])
def test_metadata_beside_the_images(tmp_path, suffix):
    write_images(tmp_path, [name for name, _ in ROWS])
    delimiter = "\t" if suffix == ".tsv" else ","
    write_table(tmp_path / f"metadata{suffix}", ROWS, delimiter=delimiter)
    assert recognize(tmp_path) == "table"
    splits = load("auto", tmp_path)
    assert splits["train"].classes == ["cat", "dog"]
    assert len(splits["train"]), len(splits["validation"]) == (9, 3)
    assert labels_of(splits["train"]) | labels_of(splits["validation"]) == dict(ROWS)
    image = splits["train"].image(0)
    assert image.shape == (4, 4, 3) and image[0, 0, 0] % 20 == 0


def test_the_same_images_in_folders_are_divided_in_the_same_way(tmp_path):
    """What is held out depends on the names below the folder of the table, as in a folder."""
    names = [f"{label}/{name}" for name, label in ROWS]
    write_images(tmp_path / "photos", names)
    rows = [(name, name.partition("/")[0]) for name in names]
    write_table(tmp_path / "photos" / "metadata.csv", rows)
    table = load("table", tmp_path / "photos", seed=3)
    folders = load("folder", tmp_path / "photos", seed=3)
    for split in ("train", "validation"):
        assert table[split].files == folders[split].files
        assert np.array_equal(table[split].labels, folders[split].labels)


def test_a_table_for_each_set(tmp_path):
    for split in ("train", "val", "test"):
        write_images(tmp_path / split, [name for name, _ in ROWS[:6]])
        write_table(tmp_path / split / "metadata.csv", ROWS[:6])
    assert recognize(tmp_path) == "table"
    splits = load("auto", tmp_path)
    assert {split: len(dataset) for split, dataset in splits.items()} == {
        **{"train": 6, "validation": 6},
        "test": 6,
    }
    assert splits["test"].name(0).startswith(str(tmp_path / "test"))


@pytest.mark.parametrize("named", ["column", "folder"])
def test_sets_in_one_table(tmp_path, named):
    sets = ["train"] * 8 + ["Validation"] * 4
    if named == "folder":
        rows = [(f"{of}/{name}", label) for of, (name, label) in zip(sets, ROWS)]
        header = ("file_name", "label")
    else:
        rows = [(name, label, of) for of, (name, label) in zip(sets, ROWS)]
        header = ("file_name", "label", "split")
    write_images(tmp_path, [row[0] for row in rows])
    splits = load("auto", write_table(tmp_path / "all.csv", rows, header))
    assert labels_of(splits["train"]) == dict(ROWS[:8])
    assert labels_of(splits["validation"]) == dict(ROWS[8:])


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_any_columns_and_names_without_an_ending(tmp_path, delimiter):
    """As the tables of competitions are: id,breed and a folder of images beside them."""
    write_images(tmp_path / "images", [name for name, _ in ROWS])
    rows = [(i, name.removesuffix(".png"), label, "") for i, (name, label) in enumerate(ROWS)]
    rows.append((99, "unknown", "", ""))  # without a label, and without an image
    header = ("number", "picture", "what it is", "notes")
    table = write_table(tmp_path / "train.csv", rows, header, delimiter)
    splits = load("table", table, columns=Columns("picture", "what it is"))
    found = labels_of(splits["train"]) | labels_of(splits["validation"])
    assert found == dict(ROWS)
    with pytest.raises(DataError, match="give --image-column: one of number, picture, what it is"):
        load("table", table)
    with pytest.raises(DataError, match="no column 'label'; it has number, picture, "):
        load("table", table, columns=Columns("picture", "label"))


def test_usual_columns_in_any_case(tmp_path):
    write_images(tmp_path, [name for name, _ in ROWS])
    table = write_table(tmp_path / "x.csv", [(*row, 7) for row in ROWS], ("ID", "Breed", "age"))
    assert load("table", table)["train"].classes == ["cat", "dog"]
    two = write_table(tmp_path / "y.csv", ROWS, ("Image", "anything"))
    assert load("table", two)["train"].classes == ["cat", "dog"]


def test_numbers_and_repeated_rows(tmp_path):
    write_images(tmp_path, [name for name, _ in ROWS])
    rows = [(name, 7 if label == "cat" else 10) for name, label in ROWS]
    splits = load("table", write_table(tmp_path / "x.parquet", [*rows, *rows]))
    assert splits["train"].classes == ["10", "7"]
    assert len(splits["train"]) + len(splits["validation"]) == 12


@pytest.mark.parametrize(
    "rows, header, message",
    [
        ([("0.png", "a"), ("0.png", "b")], None, "0.png: has the labels 'a' and 'b'"),
        ([("0.png", "a"), ("1.png", "a")], None, "at least 2 classes with images to learn from"),
        (
            [("0.png", "a"), ("77.png", "b")],
            None,
            "1 of its images are not there, such as '77.png'",
        ),
        ([("0.png", "a"), ("", "b")], None, "are not there, such as ''"),
        (
            [("0.png", "a", "later")],
            ("file_name", "label", "split"),
            "'later' is the name of no set",
        ),
        (
            [("0.png", "a", "x")],
            ("file_name", "p", "q"),
            "give --label-column: one of file_name, p",
        ),
        ([("0.png",)], ("file_name",), "give --label-column: one of file_name"),
        (
            [("0.png", "a", "train"), ("0.png", "a", "val")],
            ("file_name", "label", "split"),
            "0.png: is in two sets, train and validation",
        ),
        ([("0.png", "a", "b")], None, "a line has more fields than the first"),
        ([("0.png", "a", "b")], ("id", "label", "label"), "two columns are called 'label'"),
        ([], ("",), "is empty"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, rows, header, message):
    write_images(tmp_path, ["0.png", "1.png"])
    table = write_table(tmp_path / "x.csv", rows, header or ("file_name", "label"))
    with pytest.raises(DataError) as error:
        load("table", table)
    assert message in str(error.value)


def test_cells_that_are_no_texts(tmp_path):
    write_images(tmp_path, [name for name, _ in ROWS] + ["train/0.png"])
    rows = [(name, 7.0 if label == "cat" else 10.0) for name, label in ROWS]
    splits = load("table", write_table(tmp_path / "x.jsonl", [*rows, ("train/0.png", math.nan)]))
    assert splits["train"].classes == ["10", "7"]
    assert len(splits["train"]) + len(splits["validation"]) == 12
    for value in (["a"], {"bytes": "b"}):
        table = write_table(tmp_path / "y.jsonl", [(name, value) for name, _ in rows])
        with pytest.raises(DataError, match="'label' holds neither texts nor numbers"):
            load("table", table)
    pictures = {"image": [{"bytes": b"x" * 900}] * 2, "label": [0, 1]}
    parquet.write_table(pyarrow.table(pictures), tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(DataError, match="given as a folder") as error:
        load("table", tmp_path / "train-00000-of-00001.parquet")
    assert len(str(error.value)) < 300
    one = Columns("file_name", "file_name")
    with pytest.raises(DataError, match="both the images and the labels"):
        load("table", write_table(tmp_path / "z.csv", ROWS), columns=one)


def test_columns_and_fields_that_nothing_depends_on(tmp_path):
    """Numbers of rows without a name, as data frames write them, and delimiters at the ends."""
    write_images(tmp_path, [name for name, _ in ROWS])
    rows = [(i, i, *row, "") for i, row in enumerate(ROWS)]
    table = write_table(tmp_path / "x.csv", rows, ("", "", "file_name", "label"))
    assert load("table", table)["train"].classes == ["cat", "dog"]


def test_what_is_left_out_is_said(tmp_path, caplog):
    write_images(tmp_path, [name for name, _ in ROWS])
    sets = ["train"] * 6 + ["val"] * 3 + [""] * 3
    rows = [(*row, split) for row, split in zip(ROWS, sets)]
    table = write_table(tmp_path / "x.csv", rows, ("file_name", "label", "Split"))
    splits = load("table", table)
    assert [len(splits[name]) for name in ("train", "validation")] == [6, 3]
    assert "not used: 3 images that are in no set, such as" in caplog.text

    caplog.clear()
    root = tmp_path / "sets"
    for name in ("train", "test"):
        write_images(root / name, [name for name, _ in ROWS])
    write_table(root / "train" / "metadata.csv", ROWS)
    write_table(root / "test" / "metadata.csv", [(name,) for name, _ in ROWS], ("file_name",))
    write_images(root / "val" / "cat", ["1.png"])
    assert load("table", root).keys() == {"train", "validation"}
    assert f"not used: {root / 'val'} (no metadata.csv in it)" in caplog.text
    assert f"not used: {root / 'test' / 'metadata.csv'}: give --label-column" in caplog.text


def test_a_class_that_only_validation_has(tmp_path):
    write_images(tmp_path, [name for name, _ in ROWS])
    rows = [(*row, "train") for row in ROWS[:8]] + [("9.png", "bird", "val")]
    table = write_table(tmp_path / "x.csv", rows, ("file_name", "label", "split"))
    with pytest.raises(DataError, match="no image to learn from has the label 'bird'"):
        load("table", table)


@pytest.mark.parametrize(
    "name, content",
    [
        ("x.csv", b""),
        ("x.csv", b"file_name,label\n\xff,a\n"),
        ("x.csv", b'file_name,label\n"' + 200_000 * b"y"),
        ("x.jsonl", b'{"file_name": '),
        ("x.jsonl", b"[1]\n"),
        ("x.parquet", b"PAR1"),
    ],
)
def test_damaged_tables(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        load("table", tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


def test_columns_are_for_tables(tmp_path):
    write_images(tmp_path, ["a/1.png", "b/1.png"])
    with pytest.raises(
        DataError, match="holds folder data, and no table: leave out --image-column"
    ):
        load("auto", tmp_path, columns=Columns("x", None))
    with pytest.raises(DataError, match=r"no metadata\.csv or the like in it"):
        load("table", tmp_path)


def test_a_run_remembers_its_table(narrow, tmp_path, capsys):
    table = tmp_path / "photos" / "train.csv"
    names = [f"{label}/{i}.png" for i in range(8) for label in CLASSES]
    write_runs_images(tmp_path / "photos")
    rows = [(name, name.partition("/")[0]) for name in names]
    write_table(table, rows, ("picture", "kind"))
    columns = ("--image-column", "picture", "--label-column", "kind")
    run = tmp_path / "run"
    options = ["--image-size", "67", "-b", "4", "--epochs", "1", "--out", str(run)]
    assert train.main(["--data-root", str(table), *columns, *options]) == 0
    assert "table: 3 classes, 18 images to learn from, 6 for validation" in capsys.readouterr().err
    assert evaluate.main([str(run)]) == 0
    assert train.main(["--resume", str(run), "--epochs", "2"]) == 0
    table.rename(tmp_path / "moved.csv")
    assert evaluate.main([str(run)]) == 3
    assert "train.csv: no such file or folder" in capsys.readouterr().err
