"""The fully connected layer on the GPU: three forms of one matrix product, by cuBLAS."""

from minigrad.kernels.bias import cuda as bias_kernels
from minigrad.kernels.linear import check_linear
from minigrad.kernels.shared.device import device


def forward(input, weight, bias, *, output, bfloat16=False):
    arrays = {"input": input, "weight": weight, "output": output, "bias": bias}
    check_linear("linear.forward", arrays, bfloat16)
    device.matmul(input[None], weight.T[None], output=output[None])
    if bias is not None:
        bias_kernels.forward(output, bias, output=output)


def backward_input(grad_output, weight, *, grad_input, bfloat16=False):
    arrays = {"grad_input": grad_input, "weight": weight, "grad_output": grad_output}
    check_linear("linear.backward_input", arrays, bfloat16)
    device.matmul(grad_output[None], weight[None], output=grad_input[None])


def backward_weight(grad_output, input, *, grad_weight, bfloat16=False):
    arrays = {"input": input, "grad_weight": grad_weight, "grad_output": grad_output}
    check_linear("linear.backward_weight", arrays, bfloat16)
    device.matmul(grad_output.T[None], input[None], output=grad_weight[None])
