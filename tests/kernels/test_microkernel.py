"""The tile product: taps, depth, every form of A and width of B, and adding to what is in C."""

import numpy as np
import pytest

from minigrad.kernels.shared.microkernel import (
    GATHERED_ROWS,
    ROWS,
    gathered_product,
    lanes_of,
    tile_product,
    widest_lanes,
)
from minigrad.kernels.shared.threads import jit


@jit
def run_panel(a, a_start, a_taps, b, b_start, b_taps, depth, c, c_start, c_stride, accumulate):
    tile_product(
        a, a_start, a_taps, b, b_start, b_taps, b_taps.size, depth, c, c_start, c_stride, accumulate
    )


@jit
def run_gathered(
    a, a_start, a_taps, b, b_start, b_taps, depth, c, c_start, c_stride, accumulate, wide
):
    taps = b_taps.size
    gathered_product(
        a, a_start, a_taps, b, b_start, b_taps, taps, depth, c, c_start, c_stride, accumulate, wide
    )


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("form", ["panel", "gathered", "gathered wide"])
@pytest.mark.parametrize("taps, depth", [(1, 1), (1, 7), (3, 1), (4, 5)])
def test_tile(form, taps, depth, accumulate, dtype, rng):
    wide = form == "gathered wide"
    rows, lanes = ROWS if form == "panel" else GATHERED_ROWS, lanes_of(dtype, 3 if wide else 2)
    a_start, b_start, c_start, c_stride = 3, 5, 2, lanes + 3
    # Taps in an order of their own, apart from each other and from the ends.
    order = rng.permutation(taps).astype(np.int64)
    b_taps = order[::-1] * (depth * lanes + 2)
    if form == "panel":
        a_taps = order * (rows * depth + 1)
        index = a_taps[:, None, None] + np.arange(rows)[:, None] + rows * np.arange(depth)
    else:
        a_taps = rng.permutation(taps * rows) * (depth + 1)
        index = a_taps.reshape(taps, rows, 1) + np.arange(depth)
    a = rng.standard_normal(a_start + taps * rows * (depth + 1)).astype(dtype)
    b = rng.standard_normal(b_start + taps * (depth * lanes + 2)).astype(dtype)
    c = rng.standard_normal(c_start + rows * c_stride).astype(dtype)
    before = c.copy()

    expected = c.astype(np.float64)
    for i in range(rows):
        for j in range(lanes):
            total = sum(
                float(a[a_start + index[t, i, k]]) * float(b[b_start + b_taps[t] + k * lanes + j])
                for t in range(taps)
                for k in range(depth)
            )
            position = c_start + i * c_stride + j
            expected[position] = total + (float(c[position]) if accumulate else 0)

    run, options = (run_panel, ()) if form == "panel" else (run_gathered, (wide,))
    arrays = a, a_start, a_taps, b, b_start, b_taps.copy()
    run(*arrays, depth, c, c_start, c_stride, accumulate, *options)
    np.testing.assert_allclose(c, expected, rtol=0, atol=50 * np.finfo(dtype).eps)
    outside = np.ones(c.size, bool)
    for i in range(rows):
        outside[c_start + i * c_stride :][:lanes] = False
    assert np.array_equal(c[outside], before[outside]), "writes beside the tile"


def test_wide_tiles_where_they_leave_no_more_lanes_empty(dtype):
    two, three = lanes_of(dtype, 2), lanes_of(dtype, 3)
    assert 3 * two == 2 * three
    for columns, lanes in ((1, two), (two, two), (three, three), (2 * two, two), (6 * two, three)):
        assert widest_lanes(dtype, columns) == lanes
