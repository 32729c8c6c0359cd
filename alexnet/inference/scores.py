"""How good a classifier is beyond accuracy: scores of each class, and of all classes together.

Each score has a 95% interval. That of a share is Wilson's, and that of F1 follows from it, because
F1 grows with a share, the Jaccard index. An average precision has that of Boyd, Eng and Page
(2013), the area below a ROC curve DeLong's (1988). Means over the classes and the calibration error
have the range of 95% of 1,000 bootstrap samples of the images, which are the same ones each time.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from alexnet.inference.results import Estimate, Results, Z, proportion

BOOTSTRAP_SAMPLES, BOOTSTRAP_SEED = 1000, 0
CALIBRATION_BINS = 15  # Guo et al. 2017


class ClassScores(NamedTuple):
    """The scores of a class, which is held against all others. Unknown values are nan.

    Attributes:
        recall: share of the images of the class that are taken for it: their top-1 accuracy.
        precision: share of the images taken for the class that are of it.
        f1: harmonic mean of the two.
        average_precision: area below the curve of precision over recall, as steps; nan without the
            probabilities.
    """

    recall: Estimate
    precision: Estimate
    f1: Estimate
    average_precision: Estimate


UNKNOWN = Estimate(math.nan, 0.0, 1.0)


def by_class(results: Results) -> list[ClassScores]:
    """The scores of each class."""
    confusion, scores = results.confusion(), []
    for label, (row, column) in enumerate(zip(confusion, confusion.T)):
        right, images, taken = int(row[label]), int(row.sum()), int(column.sum())
        average = UNKNOWN
        if results.probabilities is not None and images:
            average = average_precision(results.labels == label, results.probabilities[:, label])
        scores.append(
            ClassScores(
                proportion(right, images),
                proportion(right, taken),
                _f1(proportion(right, images + taken - right)),
                average,
            )
        )
    return scores


def _f1(jaccard: Estimate) -> Estimate:
    """F1 grows with the share of right images among those of the class or taken for it."""
    return Estimate(*(2 * share / (1 + share) for share in jaccard))


class MacroScores(NamedTuple):
    """Means over classes.

    As in scikit-learn, a class counts of which there are images, or that one is taken for; in the
    balanced accuracy, one of which there are images. A precision without images is 0.

    Attributes:
        balanced_accuracy: mean recall.
        precision, f1: their means.
    """

    balanced_accuracy: Estimate
    precision: Estimate
    f1: Estimate


def macro_scores(results: Results) -> MacroScores:
    """The means over the classes of recall, precision and F1."""
    labels, predicted, classes = results.labels, results.predicted, len(results.classes)

    def means(chosen: np.ndarray) -> tuple[float, float, float]:
        return _means(labels[chosen], predicted[chosen], classes)

    return MacroScores(*_bootstrapped(means, len(labels)))


def _means(labels: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[float, float, float]:
    right = np.bincount(labels[labels == predicted], minlength=classes)
    images, taken = (np.bincount(x, minlength=classes) for x in (labels, predicted))
    there, any_there = images > 0, images + taken > 0
    recall = right[there] / images[there]
    precision = right[any_there] / np.maximum(taken[any_there], 1)
    f1 = 2 * right[any_there] / (images + taken)[any_there]
    return float(recall.mean()), float(precision.mean()), float(f1.mean())


def _bootstrapped(scores: Callable[[np.ndarray], tuple[float, ...]], count: int) -> list[Estimate]:
    """Scores of `count` images, each with the range of 95% of its values on bootstrap samples.

    Args:
        scores: of the images with some indices.
    """
    generator, samples = np.random.default_rng(BOOTSTRAP_SEED), []
    for _ in range(BOOTSTRAP_SAMPLES):
        samples.append(scores(generator.integers(0, count, count)))
    estimates = []
    for value, low, high in zip(scores(np.arange(count)), *np.quantile(samples, [0.025, 0.975], 0)):
        # A score of samples may be biased; an interval must not exclude what it is of.
        estimates.append(Estimate(value, min(value, float(low)), max(value, float(high))))
    return estimates


def average_precision(positive: np.ndarray, score: np.ndarray) -> Estimate:
    """The sum over thresholds of the precision times what the recall grows by.

    Images with equal scores are above a threshold together.

    Args:
        positive: bool (N,), some of them.
        score: (N,), higher where an image rather is positive.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=np.nan) != 0)  # of equal scores
    found = np.cumsum(positive[order])[ends]
    precision, recall = found / (ends + 1), found / positive.sum()
    value = float((np.diff(recall, prepend=0.0) * precision).sum())
    return _logit_interval(value, int(positive.sum()))


