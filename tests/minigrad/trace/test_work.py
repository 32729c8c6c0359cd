"""The statistics of arrays that kernels write."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend
from minigrad import functional as F
from minigrad.trace.work import Statistics, statistics


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_against_numpy(dtype, rng):
    array = (100 * rng.standard_normal((7, 5))).astype(dtype)
    found = statistics("output", array)
    assert found.name == "output" and (found.nans, found.infinities) == (0, 0)
    assert found.mean == pytest.approx(array.astype(np.float64).mean(), rel=1e-12)
    assert (found.minimum, found.maximum) == (array.min(), array.max())


def test_numbers_that_are_not_finite(rng):
    array = rng.standard_normal((6, 6)).astype(np.float32)
    array[0, :3], array[1, :2], array[2, 0] = np.nan, np.inf, -np.inf
    found = statistics("output", array)
    assert (found.nans, found.infinities) == (3, 3)
    finite = array[np.isfinite(array)].astype(np.float64)
    assert found.mean == pytest.approx(finite.mean(), rel=1e-12)
    assert (found.minimum, found.maximum) == (finite.min(), finite.max())


def test_no_finite_number():
    found = statistics("loss", np.array([np.nan, np.inf]))
    assert found == Statistics("loss", None, None, None, 1, 1)
    assert str(found) == "loss: no finite number, 1 NaN, 1 infinite"
    assert statistics("loss", np.empty(0)) == Statistics("loss", None, None, None, 0, 0)


def test_the_mean_of_many_float32_numbers_is_summed_in_float64():
    array = np.full(1 << 20, 1 + 2**-20, np.float32)
    assert statistics("output", array).mean == float(array[0])


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_in_a_trace(name, request):
    device = request.getfixturevalue("cuda") if name == "cuda" else backend.get(name)
    images = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    images[0, 0, 0, 0], images[0, 0, 3, 3] = np.nan, np.inf
    x = mg.Tensor(device.asarray(images), requires_grad=True)
    with mg.trace(statistics=True) as t:
        F.max_pool2d(x, 2).sum().backward()
    forward, backward = t.calls
    output, argmax = forward.statistics
    assert output == Statistics("output", 7.0, 10.0, 13.0, 1, 1)
    assert argmax == Statistics("argmax", 0.0, 8.75, 15.0, 0, 0)
    assert backward.statistics == (Statistics("grad_input", 0.0, 0.25, 1.0, 0, 0),)


def test_what_is_updated_in_place():
    parameter = mg.Tensor(np.ones(3, np.float32), requires_grad=True)
    optimizer = mg.optim.SGD([parameter], lr=1.0, momentum=0.5)
    parameter.grad = mg.Tensor(np.full(3, 0.25, np.float32))
    with mg.trace(statistics=True) as t:
        optimizer.step()
    (call,) = t.calls
    assert call.statistics == (
        Statistics("parameter", 0.75, 0.75, 0.75, 0, 0),
        Statistics("velocity", 0.25, 0.25, 0.25, 0, 0),
    )
