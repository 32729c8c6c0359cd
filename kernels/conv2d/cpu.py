"""Convolution on the CPU: by one of three algorithms, which `cpu_choice.py` chooses.

In bfloat16 there is a fast form of Winograd's alone, in which the transformed values are rounded.
Elsewhere the factors themselves are; their products are exact in float32, which the other
algorithms add.
"""

from minigrad.kernels.conv2d import check_convolution, cpu_direct, cpu_im2col, cpu_winograd
from minigrad.kernels.conv2d.cpu_choice import IM2COL, WINOGRAD, algorithm, choice
from minigrad.kernels.relu import cpu as relu_kernels
from minigrad.kernels.shared.bfloat16 import rounded_copy
from minigrad.kernels.shared.prepared import prepared

__all__ = ["backward_input", "backward_weight", "choice", "forward", "forward_relu"]


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
    if algorithm("forward", output, weight, *window, bfloat16) == WINOGRAD:
        cpu_winograd.forward(
            input, weight, bias, *window, output=output, relu=relu, bfloat16=bfloat16
        )
        return
    if bfloat16:
        input, weight = rounded_copy(input), _rounded(weight)
    cpu_direct.forward(input, weight, bias, *window, output=output)
    if relu:
        relu_kernels.forward(output, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input, bfloat16=False):
    arrays = {"grad_input": grad_input, "weight": weight, "grad_output": grad_output}
    check_convolution("conv2d.backward_input", arrays, stride, padding, groups, bfloat16)
    window = stride, padding, groups
    chosen = algorithm("backward_input", grad_output, weight, *window, bfloat16)
    if chosen == WINOGRAD:
        cpu_winograd.backward_input(
            grad_output, weight, *window, grad_input=grad_input, bfloat16=bfloat16
        )
        return
    if bfloat16:
        grad_output, weight = rounded_copy(grad_output), _rounded(weight)
    path = cpu_im2col if chosen == IM2COL else cpu_direct
    path.backward_input(grad_output, weight, *window, grad_input=grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight, bfloat16=False):
    arrays = {"input": input, "grad_weight": grad_weight, "grad_output": grad_output}
    check_convolution("conv2d.backward_weight", arrays, stride, padding, groups, bfloat16)
    window = stride, padding, groups
    if algorithm("backward_weight", grad_output, grad_weight, *window, bfloat16) == WINOGRAD:
        cpu_winograd.backward_weight(
            grad_output, input, *window, grad_weight=grad_weight, bfloat16=bfloat16
        )
        return
    if bfloat16:
        grad_output, input = rounded_copy(grad_output), rounded_copy(input)
    cpu_direct.backward_weight(grad_output, input, *window, grad_weight=grad_weight)


def _rounded(weight):
    return prepared(weight, "rounded to bfloat16", lambda: rounded_copy(weight))
