"""Runs that fail: their exit code, one line about the error, and what they leave."""

import errno
import os
import sys

import numpy as np
import pytest

from alexnet import train
from alexnet.data import images
from alexnet.errors import DataError
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from alexnet.training.trainer import Trainer
from tests.alexnet.runs import assert_same_run, resume


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--data", "mnist"], "argument --data: invalid choice: 'mnist'"),
        (["--arch", "vgg"], "argument --arch: invalid choice"),
        (["--recipe", "mine"], "argument --recipe: invalid choice"),
        (["--backend", "tpu"], "argument --backend: invalid choice"),
        (["--epoch", "2"], "unrecognized arguments: --epoch 2"),
        (["photos"], "unrecognized arguments: photos"),
        (["--precision", "tf32"], "tf32 is for --backend cuda: the CPU has float32 and bf16"),
        (["--precision", "bfloat16"], "argument --precision: invalid choice"),
        (["--epochs"], "expected one argument"),
        (["--epochs", "0"], "'0' is not a whole number of at least 1"),
        (["--epochs", "1.5"], "'1.5' is not a whole number of at least 1"),
        (["--epochs", "1" + 400 * "0"], "is not a whole number of at least 1"),
        (["-b", "-4"], "'-4' is not a whole number of at least 1"),
        (["-b", "many"], "'many' is not a whole number of at least 1"),
        (["--workers", "-1"], "'-1' is not a whole number of at least 0"),
        (["--lr", "0"], "'0' is not a number above 0"),
        (["--lr", "nan"], "'nan' is not a number above 0"),
        (["--lr", "inf"], "'inf' is not a number above 0"),
        (["--lr", "1e999"], "'1e999' is not a number above 0"),
        (["--weight-decay", "-1"], "'-1' is not a number of at least 0"),
        (["--momentum", "1"], "'1' is not a number from 0 to below 1"),
        (["--dropout", "1"], "'1' is not a number from 0 to below 1"),
        (["--seed", "-1"], "'-1' is not a whole number from 0 to 2^63 - 1"),
        (["--seed", str(2**63)], "is not a whole number from 0 to 2^63 - 1"),
        (["--max-time", "2"], "'2' is not a time like 2h30m"),
        (["--max-time", "0s"], "'0s' is not a time like 2h30m"),
        (["--lr-step", "3"], "--lr-step is for --lr-schedule step, not cosine"),
        (["--lr-milestones", "3"], "--lr-milestones is for --lr-schedule step, not cosine"),
        (["--lr-milestones", "3,3"], "'3,3': each has to be larger than the one before"),
        (
            ["--lr-schedule", "step", "--lr-milestones", "15,25"],
            "--lr-milestones 15 is not before the end of the 10 epochs",
        ),
        (["--lr-milestones", "3,"], "'' is not a whole number of at least 1"),
        (
            ["--lr-schedule", "step", "--lr-step", "3", "--lr-milestones", "3"],
            "--lr-step and --lr-milestones exclude each other",
        ),
        (
            ["--optimizer", "adam", "--nesterov"],
            "--nesterov is for --optimizer sgd with a --momentum above 0",
        ),
        (
            ["--class-weights", "auto", "--sampling", "balanced"],
            "each of which makes all classes count the same, exclude each other",
        ),
        (["--class-weights", "nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["--label-smoothing", "1"], "'1' is not a number from 0 to below 1"),
        (["--clip-grad-norm", "0"], "'0' is not a number above 0"),
        (["--nesterov", "--momentum", "0"], "with a --momentum above 0"),
        (["--lr-gamma", "1"], "'1' is not a number between 0 and 1"),
        (["--lr-gamma", "0.5"], "--lr-gamma is for --lr-schedule step or plateau, not cosine"),
        (["--accumulate", "33"], "--accumulate 33 is more than the 32 images of a batch"),
        (["--max-steps", "0"], "'0' is not a whole number of at least 1"),
        (["--resume", "a", "--out", "b"], "--resume continues in the run's own folder"),
    ],
)
def test_wrong_use(error_of, options, expected):
    code, message = error_of(train.main, options)
    assert code == 2
    assert expected in message


def test_an_image_size_too_small_for_the_network(start, error_of, tmp_path):
    code, message = error_of(start, tmp_path / "run", "--image-size", "66")
    assert (code, message) == (2, "NarrowAlexNet: image_size must be at least 67, got 66")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_is_not_overwritten(start, error_of, undisturbed):
    before = (undisturbed / LAST).read_bytes()
    code, message = error_of(start, undisturbed)
    assert code == 2
    assert f"already holds a run: continue it with --resume {undisturbed}" in message
    assert (undisturbed / LAST).read_bytes() == before


