"""Convolution on the CPU: the choice among three paths.

Layers with many channels, or with a stride that makes many of few, take Winograd's, which
multiplies least. The direct path takes all others but the input gradient with strides (or with
padding as wide as the window), where most products would be with zeros: that goes through im2col.

bfloat16: factors are rounded first. The products are then exact in float32, whose paths add them.
"""

from minigrad.kernels.conv2d import check_convolution, cpu_direct, cpu_im2col, cpu_winograd
from minigrad.kernels.relu import cpu as relu_kernels
from minigrad.kernels.shared.bfloat16 import rounded_copy


def forward(input, weight, bias, stride, padding, groups, *, output, bfloat16=False):
    arrays = {"input": input, "weight": weight, "output": output, "bias": bias}
    check_convolution("conv2d.forward", arrays, stride, padding, groups, bfloat16)
    _forward(input, weight, bias, stride, padding, groups, output, bfloat16, relu=False)


def forward_relu(input, weight, bias, stride, padding, groups, *, output, bfloat16=False):
    arrays = {"input": input, "weight": weight, "output": output, "bias": bias}
    check_convolution("conv2d.forward_relu", arrays, stride, padding, groups, bfloat16)
    _forward(input, weight, bias, stride, padding, groups, output, bfloat16, relu=True)


def _forward(input, weight, bias, stride, padding, groups, output, bfloat16, relu):
    window = stride, padding, groups
    if bfloat16:
        input, weight = rounded_copy(input), rounded_copy(weight)
    if _suits_winograd(output, weight, stride, groups):
        cpu_winograd.forward(input, weight, bias, *window, output=output, relu=relu)
        return
    cpu_direct.forward(input, weight, bias, *window, output=output)
    if relu:
        relu_kernels.forward(output, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input, bfloat16=False):
    arrays = {"grad_input": grad_input, "weight": weight, "grad_output": grad_output}
    check_convolution("conv2d.backward_input", arrays, stride, padding, groups, bfloat16)
    if bfloat16:
        grad_output, weight = rounded_copy(grad_output), rounded_copy(weight)
    KH, KW = weight.shape[2:]
    if stride == (1, 1) and _suits_winograd(grad_output, weight, stride, groups):
        path = cpu_winograd
    elif stride == (1, 1) and padding[0] < KH and padding[1] < KW:
        path = cpu_direct
    else:
        path = cpu_im2col
    path.backward_input(grad_output, weight, stride, padding, groups, grad_input=grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight, bfloat16=False):
    arrays = {"input": input, "grad_weight": grad_weight, "grad_output": grad_output}
    check_convolution("conv2d.backward_weight", arrays, stride, padding, groups, bfloat16)
    if bfloat16:
        grad_output, input = rounded_copy(grad_output), rounded_copy(input)
    is_suitable = _suits_winograd(grad_output, grad_weight, stride, groups)
    path = cpu_winograd if is_suitable else cpu_direct
    path.backward_weight(grad_output, input, stride, padding, groups, grad_weight=grad_weight)


def _suits_winograd(output, weight, stride, groups):
    return cpu_winograd.suits(output.shape, weight.shape, stride, groups, weight.dtype)
