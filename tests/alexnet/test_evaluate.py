"""``python -m alexnet.evaluate``."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from alexnet import evaluate, load, text, train
from alexnet.inference.results import Results
from alexnet.run.checkpoint import BEST, Checkpoint
from tests.alexnet.runs import CLASSES, OPTIONS, write_images

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def run(narrow, tmp_path_factory):
    """A run of two epochs and the folder of its images, which has a test set too."""
    root = tmp_path_factory.mktemp("evaluate")
    for split, count in (("train", 8), ("val", 5), ("test", 3)):
        write_images(root / "photos" / split, count=count)
    command = [*OPTIONS, "--data-root", str(root / "photos"), "--out", str(root / "run")]
    assert train.main(command) == 0
    return root / "run"


def results(capsys, *command):
    capsys.readouterr()
    assert evaluate.main([*map(str, command), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_numbers_are_those_of_the_run_and_the_same_every_time(run, capsys):
    row = max(
        map(json.loads, (run / "metrics.jsonl").read_text().splitlines()),
        key=lambda row: row["val_top1"],
    )
    first = results(capsys, run)
    assert first["top1"] == row["val_top1"]
    assert first["loss"] == pytest.approx(row["val_loss"], rel=1e-6)
    assert first["images"] == 15
    assert results(capsys, run / BEST) == first
    assert results(capsys, run, "--batch-size", "4", "--workers", "0")["loss"] == pytest.approx(
        first["loss"], rel=1e-5
    )


def test_other_sets_and_views(run, capsys):
    assert results(capsys, run, "--split", "test")["images"] == 9
    assert results(capsys, run, "--split", "train")["images"] == 24
    ten = results(capsys, run, "--views", "10")
    assert ten["views"] == 10
    assert ten["loss"] != results(capsys, run)["loss"]


def test_a_run_that_was_copied_and_is_looked_at_from_elsewhere(run, tmp_path, capsys, monkeypatch):
    first = results(capsys, run)
    shutil.copytree(run, tmp_path / "my copy")
    monkeypatch.chdir(tmp_path)
    assert results(capsys, "my copy/") == first
    monkeypatch.setenv("HOME", str(run.parent))
    assert results(capsys, "my copy", "--data-root=~/photos") == first


def test_a_picture_does_not_replace_the_other(run, tmp_path, capsys):
    file = str(tmp_path / "x.png")
    assert evaluate.main([str(run), "--confusion", file, "--errors", file]) == 2
    assert "--confusion and --errors are the same file" in capsys.readouterr().err


def test_text(run, capsys):
    assert evaluate.main([str(run)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("15 validation images, 1 view\n")
    first = results(capsys, run)
    low, high = first["top1_interval"]
    cells = [line.split() for line in text.splitlines()]
    assert ["top-1", f"{first['top1']:.1%}", f"{low:.1%}", "to", f"{high:.1%}", "33.3%"] in cells
    assert first["top5"] == 1 and "top-5" not in text  # of three classes
    low, high = first["macro_f1_interval"]
    mean = ["F1,", "mean", "of", "the", "classes", f"{first['macro_f1']:.1%}"]
    assert [*mean, f"{low:.1%}", "to", f"{high:.1%}"] in cells
    low, high = first["loss_interval"]
    assert ["loss", f"{first['loss']:.3f}", f"{low:.3f}", "to", f"{high:.3f}", "1.099"] in cells
    for name in CLASSES:
        assert re.search(rf"^{name} +5 ", text, re.MULTILINE)


def test_json_has_everything(run, capsys):
    first = results(capsys, run)
    matrix = np.array(first["confusion"])
    assert matrix.sum(axis=1).tolist() == [5, 5, 5]
    assert [entry["name"] for entry in first["classes"]] == list(CLASSES)
    assert [entry["correct"] for entry in first["classes"]] == np.diag(matrix).tolist()
    assert np.trace(matrix) == round(first["top1"] * 15)
    assert first["top1_chance"] == pytest.approx(1 / 3)
    assert first["top5_chance"] == 1
    assert first["loss_chance"] == pytest.approx(np.log(3))
    wrong = first["worst_errors"]
    assert len(wrong) == 15 - np.trace(matrix)
    for entry in wrong:
        assert entry["label"] != entry["predicted"]
        assert f"/val/{entry['label']}/" in entry["image"]
    assert [entry["loss"] for entry in wrong] == sorted([e["loss"] for e in wrong], reverse=True)


def test_a_class_without_images_and_skipped_images(run, tmp_path, capsys):
    write_images(tmp_path / "train", count=1)
    write_images(tmp_path / "val", classes=("blue", "red"), count=2)
    (tmp_path / "val/red/0.png").write_bytes(b"no image")
    options = [run, "--data-root", tmp_path, "--data", "folder", "--bad-images", "skip"]
    first = results(capsys, *options)
    assert [entry["images"] for entry in first["classes"]] == [2, 0, 1]
    assert first["classes"][1]["top1"] is None
    assert evaluate.main([*map(str, options), "--confusion", str(tmp_path / "c.png")]) == 0
    text = capsys.readouterr().out
    assert "without images:\ngreen\n" in text
    assert "nan" not in text


def test_a_single_image_has_no_interval_of_the_loss(run, tmp_path, capsys):
    write_images(tmp_path / "train", count=1)
    write_images(tmp_path / "val", classes=("blue",), count=1)
    write_images(tmp_path / "val", classes=("red",), count=1)
    (tmp_path / "val/red/0.png").write_bytes(b"no image")
    options = [run, "--data-root", tmp_path, "--data", "folder", "--bad-images", "skip"]
    assert results(capsys, *options)["loss_interval"] == [None, None]
    assert evaluate.main([*map(str, options)]) == 0
    assert "unknown" in capsys.readouterr().out


def test_pictures(run, tmp_path, capsys):
    for option, width in (("--confusion", 1110), ("--errors", 1110), ("--calibration", 690)):
        for name in ("picture.png", "picture.svg"):
            assert evaluate.main([str(run), option, str(tmp_path / name)]) == 0
        with Image.open(tmp_path / "picture.png") as image:
            assert image.width == width
        assert "<svg" in (tmp_path / "picture.svg").read_text()


def test_many_classes_are_shown_by_the_worst_and_the_best():
    count = 30
    labels = np.arange(count).repeat(2)
    predicted = labels.copy()
    predicted[:20] = 29  # classes 0 to 9
    zeros = np.zeros(2 * count)
    many = Results(
        [f"class{i}" for i in range(count)], labels, labels, predicted, zeros, zeros,
        np.where(labels == predicted, 1, 2), 0.0,
    )  # fmt: skip
    lines = evaluate.as_text(many).split("\n\n")[1].splitlines()
    assert lines[0].startswith("5 worst, 5 best classes")
    assert [line.split()[0] for line in lines[1:]] == [
        *("class0", "class1", "class2", "class3", "class4"),
        *("class25", "class26", "class27", "class28", "class29"),
    ]


@pytest.mark.parametrize("classes", [2, 10, 120, 1000])
@pytest.mark.parametrize("name", ["class of an unusually long name {}", "階級の名前が長い場合 {}"])
def test_tables_fit_a_terminal(rng, classes, name):
    labels = rng.integers(0, classes, 3000)
    predicted = np.where(rng.random(3000) < 0.5, labels, rng.integers(0, classes, 3000))
    probabilities = rng.dirichlet(np.ones(classes), 3000)
    ones = np.ones(3000)
    results = Results(
        [name.format(i) for i in range(classes)], labels, labels, predicted, ones, ones,
        np.where(labels == predicted, 1, 2), 0.0, log_probabilities=np.log(probabilities),
    )  # fmt: skip
    lines = evaluate.as_text(results).splitlines()
    assert max(map(text.columns, lines)) <= 80
    few = np.arange(3000) < 1
    fewer = Results(
        results.classes, *(array[few] for array in list(vars(results).values())[1:7]), 0.0,
        log_probabilities=results.log_probabilities[few],
    )  # fmt: skip
    assert max(map(text.columns, evaluate.as_text(fewer).splitlines())) <= 80
    assert ("top-5" in lines[2]) == (classes > 5)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_predictions_as_a_table(run, tmp_path, suffix):
    file = tmp_path / f"predictions{suffix}"
    assert evaluate.main([str(run), "--predictions", str(file), "--split", "test"]) == 0
    if suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
    elif suffix == ".jsonl":
        rows = [json.loads(line) for line in file.read_text().splitlines()]
    else:
        rows = parquet.read_table(file).to_pylist()
    probabilities = [f"p({name})" for name in CLASSES]
    names = ["image", "label", "predicted", "correct", "probability", "rank", "loss"]
    assert [list(row) for row in rows] == 9 * [names + probabilities]
    network = load(run)
    for row in rows:
        assert f"/test/{row['label']}/" in row["image"]
        expected = network.predict(row["image"]).probabilities
        found = [float(row[name]) for name in probabilities]
        assert found == pytest.approx(expected, rel=1e-5)
        assert row["predicted"] == CLASSES[int(np.argmax(found))]
        assert row["correct"] in (row["label"] == row["predicted"], "True", "False")
        assert float(row["probability"]) == pytest.approx(max(found), rel=1e-5)
        own = found[CLASSES.index(row["label"])]
        assert float(row["loss"]) == pytest.approx(-np.log(own), rel=1e-4)
        assert int(row["rank"]) == 1 + sum(other > own for other in found)


def test_errors_in_one_line(run, tmp_path, capsys):
    write_images(tmp_path / "other", classes=("red", "green"))
    (tmp_path / "empty").mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "picture.png")
    cases = [
        ([tmp_path / "nothing"], 4, "does not exist"),
        ([tmp_path / "picture.png"], 4, "not a readable checkpoint"),
        ([run, "--data-root", tmp_path / "other"], 4, "3 classes, the data have 2"),
        ([run, "--data-root", tmp_path / "empty"], 3, "nothing in it is known"),
        ([run, "--data", "demo"], 4, "3 classes, the data have 10"),
        ([run, "--data", "demo", "--split", "test"], 3, "has 'train', 'validation'"),
        ([run, "--views", "3"], 2, "invalid choice"),
        ([run, "--confusion", tmp_path / "c.jpg"], 2, "does not end in .png or .svg"),
        ([run, "--errors", tmp_path / "none" / "e.png"], 2, "does not exist"),
        ([run, "--predictions", tmp_path / "p.txt"], 2, "end in .csv or .jsonl or .parquet"),
        ([run, "--predictions", tmp_path / "none" / "p.csv"], 2, "does not exist"),
        ([run, "--backend", "cuda"], 8, ""),
    ]
    for command, code, expected in cases:
        capsys.readouterr()
        assert evaluate.main([str(part) for part in command]) == code, command
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert expected in line


def test_a_checkpoint_that_does_not_fit_its_own_network(run, tmp_path, capsys):
    checkpoint = Checkpoint.load(run / BEST)
    checkpoint.architecture = "unknown"
    checkpoint.save(tmp_path / "odd.safetensors")
    assert evaluate.main([str(tmp_path / "odd.safetensors")]) == 4
    assert "cannot be built" in capsys.readouterr().err
