"""``python -m alexnet.visualize`` neighbors, activations, normalization, saliency and map."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from alexnet import train
from alexnet.run.checkpoint import BEST, Checkpoint
from alexnet.visualize import __main__ as visualize
from alexnet.visualize import pictures
from tests.alexnet.runs import OPTIONS, write_images

pytestmark = pytest.mark.usefixtures("narrow")
ON_IMAGES = ("neighbours", "activations", "normalization", "saliency", "map")


@pytest.fixture(scope="module")
def run(narrow, tmp_path_factory):
    """A run of two epochs, whose images are three colors."""
    root = tmp_path_factory.mktemp("visualize")
    for split, count in (("train", 8), ("val", 5)):
        write_images(root / "photos" / split, count=count)
    command = [*OPTIONS, "--data-root", str(root / "photos"), "--out", str(root / "run")]
    assert train.main(command) == 0
    return root / "run"


def call(*command):
    return visualize.main([str(part) for part in command])


def test_neighbors(run, tmp_path, capsys):
    capsys.readouterr()
    command = ["neighbours", run, "--json", "--precision", "-k", "3", "--out", tmp_path / "n.png"]
    assert call(*command) == 0
    out, err = capsys.readouterr()
    assert "computing fc7 of 24 training images" in err
    first = json.loads(out)
    assert len(first["queries"]) == 8
    for query in first["queries"]:
        distances = [neighbor["distance"] for neighbor in query["neighbours"]]
        assert len(distances) == 3
        assert distances == sorted(distances)
        assert f"/val/{query['class']}/" in query["name"]
        for neighbor in query["neighbours"]:
            assert f"/train/{neighbor['class']}/" in neighbor["name"]
    assert first["images"] == 15
    assert first["chance"] == pytest.approx(1 / 3)
    class_precision = first["precision_of_class"]
    assert list(class_precision) == ["blue", "green", "red"]
    assert np.mean(list(class_precision.values())) == pytest.approx(first["precision"])
    with Image.open(tmp_path / "n.png") as picture:
        assert picture.format == "PNG"
    # The index is used again, and gives the same.
    assert call(*command) == 0
    out, err = capsys.readouterr()
    assert "computing" not in err
    assert json.loads(out) == first
    # Not for other images.
    assert call(*command, "--subset", "9") == 0
    assert "of another set of images: it is replaced" in capsys.readouterr().err


def test_an_image_of_the_training_set_is_its_own_neighbor(run, tmp_path, capsys):
    image = run.parent / "photos" / "train" / "green" / "3.png"
    for distance in ("euclidean", "cosine"):
        capsys.readouterr()
        options = ["--images", image, "--distance", distance, "--json"]
        assert call("neighbours", run, *options, "--out", tmp_path / "n.svg") == 0
        (query,) = json.loads(capsys.readouterr().out)["queries"]
        assert query["class"] is None
        assert query["neighbours"][0]["name"] == str(image)
        assert query["neighbours"][0]["distance"] < 1e-3
    assert (tmp_path / "n.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("command", ["neighbours", "activations", "normalization", "saliency"])
def test_images_of_any_kind(run, tmp_path, command):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 4), np.uint8)
    folder = tmp_path / "all"
    folder.mkdir()
    Image.fromarray(pixels[:, :, 0]).save(folder / "gray.png")
    Image.fromarray(pixels).save(folder / "transparent.png")
    Image.fromarray(pixels, "CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(pixels[:1, :1, :3]).save(folder / "tiny.png")
    assert call(command, run, "--images", folder, "--out", tmp_path / "p.png") == 0
    written = sorted(path.name for path in tmp_path.glob("*.png"))
    several = [f"p-{number}.png" for number in (1, 2, 3, 4)]
    assert written == (several if command == "activations" else ["p.png"])


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_map(run, tmp_path, method, capsys):
    assert call("map", run, "--method", method, "--out", tmp_path / "m.png") == 0
    assert "15 images" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m-images.png", "m.png"]


def test_what_is_less_than_was_asked_for_is_said(run, tmp_path, capsys, monkeypatch):
    options = ["--out", tmp_path / "p.png"]
    assert call("map", run, *options) == 0
    perplexity = "perplexity 4.67, the largest for 15 images, instead of"
    assert capsys.readouterr().err == f"{perplexity} 30\n"
    assert call("map", run, "--perplexity", "500", "-n", "5000", *options) == 0
    count = "--count 5000: the validation set has 15 images, all taken\n"
    assert capsys.readouterr().err == f"{count}{perplexity} 500\n"
    monkeypatch.setattr(pictures, "MAX_ROWS", 2)
    assert call("neighbours", run, "-n", "3", "-k", "11", *options) == 0
    error = capsys.readouterr().err
    assert f"{tmp_path / 'p.png'} shows the first 2 of 3 images\n" in error
    assert f"{tmp_path / 'p.png'} shows the 10 nearest of 11\n" in error
    assert call("saliency", run, "-n", "3", "--square", "67", *options) == 0
    assert "shows the first 2 of 3 images\n" in capsys.readouterr().err
    assert call("neighbours", run, "-n", "2", *options) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ON_IMAGES)
def test_what_cannot_be_written_is_said_before_anything_is_computed(
    run, tmp_path, capsys, monkeypatch, name
):
    def no_images(*_):
        raise AssertionError("images are read")

    monkeypatch.setattr(pictures, "select_images", no_images)
    folder = tmp_path / "folder.png"
    folder.mkdir()
    capsys.readouterr()
    assert call(name, run, "--out", folder) == 7
    assert "a folder, not a file" in capsys.readouterr().err
    monkeypatch.setattr(os, "access", lambda *_: False)
    for options in ([], ["--out", tmp_path / "p.png"]):
        assert call(name, run, *options) == 7
        assert "nothing can be written to this folder" in capsys.readouterr().err


def test_errors_in_one_line(run, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "index").write_text("no index")
    diverged = Checkpoint.load(run / BEST)
    diverged.model["features.0.weight"][:] = np.nan
    diverged.save(tmp_path / "nan.safetensors")
    shared_cases = [
        (["--images", tmp_path / "nothing.png"], 3, "nothing.png"),
        (["--images", tmp_path / "text.png"], 3, "text.png"),
        (["--images", empty], 3, "no image in this folder"),
        (["--count", "0"], 2, "at least 1"),
        (["--out", tmp_path / "p.jpg"], 2, "does not end in .png or .svg"),
        (["--out", tmp_path / "nowhere" / "p.png"], 2, "nowhere"),
        (["--split", "test"], 3, "has no set 'test'"),
    ]
    cases = [(name, run, *case) for name in ON_IMAGES for case in shared_cases]
    cases += [
        (name, tmp_path / "nan.safetensors", ["--data-root", run.parent / "photos"], 4, "diverged")
        for name in ON_IMAGES
    ]
    cases += [
        ("neighbours", run, ["--split", "train"], 2, "find itself"),
        ("neighbours", run, ["--subset", "5", "-k", "6"], 2, "there are 5 images"),
        ("neighbours", run, ["--subset", "99"], 3, "choose from 1 to 24"),
        ("neighbours", run, ["--index", tmp_path / "index"], 4, "not a readable"),
        ("neighbours", run, ["--index", run / BEST], 4, "is no index"),
        ("activations", run, ["--layers", "fc7"], 2, "no layer 'fc7' with feature maps"),
        ("saliency", run, ["--square", "99"], 2, "have 67 pixels"),
        ("map", run, ["--layer", "conv9"], 2, "no layer 'conv9'"),
        ("map", run, ["--count", "3"], 2, "at least 4 images"),
        ("map", run, ["--perplexity", "1"], 2, "above 1"),
    ]
    for name, checkpoint, options, code, expected in cases:
        capsys.readouterr()
        assert call(name, checkpoint, *options) == code, (name, options)
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("error: ")
        assert expected in line