def _logit_interval(value: float, count: int) -> Estimate:
    if not 0 < value < 1:
        return Estimate(value, *proportion(round(value * count), count)[1:])
    logit, half = math.log(value / (1 - value)), Z / math.sqrt(count * value * (1 - value))
    return Estimate(value, *(1 / (1 + math.exp(-(logit + side))) for side in (-half, half)))


def mean_average_precision(results: Results) -> float:
    """Over the classes that have images; nan without the probabilities."""
    values = [each.average_precision.value for each in by_class(results)]
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def area_below_roc(results: Results) -> Estimate:
    """Of two classes: how often an image of the second gets a higher probability of it than one of
    the first; equal ones count half. nan without the probabilities, or without images of a class.
    """
    counts = np.bincount(results.labels, minlength=len(results.classes))
    if results.probabilities is None or len(counts) != 2 or not counts.all():
        return UNKNOWN
    score, positive = results.probabilities[:, 1], results.labels == 1
    # For each image of a class, the share of those of the other class that are on its other side.
    above = _shares_below(score[positive], score[~positive])
    below = 1 - _shares_below(score[~positive], score[positive])
    value = float(above.mean())
    variance = sum(float(s.var(ddof=1)) / len(s) for s in (above, below) if len(s) > 1)
    if min(len(above), len(below)) < 2:
        return Estimate(value, 0.0, 1.0)
    half = Z * math.sqrt(variance)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def _shares_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each score, the share of the others that are below it; equal ones count half."""
    others = np.sort(others)
    left, right = (np.searchsorted(others, scores, side=side) for side in ("left", "right"))
    return (left + right) / (2 * len(others))


class Calibration(NamedTuple):
    """How sure a network is, and how often it is right then.

    Attributes:
        images: int (B,), whose predicted class has a probability in each of B equal intervals.
        confidence, accuracy: float (B,), their mean probability, and the share of right ones; nan
            where there is no image.
    """

    images: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def calibration(results: Results) -> Calibration:
    """What a reliability diagram shows."""
    return _calibration(results.probability, results.rank == 1)


def _calibration(probability: np.ndarray, right: np.ndarray) -> Calibration:
    # A bin is open on the left, as in Guo et al.: (0, 1/15], (1/15, 2/15], ...
    probability = np.nan_to_num(probability)  # of a network that has diverged
    bins = np.ceil(probability * CALIBRATION_BINS).astype(int).clip(1, CALIBRATION_BINS) - 1
    images = np.bincount(bins, minlength=CALIBRATION_BINS)
    with np.errstate(invalid="ignore"):
        confidence, accuracy = (
            np.bincount(bins, values, CALIBRATION_BINS) / images for values in (probability, right)
        )
    return Calibration(images, confidence, accuracy)


def expected_calibration_error(results: Results) -> Estimate:
    """The mean over the images of the distance of accuracy and confidence in their bin (ECE)."""
    probability, right = results.probability, results.rank == 1

    def error(chosen: np.ndarray) -> tuple[float]:
        return (_error(_calibration(probability[chosen], right[chosen])),)

    return _bootstrapped(error, len(right))[0]


def _error(found: Calibration) -> float:
    there = found.images > 0
    gaps = np.abs(found.accuracy[there] - found.confidence[there])
    return float((found.images[there] * gaps).sum() / found.images.sum())
