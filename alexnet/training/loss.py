"""The loss that a run minimizes: cross-entropy, with weights of classes and smoothed labels."""

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.errors import UsageError
from alexnet.training.state import Size
from minigrad import Tensor
from minigrad import functional as F

AUTO = "auto"
# Of classes, by name; "auto" stands for weights with which all classes count the same.
ClassWeights = str | Mapping[str, float]


# Far from where float32 ends.
_weight = cli.number(float, lambda x: 1e-6 <= x <= 1e6, "a number from 0.000001 to 1000000")


class TrainingLoss:
    """Cross-entropy, the mean over images: a weighted one where classes have weights.

    Args:
        class_weights: float (classes,), all positive; None for 1 each. An attribute, too.
        label_smoothing: the share of the probability that is spread over all classes.
        backend: where the scores are.
    """

    def __init__(
        self,
        class_weights: np.ndarray | None = None,
        label_smoothing: float = 0.0,
        backend: str = "cpu",
    ):
        self.class_weights, self._smoothing = class_weights, label_smoothing
        self._tensor = None
        if class_weights is not None:
            self._tensor = Tensor(class_weights.astype(np.float32)).to(backend)

    def __call__(self, scores: Tensor, labels: np.ndarray) -> Tensor:
        """The mean loss of scores (N, classes)."""
        return F.cross_entropy(scores, labels, self._tensor, label_smoothing=self._smoothing)

    def size_of(self, labels: Sequence[int] | np.ndarray) -> Size:
        """How many images with these labels are, and what they count for in a mean."""
        if self.class_weights is None:
            return Size(len(labels), len(labels))
        return Size(len(labels), float(self.class_weights[np.asarray(labels, int)].sum()))

    def of_guessing(self, labels: np.ndarray, num_classes: int) -> float:
        """The smallest mean loss on images with these labels that needs no look at the images.

        It is that of the probabilities p, the same for all images, which minimize the sum of
        -t[c] log p[c], where t[c] is the share of class c in the smoothed and weighted labels.
        """
        counts = np.bincount(labels, minlength=num_classes)
        weights = np.ones(num_classes) if self.class_weights is None else self.class_weights
        smoothed = (1 - self._smoothing) * counts + self._smoothing * len(labels) / num_classes
        shares = weights * smoothed / (weights * counts).sum()
        shares = shares[shares > 0]
        return -float((shares * np.log(shares / shares.sum())).sum())


def parse_class_weights(text: str) -> str | Path | None:
    """The type of an option: "auto", a file for `read_class_weights`, or "none"."""
    return None if text == "none" else text if text == AUTO else cli.path(text)


def read_class_weights(path: Path) -> dict[str, float]:
    """The weights in a file with a line CLASS,WEIGHT for each class.

    Raises:
        UsageError: it cannot be read, or is no such file.
    """
    try:
        weights = dict(_rows(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not weights:
        raise UsageError(f"{path} has no line CLASS,WEIGHT")
    return weights


def _rows(path: Path) -> Iterator[tuple[str, float]]:
    known = set()
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if not row or (reader.line_num == 1 and row[1:] == ["weight"]):
                continue
            if len(row) != 2:
                advice = "; a name with commas stands in quotation marks" if len(row) > 2 else ""
                raise UsageError(f"{where}: expected CLASS,WEIGHT, got {','.join(row)!r}{advice}")
            if row[0] in known:
                raise UsageError(f"{where}: {row[0]!r} has a weight already")
            known.add(row[0])
            try:
                yield row[0], _weight(row[1].strip())
            except argparse.ArgumentTypeError as error:
                raise UsageError(f"{where}: {error}") from error


def checked_class_weights(weights: Mapping[str, Any]) -> dict[str, float]:
    """The same from a dictionary.

    Raises:
        UsageError: a value is no weight.
    """
    try:
        return {str(name): _weight(str(value)) for name, value in weights.items()}
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"class_weights: {error}") from error


def class_weights(
    given: ClassWeights | None, classes: Sequence[str], labels: np.ndarray
) -> np.ndarray | None:
    """The weight of each class, float64 (classes,); None where all have the same.

    Automatic weights are images / (classes that have images * images of the class): each class then
    counts the same in an epoch, and an image 1 on average.

    Args:
        labels: of the training set.

    Raises:
        UsageError: the weights are of other classes.
    """
    if given is None:
        return None
    if given == AUTO:
        counts = np.bincount(labels, minlength=len(classes))
        there = np.maximum(counts, 1)  # the weight of a class without images multiplies nothing
        return np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * there), 1.0)
    assert isinstance(given, Mapping)
    if unknown := sorted(given.keys() - set(classes)):
        raise UsageError(f"--class-weights: {_some(unknown)} is no class of the data")
    if missing := [name for name in classes if name not in given]:
        raise UsageError(f"--class-weights has no weight of {_some(missing)}")
    return np.array([given[name] for name in classes], np.float64)


def _some(names: list[str]) -> str:
    others = len(names) - 1
    return f"{names[0]!r}" + (f" (and {others:,} more)" if others else "")
