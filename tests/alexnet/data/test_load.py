"""Choosing a data set by name, and subsets of it."""

import numpy as np
import pytest
from PIL import Image

from alexnet.data import DataError, Subset, load


class Labelled:
    """A data set of nothing but labels."""

    def __init__(self, labels):
        self.classes = ["a", "b", "c"]
        self.labels = np.array(labels, np.int64)

    def __len__(self):
        return len(self.labels)

    def image(self, index):
        return np.full((1, 1, 3), index, np.uint8)


def test_load_says_what_is_missing(tmp_path):
    with pytest.raises(DataError, match="'folder' needs .* --data-root DIR"):
        load("folder")
    with pytest.raises(DataError, match="unknown data set 'imagenet': choose demo, cifar10 or"):
        load("imagenet", tmp_path)


def test_subset_is_balanced_seeded_and_nested():
    dataset = Labelled([0] * 50 + [1] * 30 + [2] * 4)
    subset = Subset(dataset, 12, seed=5)
    assert np.bincount(subset.labels).tolist() == [4, 4, 4]
    assert np.bincount(Subset(dataset, 22, seed=5).labels).tolist() == [9, 9, 4]
    assert Subset(dataset, 22, seed=5).indices[:12].tolist() == subset.indices.tolist()
    assert Subset(dataset, 12, seed=6).indices.tolist() != subset.indices.tolist()
    assert sorted(Subset(dataset, 84).indices) == list(range(84))
    assert [subset.image(i)[0, 0, 0] for i in range(12)] == subset.indices.tolist()
    assert dataset.labels[subset.indices].tolist() == subset.labels.tolist()


@pytest.mark.parametrize("count", [0, -1, 85])
def test_subset_of_impossible_size(count):
    with pytest.raises(DataError, match=rf"subset of {count} images: the training set has 84"):
        Subset(Labelled([0] * 84), count)


def test_load_takes_the_subset_of_the_training_images(tmp_path):
    for i in range(20):
        path = tmp_path / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)
    train, validation = load("folder", tmp_path, subset=6)
    assert np.bincount(train.labels).tolist() == [3, 3]
    assert len(validation) == 4
