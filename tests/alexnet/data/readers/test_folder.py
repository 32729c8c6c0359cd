"""Folders of images: which files are taken, in which order, and how they are divided."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data import load
from alexnet.data.readers import image_tree
from alexnet.data.readers.folder import found_in, open_splits
from alexnet.errors import BadImage, DataError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def write_image(path, color=RED, size=(6, 5)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


def write_classes(folder, classes=("ant", "bee"), count=10):
    for name in classes:
        for i in range(count):
            write_image(folder / name / f"{i:02}.png")


def relative_files(dataset, root):
    return [Path(path).relative_to(root).as_posix() for path in dataset.files]


def test_train_and_val_folders(tmp_path):
    write_image(tmp_path / "train" / "bee" / "1.png", GREEN)
    write_image(tmp_path / "train" / "ant" / "deep" / "er" / "2.png", RED, size=(7, 3))
    write_image(tmp_path / "val" / "ant" / "3.png")
    write_image(tmp_path / "val" / "bee" / "4.png")
    splits = load("folder", tmp_path)
    train, validation = splits["train"], splits["validation"]
    assert train.classes == validation.classes == ["ant", "bee"]
    assert train.labels.tolist() == validation.labels.tolist() == [0, 1]
    assert train.labels.dtype == np.int64
    assert len(train) == 2
    assert train.image(0).shape == (3, 7, 3)
    assert train.image(0).dtype == np.uint8
    assert (train.image(1) == GREEN).all()


@pytest.mark.parametrize("name", ["val", "validation", "test"])
def test_names_of_the_validation_folder(tmp_path, name):
    write_classes(tmp_path / "train", count=3)
    write_classes(tmp_path / name, count=2)
    train, validation = open_splits(tmp_path).values()
    assert (len(train), len(validation)) == (6, 4)


def test_a_set_for_the_final_test(tmp_path):
    for count, name in enumerate(("train", "val", "test"), start=1):
        write_classes(tmp_path / name, count=count)
    splits = open_splits(tmp_path)
    sizes = {split: len(dataset) for split, dataset in splits.items()}
    assert sizes == {"train": 2, "validation": 4, "test": 6}


@pytest.mark.parametrize("inside", ["", "train"])
def test_split_is_stratified_and_complete(tmp_path, inside):
    write_classes(tmp_path / inside, ["ant"], count=10)
    write_classes(tmp_path / inside, ["bee"], count=5)
    write_classes(tmp_path / inside, ["cat"], count=2)
    train, validation = open_splits(tmp_path, seed=3).values()
    assert np.bincount(train.labels).tolist() == [8, 4, 1]
    assert np.bincount(validation.labels).tolist() == [2, 1, 1]
    assert len({*train.files, *validation.files}) == 17


def test_split_depends_on_seed_and_names_only(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    write_classes(first, count=20)
    for path in sorted(first.rglob("*.png"), reverse=True):
        write_image(second / path.relative_to(first), BLUE)
    a, b = open_splits(first, seed=1), open_splits(second, seed=1)
    for split in ("train", "validation"):
        assert relative_files(a[split], first) == relative_files(b[split], second)
    other_seed = open_splits(first, seed=2)["validation"]
    assert relative_files(a["validation"], first) != relative_files(other_seed, first)


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    write_classes(tmp_path / "train", count=5)
    write_classes(tmp_path / "val", count=5)
    entries = image_tree._entries
    listed = []
    for step in (1, -1):
        monkeypatch.setattr(
            image_tree,
            "_entries",
            lambda folder, step=step: sorted(entries(folder), key=lambda entry: entry.name)[::step],
        )
        listed.append([dataset.files for dataset in open_splits(tmp_path).values()])
    assert listed[0] == listed[1]


def test_single_image_is_trained_on(tmp_path, caplog):
    write_classes(tmp_path, count=5)
    write_image(tmp_path / "cat" / "only.png")
    train, validation = open_splits(tmp_path).values()
    assert train.classes == validation.classes == ["ant", "bee", "cat"]
    assert 2 in train.labels
    assert 2 not in validation.labels
    assert "class cat has a single image" in caplog.text


def test_names_that_look_the_same_are_one_class(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for name in (f"train/{composed}/1", f"train/{decomposed}/2", "train/tea/3", "val/tea/4"):
        write_image(tmp_path / f"{name}.png")
    for name in (f"val/{decomposed}/5", f"test/x/{decomposed}/6", f"test/x/{decomposed}/7"):
        write_image(tmp_path / f"{name}.png")
    splits = open_splits(tmp_path)
    assert {split: dataset.classes for split, dataset in splits.items()} == dict.fromkeys(
        ("train", "validation", "test"), [composed, "tea"]
    )
    assert [list(dataset.labels) for dataset in splits.values()] == [[0, 0, 1], [0, 1], [0, 0]]


def test_a_copy_from_a_mac_is_divided_alike(tmp_path):
    for form in ("caf\u00e9", "cafe\u0301"):
        for number in range(20):
            write_image(tmp_path / form[-1] / form / f"{number}.png")
            write_image(tmp_path / form[-1] / "tea" / f"{number}.png")
    held_out = [
        [Path(file).name for file in open_splits(folder)["validation"].files]
        for folder in tmp_path.iterdir()
    ]
    assert held_out[0] == held_out[1]


def test_names_that_differ_in_case_or_spaces(tmp_path, caplog):
    for name in ("train/Cat/1", "train/dog /1", "val/cat/1", "val/dog /1"):
        write_image(tmp_path / f"{name}.png")
    with pytest.raises(DataError, match="the one for training does not: cat; is 'Cat' meant?"):
        open_splits(tmp_path)
    write_image(tmp_path / "train/cat/1.png")
    write_image(tmp_path / "train/dog/1.png")
    assert open_splits(tmp_path)["train"].classes == ["Cat", "cat", "dog", "dog "]
    assert "'Cat' and 'cat' are two classes; is one meant?" in caplog.text
    assert "'dog' and 'dog ' are two classes; is one meant?" in caplog.text


def test_what_is_no_image_is_left_out(tmp_path, caplog):
    write_classes(tmp_path / "train", count=2)
    write_classes(tmp_path / "val", count=2)
    bee = tmp_path / "train" / "bee"
    (bee / "notes.txt").write_text("no image")
    (bee / "more.csv").write_text("no image")
    (bee / ".00.png").write_bytes(b"hidden")
    write_image(bee / ".thumbnails" / "00.png")
    (tmp_path / "train" / "empty class").mkdir()
    write_image(tmp_path / "train" / ".hidden class" / "0.png")
    write_image(tmp_path / "train" / "beside the classes.png")

    train = open_splits(tmp_path)["train"]

    assert train.classes == ["ant", "bee"]
    assert relative_files(train, tmp_path / "train") == [
        *("ant/00.png", "ant/01.png", "bee/00.png", "bee/01.png")
    ]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'train'}: 2 file(s) are not called like images and were left out, "
        f"such as {bee / 'more.csv'}",
        f"{tmp_path / 'train'}: left out 1 folder(s) without an image, such as empty class",
    ]
    assert {(record.name, record.levelno) for record in caplog.records} == {
        ("alexnet.data", logging.WARNING)
    }


@pytest.mark.parametrize("name", ["x.JPG", "x.jpeg", "x.Png", "x.webp", "x.tif", "x.pgm"])
def test_names_of_images(tmp_path, name):
    for folder in ("ant", "bee"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    assert found_in(tmp_path)
    assert len(open_splits(tmp_path)["train"]) == 2


def test_files_are_read_when_they_are_asked_for(tmp_path):
    write_classes(tmp_path, count=5)
    (tmp_path / "bee" / "00.png").write_bytes(b"damaged")
    splits = open_splits(tmp_path)
    dataset = next(d for d in splits.values() if any("bee/00" in file for file in d.files))
    bad = next(i for i, file in enumerate(dataset.files) if "bee/00" in file)
    assert dataset.name(bad) == str(tmp_path / "bee" / "00.png")
    with pytest.raises(BadImage, match=r"bee/00\.png: not an image"):
        dataset.image(bad)
    assert (dataset.image((bad + 1) % len(dataset)) == RED).all()
    (tmp_path / "bee" / "00.png").unlink()
    with pytest.raises(BadImage, match=r"bee/00\.png: cannot be read \(No such file"):
        dataset.image(bad)


def test_only_the_square_that_is_needed_is_made_of_a_large_photo(tmp_path):
    for name in ("ant", "bee"):
        write_image(tmp_path / name / "photo.jpg", size=(400, 800))
    train = open_splits(tmp_path)["train"]
    assert train.file(0) == tmp_path / "ant" / "photo.jpg"
    assert train.image(0).shape == (800, 400, 3)
    assert train.image(0, square=100).shape == (100, 100, 3)


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        open_splits(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "classes, problem",
    [
        ([], "no folder with images; put the images of each class into a folder"),
        (["ant"], "all images lie in one folder, ant, but at least 2 classes"),
    ],
)
def test_fewer_than_two_classes(tmp_path, classes, problem):
    write_classes(tmp_path, classes, count=2)
    with pytest.raises(DataError, match=problem):
        open_splits(tmp_path)


def test_unknown_classes_in_validation(tmp_path):
    write_classes(tmp_path / "train", ["ant", "bee", "cat"], count=1)
    write_classes(tmp_path / "val", ["ant", "bee", "dog"], count=1)
    with pytest.raises(DataError, match="validation has classes that .* not: dog"):
        open_splits(tmp_path)


def test_missing_classes_in_validation_keep_their_place(tmp_path, caplog):
    write_classes(tmp_path / "train", ["ant", "bee", "cat"], count=1)
    write_classes(tmp_path / "val", ["ant", "cat"], count=2)
    splits = open_splits(tmp_path)
    assert splits["validation"].classes == splits["train"].classes == ["ant", "bee", "cat"]
    assert splits["validation"].labels.tolist() == [0, 0, 2, 2]
    assert "the set for validation has no image of bee" in caplog.text
