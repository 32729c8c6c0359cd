"""Convolution on the CPU: which of the three paths takes a call.

Most layers with many channels take Winograd's, which multiplies least. The direct path takes all
others but the input gradient with strides (or with padding as wide as the window), where most
products would be with zeros: there the columns are written and added up.
"""

from kernels.conv2d import _direct, _im2col, _winograd
from kernels.relu import cpu as relu_kernels


def forward(input, weight, bias, stride, padding, groups, *, output):
    path = _winograd if _winograd.suits(output, weight, stride, groups) else _direct
    path.forward(input, weight, bias, stride, padding, groups, output=output)


def forward_relu(input, weight, bias, stride, padding, groups, *, output):
    forward(input, weight, bias, stride, padding, groups, output=output)
    relu_kernels.forward(output, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    KH, KW = weight.shape[2:]
    if _winograd.suits(grad_output, weight, stride, groups):
        path = _winograd
    elif stride == (1, 1) and padding[0] < KH and padding[1] < KW:
        path = _direct
    else:
        path = _im2col
    path.backward_input(grad_output, weight, stride, padding, groups, grad_input=grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    path = _winograd if _winograd.suits(grad_output, grad_weight, stride, groups) else _direct
    path.backward_weight(grad_output, input, stride, padding, groups, grad_weight=grad_weight)
