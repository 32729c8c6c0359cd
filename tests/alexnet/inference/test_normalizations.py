"""What the response normalizations of a network do, by themselves."""

import numpy as np
import pytest

from alexnet.inference import layers, normalizations
from alexnet.inference.normalizations import CONSTANT_GAIN, Pairs
from minigrad import Tensor, nn
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT

pytestmark = pytest.mark.usefixtures("one_thread")
NORM = {"size": 3, "alpha": 0.3, "beta": 0.75, "k": 2.0}


def test_pairs_are_those_of_the_formula(rng):
    images = np.maximum(rng.standard_normal((2, 6, 4, 5), np.float32), 0)
    (pairs,) = normalizations.pairs(nn.Sequential(nn.LocalResponseNorm(**NORM)), images)
    padded = np.pad(np.square(images, dtype=np.float64), ((0, 0), (1, 1), (0, 0), (0, 0)))
    sums = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    active = images > 0
    assert pairs.layer == "norm0"
    assert pairs.constant == pytest.approx(2**-0.75)
    assert np.array_equal(pairs.input, images[active])
    np.testing.assert_allclose(pairs.gain, ((1 + 0.1 * sums / 2) ** -0.75)[active], rtol=1e-5)
    assert not pairs.is_constant


@pytest.mark.parametrize("pool_before_norm", [False, True])
def test_activations_are_those_around_each_normalization(rng, pool_before_norm):
    images = rng.standard_normal((2, 3, 67, 67), np.float32)
    model = NarrowAlexNet(3, 67, norm={"alpha": 2.0}, pool_before_norm=pool_before_norm)
    found = list(normalizations.pairs(model, images))
    assert [pairs.layer for pairs in found] == ["norm1", "norm2"]
    before = "pool" if pool_before_norm else "conv"
    for pairs in found:
        number = pairs.layer[-1]
        maps = layers.activations(model, Tensor(images), [f"{before}{number}", f"norm{number}"])
        inputs, outputs = maps[f"{before}{number}"], maps[f"norm{number}"]
        assert np.array_equal(pairs.input, inputs[inputs != 0])
        assert np.array_equal(pairs.output, outputs[inputs != 0])


def test_a_network_without_normalization(rng):
    images = rng.standard_normal((2, 3, 67, 67), np.float32)
    assert list(normalizations.pairs(NarrowOWT(3, 67), images)) == []


@pytest.mark.parametrize("share, constant", [(0.004, True), (0.016, False)])
def test_a_constant_leaves_99_of_100_activations_alone(share, constant):
    gain = np.ones(1000)
    gain[: int(1000 * share)] = CONSTANT_GAIN - 0.1
    assert Pairs("norm1", 0.5, np.ones(1000), 0.5 * gain).is_constant == constant


def test_without_activations_nothing_is_said_to_be_constant():
    assert not Pairs("norm1", 0.5, np.empty(0), np.empty(0)).is_constant
