"""Launches of the im2col kernels."""

import numpy as np

from minigrad.kernels.im2col import output_size
from minigrad.kernels.shared.device import device, layout
from minigrad.kernels.shared.source import Source

_source = Source("im2col/cuda.cu", "im2col_forward", "im2col_backward")


def forward(input, kernel_size, stride, padding, *, output):
    N, C, H, W = input.shape
    OH, OW = output_size(input.shape, kernel_size, stride, padding)
    target = layout.begin(output)
    _source.launch(
        "im2col_forward",
        input.dtype,
        device.blocks(N * OH * OW, 1),
        *(layout.memory(input), target, np.int64(N * OH * OW)),
        *(C, H, W, OH, OW, *kernel_size, *stride, *padding),
    )
    layout.finish(target, output)


def backward(grad_output, kernel_size, stride, padding, *, grad_input):
    N, C, H, W = grad_input.shape
    OH, OW = output_size(grad_input.shape, kernel_size, stride, padding)
    target = layout.begin(grad_input)
    _source.launch(
        "im2col_backward",
        grad_output.dtype,
        device.blocks(N * H, 1),
        *(layout.memory(grad_output), target, np.int64(N * H)),
        *(C, H, OH, OW, W * C, *kernel_size, *stride, *padding),
    )
    layout.finish(target, grad_input)
