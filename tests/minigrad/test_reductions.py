"""Sums keep their digits, however many numbers are added and in whatever order they lie."""

import numpy as np
import pytest

import minigrad as mg

# Added to 2^24 one by one in float32, each 1 is lost.
LARGE, ONES = 2.0**24, 99
COLUMN = np.array([[LARGE]] + [[1.0]] * ONES, np.float32)
WIDE = COLUMN.repeat(3, axis=1)


@pytest.mark.parametrize(
    ("array", "dim"),
    [(WIDE, 0), (WIDE.T.copy(), 1), (COLUMN, None), (WIDE.reshape(10, 10, 3), (0, 1))],
)
def test_no_summand_is_lost(array, dim):
    exact = array.sum(axis=dim, dtype=np.float64)
    total, mean = mg.Tensor(array).sum(dim=dim), mg.Tensor(array).mean(dim=dim)
    assert np.array_equal(total.numpy(), exact.astype(np.float32))
    assert np.array_equal(mean.numpy(), (exact / 100).astype(np.float32))
    assert total.dtype == mean.dtype == np.float32


def test_no_gradient_is_lost_where_an_operand_was_broadcast():
    row = mg.tensor(np.zeros(3), dtype=np.float32, requires_grad=True)
    (mg.Tensor(WIDE) + row).backward(WIDE)
    assert row.grad.numpy().tolist() == [LARGE + ONES + 1] * 3  # rounded to an even number
