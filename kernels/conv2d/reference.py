"""Convolution in plain loops: the formula of the contract, one output position at a time."""

import numpy as np

from minigrad.kernels.shared.bfloat16 import round_to_bfloat16


def _positions(output, kernel_size, stride, padding, input_size):
    """(n, oc, oh, ow, kh, kw, h, w) of every product of an output with a window element."""
    N, OC, OH, OW = output.shape
    for n, oc, oh, ow in np.ndindex(N, OC, OH, OW):
        for kh, kw in np.ndindex(*kernel_size):
            h = oh * stride[0] + kh - padding[0]
            w = ow * stride[1] + kw - padding[1]
            if 0 <= h < input_size[0] and 0 <= w < input_size[1]:
                yield n, oc, oh, ow, kh, kw, h, w


def _group_channels(oc, weight, groups):
    """The input channels that output channel `oc` sees."""
    OC, IC = weight.shape[:2]
    first = oc // (OC // groups) * IC
    return slice(first, first + IC)


def forward(input, weight, bias, stride, padding, groups, *, output, bfloat16=False):
    if bfloat16:
        input, weight = round_to_bfloat16(input), round_to_bfloat16(weight)
    output[...] = 0 if bias is None else bias[:, None, None]
    for n, oc, oh, ow, kh, kw, h, w in _positions(
        output, weight.shape[2:], stride, padding, input.shape[2:]
    ):
        channels = _group_channels(oc, weight, groups)
        for ic, value in enumerate(input[n, channels, h, w]):
            output[n, oc, oh, ow] += weight[oc, ic, kh, kw] * value


def forward_relu(input, weight, bias, stride, padding, groups, *, output, bfloat16=False):
    forward(input, weight, bias, stride, padding, groups, output=output, bfloat16=bfloat16)
    output[output <= 0] = 0


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input, bfloat16=False):
    if bfloat16:
        grad_output, weight = round_to_bfloat16(grad_output), round_to_bfloat16(weight)
    grad_input[...] = 0
    for n, oc, oh, ow, kh, kw, h, w in _positions(
        grad_output, weight.shape[2:], stride, padding, grad_input.shape[2:]
    ):
        channels = _group_channels(oc, weight, groups)
        grad_input[n, channels, h, w] += weight[oc, :, kh, kw] * grad_output[n, oc, oh, ow]


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight, bfloat16=False):
    if bfloat16:
        grad_output, input = round_to_bfloat16(grad_output), round_to_bfloat16(input)
    grad_weight[...] = 0
    for n, oc, oh, ow, kh, kw, h, w in _positions(
        grad_output, grad_weight.shape[2:], stride, padding, input.shape[2:]
    ):
        channels = _group_channels(oc, grad_weight, groups)
        grad_weight[oc, :, kh, kw] += input[n, channels, h, w] * grad_output[n, oc, oh, ow]
