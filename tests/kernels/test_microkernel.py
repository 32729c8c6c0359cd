"""The tile product: taps, depth, every form of A and width of B, pairs, and adding to C."""

import numba
import numpy as np
import pytest

from minigrad.kernels.shared import bfloat16
from minigrad.kernels.shared.microkernel import (
    GATHERED_ROWS,
    ROWS,
    gathered_product,
    lanes_of,
    make_tile_product,
    panel_width,
    tile_product,
    tile_product_gathered_half,
    tile_product_gathered_narrow,
    vector_product,
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
    gathered_product(
        a, a_start, a_taps, b, b_start, b_taps, b_taps.size, depth,
        c, c_start, c_stride, accumulate, wide,
    )  # fmt: skip


@jit
def run_vectors(
    a, a_start, a_taps, b, b_start, b_taps, depth, c, c_start, c_stride, accumulate, wide
):
    vector_product(
        a, a_start, a_taps, b, b_start, b_taps, b_taps.size, depth,
        c, c_start, c_stride, accumulate, wide,
    )  # fmt: skip


@jit
def run_narrow(a, a_start, a_taps, b, b_start, b_taps, depth, c, c_start, c_stride, accumulate):
    tile_product_gathered_narrow(
        a, a_start, a_taps, b, b_start, b_taps, b_taps.size, depth, c, c_start, c_stride, accumulate
    )


@jit
def run_half(a, a_start, a_taps, b, b_start, b_taps, depth, c, c_start, c_stride, accumulate):
    tile_product_gathered_half(
        a, a_start, a_taps, b, b_start, b_taps, b_taps.size, depth, c, c_start, c_stride, accumulate
    )


# How each form is run: the function, the vectors of B, and whether B is wide where either can be.
FORMS = {
    "panel": (run_panel, 2),
    "panel of vectors": (run_vectors, 2, False),
    "panel of vectors, wide": (run_vectors, 3, True),
    "gathered": (run_gathered, 2, False),
    "gathered wide": (run_gathered, 3, True),
    "gathered narrow": (run_narrow, 1),
    "gathered half": (run_half, 0.5),
}
# Types of factors and sums. Pairs of bfloat16 are sums of two products.
TYPES = {
    "float32": (np.float32, np.float32),
    "float64": (np.float64, np.float64),
    "pairs": (np.uint32, np.float32),
}


def make_factors(rng, count, kind):
    """Random factors as the kernel takes them, and their values (count, 1), or (count, 2)."""
    if kind != "pairs":
        factors = rng.standard_normal(count).astype(kind)
        return factors, factors.astype(np.float64)[:, None]
    bits = make_bits(rng, (count, 2))
    return as_pairs(bits), as_numbers(bits)


def make_bits(rng, shape, exponents=(0, 1)):
    """Random bfloat16 numbers; those of `exponents` are multiplied by as many twos."""
    numbers = rng.standard_normal(shape) * 2.0 ** rng.integers(*exponents, shape)
    return (numbers.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def as_pairs(bits):
    return (bits[..., 0] | bits[..., 1].astype(np.uint32) << 16).reshape(-1)


def as_numbers(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("taps, depth", [(1, 1), (1, 7), (3, 1), (4, 5)])
@pytest.mark.parametrize("kind", TYPES)
def test_tile(form, taps, depth, accumulate, kind, rng):
    run, vectors, *wide = FORMS[form]
    dtype = np.dtype(TYPES[kind][1])
    rows, lanes = ROWS if form == "panel" else GATHERED_ROWS, lanes_of(dtype, vectors)
    a_start, b_start, c_start, c_stride = 3, 5, 2, lanes + 3
    # Taps in an order of their own, apart from each other and from the ends.
    order = rng.permutation(taps).astype(np.int64)
    b_taps = order[::-1] * (depth * lanes + 2)
    width = panel_width(dtype) if "vectors" in form else rows  # of a panel of A
    if "panel" in form:
        a_taps = order * (width * depth + 1)
        index = a_taps[:, None, None] + np.arange(rows)[:, None] + width * np.arange(depth)
    else:
        a_taps = rng.permutation(taps * rows) * (depth + 1)
        index = a_taps.reshape(taps, rows, 1) + np.arange(depth)
    a, a_values = make_factors(rng, a_start + taps * width * (depth + 1), kind)
    b, b_values = make_factors(rng, b_start + taps * (depth * lanes + 2), kind)
    c = rng.standard_normal(c_start + rows * c_stride).astype(dtype)
    before = c.copy()

    expected = c.astype(np.float64)
    for i in range(rows):
        for j in range(lanes):
            total = sum(
                a_values[a_start + index[t, i, k]] @ b_values[b_start + b_taps[t] + k * lanes + j]
                for t in range(taps)
                for k in range(depth)
            )
            position = c_start + i * c_stride + j
            expected[position] = total + (float(c[position]) if accumulate else 0)

    arrays = a, a_start, a_taps, b, b_start, b_taps.copy()
    run(*arrays, depth, c, c_start, c_stride, accumulate, *wide)
    np.testing.assert_allclose(c, expected, rtol=0, atol=50 * np.finfo(dtype).eps)
    outside = np.ones(c.size, bool)
    for i in range(rows):
        outside[c_start + i * c_stride :][:lanes] = False
    assert np.array_equal(c[outside], before[outside]), "writes beside the tile"


def compile_pair_sums(emulated, monkeypatch):
    """The sums of the products of one row of pairs with panels one vector wide."""
    monkeypatch.setattr(bfloat16, "EMULATED", emulated)
    product = make_tile_product(gathered=False, rows=1, vectors=1)

    @numba.njit  # `jit` would take what was compiled last time
    def run(a, b, c):
        start = np.zeros(1, np.int64)
        product(a, 0, start, b, 0, start, 1, a.size, c, 0, c.size, False)

    run(np.zeros(1, np.uint32), np.zeros(64, np.uint32), np.zeros(64, np.float32))
    return run


def sums_in_order(a, b):
    """Of every pair, first the product of the second halves is added, then that of the first."""
    total = np.zeros(b.shape[1], np.float32)
    for k in range(len(a)):
        for half in (1, 0):
            # Exact in a long double, where numbers are of similar size.
            product = np.longdouble(a[k, half]) * b[k, :, half].astype(np.longdouble)
            total = (product + total).astype(np.float32)
    return total


@pytest.mark.parametrize("emulated", [True, False])
def test_pairs_are_summed_in_the_order_of_the_instruction(emulated, monkeypatch, rng):
    if not (emulated or bfloat16.HAS_INSTRUCTION):
        pytest.skip("this CPU has no instruction for products of bfloat16")
    run, lanes = compile_pair_sums(emulated, monkeypatch), lanes_of(np.dtype(np.float32), 1)
    for depth in rng.integers(1, 9, 50):
        a, b = make_bits(rng, (depth, 2), (-6, 6)), make_bits(rng, (depth, lanes, 2), (-6, 6))
        c = np.full(lanes, np.nan, np.float32)
        run(as_pairs(a), as_pairs(b), c)
        assert np.array_equal(c, sums_in_order(as_numbers(a), as_numbers(b)))


def test_emulated_pairs_have_the_bits_of_the_instruction(monkeypatch, rng):
    """Infinities and NaN included; sums below 2**-126 are left out."""
    if not bfloat16.HAS_INSTRUCTION:
        pytest.skip("this CPU has no instruction for products of bfloat16")
    instruction, emulation = (compile_pair_sums(e, monkeypatch) for e in (False, True))
    lanes = lanes_of(np.dtype(np.float32), 1)
    special = np.array(
        [0, 0x8000, 0x3F80, 0xBF80, 0x7F7F, 0xFF7F, 0x7F80, 0xFF80, 0x7FC0, 0xFFC1], np.uint16
    )
    for depth in rng.integers(1, 9, 200):
        drawn = [(make_bits(rng, (depth, n, 2), (-20, 60))) for n in (1, lanes)]
        a, b = (np.where(rng.random(x.shape) < 0.1, rng.choice(special, x.shape), x) for x in drawn)
        results = [np.full(lanes, np.nan, np.float32) for _ in range(2)]
        for run, result in zip((instruction, emulation), results):
            run(as_pairs(a), as_pairs(b), result)
        np.testing.assert_array_equal(*results)
        assert np.array_equal(*(np.signbit(x[~np.isnan(x)]) for x in results))


def test_wide_tiles_where_they_leave_no_more_lanes_empty(dtype):
    two, three = lanes_of(dtype, 2), lanes_of(dtype, 3)
    assert 3 * two == 2 * three
    for columns, lanes in ((1, two), (two, two), (three, three), (2 * two, two), (6 * two, three)):
        assert widest_lanes(dtype, columns) == lanes
