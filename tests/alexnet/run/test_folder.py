"""The folder of a run: where one may be, and what is written there and removed."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data.transforms import Preprocessing
from alexnet.errors import UsageError
from alexnet.run import checkpoint_files
from alexnet.run import folder as run_folder
from alexnet.run.checkpoint import LAST, Checkpoint
from tests.alexnet.runs import write_images

PREPROCESSING = Preprocessing(image_size=67, mean=(128.0, 128.0, 128.0))


def checkpoint_after(steps, epoch=1, **arguments):
    return Checkpoint(
        "alexnet",
        ["ant", "bee"],
        PREPROCESSING,
        arguments={"epochs": 5, **arguments},
        training={"epoch": epoch, "best_epoch": 1},
        schedule={"steps": steps},
        model={"weight": np.full(3, steps, np.float32)},
    )


# -- where a run may be ---------------------------------------------------------------------------


def test_only_a_folder_that_the_run_has_made_is_hidden_from_git(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (None, Path("new"), tmp_path / "a" / "b"):
        made, is_new = run_folder.create(folder, "demo", "alexnet")
        assert is_new and (made / ".gitignore").read_text() == "*\n"
        made, is_new = run_folder.create(made, "demo", "alexnet")
        assert not is_new
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "mine", Path(".")):
        assert run_folder.create(folder, "demo", "alexnet") == (folder, False)
        assert not (folder / ".gitignore").exists()
    assert not Path("runs/.gitignore").exists()


@pytest.mark.parametrize("inside", [".", "train", "Training", "seg_train/seg_train"])
def test_no_run_among_images_to_learn_from(tmp_path, inside):
    write_images(tmp_path / "photos" / inside, count=1)
    with pytest.raises(UsageError, match="photos holds data .images in blue/ and green/.*--data-"):
        run_folder.require_free(tmp_path / "photos")
    with pytest.raises(UsageError, match="blue holds data .images."):
        run_folder.require_free(tmp_path / "photos" / inside / "blue")
    (tmp_path / "cifar-10-batches-bin").mkdir()
    with pytest.raises(UsageError, match="holds data .cifar10."):
        run_folder.require_free(tmp_path)


def test_a_folder_to_work_in_may_hold_a_run(tmp_path):
    """Such as a repository, in which pictures belong to pages and data have a folder below."""
    write_images(tmp_path / "data" / "photos", count=1)
    for name in ("docs", "results"):
        (tmp_path / name).mkdir()
        Image.new("L", (2, 2)).save(tmp_path / name / "plot.png")
        (tmp_path / name / "page.md").write_text("text")
    run_folder.require_free(tmp_path)
    run_folder.require_free(tmp_path / "missing")


def test_a_folder_that_cannot_be_made_is_found_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run" / "1"):
        with pytest.raises(NotADirectoryError):
            run_folder.require_writable(folder)
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, Path("runs"), Path("a/b/c")):
        run_folder.require_writable(folder)
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append(path))
    with pytest.raises(PermissionError):
        run_folder.require_writable(Path("a/b/c"))
    assert asked == [tmp_path]


def test_a_start_without_a_result_leaves_no_folder(tmp_path):
    folder, _ = run_folder.create(tmp_path / "run", "demo", "alexnet")
    with run_folder.locked(folder):
        run_folder.write_run_json(folder, {})
        (folder / "filters").mkdir()
    (folder / "steps.csv").write_text("step\n")
    run_folder.remove_unused(folder)
    assert len(list(folder.iterdir())) == 5
    (folder / "steps.csv").unlink()
    run_folder.remove_unused(folder)
    assert not folder.exists()
    run_folder.remove_unused(folder)


# -- what is continued ----------------------------------------------------------------------------


def test_a_copy_is_kept_of_what_came_later(tmp_path):
    for steps in (2, 4, 6):
        checkpoint_files.save(checkpoint_after(steps), tmp_path, keep=1, is_best=steps == 2)
    (tmp_path / "metrics.csv").write_text("three rows")
    (tmp_path / "filters").mkdir()
    (tmp_path / "filters" / "epoch_0003.npy").write_bytes(b"kernels")
    (tmp_path / ".lock").write_text("")
    assert run_folder.keep_later_part(tmp_path, 6) is None
    copies = [run_folder.keep_later_part(tmp_path, 4) for _ in range(2)]
    assert copies == [tmp_path / "replaced-1", tmp_path / "replaced-2"]
    kept = sorted(str(path.relative_to(copies[0])) for path in copies[0].rglob("*"))
    assert kept == [
        *("best.safetensors", "filters", "filters/epoch_0003.npy", "last.safetensors"),
        *("metrics.csv", "step-00000004.safetensors", "step-00000006.safetensors"),
    ]
    # What is written into the run from now on does not change the copy.
    checkpoint_files.save(checkpoint_after(5), tmp_path, keep=0, is_best=True)
    with open(tmp_path / "metrics.csv", "a") as file:
        file.write(" and a fourth")
    assert Checkpoint.load(copies[0] / LAST).schedule["steps"] == 6
    assert (copies[0] / "metrics.csv").read_text() == "three rows"


def test_later_checkpoints_are_found_without_their_step_files(tmp_path):
    assert not checkpoint_files.any_after(tmp_path, 0)
    checkpoint_after(6).save(tmp_path / LAST)
    assert checkpoint_files.any_after(tmp_path, 5)
    assert not checkpoint_files.any_after(tmp_path, 6)
    (tmp_path / LAST).write_bytes(b"damaged")
    assert not checkpoint_files.any_after(tmp_path, 5)


def test_a_run_that_its_patience_has_ended_is_not_continued(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "1").mkdir(parents=True)
    last = tmp_path / "runs" / "1" / LAST
    checkpoint_after(6, epoch=3, patience=2).save(last)
    with pytest.raises(UsageError, match="no run below runs can be continued"):
        run_folder.newest_to_continue(None, None)
    assert run_folder.newest_to_continue(None, 3) == Path("runs/1")
    with pytest.raises(UsageError):
        run_folder.newest_to_continue(3, 9)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"arguments": {"precision": "bf16"}, "starts": [{"changed": {}}]}', ["bf16"]),
        ('{"arguments": {"precision": "tf32"}, "starts": [{"changed": {"lr": [1, 2]}}]}', ["tf32"]),
        # Of a version that had no such setting.
        ('{"arguments": {}, "starts": [{"changed": {}}]}', []),
        ('{"arguments": {"precision": "bf16"}, "starts": [{"changed": {"precision": 1}}]}', []),
        ('{"arguments": {"precision": "bf16"}, "starts": [[]]}', []),
        ("[]", []),
        ("[" * 100000, []),
        ("{", []),
    ],
)
def test_precisions_as_run_json_has_them(tmp_path, content, found):
    (tmp_path / run_folder.RUN_JSON).write_text(content)
    assert run_folder.precisions(tmp_path) == found
