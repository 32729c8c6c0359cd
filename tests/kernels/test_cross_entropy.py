"""Cross entropy: both kernels against NumPy in extended precision."""

import numpy as np
import pytest

from tests.kernels.on_device import BACKENDS, Kernels


def run(backend, input, target, grad_loss, garbage):
    kernels = Kernels(backend).cross_entropy
    N, dtype = input.shape[0], input.dtype
    loss, log_sum_exp = garbage(N, dtype), garbage(N, dtype)
    grad_input = garbage(input.shape, dtype)
    kernels.forward(input, target, loss=loss, log_sum_exp=log_sum_exp)
    kernels.backward(grad_loss, input, target, log_sum_exp, grad_input=grad_input)
    return loss, log_sum_exp, grad_input


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("N, C", [(1, 1), (1, 2), (3, 7), (16, 15), (33, 31), (2, 1000)])
def test_forward_and_backward(backend, N, C, dtype, rng, garbage, assert_close):
    input = (3 * rng.standard_normal((N, C))).astype(dtype)
    target = rng.integers(0, C, N)
    grad_loss = rng.standard_normal(N).astype(dtype)
    loss, log_sum_exp, grad_input = run(backend, input, target, grad_loss, garbage)

    exponentials = np.exp(input.astype(np.longdouble))
    total = exponentials.sum(axis=1)
    rows = np.arange(N)
    softmax_minus_target = exponentials / total[:, None]
    softmax_minus_target[rows, target] -= 1
    assert_close(log_sum_exp, np.log(total).astype(dtype))
    assert_close(loss, (np.log(total) - input[rows, target]).astype(dtype))
    assert_close(grad_input, (grad_loss[:, None] * softmax_minus_target).astype(dtype))


@pytest.mark.parametrize("backend", BACKENDS)
def test_large_logits_do_not_overflow(backend, dtype, garbage):
    input = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], dtype)
    target = np.array([0, 2])
    loss, _, grad_input = run(backend, input, target, np.ones(2, dtype), garbage)
    np.testing.assert_allclose(loss, [0, np.log(3)], rtol=1e-6)
    np.testing.assert_allclose(
        grad_input, [[0, 0, 0], [1 / 3, 1 / 3, -2 / 3]], rtol=2e-3, atol=1e-6
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_row_with_a_negative_label_is_left_out(backend, dtype, rng, garbage):
    """Whatever its logits and the gradient of its loss are; the other rows are as without it."""
    input = rng.standard_normal((7, 5)).astype(dtype)
    target, grad_loss = np.array([0, -1, 4, 2, -100, 1, 3]), np.arange(1, 8).astype(dtype)
    kept = target >= 0
    expected = run(backend, input[kept], target[kept], grad_loss[kept], garbage)
    input[1], grad_loss[[1, 4]] = [np.nan, np.inf, -np.inf, 0, 1], np.nan
    for result, right in zip(run(backend, input, target, grad_loss, garbage), expected):
        np.testing.assert_array_equal(result[kept], right)
        np.testing.assert_array_equal(result[~kept], np.zeros_like(result[~kept]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_logit_gives_nan_loss_of_its_row_only(backend, dtype, garbage):
    input = np.array([[0, np.nan, 1], [0, 1, 2]], dtype)
    loss, _, _ = run(backend, input, np.array([0, 0]), np.ones(2, dtype), garbage)
    np.testing.assert_array_equal(np.isnan(loss), [True, False])
