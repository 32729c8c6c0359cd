"""The norm: by hand, against the reference and NumPy in float64, on any number of threads."""

import math

import numpy as np
import pytest

from tests.kernels.on_device import BACKENDS, Kernels

PIECE = 1 << 14
SHAPES = [(1,), (7,), (3, 5), (2, 3, 3, 1), (PIECE,), (PIECE + 33,), (0,)]


def norm(backend, array):
    output = np.full(1, np.nan)
    Kernels(backend).vector_norm.forward(array, output=output)
    return output[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(backend, dtype):
    assert norm(backend, np.array([[3, 0], [0, 4]], dtype)) == 5
    assert norm(backend, np.array([[1, -1], [5, 3]], dtype)) == 6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_against_numpy(backend, shape, dtype, rng):
    array = rng.standard_normal(shape).astype(dtype)
    expected = math.sqrt(math.fsum(float(x) ** 2 for x in array.flat))
    assert norm(backend, array) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
def test_many_elements_of_float32_lose_no_digit(backend):
    """In float32 the sum would stay where an element is less than half a digit of it."""
    count = 100 * PIECE + 5
    array = np.full(count, 1e-3, np.float32)
    array[0] = 1e3
    expected = math.sqrt(1e6 + (count - 1) * float(np.float32(1e-3)) ** 2)
    assert norm(backend, array) == pytest.approx(expected, rel=1e-13)
    large = np.float32(1e30)
    expected = math.sqrt(count) * float(large)
    assert norm(backend, np.full(count, large)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_not_finite_stays_so(backend, value):
    array = np.ones(40, np.float32)
    array[39] = value
    assert not np.isfinite(norm(backend, array))


def test_threads(same_on_any_number_of_threads, rng):
    array = rng.standard_normal(7 * PIECE + 11).astype(np.float32)
    same_on_any_number_of_threads(lambda: [norm("cpu", array)])


def test_the_same_bits_on_a_gpu_of_any_size(device_of, rng):
    array = rng.standard_normal(7 * PIECE + 11).astype(np.float32)
    found = []
    for multiprocessors in (1, 132):
        device_of(multiprocessors)
        found.append(norm("cuda", array).tobytes())
    assert found[0] == found[1]


@pytest.fixture
def device_of(monkeypatch):
    """Pretends that the GPU has another number of multiprocessors, which decides grids."""
    from minigrad.kernels.shared import device

    monkeypatch.setattr(device, "_BLOCKS_PER_MULTIPROCESSOR", 2)
    return lambda count: monkeypatch.setattr(device.device, "multiprocessors", count)
