"""The fully connected layer on the CPU: three forms of one packed matrix product."""

from minigrad.kernels.bias import cpu as bias_kernels
from minigrad.kernels.linear import check_linear
from minigrad.kernels.shared import matmul
from minigrad.kernels.shared.bfloat16 import rounded_copy


def forward(input, weight, bias, *, output, bfloat16=False):
    arrays = {"input": input, "weight": weight, "output": output, "bias": bias}
    check_linear("linear.forward", arrays, bfloat16)
    if bfloat16:
        input, weight = rounded_copy(input), rounded_copy(weight)
    matmul.matmul(input, weight.T, output=output)
    if bias is not None:
        bias_kernels.forward(output, bias, output=output)


def backward_input(grad_output, weight, *, grad_input, bfloat16=False):
    arrays = {"grad_input": grad_input, "weight": weight, "grad_output": grad_output}
    check_linear("linear.backward_input", arrays, bfloat16)
    if bfloat16:
        grad_output, weight = rounded_copy(grad_output), rounded_copy(weight)
    matmul.matmul(grad_output, weight, output=grad_input)


def backward_weight(grad_output, input, *, grad_weight, bfloat16=False):
    arrays = {"input": input, "grad_weight": grad_weight, "grad_output": grad_output}
    check_linear("linear.backward_weight", arrays, bfloat16)
    if bfloat16:
        grad_output, input = rounded_copy(grad_output), rounded_copy(input)
    matmul.matmul(grad_output.T, input, output=grad_weight)
