"""Launches of the max-pooling kernels."""

import numpy as np

from minigrad.kernels.max_pool2d import check_pooling
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import ALL_TYPES, Source

_source = Source("max_pool2d/cuda.cu", "max_pool2d_forward", "max_pool2d_backward", types=ALL_TYPES)


def forward(input, kernel_size, stride, padding, *, output, argmax):
    arrays = {"input": input, "output": output, "argmax": argmax}
    check_pooling("max_pool2d.forward", arrays, kernel_size, stride, padding)
    H, W = input.shape[1:3]
    N, OH, OW, C = output.shape
    _source.launch(
        "max_pool2d_forward",
        input.dtype,
        device.blocks(N * OH, 1),
        *(input, output, argmax, np.int64(N * OH)),
        *(C, H, W, OH, OW * C, *kernel_size, *stride, *padding),
    )


def backward(grad_output, argmax, kernel_size, stride, padding, *, grad_input):
    arrays = {"grad_input": grad_input, "grad_output": grad_output, "argmax": argmax}
    check_pooling("max_pool2d.backward", arrays, kernel_size, stride, padding)
    N, H, W, C = grad_input.shape
    OH, OW = grad_output.shape[1:3]
    _source.launch(
        "max_pool2d_backward",
        grad_output.dtype,
        device.blocks(N * H, 1),
        *(grad_output, argmax, grad_input, np.int64(N * H)),
        *(C, H, W, OH, OW, W * C, *kernel_size, *stride, *padding),
    )
