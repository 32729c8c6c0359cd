"""``python -m alexnet.train``: what a run prints and leaves."""

import json
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from PIL import Image

from alexnet import train
from alexnet.data.loader import Loader
from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.training import data
from tests.alexnet.runs import CLASSES, OPTIONS, ROOT, assert_same_run, rows_of


@pytest.fixture(scope="module")
def full_run(photos, tmp_path_factory):
    """The real command with the full network: its folder and its output."""
    folder = tmp_path_factory.mktemp("full") / "run"
    command = [sys.executable, "-m", "alexnet.train", *OPTIONS, "--data-root", photos]
    command += ["--out", folder]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    yield folder, result
    for path in folder.glob("*.safetensors"):  # pytest keeps the folders of three sessions
        path.unlink()


def test_output(full_run):
    folder, result = full_run
    assert result.returncode == 0, result.stderr
    first, second, best = result.stdout.splitlines()
    assert first.startswith("epoch 1/2: loss ")
    assert second.startswith("epoch 2/2: loss ")
    assert best.startswith("best top-1 ")
    assert best.endswith(str(folder))
    assert "data      folder: 3 classes, 18 images to learn from, 6 for validation" in result.stderr
    assert "network   alexnet: 20,180,355 parameters, images of 67x67" in result.stderr
    assert f"folder    {folder}" in result.stderr
    assert "rror" not in result.stderr
    assert "arning" not in result.stderr


def test_files_of_a_run(full_run, photos):
    folder, _ = full_run
    assert sorted(path.name for path in folder.iterdir()) == [
        *(".gitignore", ".lock", "best.safetensors", "last.safetensors"),
        *("metrics.csv", "metrics.jsonl", "run.json"),
        *("step-00000005.safetensors", "step-00000010.safetensors", "training_curves.png"),
    ]
    assert (folder / ".gitignore").read_text() == "*\n"
    with Image.open(folder / "training_curves.png") as image:
        image.load()
        assert min(image.size) > 300
    run = json.loads((folder / "run.json").read_text())
    assert run.keys() == {"arguments", "starts"}
    (first,) = run["starts"]
    assert first.keys() == {*("time", "after_step", "changed", "versions", "machine", "processes")}
    assert [process["threads"] for process in first["processes"]] == [numba.get_num_threads()]
    assert first["versions"]["numpy"] == np.__version__
    assert (first["after_step"], first["changed"]) == (0, {})
    assert run["arguments"]["data_root"] == str(photos)
    assert (run["arguments"]["batch_size"], run["arguments"]["seed"]) == (4, 0)
    last = Checkpoint.load(folder / LAST)
    assert last.arguments == run["arguments"]
    assert last.classes == list(CLASSES)
    assert last.preprocessing.image_size == 67
    assert last.training["epoch"] == 2
    assert sum(array.size for array in last.model.values()) == 20_180_355
    assert [row["epoch"] for row in rows_of(folder)] == [1, 2]


def test_the_same_command_twice_gives_the_same_run(start, undisturbed, tmp_path):
    assert start(tmp_path / "again", "--workers", "0") == 0
    assert_same_run(tmp_path / "again", undisturbed)
    assert start(tmp_path / "other", "--seed", "1") == 0
    assert rows_of(tmp_path / "other") != rows_of(undisturbed)


def test_the_seed_decides_the_order_of_the_images_too(start, tmp_path, monkeypatch):
    seeds = []

    def loader(*arguments, **options):
        seeds.append(options.get("seed"))
        return Loader(*arguments, **options)

    monkeypatch.setattr(data, "Loader", loader)
    assert start(tmp_path / "run", "--seed", "7", "--max-steps", "1") == 0
    assert seeds == [7, None]  # validation has no order of its own


def test_folders_are_numbered(narrow, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        assert train.main([*OPTIONS, "--data-root", str(photos), "--max-steps", "1"]) == 0
        folder = tmp_path / "runs" / f"folder-alexnet-{number}"
        assert Checkpoint.load(folder / LAST).schedule["steps"] == 1


def test_a_repository_keeps_its_files_in_sight(narrow, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code.py").write_text("")
    command = [*OPTIONS, "--data-root", os.path.relpath(photos), "--out", ".", "--max-steps", "1"]
    assert train.main(command) == 0
    assert not (tmp_path / ".gitignore").exists()
    assert Checkpoint.load(tmp_path / LAST).arguments["data_root"] == str(photos)


def test_table_of_updates(start, tmp_path, capfd):
    assert start(tmp_path / "run", "--watch-every", "4", "--max-steps", "5") == 0
    error = capfd.readouterr().err
    assert error.count("mean |update|") == 1
    assert "step 4, lr " in error
    assert "warning" not in error
    assert (tmp_path / "run" / LAST).exists()
