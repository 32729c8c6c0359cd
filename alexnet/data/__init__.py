"""The data sets: `load` gives a training and a validation set by name.

A data set is anything with the four members of `Dataset`. Images are uint8 arrays of shape
(H, W, 3), RGB; sizes may differ between images. What makes a batch of network input from them
is in `transforms` (what is done to an image) and `loader` (when, and by which thread).
"""

from pathlib import Path
from typing import Protocol

import numpy as np


class DataError(Exception):
    """A data set that cannot be used: one line that says what, where, and what to do."""


class Dataset(Protocol):
    """Labelled images.

    `labels[i]` (int64) is an index into `classes`, and `image(i)` a uint8 array (H, W, 3).
    """

    classes: list[str]
    labels: np.ndarray

    def __len__(self) -> int: ...

    def image(self, index: int) -> np.ndarray: ...


class Subset:
    """`count` images of a data set, as evenly divided among its classes as they allow.

    The images are the first of a shuffle of the whole set that is a function of `seed` alone,
    so a smaller subset is a part of every larger one.
    """

    def __init__(self, dataset: Dataset, count: int, seed: int = 0):
        if not 1 <= count <= len(dataset):
            raise DataError(
                f"cannot take a subset of {count} images: the training set has {len(dataset)}; "
                f"choose from 1 to {len(dataset)}"
            )
        self.dataset = dataset
        self.indices = _balanced_shuffle(dataset.labels, seed)[:count]
        self.classes = dataset.classes
        self.labels = dataset.labels[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def image(self, index: int) -> np.ndarray:
        return self.dataset.image(self.indices[index])


def _balanced_shuffle(labels: np.ndarray, seed: int) -> np.ndarray:
    """All indices in rounds: each round has one random image of every class not yet used up."""
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(labels))
    round_number = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        round_number[members] = np.arange(len(members))
    order_in_round = generator.permutation(len(labels))
    return np.lexsort((order_in_round, round_number))


def load(
    name: str, root: str | Path | None = None, seed: int = 0, subset: int | None = None
) -> tuple[Dataset, Dataset]:
    """The training and the validation set called `name`.

    Args:
        name: "demo" (drawn by the project itself), "cifar10" or "folder" (images of your own).
        root: the folder the data lie in; the demo set needs none.
        seed: decides the demo images, the split of a folder without one, and the subset.
        subset: keep this many training images, evenly divided among the classes.

    Raises:
        DataError: the data are not there, are damaged, or do not fit the request.
    """
    if name not in ("demo", "cifar10", "folder"):
        raise DataError(f"unknown data set {name!r}: choose demo, cifar10 or folder")
    if name != "demo" and root is None:
        raise DataError(f"data set {name!r} needs the folder it lies in: give --data-root DIR")

    # The modules are imported here because they need DataError from this one.
    if name == "demo":
        from alexnet.data.demo import DemoDataset

        train, validation = DemoDataset("train", seed=seed), DemoDataset("validation", seed=seed)
    elif name == "cifar10":
        from alexnet.data.cifar10 import Cifar10

        train, validation = Cifar10(root, "train"), Cifar10(root, "test")
    else:
        from alexnet.data.folder import load_folder

        train, validation = load_folder(root, seed)
    if subset is not None:
        train = Subset(train, subset, seed)
    return train, validation
