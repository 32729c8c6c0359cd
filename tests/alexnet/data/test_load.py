"""Choosing a data set by name or by what a folder holds, and subsets."""

import numpy as np
import pytest
from PIL import Image

from alexnet.data import Subset, load, recognize
from alexnet.errors import DataError
from tests.alexnet.data.images import Images


def labeled(labels):
    images = [np.full((1, 1, 3), index, np.uint8) for index in range(len(labels))]
    return Images(images, labels, classes="abc")


def write_images(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)


def test_load_says_what_is_missing(tmp_path):
    with pytest.raises(DataError, match="'folder' needs .* --data-root DIR"):
        load("folder")
    with pytest.raises(DataError, match="unknown data set 'mnist': choose auto, demo, .*cifar10,"):
        load("mnist", tmp_path)


def test_the_demo_set_needs_no_folder():
    splits = load("demo", seed=3)
    assert list(splits) == ["train", "validation"]
    assert "demo" in splits["train"].name(7)
    assert np.array_equal(splits["train"].image(7), load("demo", seed=3)["train"].image(7, 16))


@pytest.mark.parametrize(
    "names, expected",
    [
        (["a/1.png", "b/2.jpg"], "folder"),
        (["a/deep/er/1.png", "b/2.JPEG"], "folder"),
        (["train/a/1.png", "train/b/2.bmp", "val/a/3.png", "val/b/4.png"], "folder"),
    ],
)
def test_recognize(tmp_path, names, expected):
    write_images(tmp_path, *names)
    assert recognize(tmp_path) == expected
    assert len(load("auto", tmp_path)["train"]) == 2


@pytest.mark.parametrize("folder", ["cifar-10-batches-bin", "cifar-10-batches-py"])
def test_recognize_cifar10(tmp_path, folder):
    (tmp_path / folder).mkdir()
    assert recognize(tmp_path) == recognize(tmp_path / folder) == "cifar10"


@pytest.mark.parametrize("names", [[], ["1.txt", "a/2.dat"], ["a/1.txt.png/3"]])
def test_nothing_known(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match="nothing in it is known as data: .* docs/data.md"):
        recognize(tmp_path)


def test_an_archive_that_is_not_unpacked(tmp_path):
    (tmp_path / "101_ObjectCategories.tar.gz").touch()
    with pytest.raises(DataError, match=r"unpack 101_ObjectCategories\.tar\.gz first"):
        recognize(tmp_path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load("auto", tmp_path / "nowhere")


def test_subset_is_balanced_seeded_and_nested():
    dataset = labeled([0] * 50 + [1] * 30 + [2] * 4)
    subset = Subset(dataset, 12, seed=5)
    assert np.bincount(subset.labels).tolist() == [4, 4, 4]
    assert np.bincount(Subset(dataset, 22, seed=5).labels).tolist() == [9, 9, 4]
    assert Subset(dataset, 22, seed=5).indices[:12].tolist() == subset.indices.tolist()
    assert Subset(dataset, 12, seed=6).indices.tolist() != subset.indices.tolist()
    assert sorted(Subset(dataset, 84).indices) == list(range(84))
    assert [subset.image(i)[0, 0, 0] for i in range(12)] == subset.indices.tolist()
    assert subset.name(3) == f"image {subset.indices[3]}"
    assert dataset.labels[subset.indices].tolist() == subset.labels.tolist()


@pytest.mark.parametrize("count", [0, -1, 85])
def test_subset_of_impossible_size(count):
    with pytest.raises(DataError, match=rf"subset of {count} images: the training set has 84"):
        Subset(labeled([0] * 84), count)
