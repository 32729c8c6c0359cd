"""The loss that a run minimizes: against PyTorch, and where the weights of classes come from."""

import argparse
import math
from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import UsageError
from alexnet.training.loss import (
    TrainingLoss,
    checked_class_weights,
    class_weights,
    parse_class_weights,
    read_class_weights,
)
from minigrad import Tensor, nn

WEIGHTS = np.array([0.5, 2.0, 1.0, 4.0])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_against_pytorch(torch, rng, weights, smoothing):
    scores, labels = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    ours = nn.Parameter(scores.astype(np.float32))
    loss = TrainingLoss(weights, smoothing)(ours, labels)
    loss.backward()
    theirs = torch.tensor(scores.astype(np.float32), requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        theirs,
        torch.tensor(labels),
        None if weights is None else torch.tensor(weights, dtype=torch.float32),
        label_smoothing=smoothing,
    )
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_what_images_count_for():
    labels = np.array([0, 1, 1, 3])
    assert TrainingLoss().size_of(labels) == (4, 4)
    assert TrainingLoss(WEIGHTS).size_of(labels) == (4, 0.5 + 2 + 2 + 4)
    assert TrainingLoss(WEIGHTS).size_of([]) == TrainingLoss().size_of([]) == (0, 0)


@pytest.mark.parametrize(
    "labels, expected", [([0, 1], math.log(2)), ([2, 2], 0.0), ([0, 0, 0, 2], 0.5623)]
)
def test_guessing_by_the_labels_alone(labels, expected):
    found = TrainingLoss().of_guessing(np.array(labels), num_classes=3)
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_no_guess_is_better(rng, weights, smoothing):
    """Scores that are the same for all images, moved downhill until nothing changes any more."""
    labels = np.array([0, 0, 0, 1, 1, 2, 3])
    loss, ones = TrainingLoss(weights, smoothing), Tensor(np.ones((7, 1), np.float32))
    scores = nn.Parameter(rng.standard_normal((1, 4)).astype(np.float32))
    for _ in range(1000):
        scores.grad = None
        value = loss(scores * ones, labels)
        value.backward()
        scores.data = scores.data - scores.grad.numpy()
    assert loss.of_guessing(labels, 4) == pytest.approx(value.item(), rel=1e-5)


def test_automatic_weights():
    """Each class counts the same, an image 1 on average, a class without images nothing."""
    labels = np.array([0] * 6 + [1] * 3 + [3])
    weights = class_weights("auto", list("abcd"), labels)
    assert (weights[labels] * (labels == 0)).sum() == pytest.approx(10 / 3)
    assert weights[3] == pytest.approx(10 / 3) and weights[1] == pytest.approx(10 / 9)
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[2] == 1
    loss = TrainingLoss(weights)
    assert loss.of_guessing(labels, 4) == pytest.approx(math.log(3))


@pytest.fixture
def file(tmp_path):
    def file(text, encoding="utf-8"):
        path = tmp_path / "weights.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return file


@pytest.mark.parametrize("header", ["", "class,weight\n", "Klasse,weight\r\n", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_weights_from_a_file(file, header, encoding):
    given = read_class_weights(file(f'{header}Äpfel,2.5\n"a, b", 1\n\nweight,3\n', encoding))
    assert given == {"Äpfel": 2.5, "a, b": 1.0, "weight": 3.0}
    classes = ["weight", "Äpfel", "a, b"]
    assert class_weights(given, classes, np.array([0, 1])).tolist() == [3, 2.5, 1]


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,1\nb\n", "line 2: expected CLASS,WEIGHT, got 'b'"),
        ("a,1\nb,1,2\n", "line 2: expected CLASS,WEIGHT, got 'b,1,2'"),
        ("a,0\n", "line 1: '0' is not a number from 0.000001 to 1000000"),
        ("a,1e39\n", "line 1: '1e39' is not a number from 0.000001 to 1000000"),
        ("a,one\n", "line 1: 'one' is not a number from 0.000001"),
        ("a,1\na,2\n", "line 2: 'a' has a weight already"),
        ("\n\n", "weights.csv has no line CLASS,WEIGHT"),
        ("a,\0\xff", "'\\x00ÿ' is not a number from"),
    ],
)
def test_files_that_say_nothing(file, text, message):
    with pytest.raises(UsageError) as error:
        read_class_weights(file(text))
    assert message in str(error.value)


def test_files_that_cannot_be_read(file, tmp_path):
    for path, message in [
        (tmp_path / "none.csv", "none.csv: No such file or directory"),
        (tmp_path, "Is a directory"),
        (file("ä,1", "latin-1"), "weights.csv: 'utf-8' codec can't decode"),
    ]:
        with pytest.raises(UsageError) as error:
            read_class_weights(path)
        assert message in str(error.value)


def test_the_option(tmp_path):
    assert parse_class_weights("auto") == "auto" and parse_class_weights("none") is None
    assert parse_class_weights("weights.csv") == Path("weights.csv")
    with pytest.raises(argparse.ArgumentTypeError, match="an empty path"):
        parse_class_weights("")


def test_weights_in_a_dictionary():
    assert checked_class_weights({"a": 2, "b": 0.5}) == {"a": 2.0, "b": 0.5}
    for weight in (0, -1.0, "x", math.nan, 1e9):
        with pytest.raises(UsageError, match="class_weights: .* is not a number from 0.000001 to"):
            checked_class_weights({"a": weight})


@pytest.mark.parametrize(
    "given, message",
    [
        ({"a": 1.0}, "--class-weights has no weight of 'b' (and 1 more)"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, "--class-weights: 'd' is no class of the data"),
    ],
)
def test_weights_of_other_classes(given, message):
    with pytest.raises(UsageError) as error:
        class_weights(given, list("abc"), np.array([0, 1, 2]))
    assert str(error.value) == message
