"""The fully connected layer against the reference."""

import numpy as np
import pytest

from minigrad.kernels.linear import cpu, reference

SIZES = [(1, 1, 1), (1, 17, 3), (7, 15, 33), (8, 16, 32), (9, 31, 16), (33, 5, 65), (3, 300, 7)]


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("N, inputs, outputs", SIZES)
def test_equals_reference(N, inputs, outputs, with_bias, dtype, rng, assert_close):
    input = rng.standard_normal((N, inputs)).astype(dtype)
    weight = rng.standard_normal((outputs, inputs)).astype(dtype)
    bias = rng.standard_normal(outputs).astype(dtype) if with_bias else None
    grad_output = rng.standard_normal((N, outputs)).astype(dtype)
    results = []
    for module in (reference, cpu):
        output, grad_input, grad_weight = (
            np.full_like(array, np.nan) for array in (grad_output, input, weight)
        )
        module.forward(input, weight, bias, output=output)
        module.backward_input(grad_output, weight, grad_input=grad_input)
        module.backward_weight(grad_output, input, grad_weight=grad_weight)
        results.append((output, grad_input, grad_weight))
    for expected, result in zip(*results):
        assert_close(result, expected)


def test_is_the_same_on_any_number_of_threads(rng, same_on_any_number_of_threads):
    input, weight, bias = (rng.standard_normal(s) for s in ((9, 31), (257, 31), (257,)))

    def run():
        output, grad_weight = np.empty((9, 257)), np.empty((257, 31))
        cpu.forward(input, weight, bias, output=output)
        cpu.backward_weight(output, input, grad_weight=grad_weight)
        return [output, grad_weight]

    same_on_any_number_of_threads(run)
