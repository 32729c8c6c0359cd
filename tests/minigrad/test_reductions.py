"""Sums keep their digits, however many numbers are added and in whatever order they lie."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F

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


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_softmax_loses_no_summand(function, torch):
    """Neither in its own sum nor in that of its gradient, also along the first dimension."""
    rng = np.random.default_rng(0)
    array, grad = rng.normal(size=(2, 50_000, 3)).astype(np.float32) + np.float32(1)
    x = mg.Tensor(array, requires_grad=True)
    output = function(x, dim=0)
    output.backward(grad)
    y = torch.tensor(array, dtype=torch.float64, requires_grad=True)
    expected = getattr(torch, function.__name__)(y, 0)
    expected.backward(torch.tensor(grad, dtype=torch.float64))
    np.testing.assert_allclose(output.numpy(), expected.detach().numpy(), rtol=3e-6)
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=3e-6, atol=5e-6)


def test_no_maximum_is_lost():
    """2^24 + 8 equal maxima along the first dimension share the gradient."""
    x = mg.Tensor(np.zeros((2**24 + 8, 2), np.float32), requires_grad=True)
    x.max(dim=0).sum().backward()
    assert (x.grad.data == np.float32(1 / (2**24 + 8))).all()
