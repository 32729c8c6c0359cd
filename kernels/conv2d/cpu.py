"""Convolution on the CPU: which of the two paths takes a call.

The blocked path computes as many images side by side as the micro-kernel has lanes, so it
needs a batch to fill them; and it turns the input gradient into a forward convolution, which
works for stride 1. The plain im2col path takes everything else.
"""

from kernels._microkernel import lanes_of
from kernels.conv2d import _blocked, _im2col


def forward(input, weight, bias, stride, padding, groups, *, output):
    path = _blocked if _fills_lanes(input) else _im2col
    path.forward(input, weight, bias, stride, padding, groups, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    KH, KW = weight.shape[2:]
    flippable = stride == (1, 1) and padding[0] < KH and padding[1] < KW
    path = _blocked if flippable and _fills_lanes(grad_output) else _im2col
    path.backward_input(grad_output, weight, stride, padding, groups, grad_input=grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    path = _blocked if _fills_lanes(input) else _im2col
    path.backward_weight(grad_output, input, stride, padding, groups, grad_weight=grad_weight)


def _fills_lanes(batch):
    return 2 * batch.shape[0] >= lanes_of(batch.dtype)
