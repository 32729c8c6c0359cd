"""Launches of the im2col kernels."""

import numpy as np

from minigrad.kernels.im2col import check_columns
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.shapes import output_size
from minigrad.kernels.shared.source import Source

_source = Source("im2col/cuda.cu", "im2col_forward", "im2col_backward")


def forward(input, kernel_size, stride, padding, *, output):
    arrays = {"input": input, "output": output}
    check_columns("im2col.forward", arrays, kernel_size, stride, padding)
    N, H, W, C = input.shape
    OH, OW = output_size((N, C, H, W), kernel_size, stride, padding)
    _source.launch(
        "im2col_forward",
        input.dtype,
        device.blocks(N * OH * OW, 1),
        *(input, output, np.int64(N * OH * OW)),
        *(C, H, W, OH, OW, *kernel_size, *stride, *padding),
    )


def backward(grad_output, kernel_size, stride, padding, *, grad_input):
    arrays = {"grad_input": grad_input, "grad_output": grad_output}
    check_columns("im2col.backward", arrays, kernel_size, stride, padding)
    N, H, W, C = grad_input.shape
    OH, OW = output_size((N, C, H, W), kernel_size, stride, padding)
    _source.launch(
        "im2col_backward",
        grad_output.dtype,
        device.blocks(N * H, 1),
        *(grad_output, grad_input, np.int64(N * H)),
        *(C, H, OH, OW, W * C, *kernel_size, *stride, *padding),
    )
