"""How a network did on every image of a set, and what follows from that.

The same images are right here and in the results of training (`alexnet.run.metrics.topk_correct`): a
label counts only where no other class scores as high.
"""

import contextlib
import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alexnet.data.loader import Loader, Timed
from alexnet.inference.evaluation import Scores, predict
from alexnet.run.progress import Report
from minigrad import nn
from minigrad.backend import Backend

# The standard normal distribution has 95% of its mass between -Z and Z.
Z = 1.959963984540054


class Estimate(NamedTuple):
    """A number measured on a sample, and the ends of its 95% interval."""

    value: float
    low: float
    high: float


def proportion(successes: int, count: int) -> Estimate:
    """A share with Wilson's score interval (1927), which is good for few images and near 0 and 1."""
    if count == 0:
        return Estimate(math.nan, 0.0, 1.0)
    share = successes / count
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    # Rounding must not leave the share itself outside.
    return Estimate(share, min(share, middle - half), max(share, middle + half))


def mean(values: np.ndarray) -> Estimate:
    """A mean with the normal interval: plus or minus 1.96 standard errors."""
    value = float(values.mean())
    if len(values) < 2:
        return Estimate(value, -math.inf, math.inf)
    half = Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Estimate(value, value - half, value + half)


def top_classes(
    probabilities: np.ndarray, classes: list[str], count: int
) -> list[tuple[str, float]]:
    """The `count` most probable of C classes, each with its probability, the most probable first.

    Args:
        probabilities: (C,).
        classes: their names.
    """
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [(classes[i], float(probabilities[i])) for i in order]


class ConfusedPair(NamedTuple):
    """Images of class `label` that were taken for class `predicted`; `share` of the label's."""

    label: int
    predicted: int
    count: int
    share: float


@dataclass(frozen=True)
class Results:
    """What a network said of N images.

    Attributes:
        classes: the names of the C classes.
        indices: int64 (N,), which images of the data set they are.
        labels: int64 (N,), their true classes.
        predicted: int64 (N,), the most probable class.
        probability: float64 (N,), of the predicted class.
        loss: float64 (N,), the negative logarithm of the label's probability.
        rank: int64 (N,), place of the label among the classes by probability, from 1.
    """

    classes: list[str]
    indices: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    loss: np.ndarray
    rank: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def accuracy(self, k: int = 1) -> Estimate:
        """Share of the images whose label is among the k most probable classes."""
        return proportion(int((self.rank <= k).sum()), len(self))

    def accuracy_by_class(self) -> list[Estimate]:
        """Top-1 accuracy on the images of each class; NaN for a class without any."""
        confusion = self.confusion()
        return [proportion(int(row[label]), int(row.sum())) for label, row in enumerate(confusion)]

    def confusion(self) -> np.ndarray:
        """int64 (C, C): how many images of the row's class were taken for the column's."""
        matrix = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(matrix, (self.labels, self.predicted), 1)
        return matrix

    def confused_pairs(self, count: int) -> list[ConfusedPair]:
        """The errors that are most frequent, as a share of the images of the true class."""
        confusion = self.confusion()
        images = confusion.sum(axis=1, keepdims=True)
        shares = confusion / np.maximum(images, 1)
        np.fill_diagonal(shares, 0)
        order = np.lexsort((-confusion.ravel(), -shares.ravel()))[:count]
        pairs = zip(*np.unravel_index(order, shares.shape))
        return [
            ConfusedPair(int(i), int(j), int(confusion[i, j]), float(shares[i, j]))
            for i, j in pairs
            if shares[i, j]
        ]

    def worst(self, count: int) -> np.ndarray:
        """Positions in the arrays here of the errors with the highest loss, the worst first."""
        return self._errors(-self.loss, count)

    def most_confident_errors(self, count: int) -> np.ndarray:
        """Positions of the errors that the network was surest of, the surest first."""
        return self._errors(-self.probability, count)

    def _errors(self, key: np.ndarray, count: int) -> np.ndarray:
        errors = np.flatnonzero(self.rank > 1)
        return errors[np.argsort(key[errors], kind="stable")[:count]]


def evaluate(model: nn.Module, loader: Loader, backend: Backend, report: Report) -> Results:
    """Classify every image of a loader.

    Args:
        report: told of every batch, see `alexnet.run.progress`.

    Raises:
        DataError: an image cannot be used, and is not to be skipped.
    """
    scores, parts, batches = Scores(), [], Timed(loader.batches(0))
    started = time.perf_counter()
    with contextlib.closing(batches):
        for batch, log_probabilities in predict(model, batches, backend):
            parts.append((batch.indices, batch.labels, *judge(log_probabilities, batch.labels)))
            scores.add(log_probabilities, batch.labels)
            waiting = batches.seconds / (time.perf_counter() - started)
            report(len(batch), scores.loss.value, scores.top1.value, waiting)
    return Results(loader.dataset.classes, *(np.concatenate(part) for part in zip(*parts)))


def judge(
    log_probabilities: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`predicted`, `probability`, `loss` and `rank` of `Results`, of (N, C) and (N,)."""
    of_label = np.take_along_axis(log_probabilities, labels[:, np.newaxis], axis=1)
    rank = (log_probabilities >= of_label).sum(axis=1)  # counts the label itself
    rank[np.isnan(log_probabilities).any(axis=1)] = np.iinfo(rank.dtype).max  # wrong for any k
    # Where another class scores as high as the label, that one is taken to be predicted.
    others = log_probabilities.copy()
    np.put_along_axis(others, labels[:, np.newaxis], -np.inf, axis=1)
    predicted = np.where(rank == 1, labels, others.argmax(axis=1))
    highest = np.take_along_axis(log_probabilities, predicted[:, np.newaxis], axis=1)
    return predicted, np.exp(highest[:, 0]), -of_label[:, 0], rank
