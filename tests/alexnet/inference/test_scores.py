"""Scores of a classifier against scikit-learn, by hand, and their intervals by simulation."""

import math

import numpy as np
import pytest
from sklearn import metrics

from alexnet.inference import scores
from alexnet.inference.results import Results

EXACT = {"rel": 1e-12, "abs": 1e-12}


def of(probabilities, labels, dtype=np.float64):
    """Results whose predictions are the most probable classes, the first of equal ones."""
    probabilities = np.asarray(probabilities, np.float64)
    labels, count = np.asarray(labels), len(labels)
    predicted = probabilities.argmax(axis=1)
    own = probabilities[np.arange(count), labels]
    rank = 1 + (predicted != labels)
    return Results(
        [f"class {i}" for i in range(probabilities.shape[1])],
        *(np.arange(count), labels, predicted, probabilities.max(axis=1)),
        *(-np.log(np.maximum(own, 1e-300)), rank, 0.0),
        log_probabilities=np.log(np.maximum(probabilities, 1e-300)).astype(dtype),
    )


def random_results(rng, count=200, classes=7, labelled=6, digits=None):
    """Images of the first `labelled` classes; the probabilities, rounded, have ties."""
    logits = rng.normal(0, 1, (count, classes))
    labels = rng.integers(0, labelled, count)
    logits[np.arange(count), labels] += 1
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return of(probabilities if digits is None else probabilities.round(digits), labels)


CASES = {
    "random": lambda rng: random_results(rng),
    "ties": lambda rng: random_results(rng, digits=1),
    "two classes": lambda rng: random_results(rng, classes=2, labelled=2),
    "two classes with ties": lambda rng: random_results(rng, classes=2, labelled=2, digits=1),
    "all probabilities are equal": lambda rng: of(np.full((30, 3), 1 / 3), rng.integers(0, 3, 30)),
    "one class has no image": lambda rng: random_results(rng, classes=3, labelled=2),
    "one image": lambda rng: of([[0.2, 0.8]], [1]),
    "nothing is right": lambda rng: of([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [1, 1, 0]),
    "everything is right": lambda rng: of(np.eye(4)[[0, 1, 2, 3, 3]], [0, 1, 2, 3, 3]),
}


@pytest.fixture(params=CASES)
def results(request, rng):
    return CASES[request.param](rng)


def test_precision_recall_and_f1(results):
    labels = range(len(results.classes))
    expected = metrics.precision_recall_fscore_support(
        results.labels, results.predicted, labels=labels, zero_division=np.nan
    )
    found = scores.by_class(results)
    for each, precision, recall, f1, _ in zip(found, *expected, strict=True):
        assert each.precision.value == pytest.approx(precision, nan_ok=True, **EXACT)
        assert each.recall.value == pytest.approx(recall, nan_ok=True, **EXACT)
        assert each.f1.value == pytest.approx(f1, nan_ok=True, **EXACT)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_means_over_classes(results):
    found = scores.macro_scores(scores.by_class(results))
    given = {"y_true": results.labels, "y_pred": results.predicted}
    macro = {"average": "macro", "zero_division": 0}
    assert found.balanced_accuracy.value == pytest.approx(
        metrics.balanced_accuracy_score(**given), **EXACT
    )
    assert found.precision.value == pytest.approx(
        metrics.precision_score(**given, **macro), **EXACT
    )
    assert found.f1.value == pytest.approx(metrics.f1_score(**given, **macro), **EXACT)


def test_average_precision(results):
    found, values = scores.average_precisions(results), []
    for label, each in enumerate(found):
        positive = results.labels == label
        if not positive.any():
            assert math.isnan(each.value)
            continue
        probabilities = results.log_probabilities[:, label]
        expected = metrics.average_precision_score(positive, probabilities)
        assert each.value == pytest.approx(expected, **EXACT)
        values.append(expected)
    assert scores.mean_average_precision(found) == pytest.approx(np.mean(values), **EXACT)


def test_area_below_the_roc_curve(results):
    found = scores.area_below_roc(results)
    if len(results.classes) != 2 or len(set(results.labels)) != 2:
        assert math.isnan(found.value)
        return
    log_probabilities = results.log_probabilities
    score = log_probabilities[:, 1] - log_probabilities[:, 0]
    expected = metrics.roc_auc_score(results.labels, score)
    assert found.value == pytest.approx(expected, **EXACT)


def test_every_interval_holds_its_value(results):
    of_classes = scores.by_class(results)
    estimates = [x for each in of_classes for x in each[:3]]
    estimates += [*scores.macro_scores(of_classes), scores.area_below_roc(results)]
    for value, low, high in estimates + scores.average_precisions(results):
        assert 0 <= low <= high <= 1
        assert math.isnan(value) or low <= value <= high


@pytest.mark.parametrize("count", [2, 10])
def test_perfect_scores_are_not_certain(count):
    results = of(np.eye(2)[np.arange(2 * count) % 2], np.arange(2 * count) % 2)
    area, (average, _) = scores.area_below_roc(results), scores.average_precisions(results)
    macro = scores.macro_scores(scores.by_class(results))
    for value, low, _ in (area, average, *macro):
        assert value == 1 and low < 0.62 + 0.034 * count


def test_one_image_ranked_last_of_many():
    """No interval of a share so small overflows."""
    positive = np.zeros(200_000, bool)
    positive[-1] = True
    value, low, high = scores.average_precision(positive, np.zeros(200_000))
    assert value == pytest.approx(1 / 200_000) and low < 1e-5 and high > 0.9


def test_confident_probabilities_keep_their_order():
    """1 - 1e-9 and 1 - 1e-12 are both 1 in float32; their logarithms differ."""
    rest = np.array([1e-9, 1e-12, 1e-11, 1e-10])
    probabilities = np.stack([rest, 1 - rest], axis=1)
    results = of(probabilities, [0, 1, 1, 0], np.float32)
    assert scores.area_below_roc(results).value == 1
    assert [each.value for each in scores.average_precisions(results)] == [1, 1]


@pytest.mark.parametrize("kept", ["nothing", "nan"])
def test_without_probabilities(rng, kept):
    results = random_results(rng, classes=2, labelled=2)
    if kept == "nan":
        results.log_probabilities[3, 0] = np.nan
    else:
        results = Results(*list(vars(results).values())[:9])
    averages = scores.average_precisions(results)
    assert math.isnan(scores.area_below_roc(results).value)
    assert math.isnan(scores.mean_average_precision(averages)) and math.isnan(averages[0].value)


def test_calibration_by_hand():
    """Bins are open on the left: 2/15 belongs to the second, and 1 to the last."""
    certain = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.55, 0.45], [0.55, 0.45]]
    results = of(certain, [0, 0, 0, 1, 0, 1])
    found = scores.calibration(results)
    assert found.images.tolist() == [0] * 8 + [2] + [0] * 5 + [4]
    assert found.accuracy[[8, 14]].tolist() == [0.5, 0.75]
    assert found.confidence[[8, 14]] == pytest.approx([0.55, 1])
    error = scores.calibration_error(results)
    assert error.value == found.error == pytest.approx((4 * 0.25 + 2 * 0.05) / 6)


