"""What a data set is, and a subset of one."""

from typing import Protocol

import numpy as np

from alexnet.data.gathering import Squares
from alexnet.errors import DataError


class Dataset(Protocol):
    """Labeled images.

    `labels[i]` (int64) is an index into `classes`. Images are sorted by class, and within a class
    by name or number: the same images have the same indices in every format, and so the same
    place in training.

    Three methods are optional. Two are for ``python -m alexnet.data check``: `file(index)` gives an
    image file as it is stored, as a path or an open binary file. `verify()` looks for damage
    without decoding, and raises `DataError`. `squares(indices)` says where images that are decoded
    already lie in memory (`alexnet.data.gathering.Squares`), if they are squares of one size, or
    else None; the loader then copies a batch at once.
    """

    classes: list[str]
    labels: np.ndarray

    def __len__(self) -> int: ...

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        """Image `index` as uint8 (H, W, 3), RGB; sizes may differ between images.

        Args:
            square: the caller needs only the central square, at no more than this many pixels
                a side. The result may be that square, scaled down, instead of the whole image.

        Raises:
            BadImage: it is damaged or missing.
        """
        ...

    def name(self, index: int) -> str:
        """Where image `index` comes from, for messages: a path, or a place in a file."""
        ...


# Sets of one source by name: "train", "validation", and "test" where there is one.
Splits = dict[str, Dataset]


class Subset:
    """`count` images of a data set, divided among its classes as evenly as possible.

    They are the first of a shuffle of the whole set that depends on `seed` alone, so a smaller
    subset is part of every larger one.
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

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        return self.dataset.image(self.indices[index], square)

    def name(self, index: int) -> str:
        return self.dataset.name(self.indices[index])

    def squares(self, indices: np.ndarray) -> Squares | None:
        find = getattr(self.dataset, "squares", None)
        return find(self.indices[indices]) if find else None


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
