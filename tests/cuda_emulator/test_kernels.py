"""Kernels that are right give NumPy's results, in every order of threads."""

import numpy as np
import pytest

from .cublas import round_to_tf32
from .loading import kernels

EXPRESSIONS = (
    "line<float>",
    "matmul<float, 8>",
    "row_sum<float>",
    "count<int>",
    "neighbors<float>",
    "pipelined_sum<3>",
    "tensor_core_matmul<2>",
)


@pytest.fixture
def examples(cupy, monkeypatch):
    """Each launch runs in all orders and must give the same bits."""
    monkeypatch.setattr("tests.cuda_emulator.settings.order", "all")
    return kernels(cupy, "examples.cu", *EXPRESSIONS)


def normal(rng, *shape):
    return rng.standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("size", [1, 255, 1000])
def test_grid_stride_loop_and_struct(cupy, examples, rng, size):
    line = np.zeros((), [("scale", np.float32), ("offset", np.float32)])
    line[()] = (2, -1)
    x = cupy.asarray(normal(rng, size))
    y = cupy.empty_like(x)
    examples["line"]((2,), (64,), (x, y, np.int64(size), line))
    np.testing.assert_array_equal(y.get(), 2 * x.get() - 1)


@pytest.mark.parametrize("M, N, K", [(8, 8, 8), (13, 9, 21), (1, 17, 3)])
def test_tiled_matmul(cupy, examples, rng, M, N, K):
    a, b = normal(rng, M, K), normal(rng, K, N)
    c = cupy.empty((M, N), np.float32)
    sizes = map(np.int32, (M, N, K))
    grid = (-(-N // 8), -(-M // 8))
    examples["matmul"](grid, (8, 8), (cupy.asarray(a), cupy.asarray(b), c, *sizes))
    np.testing.assert_allclose(c.get(), a @ b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("columns, threads", [(5, 32), (1000, 128), (1024, 256)])
def test_reduction_by_shuffles(cupy, examples, rng, columns, threads):
    x = normal(rng, 3, columns)
    sums = cupy.empty(3, np.float32)
    examples["row_sum"]((3,), (threads,), (cupy.asarray(x), sums, np.int32(columns)))
    np.testing.assert_allclose(sums.get(), x.sum(1), rtol=1e-4, atol=1e-4)


def test_atomics_and_votes(cupy, examples, rng):
    x = rng.integers(0, 10, 500).astype(np.int32)
    counts, odd = cupy.zeros(10, np.int32), cupy.zeros(1, np.int32)
    examples["count"]((8,), (64,), (cupy.asarray(x), counts, odd, np.int32(500)))
    np.testing.assert_array_equal(counts.get(), np.bincount(x, minlength=10))
    assert odd.item() == (x % 2).sum()


def test_syncwarp_and_dynamic_shared_memory(cupy, examples, rng):
    x = normal(rng, 96)
    y = cupy.empty(96, np.float32)
    examples["neighbors"]((1,), (96,), (cupy.asarray(x), y), shared_mem=96 * 4)
    rows = np.pad(x.reshape(3, 32), ((0, 0), (1, 1)))
    expected = (rows[:, :-2] + rows[:, 1:-1]) + rows[:, 2:]
    np.testing.assert_array_equal(y.get(), expected.ravel())


@pytest.mark.parametrize("terms", [1, 2, 3, 10])
def test_asynchronous_copies(cupy, examples, rng, terms):
    x = normal(rng, terms, 200)
    sums = cupy.empty(200, np.float32)
    sizes = (np.int32(200), np.int32(terms))
    examples["pipelined_sum"]((2,), (32,), (cupy.asarray(x), sums, *sizes))
    np.testing.assert_allclose(sums.get(), x.sum(0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("M, N, K", [(16, 8, 8), (48, 24, 40)])
def test_tensor_cores(cupy, examples, rng, M, N, K):
    a, b = normal(rng, M, K), normal(rng, K, N)
    c = cupy.empty((M, N), np.float32)
    sizes = map(np.int32, (M, N, K))
    grid = (N // 8, -(-M // 32))
    examples["tensor_core_matmul"](grid, (64,), (cupy.asarray(a), cupy.asarray(b), c, *sizes))
    expected = round_to_tf32(a).astype(np.float64) @ round_to_tf32(b)
    np.testing.assert_allclose(c.get(), expected, rtol=1e-5, atol=1e-5)
    assert np.abs(c.get() - a @ b).max() > 1e-4  # it is rounded


BIT = 2.0**-23  # the last bit of numbers from 1 to 2
SUMS = {
    # The terms, eight at most of a product and four of a block, and their sum on tensor cores.
    "cut, not rounded up": ([1, 0.75 * BIT], 1),
    "cut, each for itself": ([1, *[BIT / 2] * 23], 1),
    "nothing to cut": ([1, BIT, 2 * BIT, 3 * BIT], 1 + 6 * BIT),
    "small ones before a large one, in its block": ([*[BIT / 2] * 3, 1], 1),
    "small ones in the block before": ([*[BIT / 2] * 4, 1], 1 + 2 * BIT),
    "small ones in the product before": ([*[BIT / 2] * 8, 1], 1 + 4 * BIT),
    "a negative one, toward zero": ([1, -BIT / 2], 1),
    "negative ones, toward zero": ([-1, -1.5 * BIT], -1 - BIT),
    "the result": ([1.5, 1.5, 3 * BIT], 3 + 2 * BIT),
    "the negative result, toward zero": ([-1.5, -1.5, -3 * BIT], -3 - 2 * BIT),
    "the large ones cancel": ([2.0**20, 2.0**-10, -(2.0**20)], 0),
    "denormal": ([2.0**-136, 2.0**-136], 2.0**-135),
    "too large": ([-(2.0**127), -(2.0**127)], -np.inf),
    "infinity": ([1, np.inf], np.inf),
    "infinities": ([np.inf, 0, 0, 0, 0, -np.inf], np.nan),
    "not a number": ([np.nan, 1], np.nan),
}


def test_tensor_cores_cut_sums(cupy, examples):
    """As NVIDIA's do, see runtime/tensor_core.cpp: nothing is rounded to nearest."""
    a, b = np.zeros((16, 24), np.float32), np.zeros((24, 8), np.float32)
    for row, (terms, _) in zip(a, SUMS.values(), strict=True):
        row[: len(terms)] = terms
    b[:, 0], b[:, 1] = 1, -1
    c = cupy.empty((16, 8), np.float32)
    sizes = map(np.int32, (16, 8, 24))
    examples["tensor_core_matmul"]((1, 1), (64,), (cupy.asarray(a), cupy.asarray(b), c, *sizes))
    sums = np.array([expected for _, expected in SUMS.values()], np.float32)
    zeros = np.where(np.isfinite(a).all(1), 0, np.nan)  # infinity times 0 is not a number
    for name, *result in zip(SUMS, c.get(), sums, -sums, zeros):
        np.testing.assert_array_equal(result[0][:3], result[1:], name)


def test_float64(cupy, rng, order):
    functions = kernels(cupy, "examples.cu", "matmul<double, 4>", "row_sum<double>")
    a = rng.standard_normal((7, 6))
    c = cupy.empty((7, 7), np.float64)
    on_device = cupy.asarray(a), cupy.asarray(np.ascontiguousarray(a.T))
    functions["matmul"]((2, 2), (4, 4), (*on_device, c, *map(np.int32, (7, 7, 6))))
    np.testing.assert_allclose(c.get(), a @ a.T, rtol=1e-12, atol=1e-12)
    sums = cupy.empty(7, np.float64)
    functions["row_sum"]((7,), (32,), (on_device[0], sums, np.int32(6)))
    np.testing.assert_allclose(sums.get(), a.sum(1), rtol=1e-12, atol=1e-12)
