"""A linear operation and its backward are adjoint: <J v, u> = <v, J' u> up to rounding.

Needs no finite differences, so it also holds the float32 kernels to float32's precision.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend
from tests.op_cases import CASES

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.linear], ids=lambda case: case.name
)
def test_backward_is_the_adjoint_of_forward(case, dtype, device, cuda, rng):
    arrays = case.make_inputs(rng, dtype)
    asarray = backend.get(device).asarray
    inputs = [mg.Tensor(asarray(x), requires_grad=True) for x in arrays]
    output = case.function(*inputs)
    grad_output = rng.standard_normal(output.shape).astype(dtype)
    output.backward(mg.Tensor(np.asarray(grad_output)).to(device))
    forward, size = dot(output.numpy(), grad_output)
    assert size > 0
    backward = [dot(x.numpy(), x.grad.numpy()) for x in inputs]
    if case.linear == "jointly":
        backward = [tuple(map(sum, zip(*backward)))]
    for product, other_size in backward:
        assert abs(product - forward) <= TOLERANCE[dtype] * max(size, other_size)


def dot(a, b):
    """<a, b> in float64, and the product of the norms, which rounding is relative to."""
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(a @ b), float(np.linalg.norm(a) * np.linalg.norm(b))
