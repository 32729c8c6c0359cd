"""How a network did on every image of a set: accuracy, confusion, errors, with intervals."""

import html
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alexnet import cli
from alexnet.data.labels import display_name
from alexnet.inference.inputs import UNKNOWN

# The standard normal distribution has 95% of its mass between -Z and Z.
Z = 1.959963984540054


class Estimate(NamedTuple):
    """A number measured on a sample, and the ends of its 95% interval."""

    value: float
    low: float
    high: float

    def percentages(self) -> tuple[str, str]:
        """The value and the interval of a share, as text."""
        return f"{self.value:.1%}", f"{self.low:.1%} to {self.high:.1%}"


def proportion(successes: int, count: int) -> Estimate:
    """A share with Wilson's score interval (1927), which holds for few images and near 0 and 1."""
    if count == 0:
        return Estimate(math.nan, 0.0, 1.0)
    share = successes / count
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    # Rounding must not push the share itself out of its interval.
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


@dataclass(frozen=True)
class Prediction:
    """What a network sees in an image.

    Attributes:
        name: of the image, its path or what to call it.
        classes: the names of the C classes.
        probabilities: float64 (C,).
        label: the index of its true class, or `inputs.UNKNOWN`.
    """

    name: str
    classes: list[str]
    probabilities: np.ndarray
    label: int = UNKNOWN

    @property
    def predicted(self) -> str:
        """The most probable class."""
        return self.top(1)[0][0]

    @property
    def probability(self) -> float:
        """Of the most probable class."""
        return self.top(1)[0][1]

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes, each with its probability, the most probable first."""
        return top_classes(self.probabilities, self.classes, k)

    def as_text(self, k: int = 5) -> str:
        """The name of the image, and a line for each of its k most probable classes."""
        true = (
            f"  (true: {display_name(self.classes[self.label])})" if self.label != UNKNOWN else ""
        )
        lines = [f"{probability:8.2%}  {display_name(name)}" for name, probability in self.top(k)]
        return "\n".join(map(cli.one_line, [f"{self.name}{true}", *lines]))

    def __str__(self) -> str:
        return self.as_text()

    def __repr__(self) -> str:
        return f"<Prediction {self.name}: {self.predicted} {self.probability:.1%}>"

    def _repr_html_(self) -> str:
        return Predictions([self])._repr_html_()


class Predictions(list[Prediction]):
    """What a network sees in several images, in their order."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        """A table with a row for each image: its name, and its three most probable classes."""
        rows = []
        for prediction in self:
            cells = [prediction.name]
            cells += [f"{display_name(name)} {share:.1%}" for name, share in prediction.top(3)]
            rows.append("".join(f"<td>{html.escape(cli.one_line(cell))}</td>" for cell in cells))
        lines = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><tr><th>image</th><th colspan=3>most probable</th></tr>{lines}</table>"


class ConfusedPair(NamedTuple):
    """Images of class `label` taken for class `predicted`: their number and share of the class."""

    label: int
    predicted: int
    count: int
    share: float


@dataclass(frozen=True)
class Results:
    """The predictions of a network for N images.

    Attributes:
        classes: the names of the C classes.
        indices: int64 (N,), which images of the data set they are.
        labels: int64 (N,), their true classes.
        predicted: int64 (N,), the most probable class.
        probability: float64 (N,), of the predicted class.
        loss: float64 (N,), the negative logarithm of the label's probability.
        rank: int64 (N,), place of the label among the classes by probability, from 1.
        mean_loss: mean of `loss`, summed batch by batch as in a run's metrics: its last digits
            depend on the batch size.
        title: what was evaluated, in words: "400 validation images, 1 view".
        log_probabilities: float32 (N, C), of all classes; None where they were not kept. Their
            logarithms have more digits near 1.
    """

    classes: list[str]
    indices: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    loss: np.ndarray
    rank: np.ndarray
    mean_loss: float
    title: str = ""
    log_probabilities: np.ndarray | None = None

    def __repr__(self) -> str:
        share, interval = self.accuracy().percentages()
        images = cli.counted(len(self), "image")
        return f"<Results of {images}: top-1 {share} ({interval}), loss {self.mean_loss:.3f}>"

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
        """The most frequent confusions, by their share of the images of the true class."""
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
        """Positions in the arrays of the errors with the highest loss, the worst first."""
        return self._errors(-self.loss, count)

    def most_confident_errors(self, count: int) -> np.ndarray:
        """Positions of the errors that the network was surest of, the surest first."""
        return self._errors(-self.probability, count)

    def _errors(self, key: np.ndarray, count: int) -> np.ndarray:
        errors = np.flatnonzero(self.rank > 1)
        return errors[np.argsort(key[errors], kind="stable")[:count]]
