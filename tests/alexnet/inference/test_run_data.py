"""Which data a command uses: those of the run, unless others are named."""

import argparse
import os
import shutil

import pytest

from alexnet.data import Subset, images
from alexnet.data import load as open_data
from alexnet.data.identity import identity
from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError, DataError
from alexnet.inference import options, run_data
from alexnet.run.checkpoint import Checkpoint
from tests.alexnet.runs import CLASSES, write_images

PREPROCESSING = Preprocessing(image_size=67, mean=(128.0, 128.0, 128.0))


@pytest.fixture
def photos(tmp_path):
    return write_images(tmp_path / "my photos", count=4)


def checkpoint_of(root, **settings):
    """A checkpoint of a run on the photos in a folder."""
    sets = open_data("folder", root)
    train = sets["train"]
    if settings.get("subset"):
        train = Subset(train, settings["subset"])
    return Checkpoint(
        "alexnet",
        list(CLASSES),
        PREPROCESSING,
        arguments={"data": "folder", "data_root": str(root), "seed": 0, **settings},
        data={"training": identity(train), "validation": identity(sets["validation"])},
    )


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("settings", [{}, {"subset": 5}, {"subset": None}])
def test_the_data_of_the_run(photos, split, settings, capsys):
    dataset = run_data.dataset(checkpoint_of(photos, **settings), split)
    assert len(dataset) == {"train": 9, "validation": 3}[split]
    assert capsys.readouterr().err == ""


def test_data_that_were_moved(photos, tmp_path, capsys):
    checkpoint = checkpoint_of(photos)
    moved = photos.rename(tmp_path / "moved")
    with pytest.raises(DataError) as caught:
        run_data.dataset(checkpoint, "validation")
    assert str(caught.value) == (
        f"{photos}: no such file or folder, but the data of the run were there; "
        "if they were moved, give --data-root DIR"
    )
    assert len(run_data.dataset(checkpoint, "validation", data_root=moved)) == 3
    assert capsys.readouterr().err == ""  # they are the same
    assert len(run_data.dataset(demo_checkpoint(), "train", data="demo")) > 0


def demo_checkpoint():
    classes = open_data("demo")["train"].classes
    gone = {"data": "folder", "data_root": "/gone"}
    return Checkpoint("alexnet", classes, PREPROCESSING, arguments=gone)


def test_a_network_of_another_program_knows_no_data():
    checkpoint = Checkpoint("alexnet", list(CLASSES), PREPROCESSING)
    with pytest.raises(DataError) as caught:
        run_data.dataset(checkpoint, "validation")
    assert str(caught.value) == (
        "the network does not say which images it was trained on: give --data-root DIR, or "
        "--data demo"
    )


def test_a_relative_path_of_a_run_from_before(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = checkpoint_of("my photos")
    assert len(run_data.dataset(checkpoint, "validation")) == 3
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="seen from where the run was started"):
        run_data.dataset(checkpoint, "validation")
    # Another folder of this name is not taken for the data of the run.
    write_images(tmp_path / "elsewhere" / "my photos", count=5)
    with pytest.raises(CheckpointError, match="12|15"):
        run_data.dataset(checkpoint, "train")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_data_that_changed_are_refused_unless_they_are_named(tmp_path, split, capsys):
    for name in ("train", "val", "test"):
        write_images(tmp_path / "photos" / name, count=3)
    root = tmp_path / "photos"
    checkpoint = checkpoint_of(root)
    changed = root / ("train" if split == "train" else "val") / "red" / "0.png"
    changed.unlink()
    with pytest.raises(CheckpointError) as caught:
        run_data.dataset(checkpoint, split)
    known = "training" if split == "train" else "validation"
    assert str(caught.value) == (
        f"the {known} set has changed since the run began: it had 9 images and has 8; bring the "
        "old one back, or name the data to use instead: --data-root DIR"
    )
    assert run_data.dataset(checkpoint, split, data_root=root)
    note = f"note: the {known} set is not that of the run: it had 9 images and has 8\n"
    assert capsys.readouterr().err == note


def test_data_smaller_than_the_subset_of_the_run(photos, tmp_path, capsys):
    checkpoint = checkpoint_of(photos, subset=8)
    fewer = write_images(tmp_path / "fewer", count=2)
    assert len(run_data.dataset(checkpoint, "train", data_root=fewer)) == 3
    assert "it had 8 images and has 3" in capsys.readouterr().err


def test_a_checkpoint_that_does_not_know_its_data(photos, capsys):
    checkpoint = checkpoint_of(photos)
    checkpoint.data = {}
    assert len(run_data.dataset(checkpoint, "validation", data_root=photos)) == 3
    assert capsys.readouterr().err == ""


def test_names_of_folders_that_are_no_text(tmp_path):
    root = write_images(tmp_path / os.fsdecode(b"caf\xe9 "), count=2)
    checkpoint_of(root).save(tmp_path / "last.safetensors")
    checkpoint = Checkpoint.load(tmp_path / "last.safetensors")
    assert len(run_data.dataset(checkpoint, "validation")) == 3
    shutil.rmtree(root)
    with pytest.raises(DataError, match="no such file or folder"):
        run_data.dataset(checkpoint, "validation")


@pytest.mark.parametrize(
    "given, stored, expected",
    [(7, 8, 7), (None, 8, 8), (None, None, images.MAX_PIXELS)],
)
def test_the_bound_on_the_size_of_images(tmp_path, given, stored, expected, monkeypatch):
    monkeypatch.setattr(Checkpoint, "build", lambda checkpoint: NoNetwork())
    bounds = []
    monkeypatch.setattr(images, "set_max_pixels", bounds.append)
    settings = {} if stored is None else {"max_pixels": stored}
    checkpoint = Checkpoint("alexnet", [], PREPROCESSING, arguments=settings)
    checkpoint.save(tmp_path / "last.safetensors")
    options.network(argparse.Namespace(checkpoint=tmp_path, backend="cpu", max_pixels=given))
    assert bounds == [expected]


class NoNetwork:
    def to(self, device):
        return self

    def named_modules(self):
        return iter(())
