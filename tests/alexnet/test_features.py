"""``python -m alexnet.features``."""

import csv

import numpy as np
import pytest
from pyarrow import parquet

from alexnet import features, load
from tests.alexnet.runs import CLASSES

pytestmark = pytest.mark.usefixtures("narrow")


def run(*command):
    return features.main([str(part) for part in command])


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_validation_images_of_a_run_as_an_array(undisturbed, tmp_path, capsys):
    file = tmp_path / "fc7.npy"
    assert run(undisturbed, "--out", file) == 0
    assert f"{file}: fc7 of 6 images" in capsys.readouterr().err
    values, rows = np.load(file), rows_of(tmp_path / "fc7.images.csv")
    assert values.dtype == np.float32 and len(values) == len(rows) == 6
    assert [row["label"] for row in rows] == [name for name in CLASSES for _ in range(2)]
    expected = load(undisturbed).features([row["image"] for row in rows])
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    assert values.std(axis=0).max() > 0


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_images_from_anywhere_as_a_table(undisturbed, photos, tmp_path, suffix):
    file = tmp_path / f"x{suffix}"
    images = [photos / "red", photos / "blue" / "3.png"]
    assert run(undisturbed, *images, "--layer", "fc6", "--out", file) == 0
    if suffix == ".parquet":
        rows = parquet.read_table(file).to_pylist()
        assert [row["label"] for row in rows] == 8 * ["red"] + ["blue"]
        names = list(rows[0])
        assert names[:3] == ["image", "label", "fc6[0]"]
        values = np.array([[row[name] for name in names[2:]] for row in rows])
        expected = load(undisturbed).features([row["image"] for row in rows], "fc6")
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    else:
        assert len(file.read_text().splitlines()) == 9 + (suffix == ".csv")


def test_maps_are_flat_in_a_table_and_as_they_are_in_an_array(undisturbed, photos, tmp_path):
    for name in ("x.npy", "x.parquet"):
        images = photos / "red"
        assert run(undisturbed, images, "--layer", "pool5", "--out", tmp_path / name) == 0
    values, table = np.load(tmp_path / "x.npy"), parquet.read_table(tmp_path / "x.parquet")
    assert values.ndim == 4
    flat = np.stack([table[name].to_numpy() for name in table.column_names[2:]], axis=1)
    assert np.array_equal(values.reshape(8, -1), flat)


def test_an_image_whose_class_is_not_known(undisturbed, photos, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    image = tmp_path / "elsewhere" / "0.png"
    image.write_bytes((photos / "red" / "0.png").read_bytes())
    assert run(undisturbed, image, "--out", tmp_path / "x.csv") == 0
    assert [row["label"] for row in rows_of(tmp_path / "x.csv")] == [""]


def test_errors_in_one_line(undisturbed, photos, tmp_path, error_of):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no image")
    for command, code, expected in [
        ([undisturbed], 2, "the following arguments are required: --out"),
        ([undisturbed, "--out", tmp_path / "x.txt"], 2, "does not end in .csv or .jsonl or"),
        ([undisturbed, "--layer", "conv9", "--out", tmp_path / "x.npy"], 2, "no layer 'conv9'"),
        ([undisturbed, damaged, "--out", tmp_path / "x.npy"], 3, "damaged.png"),
        ([undisturbed, tmp_path / "none", "--out", tmp_path / "x.npy"], 3, "none"),
        ([tmp_path / "none", "--out", tmp_path / "x.npy"], 4, "does not exist"),
        ([undisturbed, " ", "--out", tmp_path / "x.npy"], 2, "no image is given"),
        ([undisturbed, damaged, "--split", "train", "--out", tmp_path / "x.npy"], 2, "exclude"),
    ]:
        assert (outcome := error_of(run, *command))[0] == code, command
        assert expected in outcome[1]
    assert not list(tmp_path.glob("x.*"))


def test_a_name_in_capitals(undisturbed, photos, tmp_path):
    assert run(undisturbed, photos / "red", "--out", tmp_path / "X.NPY") == 0
    assert np.load(tmp_path / "X.NPY").shape[0] == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["X.NPY", "X.images.csv"]


def test_what_does_not_fit_into_the_memory(undisturbed, tmp_path, error_of, monkeypatch):
    monkeypatch.setattr(features.resources, "available_memory", lambda device: 1000)
    code, message = error_of(run, undisturbed, "--out", tmp_path / "x.npy")
    assert code == 6 and "fc7 of 6 images takes" in message
    assert not list(tmp_path.iterdir())
