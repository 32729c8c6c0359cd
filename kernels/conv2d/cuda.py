"""Convolution on the GPU: by one of two algorithms, which `cuda_choice.py` chooses."""

import numpy as np

from minigrad.kernels.conv2d import check_convolution, cuda_im2col, cuda_implicit_gemm
from minigrad.kernels.conv2d.cuda_choice import choice, obstacle
from minigrad.kernels.relu import cuda as relu_kernels
from minigrad.kernels.shared import bfloat16 as bf16
from minigrad.kernels.shared.device import device

__all__ = ["backward_input", "backward_weight", "choice", "forward", "forward_relu"]


def forward(input, weight, bias, stride, padding, groups, *, output, bfloat16=False):
    _forward(input, weight, bias, stride, padding, groups, False, output, bfloat16)


def forward_relu(input, weight, bias, stride, padding, groups, *, output, bfloat16=False):
    _forward(input, weight, bias, stride, padding, groups, True, output, bfloat16)


def _forward(input, weight, bias, stride, padding, groups, relu, output, bfloat16):
    checked = {"input": input, "weight": weight, "output": output, "bias": bias}
    check_convolution("conv2d.forward", checked, stride, padding, groups, bfloat16)
    window = stride, padding, groups
    if obstacle("forward", input, output, weight, *window) is None:
        cuda_implicit_gemm.forward(input, weight, bias, *window, relu, output=output)
        return
    _by_im2col(cuda_im2col.forward, input, weight, bias, *window, output=output)
    if relu:
        relu_kernels.forward(output, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input, bfloat16=False):
    arrays = {"grad_input": grad_input, "weight": weight, "grad_output": grad_output}
    check_convolution("conv2d.backward_input", arrays, stride, padding, groups, bfloat16)
    window = stride, padding, groups
    if obstacle("backward_input", grad_input, grad_output, weight, *window) is None:
        cuda_implicit_gemm.backward_input(grad_output, weight, *window, grad_input=grad_input)
        return
    _by_im2col(cuda_im2col.backward_input, grad_output, weight, *window, grad_input=grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight, bfloat16=False):
    arrays = {"input": input, "grad_weight": grad_weight, "grad_output": grad_output}
    check_convolution("conv2d.backward_weight", arrays, stride, padding, groups, bfloat16)
    window = stride, padding, groups
    if obstacle("backward_weight", input, grad_output, grad_weight, *window) is None:
        cuda_implicit_gemm.backward_weight(grad_output, input, *window, grad_weight=grad_weight)
        return
    _by_im2col(cuda_im2col.backward_weight, grad_output, input, *window, grad_weight=grad_weight)


def _by_im2col(function, images, factor, *others, **outputs):
    """The plain path; of images of bfloat16 in float32, with both factors rounded."""
    if images.dtype not in bf16.TYPES:
        function(images, factor, *others, **outputs)
        return
    ((name, output),) = outputs.items()
    result = device.empty(output.shape, np.float32)
    factors = (array.astype(bf16.DTYPE).astype(np.float32) for array in (images, factor))
    function(*factors, *others, **{name: result})
    output[...] = result
