"""The images of a run: recognized, prepared and augmented, bad, or too few."""

import logging

import numpy as np
import pytest
from PIL import Image

from alexnet import train
from alexnet.data.loader import Loader
from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.training import data
from tests.alexnet.runs import OPTIONS, resume, write_images


def test_data_are_recognized_and_small_images_get_a_small_network(narrow, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for i in range(12):
        path = tmp_path / "photos" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(path)
    folder = tmp_path / "run"
    command = ["--data-root", str(tmp_path / "photos"), "--max-steps", "1", "--out", str(folder)]
    assert train.main(command) == 0
    assert "data      folder: 2 classes" in capsys.readouterr().err
    kept = Checkpoint.load(folder / LAST)
    assert kept.arguments["data"] == "folder"
    assert kept.arguments["image_size"] == kept.preprocessing.image_size == 115
    assert kept.arguments["resize"] == kept.preprocessing.resize == 130


def test_mean_image_and_forms_of_augmentation(narrow, photos, tmp_path):
    folder = tmp_path / "run"
    command = [*OPTIONS, "--data-root", str(photos), "--out", str(folder), "--mean", "image"]
    command += ["--augmentation", "resized", "--color-noise", "pytorch", "--scale", "0.5"]
    assert train.main([*command, "--max-steps", "2"]) == 0
    kept = Checkpoint.load(folder / LAST).preprocessing
    assert kept.mean_image.shape == (3, 67, 67)
    assert kept.scale == 0.5
    # Means of noise around 45 gray levels, with 120 more in one of three classes.
    assert kept.mean_image.mean() == pytest.approx(45 + 120 / 3, abs=2)
    assert kept.mean_image.std() > 1
    assert resume(folder, "--max-steps", "7") == 0
    assert np.array_equal(Checkpoint.load(folder / LAST).preprocessing.mean_image, kept.mean_image)


def test_crops_are_taken_from_a_square_of_the_size_that_resize_says(
    narrow, photos, tmp_path, monkeypatch
):
    made = []
    monkeypatch.setattr(data, "Loader", lambda *a, **k: made.append(Loader(*a, **k)) or made[-1])
    folder = tmp_path / "run"
    command = [*OPTIONS, "--data-root", str(photos), "--out", str(folder), "--mean", "image"]
    assert train.main([*command, "--resize", "67", "--max-steps", "1"]) == 0
    kept = Checkpoint.load(folder / LAST)
    assert kept.arguments["resize"] == kept.preprocessing.resize == 67
    assert resume(folder, "--max-steps", "2") == 0
    assert Checkpoint.load(folder / LAST).preprocessing == kept.preprocessing
    assert [loader.preprocessing.resize for loader in made] == [67] * 4


def test_a_square_smaller_than_the_crops(photos, tmp_path, error_of):
    command = [*OPTIONS, "--data-root", str(photos), "--out", str(tmp_path / "run")]
    assert error_of(train.main, [*command, "--resize", "66"]) == (
        2,
        "--resize 66 is too small for crops of 67 pixels: give at least 67, or a smaller "
        "--image-size",
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options, expected",
    [
        ([], {"crop": "random", "flip": True, "color_noise_form": "2012", "color_noise": 0.1}),
        (["--augmentation", "crops"], {"crop": "random", "flip": False, "color_noise": 0.1}),
        (["--augmentation", "flips"], {"crop": "center", "flip": True, "color_noise": 0.1}),
        (["--augmentation", "none"], {"crop": "center", "flip": False}),
        (["--augmentation", "resized"], {"crop": "resized", "flip": True}),
        (["--color-noise", "paper"], {"color_noise_form": "paper", "color_noise": 0.1}),
        (["--color-noise", "none"], {"color_noise": 0.0}),
    ],
)
def test_augmentation_is_what_the_options_say(
    narrow, photos, tmp_path, monkeypatch, options, expected
):
    made = []
    monkeypatch.setattr(data, "Loader", lambda *a, **k: made.append(Loader(*a, **k)) or made[-1])
    command = [*OPTIONS, "--data-root", str(photos), "--out", str(tmp_path / "run")]
    assert train.main([*command, "--max-steps", "1", *options]) == 0
    of_training, of_validation = (loader.augmentation for loader in made)
    assert {name: getattr(of_training, name) for name in expected} == expected
    assert of_validation is None


@pytest.fixture
def photos_with_damage(tmp_path):
    photos = write_images(tmp_path / "photos", count=4)
    (photos / "red" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (photos / "red" / "notes.txt").write_text("no image")
    (photos / "nothing").mkdir()
    with Image.open(photos / "red" / "0.png") as image:
        image.convert("CMYK").save(photos / "red" / "print.jpg")
        image.convert("P").save(photos / "red" / "palette.png")
        image.save(photos / "red" / "animation.gif")
    return photos


def test_a_bad_image_is_an_error(narrow, photos_with_damage, tmp_path, error_of):
    command = [*OPTIONS, "--data-root", str(photos_with_damage), "--out", str(tmp_path / "run")]
    code, message = error_of(train.main, command)
    assert code == 3
    assert "cut.jpg: not an image" in message
    assert "--bad-images skip" in message


def test_bad_images_are_named_and_the_others_used(
    narrow, photos_with_damage, tmp_path, caplog, capsys
):
    caplog.set_level(logging.WARNING, "alexnet.data")
    command = [*OPTIONS, "--data-root", str(photos_with_damage), "--out", str(tmp_path / "run")]
    command += ["--bad-images", "skip", "--epochs", "1"]
    assert train.main(command) == 0
    assert "3 classes, 12 images to learn from, 4 for validation" in capsys.readouterr().err
    named = [record.getMessage() for record in caplog.records]
    assert len(named) == 3
    for message, name in zip(named, ("notes.txt", "as nothing", "cut.jpg"), strict=True):
        assert name in message
    (line,) = (tmp_path / "run" / "bad_images.txt").read_text().splitlines()
    assert "cut.jpg: not an image" in line


def test_too_many_bad_images(narrow, photos_with_damage, tmp_path, error_of):
    command = [*OPTIONS, "--data-root", str(photos_with_damage), "--out", str(tmp_path / "run")]
    command += ["--bad-images", "skip", "--max-bad-images", "0"]
    code, message = error_of(train.main, command)
    assert code == 3
    assert "more than --max-bad-images 0" in message


def test_data_that_are_not_there(narrow, error_of, tmp_path):
    code, message = error_of(train.main, ["--data", "folder", "--data-root", str(tmp_path / "no")])
    assert code == 3
    assert f"{tmp_path / 'no'}: no such folder" in message
    for name in ("folder", "cifar10"):
        code, message = error_of(train.main, ["--data", name])
        assert code == 3
        assert "give --data-root DIR" in message


@pytest.mark.parametrize(
    "classes, count, expected",
    [
        (["red"], 8, "all images lie in one folder, red, but at least 2 classes"),
        (["red", "blue"], 1, "no image is left for validation"),
    ],
)
def test_too_few_data(narrow, error_of, tmp_path, classes, count, expected):
    photos = write_images(tmp_path / "photos", classes, count)
    command = ["--data", "folder", "--data-root", str(photos), "--out", str(tmp_path / "run")]
    code, message = error_of(train.main, command)
    assert code == 3
    assert expected in message
    assert not (tmp_path / "run").exists()


def test_a_subset_larger_than_the_data(start, error_of, tmp_path):
    code, message = error_of(start, tmp_path / "run", "--subset", "19")
    assert code == 3
    assert "cannot take a subset of 19 images: the training set has 18" in message
