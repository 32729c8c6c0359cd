"""Launches of the ReLU kernels."""

import numpy as np

from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import ALL_TYPES, Source

_source = Source("relu/cuda.cu", "relu_forward", "relu_backward", types=ALL_TYPES)


def forward(input, *, output):
    check_same_shape("relu.forward", input=input, output=output)
    _launch("relu_forward", input, output)


def backward(grad_output, output, *, grad_input):
    arrays = {"grad_output": grad_output, "output": output, "grad_input": grad_input}
    check_same_shape("relu.backward", **arrays)
    _launch("relu_backward", grad_output, output, grad_input)


def _launch(kernel, *arrays):
    count = arrays[0].size
    _source.launch(kernel, arrays[0].dtype, device.blocks(count), *arrays, np.int64(count))
