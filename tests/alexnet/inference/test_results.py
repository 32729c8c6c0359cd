"""What follows from a network's answers, against numbers computed in another way."""

import math

import numpy as np
import pytest

from alexnet.inference.evaluation import judge
from alexnet.inference.results import Results, mean, proportion
from alexnet.run.metrics import topk_correct


def of(log_probabilities, labels, classes=None):
    count, classes_count = log_probabilities.shape
    predicted, probability, loss, rank = judge(log_probabilities, labels)
    return Results(
        classes or [f"class {i}" for i in range(classes_count)],
        *(np.arange(count), labels, predicted, probability, loss, rank, float(loss.mean())),
    )


@pytest.fixture
def answers(rng):
    """200 images of 7 classes, class 6 without images."""
    logits = rng.normal(0, 2, (200, 7))
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return log_probabilities, rng.integers(0, 6, 200)


@pytest.mark.parametrize(
    "successes, count, low, high",
    [  # Newcombe (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),  # 1 - z^2 / (n + z^2)
    ],
)
def test_wilson_intervals_of_the_literature(successes, count, low, high):
    estimate = proportion(successes, count)
    assert estimate.value == successes / count
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-5)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_intervals_without_images():
    value, low, high = proportion(0, 0)
    assert math.isnan(value)
    assert (low, high) == (0, 1)


def test_interval_of_a_mean():
    value, low, high = mean(np.array([1.0, 2.0, 3.0, 4.0]))
    assert value == 2.5
    assert (low, high) == pytest.approx((2.5 - 1.2651, 2.5 + 1.2651), abs=1e-4)
    assert mean(np.array([3.0])) == (3.0, -math.inf, math.inf)


def test_top_k_by_sorting(answers):
    log_probabilities, labels = answers
    ours = of(log_probabilities, labels)
    order = np.argsort(-log_probabilities, axis=1)
    for k in (1, 2, 5, 7, 9):
        expected = sum(label in row[:k] for label, row in zip(labels, order.tolist()))
        assert ours.accuracy(k) == proportion(expected, 200)
    assert ours.predicted.tolist() == order[:, 0].tolist()
    np.testing.assert_allclose(ours.probability, np.exp(log_probabilities).max(axis=1))
    np.testing.assert_allclose(
        ours.loss, [-row[label] for row, label in zip(log_probabilities, labels)]
    )


def test_confusion_and_classes(answers):
    log_probabilities, labels = answers
    ours = of(log_probabilities, labels)
    confusion = ours.confusion()
    assert confusion.sum(axis=1).tolist() == np.bincount(labels, minlength=7).tolist()
    assert np.trace(confusion) == (ours.rank == 1).sum()
    for label in range(7):
        chosen = log_probabilities[labels == label].argmax(axis=1)
        assert confusion[label].tolist() == np.bincount(chosen, minlength=7).tolist()
        accuracy = ours.accuracy_by_class()[label]
        if label == 6:
            assert math.isnan(accuracy.value)
        else:
            assert accuracy.value == (chosen == label).mean()


def test_confused_pairs():
    labels = np.array([0] * 4 + [1] * 10 + [2] * 20)
    predicted = np.array([0, 0, 1, 1] + [1] * 5 + [2] * 5 + [0] * 4 + [2] * 16)
    scores = np.full((34, 3), -3.0)
    scores[np.arange(34), predicted] = -0.1
    pairs = of(scores, labels).confused_pairs(10)
    # Of equal shares the one with more images comes first; what never happens is left out.
    assert [tuple(pair) for pair in pairs] == [(1, 2, 5, 0.5), (0, 1, 2, 0.5), (2, 0, 4, 0.2)]
    assert of(scores, labels).confused_pairs(1) == pairs[:1]


def test_worst_and_most_confident_errors(answers):
    log_probabilities, labels = answers
    ours = of(log_probabilities, labels)
    wrong = [i for i in range(200) if log_probabilities[i].argmax() != labels[i]]
    by_loss = sorted(wrong, key=lambda i: log_probabilities[i, labels[i]])
    by_probability = sorted(wrong, key=lambda i: -log_probabilities[i].max())
    assert ours.worst(9).tolist() == by_loss[:9]
    assert ours.most_confident_errors(9).tolist() == by_probability[:9]
    assert len(ours.worst(1000)) == len(wrong)


def test_ties_and_nan_are_wrong_everywhere():
    scores = np.log(np.array([[0.25, 0.25, 0.25, 0.25], [0.4, 0.4, 0.1, 0.1], [np.nan] * 4]))
    labels = np.array([0, 1, 2])
    ours = of(scores, labels)
    for k in (1, 2, 3, 4, 5):
        assert ours.accuracy(k).value == topk_correct(scores, labels, k) / 3
    assert np.trace(ours.confusion()) == 0
    assert (ours.predicted != labels).all()


def test_results_are_one_line_in_a_notebook(answers):
    log_probabilities, labels = answers
    results = of(log_probabilities, labels)
    share, interval = results.accuracy().percentages()
    loss = -log_probabilities[np.arange(200), labels].mean()
    assert repr(results) == f"<Results of 200 images: top-1 {share} ({interval}), loss {loss:.3f}>"
