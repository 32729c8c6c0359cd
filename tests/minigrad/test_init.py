"""Initializers: their distribution, and that a seed repeats them."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import init

SHAPE = (64, 48, 5, 3)
FAN_IN, FAN_OUT = 48 * 15, 64 * 15
XAVIER_STD = 2 * math.sqrt(2 / (FAN_IN + FAN_OUT))
STD = {
    "normal_": (lambda t: init.normal_(t, std=0.03), 0.03),
    "uniform_": (lambda t: init.uniform_(t, -0.5, 0.5), 1 / math.sqrt(12)),
    "xavier_uniform_": (lambda t: init.xavier_uniform_(t, gain=2), XAVIER_STD),
    "xavier_normal_": (lambda t: init.xavier_normal_(t, gain=2), XAVIER_STD),
    "kaiming_uniform_": (lambda t: init.kaiming_uniform_(t, gain=3), 3 * math.sqrt(2 / FAN_IN)),
    "kaiming_normal_": (lambda t: init.kaiming_normal_(t, gain=3), 3 * math.sqrt(2 / FAN_IN)),
}  # fmt: skip


def parameter(shape=SHAPE, dtype=np.float32):
    return nn.Parameter(np.full(shape, np.nan, dtype))


@pytest.mark.parametrize("name", STD)
def test_mean_and_deviation(name):
    fill, std = STD[name]
    tensor = parameter()
    assert fill(tensor) is tensor
    values = tensor.data.astype(np.float64)
    n = values.size
    # Five standard errors; a square of these variables deviates by less than sqrt(2).
    assert abs(values.mean()) < 5 * std / math.sqrt(n)
    assert abs((values**2).mean() / std**2 - 1) < 5 * math.sqrt(2 / n)


@pytest.mark.parametrize("name", ["uniform_", "xavier_uniform_", "kaiming_uniform_"])
def test_uniform_bounds(name):
    fill, std = STD[name]
    values = fill(parameter()).data
    bound = std * math.sqrt(3)
    assert 0.999 * bound < values.max() <= bound * (1 + 1e-6)
    assert 0.999 * bound < -values.min() <= bound * (1 + 1e-6)


def test_normal_mean_and_constant():
    assert abs(init.normal_(parameter(), mean=3.0, std=0.1).data.mean() - 3) < 0.01
    assert (init.constant_(parameter((3,)), 0.1).data == np.float32(0.1)).all()


def test_fans():
    assert init.fans((7, 5)) == (5, 7)
    assert init.fans((8, 3, 5, 2)) == (30, 80)
    with pytest.raises(ValueError, match=r"a weight has at least 2 dimensions, got shape \(3,\)"):
        init.fans((3,))


@pytest.mark.parametrize("name", STD)
def test_seed_repeats_the_values_and_the_next_draw_differs(name):
    fill, _ = STD[name]
    draws = []
    for seed in (1, 1, 2):
        mg.manual_seed(seed)
        draws += [fill(parameter()).data.copy(), fill(parameter()).data.copy()]
    assert np.array_equal(draws[0], draws[2]) and np.array_equal(draws[1], draws[3])
    assert not np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[4])


def test_float64_is_filled_in_float64():
    values = init.normal_(parameter((100,), np.float64)).data
    assert not np.array_equal(values, values.astype(np.float32))


@pytest.mark.parametrize(
    "layer, fan_in", [(nn.Linear(400, 90), 400), (nn.Conv2d(16, 90, 5, groups=2), 200)]
)
def test_layers_begin_as_in_pytorch(layer, fan_in):
    for tensor in (layer.weight, layer.bias):
        bound = 1 / math.sqrt(fan_in)
        assert 0.9 * bound < np.abs(tensor.data).max() <= bound * (1 + 1e-6)
        assert abs(tensor.data.mean()) < bound / 3
