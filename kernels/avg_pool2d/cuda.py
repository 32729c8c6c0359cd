"""Launches of the average pooling kernels."""

import numpy as np

from minigrad.kernels.shared.device import device, layout
from minigrad.kernels.shared.source import Source

_source = Source("avg_pool2d/cuda.cu", "avg_pool2d_forward", "avg_pool2d_backward")


def forward(input, kernel_size, stride, padding, *, output):
    H, W = input.shape[2:]
    N, C, OH, OW = output.shape
    target = layout.begin(output)
    _source.launch(
        "avg_pool2d_forward",
        input.dtype,
        device.blocks(N * OH, 1),
        *(layout.memory(input), target, np.int64(N * OH)),
        *(C, H, W, OH, OW * C, *kernel_size, *stride, *padding),
    )
    layout.finish(target, output)


def backward(grad_output, kernel_size, stride, padding, *, grad_input):
    N, C, H, W = grad_input.shape
    OH, OW = grad_output.shape[2:]
    target = layout.begin(grad_input)
    _source.launch(
        "avg_pool2d_backward",
        grad_output.dtype,
        device.blocks(N * H, 1),
        *(layout.memory(grad_output), target, np.int64(N * H)),
        *(C, H, OH, OW, W * C, *kernel_size, *stride, *padding),
    )
    layout.finish(target, grad_input)
