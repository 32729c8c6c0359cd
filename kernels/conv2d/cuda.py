"""Convolution on the GPU: the choice between two paths.

Where TF32 is allowed the tensor cores gather their columns themselves. Float64, exact float32 and
input gradients with strides (or with padding as wide as the window) go through im2col.
"""

from minigrad.kernels.conv2d import check_convolution, cuda_im2col, cuda_implicit_gemm
from minigrad.kernels.relu import cuda as relu_kernels


def forward(input, weight, bias, stride, padding, groups, *, output, bfloat16=False):
    _forward(input, weight, bias, stride, padding, groups, False, output, bfloat16)


def forward_relu(input, weight, bias, stride, padding, groups, *, output, bfloat16=False):
    _forward(input, weight, bias, stride, padding, groups, True, output, bfloat16)


def _forward(input, weight, bias, stride, padding, groups, relu, output, bfloat16):
    checked = {"input": input, "weight": weight, "output": output, "bias": bias}
    check_convolution("conv2d.forward", checked, stride, padding, groups, bfloat16)
    arguments = input, weight, bias, stride, padding, groups
    if cuda_implicit_gemm.suits(input, output, weight, groups):
        cuda_implicit_gemm.forward(*arguments, relu, output=output)
        return
    cuda_im2col.forward(*arguments, output=output)
    if relu:
        relu_kernels.forward(output, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input, bfloat16=False):
    arrays = {"grad_input": grad_input, "weight": weight, "grad_output": grad_output}
    check_convolution("conv2d.backward_input", arrays, stride, padding, groups, bfloat16)
    KH, KW = weight.shape[2:]
    suits = (
        cuda_implicit_gemm.suits(grad_output, grad_input, weight, groups)
        and stride == (1, 1)
        and padding[0] < KH
        and padding[1] < KW
    )
    path = cuda_implicit_gemm if suits else cuda_im2col
    path.backward_input(grad_output, weight, stride, padding, groups, grad_input=grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight, bfloat16=False):
    arrays = {"input": input, "grad_weight": grad_weight, "grad_output": grad_output}
    check_convolution("conv2d.backward_weight", arrays, stride, padding, groups, bfloat16)
    path = (
        cuda_implicit_gemm
        if cuda_implicit_gemm.suits(input, grad_output, grad_weight, groups)
        else cuda_im2col
    )
    path.backward_weight(grad_output, input, stride, padding, groups, grad_weight=grad_weight)
