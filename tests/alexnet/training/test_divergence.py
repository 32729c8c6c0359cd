"""The layer that a loss which is not finite comes from."""

import numpy as np
import pytest

from alexnet.training import divergence
from minigrad import Tensor, nn, optim
from minigrad import functional as F

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def model():
    return nn.Sequential(
        nn.Conv2d(3, 4, kernel_size=3),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, kernel_size=3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64, 3),
    )


@pytest.fixture
def images(rng):
    return rng.standard_normal((5, 3, 8, 8), np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "index, name, expected",
    [
        (0, "weight", "1 of the 108 weights of conv1"),
        (2, "bias", "1 of the 4 biases of conv2"),
        (6, "weight", "1 of the 192 weights of fc3"),
    ],
)
def test_parameter(model, images, index, name, expected, value):
    getattr(model[index], name).data.flat[1] = value
    assert divergence.cause(model, images) == f"{expected} are not finite since the last update"


def test_first_of_several_layers(model, images):
    model[6].weight.data[0, 0] = np.nan
    model[2].weight.data[0, 0, 0, 0] = np.nan
    cause = divergence.cause(model, images)
    assert cause.startswith("1 of the 144 weights of conv2 are not finite")
    assert cause.endswith("so are those of later layers, up to fc3, where it began")


def test_input(model, images):
    images[2, 1, 3, 3] = np.nan
    assert divergence.cause(model, images) == "1 of the 960 values of the input are not finite"


def test_output(model, images):
    model[2].bias.data[...] = 3e38
    model[6].weight.data[...] = 1
    expected = "the output of fc3 overflows: 15 of 15 values"
    assert divergence.cause(model, images) == expected


@pytest.mark.parametrize("broken", [0, 2, 6])
def test_gradient(model, images, broken):
    """What is broken in the backward pass of a layer goes on to all layers before it."""
    names = {0: "conv1", 2: "conv2", 6: "fc3"}
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    F.cross_entropy(model(Tensor(images)), np.arange(5) % 3).backward()
    for index in (0, 2, 6):
        if index <= broken:
            model[index].weight.grad.data[0, 0] = np.nan
    optimizer.step()
    cause = divergence.cause(model, images)
    assert "weights of conv1 are not finite" in cause
    assert ("where it began" in cause) == (broken > 0)
    if broken:
        assert f"up to {names[broken]}, where it began" in cause


def test_only_with_dropout(model, images):
    model[6].weight.data[...] = 0
    cause = divergence.cause(model, images)
    assert cause.startswith("without dropout every layer's output is finite; the largest value")
    assert cause.endswith(("comes from conv1", "comes from conv2"))


@pytest.mark.parametrize("training", [True, False])
def test_network_stays_in_its_mode(model, images, training):
    model.train(training)
    model[0].weight.data[...] = np.nan
    divergence.cause(model, images)
    assert model.training == model[5].training == training
