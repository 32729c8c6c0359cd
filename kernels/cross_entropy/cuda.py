"""Launches of the cross entropy kernels."""

import numpy as np

from minigrad.kernels.cross_entropy import check_cross_entropy
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import Source

_WARP = 32  # threads, which take one row
_ROWS = 4  # of a block

_source = Source(
    "cross_entropy/cuda.cu",
    *("cross_entropy_forward", "cross_entropy_backward"),
    constants={"WARP": _WARP, "ROWS": _ROWS},
)


def forward(input, target, *, loss, log_sum_exp):
    arrays = {"input": input, "target": target, "loss": loss, "log_sum_exp": log_sum_exp}
    check_cross_entropy("cross_entropy.forward", arrays)
    _launch("cross_entropy_forward", input, input, target, loss, log_sum_exp)


def backward(grad_loss, input, target, log_sum_exp, *, grad_input):
    arrays = {"input": input, "target": target, "log_sum_exp": log_sum_exp}
    arrays |= {"grad_loss": grad_loss, "grad_input": grad_input}
    check_cross_entropy("cross_entropy.backward", arrays)
    _launch("cross_entropy_backward", input, grad_loss, input, target, log_sum_exp, grad_input)


def _launch(kernel, input, *arrays):
    N, C = input.shape
    _source.launch(
        kernel,
        input.dtype,
        device.blocks(N, _ROWS),
        *(*arrays, np.int64(N), C),
        threads=(_WARP, _ROWS),
    )