def test_what_chance_makes_of_a_calibrated_network(rng):
    probability = rng.uniform(0.5, 1, 300)
    errors = []
    for _ in range(200):
        right = rng.random(300) < probability
        results = of(np.stack([probability, 1 - probability], axis=1), np.where(right, 0, 1))
        errors.append(scores.calibration(results).error)
    found = scores.calibration_error(results)
    assert found.by_chance == pytest.approx(np.mean(errors), rel=0.1)
    assert found.value == errors[-1]


def test_a_network_that_has_diverged_has_no_calibration():
    results = of([[np.nan, np.nan], [0.5, 0.5]], [0, 1])
    assert all(map(math.isnan, scores.calibration_error(results)))
    assert not scores.calibration(results).images.any()


@pytest.mark.parametrize(
    "probability, place", [(2 / 15, 1), (2 / 15 + 1e-9, 2), (0.0, 0), (1.0, 14)]
)
def test_bins_of_the_calibration(probability, place):
    found = scores._calibration(np.array([probability]), np.array([True]))
    assert found.images[place] == 1


def coverage(estimate, truth, rng, runs=150, **options):
    """How many of the intervals of samples hold the true value."""
    intervals = [estimate(random_results(rng, **options)) for _ in range(runs)]
    return sum(low <= truth <= high for _, low, high in intervals) / runs


@pytest.mark.parametrize(
    "estimate, options",
    [
        (lambda r: scores.by_class(r)[1].f1, {}),
        (lambda r: scores.by_class(r)[1].precision, {}),
        (lambda r: scores.average_precisions(r)[1], {}),
        (scores.area_below_roc, {"classes": 2, "labelled": 2}),
    ],
)
def test_intervals_hold_the_true_value_in_95_of_100_samples(rng, estimate, options):
    truth = estimate(random_results(rng, count=200_000, **options)).value
    assert coverage(estimate, truth, rng, **options) == pytest.approx(0.95, abs=0.05)


@pytest.mark.parametrize("classes, count", [(7, 400), (50, 250)])
def test_intervals_of_means_hold_it_too(rng, classes, count):
    """With few images of a class, too: five each."""
    options = {"classes": classes, "labelled": classes}
    large = random_results(rng, count=400_000, **options)
    truth = [x.value for x in scores.macro_scores(scores.by_class(large))]
    found = np.zeros(3)
    for _ in range(100):
        results = random_results(rng, count=count, **options)
        estimates = scores.macro_scores(scores.by_class(results))
        found += [low <= value <= high for (_, low, high), value in zip(estimates, truth)]
    assert (found / 100 > 0.88).all(), found
