"""Launches of the local response normalization kernels."""

import numpy as np

from minigrad.kernels.local_response_norm import window_extent
from minigrad.kernels.shared import bfloat16
from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import ALL_TYPES, Source

_TILE = 256  # elements of a block, one a thread

_source = Source(
    "local_response_norm/cuda.cu",
    *("local_response_norm_forward", "local_response_norm_backward"),
    types=ALL_TYPES,
    constants={"TILE": _TILE},
)


def forward(input, size, alpha, beta, k, *, output):
    check_same_shape("local_response_norm.forward", input=input, output=output)
    before, after = window_extent(size, input.shape[-1])
    _launch(
        "local_response_norm_forward",
        (input, output),
        (before, after, alpha / size, beta, k),
        elements=_TILE + before + after,
    )


def backward(grad_output, input, size, alpha, beta, k, *, grad_input):
    arrays = {"grad_output": grad_output, "input": input, "grad_input": grad_input}
    check_same_shape("local_response_norm.backward", **arrays)
    before, after = window_extent(size, input.shape[-1])
    _launch(
        "local_response_norm_backward",
        (grad_output, input, grad_input),
        (before, after, alpha / size, beta, k),
        elements=3 * _TILE + 4 * (before + after),
    )


def _launch(kernel, arrays, parameters, elements):
    """`elements`: what a block keeps in shared memory."""
    count, dtype, C = arrays[0].size, arrays[0].dtype, arrays[0].shape[-1]
    shared_memory = elements * bfloat16.arithmetic(dtype).itemsize
    if shared_memory > device.shared_memory:
        raise ValueError(
            f"local_response_norm: {parameters[0] + parameters[1] + 1} channels in a window need "
            f"{shared_memory} bytes of shared memory, and this GPU has {device.shared_memory}"
        )
    _source.launch(
        kernel,
        dtype,
        device.blocks(count, _TILE),
        *(*arrays, np.int64(count), C, *parameters),
        threads=_TILE,
        shared_memory=shared_memory,
    )
