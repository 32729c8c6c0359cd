"""The tile product: taps, depth, both forms of A, and adding to what is in C."""

import numpy as np
import pytest

from kernels._microkernel import ROWS, lanes_of, tile_product, tile_product_gathered
from kernels._team import jit


# Not cached: the cache does not notice that the micro-kernel was edited.
@jit(cache=False)
def run_panel(a, a_start, a_taps, b, b_start, b_taps, depth, c, c_start, c_stride, accumulate):
    tile_product(
        a, a_start, a_taps, b, b_start, b_taps, b_taps.size, depth, c, c_start, c_stride, accumulate
    )


@jit(cache=False)
def run_gathered(a, a_start, a_taps, b, b_start, b_taps, depth, c, c_start, c_stride, accumulate):
    tile_product_gathered(
        a, a_start, a_taps, b, b_start, b_taps, b_taps.size, depth, c, c_start, c_stride, accumulate
    )


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("layout", ["panel", "gathered"])
@pytest.mark.parametrize("taps, depth", [(1, 1), (1, 7), (3, 1), (4, 5)])
def test_tile(layout, taps, depth, accumulate, dtype, rng):
    lanes = lanes_of(dtype)
    a_start, b_start, c_start, c_stride = 3, 5, 2, lanes + 3
    # Taps in an order of their own, apart from each other and from the ends.
    order = rng.permutation(taps).astype(np.int64)
    b_taps = order[::-1] * (depth * lanes + 2)
    if layout == "panel":
        a_taps = order * (ROWS * depth + 1)
        index = a_taps[:, None, None] + np.arange(ROWS)[:, None] + ROWS * np.arange(depth)
    else:
        a_taps = rng.permutation(taps * ROWS) * (depth + 1)
        index = a_taps.reshape(taps, ROWS, 1) + np.arange(depth)
    a = rng.standard_normal(a_start + taps * ROWS * (depth + 1)).astype(dtype)
    b = rng.standard_normal(b_start + taps * (depth * lanes + 2)).astype(dtype)
    c = rng.standard_normal(c_start + ROWS * c_stride).astype(dtype)
    before = c.copy()

    expected = c.astype(np.float64)
    for i in range(ROWS):
        for j in range(lanes):
            total = sum(
                float(a[a_start + index[t, i, k]]) * float(b[b_start + b_taps[t] + k * lanes + j])
                for t in range(taps)
                for k in range(depth)
            )
            position = c_start + i * c_stride + j
            expected[position] = total + (float(c[position]) if accumulate else 0)

    run = run_panel if layout == "panel" else run_gathered
    run(a, a_start, a_taps, b, b_start, b_taps.copy(), depth, c, c_start, c_stride, accumulate)
    np.testing.assert_allclose(c, expected, rtol=0, atol=50 * np.finfo(dtype).eps)
    outside = np.ones(c.size, bool)
    for i in range(ROWS):
        outside[c_start + i * c_stride :][:lanes] = False
    assert np.array_equal(c[outside], before[outside]), "writes beside the tile"
