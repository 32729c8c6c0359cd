"""Launches of the max-pooling kernels."""

import numpy as np

from minigrad.kernels.shared.device import device, layout
from minigrad.kernels.shared.source import Source

_source = Source("max_pool2d/cuda.cu", "max_pool2d_forward", "max_pool2d_backward")


def forward(input, kernel_size, stride, padding, *, output, argmax):
    H, W = input.shape[2:]
    N, C, OH, OW = output.shape
    target, target_index = layout.begin(output), layout.begin(argmax)
    _source.launch(
        "max_pool2d_forward",
        input.dtype,
        device.blocks(N * OH, 1),
        *(layout.memory(input), target, target_index, np.int64(N * OH)),
        *(C, H, W, OH, OW * C, *kernel_size, *stride, *padding),
    )
    layout.finish(target, output)
    layout.finish(target_index, argmax)


def backward(grad_output, argmax, kernel_size, stride, padding, *, grad_input):
    N, C, H, W = grad_input.shape
    OH, OW = grad_output.shape[2:]
    target = layout.begin(grad_input)
    _source.launch(
        "max_pool2d_backward",
        grad_output.dtype,
        device.blocks(N * H, 1),
        *(layout.memory(grad_output), layout.memory(argmax), target, np.int64(N * H)),
        *(C, H, W, OH, OW, W * C, *kernel_size, *stride, *padding),
    )
    layout.finish(target, grad_input)
