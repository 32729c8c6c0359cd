"""Norms for LARS: by hand, against the reference and NumPy in float64, on any number of threads."""

import math

import numpy as np
import pytest

from tests.kernels.on_device import BACKENDS, Kernels

PIECE = 1 << 14
SHAPES = [(1,), (7,), (3, 5), (2, 3, 3, 1), (PIECE,), (PIECE + 33,), (0,)]


def norms(backend, parameter, gradient):
    output = np.full(2, np.nan)
    Kernels(backend).lars.norms(parameter, gradient, output=output)
    return output


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(backend, dtype):
    parameter, gradient = np.array([[3, 0], [0, 4]], dtype), np.array([[1, -1], [5, 3]], dtype)
    assert norms(backend, parameter, gradient).tolist() == [5, 6]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_against_numpy(backend, shape, dtype, rng):
    arrays = rng.standard_normal((2, *shape)).astype(dtype)
    expected = [math.sqrt(math.fsum(float(x) ** 2 for x in array.flat)) for array in arrays]
    np.testing.assert_allclose(norms(backend, *arrays), expected, rtol=1e-13)


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
def test_many_elements_of_float32_lose_no_digit(backend):
    """In float32 the sum would stay where an element is less than half a digit of it."""
    count = 100 * PIECE + 5
    parameter = np.full(count, 1e-3, np.float32)
    parameter[0] = 1e3
    expected = math.sqrt(1e6 + (count - 1) * float(np.float32(1e-3)) ** 2)
    found = norms(backend, parameter, np.full(count, 1e30, np.float32))
    np.testing.assert_allclose(
        found, [expected, math.sqrt(count) * float(np.float32(1e30))], rtol=1e-13
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_not_finite_stays_so(backend, value):
    parameter, gradient = np.ones(40, np.float32), np.ones(40, np.float32)
    gradient[39] = value
    found = norms(backend, parameter, gradient)
    assert found[0] == math.sqrt(40) and not np.isfinite(found[1])


def test_threads(same_on_any_number_of_threads, rng):
    arrays = rng.standard_normal((2, 7 * PIECE + 11)).astype(np.float32)
    same_on_any_number_of_threads(lambda: [norms("cpu", *arrays)])


def test_the_same_bits_on_a_gpu_of_any_size(device_of, rng):
    arrays = rng.standard_normal((2, 7 * PIECE + 11)).astype(np.float32)
    found = []
    for multiprocessors in (1, 132):
        device_of(multiprocessors)
        found.append(norms("cuda", *arrays).tobytes())
    assert found[0] == found[1]


@pytest.fixture
def device_of(monkeypatch):
    """Pretends that the GPU has another number of multiprocessors, which decides grids."""
    from minigrad.kernels.shared import device

    monkeypatch.setattr(device, "_BLOCKS_PER_MULTIPROCESSOR", 2)
    return lambda count: monkeypatch.setattr(device.device, "multiprocessors", count)
