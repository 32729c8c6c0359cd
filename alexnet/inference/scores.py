"""How good a classifier is beyond accuracy: scores of each class, and of all classes together.

Scores have 95% intervals over the images. That of a share is Wilson's, and that of F1 follows from
it, because F1 grows with a share, the Jaccard index. Means over the classes add up the variances of
the classes, in which a share is moved towards 1/2 as by Agresti and Coull (1998). An average
precision has the interval of Boyd, Eng and Page (2013), the area below a ROC curve DeLong's (1988)
on the logit scale.

What needs probabilities is nan where one of them is not finite, as of a network that has diverged.
"""

import math
from typing import NamedTuple

import numpy as np

from alexnet.inference.results import Estimate, Results, Z, proportion

CALIBRATION_BINS = 15  # Guo et al. 2017
CALIBRATED_SAMPLES, CALIBRATED_SEED = 200, 0


class ClassScores(NamedTuple):
    """The scores of a class, which is held against all others. Unknown values are nan.

    Attributes:
        recall: share of the images of the class that are taken for it: their top-1 accuracy.
        precision: share of the images taken for the class that are of it.
        f1: harmonic mean of the two.
        images, taken, right: images of the class, images taken for it, and those of both.
    """

    recall: Estimate
    precision: Estimate
    f1: Estimate
    images: int
    taken: int
    right: int


class MacroScores(NamedTuple):
    """Means over classes.

    As in scikit-learn, a class counts of which there are images, or that one is taken for; in the
    balanced accuracy, one of which there are images. The precision of a class that nothing is taken
    for counts as 0.

    Attributes:
        balanced_accuracy: mean recall.
        precision, f1: their means.
    """

    balanced_accuracy: Estimate
    precision: Estimate
    f1: Estimate


UNKNOWN = Estimate(math.nan, 0.0, 1.0)


def by_class(results: Results) -> list[ClassScores]:
    """The scores of each class."""
    confusion, scores = results.confusion(), []
    for label, (row, column) in enumerate(zip(confusion, confusion.T)):
        right, images, taken = int(row[label]), int(row.sum()), int(column.sum())
        f1 = _f1(proportion(right, images + taken - right))
        recall, precision = proportion(right, images), proportion(right, taken)
        scores.append(ClassScores(recall, precision, f1, images, taken, right))
    return scores


def _f1(jaccard: Estimate) -> Estimate:
    """F1 grows with the share of right images among those of the class or taken for it."""
    return Estimate(*(2 * share / (1 + share) for share in jaccard))


def macro_scores(of_classes: list[ClassScores]) -> MacroScores:
    """The means over the classes of `by_class`."""
    with_images = [each for each in of_classes if each.images]
    there = [each for each in of_classes if each.images or each.taken]
    return MacroScores(
        _mean([(each.right, each.images) for each in with_images]),
        _mean([(each.right, each.taken) for each in there]),
        _mean([(each.right, each.images + each.taken - each.right) for each in there], is_f1=True),
    )


def _mean(shares: list[tuple[int, int]], is_f1: bool = False) -> Estimate:
    """The mean of shares of separate images, or of the F1 that follow from them.

    Args:
        shares: numerator and denominator; 0 of 0 counts as 0.
    """
    counts = np.array([(right, count) for right, count in shares if count], np.float64)
    right, count = counts.T
    share, moved = right / count, (right + Z**2 / 2) / (count + Z**2)
    variance = moved * (1 - moved) / count
    if is_f1:
        share, variance = 2 * share / (1 + share), variance * (2 / (1 + moved) ** 2) ** 2
    value = math.fsum(share) / len(shares)
    half = Z * math.sqrt(variance.sum()) / len(shares)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def average_precisions(results: Results) -> list[Estimate]:
    """Of each class; nan without images of it, or without the probabilities."""
    scores = _known_log_probabilities(results)
    if scores is None:
        return [UNKNOWN] * len(results.classes)
    found = []
    for label in range(len(results.classes)):
        positive = results.labels == label
        found.append(average_precision(positive, scores[:, label]) if positive.any() else UNKNOWN)
    return found


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
    count = int(positive.sum())
    if not 0 < value < 1:
        return Estimate(value, *proportion(round(value * count), count)[1:])
    return _logit_interval(value, 1 / math.sqrt(count * value * (1 - value)))


