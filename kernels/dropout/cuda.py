"""Launches of the dropout kernel."""

import numpy as np

from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import ALL_TYPES, Source

_source = Source("dropout/cuda.cu", "dropout_mask", types=ALL_TYPES)


def forward(input, p, key, first, *, output):
    check_same_shape("dropout.forward", input=input, output=output)
    count = input.size
    counters = -(-(first % 4 + count) // 4)
    _source.launch(
        "dropout_mask",
        input.dtype,
        device.blocks(counters),
        *(input, output, 1 / (1 - p), np.uint64(round(p * 2**32))),
        *(*map(np.uint64, key), np.int64(first), np.int64(count)),
    )


def backward(grad_output, p, key, first, *, grad_input):
    forward(grad_output, p, key, first, output=grad_input)