def test_a_folder_of_images_is_not_taken_for_a_run(error_of, photos):
    before = sorted(photos.rglob("*"))
    code, message = error_of(train.main, ["--out", str(photos)])
    assert code == 2
    assert f"{photos} holds data (images in blue/ and green/)" in message
    assert sorted(photos.rglob("*")) == before


def test_a_start_that_fails_leaves_no_folder(start, error_of, tmp_path, monkeypatch):
    def fail(trainer, *batch):
        raise DataError("a bad image")

    monkeypatch.setattr(Trainer, "step", fail)
    assert error_of(start, tmp_path / "run", "--snapshot-filters") == (3, "a bad image")
    (tmp_path / "mine").mkdir()
    assert error_of(start, tmp_path / "mine")[0] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_images_that_are_too_large(start, error_of, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_max_pixels", images.MAX_PIXELS)  # as it is to be again
    code, message = error_of(start, tmp_path / "run", "--max-pixels", "6079")
    assert code == 3
    assert " pixels, more than --max-pixels 6079 allows; " in message
    assert message.endswith("--bad-images skip")
    assert not (tmp_path / "run").exists()


def test_data_that_are_moved_while_a_run_is_stopped(narrow, error_of, stopped, photos):
    moved = photos.rename(photos.with_name("moved"))
    code, message = error_of(resume, stopped)
    moved.rename(photos)
    assert code == 3
    assert message.startswith(
        f"{photos}: no such file or folder, but the data of the run were there"
    )
    assert message.endswith("give --data-root DIR")


def test_diverged(start, error_of, tmp_path):
    folder = tmp_path / "run"
    code, message = error_of(start, folder, "--lr", "1e6", "--lr-schedule", "constant")
    assert code == 5
    assert "loss is" in message
    assert message.endswith("try a smaller --lr")
    assert not (folder / LAST).exists()
    # Nothing was learned, so the folder can be used again.
    assert start(folder, "--max-steps", "1") == 0


def test_diverged_after_a_checkpoint(narrow, error_of, stopped, monkeypatch):
    before = (stopped / LAST).read_bytes()

    def spoil(trainer, *batch):
        trainer.model.features[0].weight.data[...] = np.nan
        return step(trainer, *batch)

    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", spoil)
    code, message = error_of(resume, stopped)
    assert code == 5
    assert message == (
        "the training loss is nan in epoch 2, step 2: 3,630 of the 3,630 weights of conv1 "
        "are not finite since the last update: try a smaller --lr; "
        f"{stopped / LAST} is from before"
    )
    assert (stopped / LAST).read_bytes() == before


def test_weights_that_are_not_finite_are_never_saved(start, tmp_path, monkeypatch, error_of):
    def spoil(trainer, *batch):
        result = step(trainer, *batch)
        if trainer.schedule.steps == 3:
            trainer.model.features[0].weight.data[0] = np.nan
        return result

    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", spoil)
    for options in (("--max-steps", "3"), ("--save-every", "3")):
        folder = tmp_path / options[0]
        code, message = error_of(start, folder, *options)
        assert code == 5
        assert message.startswith("features.0.weight is not finite after 0 epochs and 3 steps")
        assert not (folder / LAST).exists()


def test_a_folder_that_cannot_be_made(start, error_of, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        code, message = error_of(start, folder)
        assert code == 7
        assert str(folder) in message


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_full_disk(start, undisturbed, error_of, tmp_path, monkeypatch, epoch):
    saves = 0

    def full(source, target):
        nonlocal saves
        saves += target.name == (BEST if epoch == 1 else LAST)
        if saves == epoch:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.rename(source, target)

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("alexnet.files.os.replace", full)
        code, message = error_of(start, folder)
    assert code == 7
    assert message.startswith("disk full: [Errno 28]")
    if epoch == 1:  # nothing to continue: the same command again
        assert start(folder) == 0
    else:
        assert Checkpoint.load(folder / LAST).training["epoch"] == 1
        assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


def test_cuda_without_cupy(start, error_of, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    # Said before the data are looked at, which may take long.
    options = ("--backend", "cuda", "--data-root", str(tmp_path / "no"))
    code, message = error_of(start, tmp_path / "run", *options)
    assert code == 8
    assert "backend 'cuda' needs CuPy, which is not installed" in message
    assert not (tmp_path / "run").exists()
