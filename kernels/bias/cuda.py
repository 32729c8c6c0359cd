"""Launches of the bias kernels."""

import numpy as np

from minigrad.kernels.bias import check_bias
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import ALL_TYPES, Source

_CHANNELS, _ROWS = 32, 8  # of a block at a time

_source = Source(
    "bias/cuda.cu",
    *("bias_forward", "bias_partial_sums", "bias_total"),
    types=ALL_TYPES,
    constants={"CHANNELS": _CHANNELS, "ROWS": _ROWS},
)

_ROWS_PER_PART, _MOST_PARTS = 64, 256


def forward(input, bias, *, output):
    check_bias("bias.forward", {"input": input, "output": output, "bias": bias})
    rows, channels = input.size // bias.size, bias.size
    _source.launch(
        "bias_forward",
        input.dtype,
        device.blocks(rows, _ROWS),
        *(input, bias, output, np.int64(rows), channels),
        threads=(_CHANNELS, _ROWS),
    )


def backward(grad_output, *, grad_bias):
    check_bias("bias.backward", {"grad_output": grad_output, "grad_bias": grad_bias})
    _backward(grad_output, None, None, grad_bias)


def backward_relu(grad_output, output, *, grad_input, grad_bias):
    arrays = {"grad_output": grad_output, "output": output, "grad_input": grad_input}
    check_bias("bias.backward_relu", {**arrays, "grad_bias": grad_bias})
    _backward(grad_output, output, grad_input, grad_bias)


def _backward(grad_output, output, grad_input, grad_bias):
    rows, channels = grad_output.size // grad_bias.size, grad_bias.size
    parts = max(1, min(rows // _ROWS_PER_PART, _MOST_PARTS))
    partial = device.empty((parts, channels), np.float64)
    _source.launch(
        "bias_partial_sums",
        grad_output.dtype,
        (-(-channels // _CHANNELS), parts),
        *(grad_output, output, grad_input, partial, np.int64(rows), channels),
        threads=(_CHANNELS, _ROWS),
    )
    _source.launch(
        "bias_total",
        grad_output.dtype,
        device.blocks(channels),
        *(partial, grad_bias, parts, channels),
    )
