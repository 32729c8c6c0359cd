"""``python -m alexnet.evaluate``."""

import json

import numpy as np
import pytest
from PIL import Image

from alexnet import evaluate, train
from alexnet.checkpoint import BEST, Checkpoint
from alexnet.model import ARCHITECTURES
from tests.alexnet.test_train import OPTIONS, NarrowAlexNet, write_images

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs and the folder of its images, which has a test set too."""
    root = tmp_path_factory.mktemp("evaluate")
    for split, count in (("train", 8), ("val", 5), ("test", 3)):
        write_images(root / "photos" / split, count=count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
        command = [*OPTIONS, "--data-root", str(root / "photos"), "--out", str(root / "run")]
        assert train.main(command) == 0
    return root / "run"


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)


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


def test_text(run, capsys):
    assert evaluate.main([str(run)]) == 0
    assert capsys.readouterr().out.startswith("15 validation images, 1 view(s): loss ")


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
