"""Convolution on the CPU: which of the two paths takes a call.

The direct path takes all but the input gradient with strides (or with padding as wide as the
window), where most products would be with zeros: there the columns are written and added up.
"""

from kernels.conv2d import _direct, _im2col


def forward(input, weight, bias, stride, padding, groups, *, output):
    _direct.forward(input, weight, bias, stride, padding, groups, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    KH, KW = weight.shape[2:]
    if stride == (1, 1) and padding[0] < KH and padding[1] < KW:
        path = _direct
    else:
        path = _im2col
    path.backward_input(grad_output, weight, stride, padding, groups, grad_input=grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    _direct.backward_weight(grad_output, input, stride, padding, groups, grad_weight=grad_weight)
