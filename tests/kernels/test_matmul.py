"""The packed matrix product against NumPy in float64."""

import numpy as np
import pytest

from minigrad.kernels.shared import matmul
from minigrad.kernels.shared.bfloat16 import round_to_bfloat16, to_bits
from minigrad.kernels.shared.microkernel import ROWS, lanes_of

EDGES = [1, 2, ROWS - 1, ROWS, ROWS + 1]


def sizes(dtype):
    """Around the tile in every direction, over DEPTH products, over a group of panels."""
    lanes = lanes_of(dtype)
    edge = [(M, K, N) for M in EDGES for K in (0, 1, 3) for N in (1, lanes - 1, lanes, lanes + 1)]
    long = [
        (ROWS + 3, K, lanes + 5)
        for K in (
            matmul.DEPTH_TERMS,
            matmul.DEPTH_TERMS + 1,
            2 * matmul.DEPTH_TERMS + 7,
            4 * matmul.DEPTH_TERMS + 3,
        )
    ]
    # One row, with and without numbers behind the last whole vectors.
    long += [(1, 4 * lanes + rest, 41) for rest in (0, 1, lanes + 3)]
    # Panels of every width, over more than what a task uses again at once.
    reach = [
        (lanes_of(dtype, vectors) - 1, matmul.REUSED_TERMS // lanes_of(dtype, vectors) + 1, 3)
        for vectors in (0.5, 1, 2, 3)
    ]
    return [*edge, *long, *reach, (ROWS + 1, 5, 33 * lanes + 3), (3 * ROWS - 1, 7, 16 * lanes)]


@pytest.fixture(params=["float32", "float64", "bfloat16", "bfloat16 rows"])
def kind(request):
    """The type of the factors; "rows": those of B were rounded before."""
    return request.param


def draw(rng, M, K, N, transposed, dtype):
    a = rng.standard_normal((K, M) if "a" in transposed else (M, K)).astype(dtype)
    b = rng.standard_normal((N, K) if "b" in transposed else (K, N)).astype(dtype)
    return (a.T if "a" in transposed else a), (b.T if "b" in transposed else b)


def multiply(a, b, kind, output):
    if kind == "bfloat16 rows":
        b = matmul.bfloat16_rows(b.T).T
    matmul.matmul(a, b, output=output, bfloat16=kind.startswith("bfloat16"))


@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
def test_equals_numpy(transposed, kind, rng):
    if kind == "bfloat16 rows" and "b" not in transposed:
        return  # such rows are those of a transposed B
    dtype = np.dtype("float64" if kind == "float64" else "float32")
    for M, K, N in sizes(dtype):
        a, b = draw(rng, M, K, N, transposed, dtype)
        factors = (a, b) if kind == dtype.name else map(round_to_bfloat16, (a, b))
        exact_a, exact_b = (factor.astype(np.float64) for factor in factors)
        expected = exact_a @ exact_b
        output = np.full(expected.shape, np.nan, dtype)
        before = a.copy(), b.copy()
        multiply(a, b, kind, output)
        # Rounding of a sum of K products, relative to the sum of their magnitudes.
        limit = 4 * np.sqrt(K) * np.finfo(dtype).eps * (np.abs(exact_a) @ np.abs(exact_b))
        assert (np.abs(output - expected) <= limit).all(), (M, K, N)
        assert np.array_equal(a, before[0]) and np.array_equal(b, before[1])


def test_rows_that_were_rounded_before_give_the_same_bits(rng):
    for M, K, N in sizes(np.dtype(np.float32)):
        a, b = draw(rng, M, K, N, "b", np.float32)
        outputs = [np.full((M, N), np.nan, np.float32) for _ in range(2)]
        for kind, output in zip(("bfloat16", "bfloat16 rows"), outputs):
            multiply(a, b, kind, output)
        assert np.array_equal(*outputs), (M, K, N)


@pytest.mark.parametrize("shape", [(3, 4), (3, 5)])
def test_bfloat16_rows_are_pairs_along_the_row(shape, rng):
    matrix = rng.standard_normal(shape, np.float32)
    pairs = matmul.bfloat16_rows(matrix)
    padded = np.pad(to_bits(matrix), ((0, 0), (0, shape[1] % 2))).astype(np.uint32)
    assert np.array_equal(pairs, padded[:, ::2] | padded[:, 1::2] << 16)


def test_only_float32_is_rounded_to_bfloat16():
    with pytest.raises(TypeError, match="only float32 factors .* got float64"):
        matmul.matmul(np.ones((2, 2)), np.ones((2, 2)), output=np.ones((2, 2)), bfloat16=True)


def test_rounded_rows_in_another_order_are_refused():
    pairs = np.ones((3, 4), np.uint32)  # as if they were the columns
    with pytest.raises(ValueError, match="b must be the transpose of what bfloat16_rows"):
        a, output = np.ones((2, 6), np.float32), np.ones((2, 4), np.float32)
        matmul.matmul(a, pairs, output=output, bfloat16=True)


def test_identity_is_exact(dtype, rng):
    matrix = rng.standard_normal((29, 67)).astype(dtype)
    output = np.full_like(matrix, np.nan)
    matmul.matmul(np.eye(29, dtype=dtype), matrix, output=output)
    assert np.array_equal(output, matrix)


@pytest.mark.parametrize("transposed", ["", "b"])
@pytest.mark.parametrize("M", [1, 37])
def test_is_the_same_on_any_number_of_threads(
    M, transposed, kind, rng, same_on_any_number_of_threads
):
    if kind == "bfloat16 rows" and "b" not in transposed:
        return  # such rows are those of a transposed B
    dtype = np.dtype("float64" if kind == "float64" else "float32")
    a, b = draw(rng, M, 300, 533, transposed, dtype)

    def run():
        output = np.empty((M, 533), dtype)
        multiply(a, b, kind, output)
        return [output]

    same_on_any_number_of_threads(run)
