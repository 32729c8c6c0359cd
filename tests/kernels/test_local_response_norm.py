"""Local response normalization: reference against PyTorch, cpu against reference.

alpha and k are near 1: at the paper's constants the sum of squares hardly matters and a wrong
window would not be seen.
"""

import numpy as np
import pytest

from tests.kernels.on_device import BACKENDS, Kernels


def run(backend, input, grad_output, size, alpha, beta, k, garbage):
    kernels = Kernels(backend).local_response_norm
    output, grad_input = garbage(input.shape, input.dtype), garbage(input.shape, input.dtype)
    kernels.forward(input, size, alpha, beta, k, output=output)
    kernels.backward(grad_output, input, size, alpha, beta, k, grad_input=grad_input)
    return output, grad_input


@pytest.mark.parametrize("beta", [0.3, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 15])
@pytest.mark.parametrize("C", [1, 2, 7])
def test_reference_against_pytorch(C, size, beta, rng, garbage, torch):
    input, grad_output = rng.standard_normal((2, 2, C, 3, 2))
    tensor = torch.from_numpy(input).requires_grad_()
    expected = torch.nn.functional.local_response_norm(tensor, size, 1.3, beta, 0.9)
    expected.backward(torch.from_numpy(grad_output))
    output, grad_input = run("reference", input, grad_output, size, 1.3, beta, 0.9, garbage)
    np.testing.assert_allclose(output, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(grad_input, tensor.grad.numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("beta", [0.3, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 40])
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1, 1), (2, 2), (1, 3, 7, 2), (2, 16, 3, 5), (1, 17, 2, 2), (2, 31, 3), (3, 2100)],
)
def test_against_reference(backend, shape, size, beta, dtype, rng, garbage, assert_close):
    input, grad_output = rng.standard_normal((2, *shape)).astype(dtype)
    arguments = (input, grad_output, size, 1.1, beta, 0.9, garbage)
    for actual, expected in zip(
        run(backend, *arguments), run("reference", *arguments), strict=True
    ):
        assert_close(actual, expected)


@pytest.mark.parametrize("P", [1023, 1024, 1025, 2049])
def test_planes_longer_than_a_block(P, dtype, rng, garbage, assert_close):
    input, grad_output = rng.standard_normal((2, 1, 3, P)).astype(dtype)
    arguments = (input, grad_output, 2, 1.1, 0.75, 0.9, garbage)
    for actual, expected in zip(run("cpu", *arguments), run("reference", *arguments), strict=True):
        assert_close(actual, expected)


def test_large_value_leaves_no_trace_in_windows_without_it(rng, garbage, assert_close):
    # A window sum updated by adding and subtracting squares would keep the rounding of 1e8.
    input = rng.standard_normal((1, 9, 4)).astype(np.float32)
    input[:, 0] = 1e4
    arguments = (input, np.ones_like(input), 3, 1.0, 0.75, 1.0, garbage)
    for actual, expected in zip(run("cpu", *arguments), run("reference", *arguments), strict=True):
        assert_close(actual[:, 2:], expected[:, 2:])


@pytest.mark.parametrize("backend", BACKENDS)
def test_even_window_reaches_further_down(backend, garbage):
    # Only channel 1 is not 0; with size 2 the window of c is {c - 1, c}: channel 2 sees it.
    input = np.array([[[0.0], [1.0], [0.0]]])
    grad_output = np.array([[[1.0], [1.0], [1.0]]])
    output, grad_input = run(backend, input, grad_output, 2, 2.0, 1.0, 1.0, garbage)
    np.testing.assert_allclose(output.ravel(), [0, 1 / 2, 0])
    # s = (1, 2, 2); channel 0: 1 / s, channel 1: 1/2 - 2 * 2/2 * 1 * 1/4, channel 2: 1/2
    np.testing.assert_allclose(grad_input.ravel(), [1, 0, 1 / 2])


def test_threads(rng, garbage, same_on_any_number_of_threads):
    input, grad_output = rng.standard_normal((2, 3, 8, 1500), np.float32)
    same_on_any_number_of_threads(
        lambda: list(run("cpu", input, grad_output, 5, 1.0, 0.75, 1.0, garbage))
    )
