"""``python -m alexnet.explain``: its options, its files, and what it refuses."""

import os
import shutil

import numpy as np
import pytest

from alexnet.explain.__main__ import main
from alexnet.inference import layers
from alexnet.inference.trained import Trained
from alexnet.run import filter_snapshots
from tests.alexnet.runs import write_images


@pytest.fixture(scope="module")
def photo(photos):
    return str(min(photos.rglob("green/*")))


def test_prints_and_writes_a_page(undisturbed, photo, tmp_path, capsys):
    options = "--layer conv2 --channel 3 --position 1,2 --backward --label red"
    path = tmp_path / "page.html"
    assert main([str(undisturbed), photo, *options.split(), "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("conv2 (")
    assert "channel 3, row 1, column 2" in out.splitlines()[0]
    assert "The loss is the cross-entropy of class 2, red." in out
    assert out.endswith(f"page: {path}\n")
    html = path.read_text()
    assert out.splitlines()[0] in html
    assert str(tmp_path) not in html


def test_newest_run_is_the_default(undisturbed, photo, tmp_path, monkeypatch, capfd, error_of):
    monkeypatch.chdir(tmp_path)
    code, line = error_of(main, [photo, "--layer", "fc8"])
    assert (code, line) == (2, "no run below runs: name the folder of one, or a checkpoint")
    for name, time in (("new", 2_000_000_000), ("old", 1_000_000_000)):
        shutil.copytree(undisturbed, tmp_path / "runs" / name)
        for path in (tmp_path / "runs" / name).iterdir():
            os.utime(path, (time, time))
    assert main([photo, "--layer", "fc8"]) == 0
    assert "run: runs/new" in capfd.readouterr().err


def test_label_may_be_a_number(undisturbed, photo, capsys):
    assert main([str(undisturbed), photo, "--layer", "loss", "--label", "2"]) == 0
    assert "red (the class of the loss)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, code, message",
    [
        ("{run} {photo} --layer conv9", 2, "no layer 'conv9'"),
        ("{run} {photo} --layer conv1 --position 5", 2, "'5' is not ROW,COLUMN"),
        ("{run} {photo} --layer conv1 --position 5,-1", 2, "'5,-1' is not ROW,COLUMN"),
        ("{run} {photo} --layer conv1 --channel x", 2, "'x' is not a channel, 0 or more"),
        ("{run} {photo} --layer loss --label pink", 2, "--label pink: no class of the network"),
        ("{run} {photo} {photo} --layer loss", 2, "one image at a time, got 3 names"),
        ("{run} {run}/missing.png --layer loss", 3, "missing.png: cannot be read"),
        ("{run} {folder} --layer loss", 2, "is a folder of 12 images: name one of them"),
        ("{folder} {photo} --layer loss", 4, "is no run folder"),
        ("{run} {photo}", 2, "the following arguments are required: --layer"),
        ("{run} --layer conv2 --filter 1 --evolution", 2, "runs keep the filters of conv1"),
        ("{run} --layer conv1 --evolution", 2, "--evolution needs --filter N"),
        ("{run} {photo} --layer conv1 --filter 1 --evolution", 2, "a run and no image"),
        ("{run} --layer conv1 --filter 1 --evolution --backward", 2, "takes no --position"),
        ("{run} {photo} --layer loss --channel 1", 2, "the loss is one number"),
        ("{run} {photo} --layer loss --label " + "9" * 5000, 2, "no class of the network"),
        ("{run} --layer conv1 --filter 1 --evolution", 4, "has no kernels of its epochs"),
    ],
)
def test_refuses(undisturbed, photos, photo, tmp_path, error_of, options, code, message):
    folder = write_images(tmp_path / "few", count=4)
    names = {"run": undisturbed, "photo": photo, "folder": folder}
    arguments = [part.format(**names) for part in options.split()]
    found, line = error_of(main, arguments)
    assert found == code
    assert message in line


@pytest.fixture
def with_snapshots(undisturbed, tmp_path, rng):
    """A run whose filter 1 doubles, and turns round in its last epoch."""
    folder = tmp_path / "kept"
    shutil.copytree(undisturbed, folder)
    (folder / filter_snapshots.FOLDER).mkdir()
    conv1 = layers.convolutions(Trained(folder).model)["conv1"]
    kernels = rng.standard_normal(conv1.weight.shape).astype(np.float32)
    for epoch, factor in enumerate((1, 2, -2)):
        filter_snapshots.save(folder, epoch, kernels * np.float32(factor))
    return folder, float(np.linalg.norm(kernels[1]))


def test_evolution_of_a_filter(with_snapshots, tmp_path, capsys):
    folder, norm = with_snapshots
    path = tmp_path / "filter.html"
    options = "--layer conv1 --filter 1 --evolution --out"
    assert main([str(folder), *options.split(), str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "conv1, filter 1, epochs 0 to 2"
    assert [line.split() for line in lines[3:6]] == [
        ["0", f"{norm:.6g}", "-1.000"],
        ["1", f"{2 * norm:.6g}", f"{norm:.6g}", "-1.000"],
        ["2", f"{2 * norm:.6g}", f"{4 * norm:.6g}", "1.000"],
    ]
    html = path.read_text()
    assert html.count("<img") == 3


def test_evolution_of_a_filter_that_is_not_there(with_snapshots, error_of):
    arguments = [str(with_snapshots[0]), *"--layer conv1 --filter 999 --evolution".split()]
    code, line = error_of(main, arguments)
    assert code == 2 and "conv1 has no filter 999: they go from 0 to" in line