def mean_average_precision(of_classes: list[Estimate]) -> float:
    """Over the classes that have images; nan without the probabilities."""
    known = [each.value for each in of_classes if not math.isnan(each.value)]
    return sum(known) / len(known) if known else math.nan


def area_below_roc(results: Results) -> Estimate:
    """Of two classes: how often an image of the second gets a higher probability of it than one of
    the first; equal ones count half. nan without the probabilities, or without images of a class.
    """
    scores = _known_log_probabilities(results)
    counts = np.bincount(results.labels, minlength=len(results.classes))
    if scores is None or len(counts) != 2 or not counts.all():
        return UNKNOWN
    # The difference grows with the probability, and has more digits where that is close to 1.
    score, positive = scores[:, 1] - scores[:, 0], results.labels == 1
    # For each image of a class, the share of those of the other class that are on its other side.
    above = _shares_below(score[positive], score[~positive])
    below = 1 - _shares_below(score[~positive], score[positive])
    value, fewer = float(above.mean()), int(counts.min())
    if fewer < 2:
        return Estimate(value, 0.0, 1.0)
    variance = sum(float(shares.var(ddof=1)) / len(shares) for shares in (above, below))
    if not 0 < value < 1 or not variance:
        return Estimate(value, *proportion(round(value * fewer), fewer)[1:])
    return _logit_interval(value, math.sqrt(variance) / (value * (1 - value)))


def _known_log_probabilities(results: Results) -> np.ndarray | None:
    """float64 (N, C); None where they were not kept, or one of them is nan."""
    kept = results.log_probabilities
    return None if kept is None or np.isnan(kept).any() else kept.astype(np.float64)


def _shares_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each score, the share of the others that are below it; equal ones count half."""
    others = np.sort(others)
    left, right = (np.searchsorted(others, scores, side=side) for side in ("left", "right"))
    return (left + right) / (2 * len(others))


def _logit_interval(value: float, error: float) -> Estimate:
    """The interval of a share between 0 and 1 from the standard error of its logit."""
    logit = math.log(value) - math.log1p(-value)
    low, high = (0.5 * (1 + math.tanh((logit + side) / 2)) for side in (-Z * error, Z * error))
    return Estimate(value, min(value, low), max(value, high))


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

    @property
    def error(self) -> float:
        """The mean over the images of the distance of accuracy and confidence (ECE)."""
        there = self.images > 0
        gaps = np.abs(self.accuracy[there] - self.confidence[there])
        return float((self.images[there] * gaps).sum() / self.images.sum())


def calibration(results: Results) -> Calibration:
    """What a reliability diagram shows; without images where a probability is not finite."""
    if not np.isfinite(results.probability).all():
        return Calibration(*np.zeros((3, CALIBRATION_BINS)))
    return _calibration(results.probability, results.rank == 1)


def _calibration(probability: np.ndarray, right: np.ndarray) -> Calibration:
    # A bin is open on the left, as in Guo et al.: (0, 1/15], (1/15, 2/15], ...
    bins = np.ceil(probability * CALIBRATION_BINS).astype(int).clip(1, CALIBRATION_BINS) - 1
    images = np.bincount(bins, minlength=CALIBRATION_BINS)
    with np.errstate(invalid="ignore"):
        confidence, accuracy = (
            np.bincount(bins, values, CALIBRATION_BINS) / images for values in (probability, right)
        )
    return Calibration(images, confidence, accuracy)


class CalibrationError(NamedTuple):
    """The expected calibration error (ECE).

    It has no interval: it is never below what chance makes of a network that is perfectly
    calibrated, and with few images mostly that.

    Attributes:
        value: of the network; nan where a probability is not finite.
        by_chance: its mean for a calibrated network that is as sure of the same images.
    """

    value: float
    by_chance: float


def calibration_error(results: Results) -> CalibrationError:
    """How far confidence and accuracy are apart, on average."""
    probability = results.probability
    if not np.isfinite(probability).all():
        return CalibrationError(math.nan, math.nan)
    generator, errors = np.random.default_rng(CALIBRATED_SEED), []
    for _ in range(CALIBRATED_SAMPLES):
        right = generator.random(len(probability)) < probability
        errors.append(_calibration(probability, right).error)
    return CalibrationError(calibration(results).error, math.fsum(errors) / len(errors))
