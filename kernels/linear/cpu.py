"""The fully connected layer on the CPU: three forms of one packed matrix product."""

from minigrad.kernels.bias import cpu as bias_kernels
from minigrad.kernels.shared import matmul


def forward(input, weight, bias, *, output):
    matmul.matmul(input, weight.T, output=output)
    if bias is not None:
        bias_kernels.forward(output, bias, output=output)


def backward_input(grad_output, weight, *, grad_input):
    matmul.matmul(grad_output, weight, output=grad_input)


def backward_weight(grad_output, input, *, grad_weight):
    matmul.matmul(grad_output.T, input, output=grad_weight)
