"""Names, columns and receptive fields of the convolutions."""

import numpy as np
import pytest

from alexnet.inference import layers
from alexnet.model import ARCHITECTURES
from alexnet.visualize.receptive_fields import Box, Window, receptive_field, windows
from minigrad import Tensor, nn, no_grad

pytestmark = pytest.mark.usefixtures("one_thread")
# A few pixels at the right border are in no window of owt; windows of cifar reach beyond it.
SIZES = {"alexnet": 99, "owt": 95, "cifar": 46}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def network(request):
    size = SIZES[request.param]
    model = ARCHITECTURES[request.param](4, size, init="torch", width=0.1)
    return request.param, model.eval(), size


def test_names_and_columns():
    expected = {"alexnet": [2] * 5, "owt": [1] * 5, "cifar": [1] * 3}
    for name, kind in ARCHITECTURES.items():
        model = kind(4, 80, init="torch", width=0.1)
        names = list(layers.convolutions(model))
        assert names == [f"conv{number + 1}" for number in range(len(expected[name]))]
        assert [layers.columns(model, layer) for layer in names] == expected[name]


def dependence(windows, row, column, size):
    """Which pixels get a gradient from an output, where every window is a sum."""
    sums = [
        nn.AvgPool2d(size, stride, padding, ceil_mode=ceil_mode, divisor_override=1)
        for size, stride, padding, ceil_mode in windows
    ]
    image = Tensor(np.ones((1, 1, size, size), np.float32), requires_grad=True)
    output = nn.Sequential(*sums)(image)
    gradient = np.zeros(output.shape, np.float32)
    gradient[0, 0, row, column] = 1
    output.backward(gradient)
    return image.grad.numpy()[0, 0] != 0


@pytest.mark.parametrize("name", ["conv1", "conv2", "conv3", "last"])
def test_receptive_field_against_gradients(network, name):
    _, model, size = network
    part = layers.up_to(model, list(layers.convolutions(model))[-1] if name == "last" else name)
    part_windows = windows(part)
    with no_grad():
        side = part(Tensor(np.zeros((1, 3, size, size), np.float32))).shape[2]
    for row, column in [(0, 0), (side // 2, 0), (1, side - 1), (side - 1, side - 1)]:
        box = receptive_field(part_windows, row, column, size)
        expected = dependence(part_windows, row, column, size)
        rows, columns = (np.flatnonzero(expected.any(axis=axis)) for axis in (1, 0))
        assert box == (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
        assert expected[box.top : box.bottom, box.left : box.right].all()


def test_nothing_outside_the_receptive_field_matters(network):
    """With the network's own layers, poolings and normalization included."""
    _, model, size = network
    part = layers.up_to(model, "conv3")
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, 3, size, size)).astype(np.float32)
    with no_grad():
        before = part(Tensor(image)).numpy()[0, :, 0, 1]
        box = receptive_field(windows(part), 0, 1, size)
        outside = np.ones((size, size), bool)
        outside[box.top : box.bottom, box.left : box.right] = False
        assert outside.any()
        image[:, :, outside] = rng.standard_normal((1, 3, outside.sum()))
        assert np.array_equal(part(Tensor(image)).numpy()[0, :, 0, 1], before)
        image[:, :, ~outside] *= -1
        assert not np.array_equal(part(Tensor(image)).numpy()[0, :, 0, 1], before)


def test_sizes_that_everyone_knows():
    """Of AlexNet's conv1 to conv5: 11, 51, 99, 131, 163 pixels."""
    model = ARCHITECTURES["alexnet"](4, 227, init="torch", width=0.1)
    sides = []
    for name in layers.convolutions(model):
        box = receptive_field(windows(layers.up_to(model, name)), 0, 0)
        sides.append(box.bottom - box.top)
    assert sides == [11, 51, 99, 131, 163]
    assert receptive_field([Window(11, 4, 2)], 0, 1) == Box(-2, 2, 9, 13)
