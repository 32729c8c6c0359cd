"""Products in bfloat16, where `autocast` says so; all tensors and all sums are float32."""

import threading
from typing import Any

import numpy as np

from minigrad.blocks import Block
from minigrad.cuda import BackendError
from minigrad.kernels.shared import bfloat16 as bf16


class _Mode(threading.local):
    products_in_bfloat16 = False


_mode = _Mode()


class autocast(Block):
    """Within this block, or decorated function, products round their factors to bfloat16.

    ``with autocast("bfloat16"):`` and ``@autocast("bfloat16")``. Convolution, linear and matmul
    round their factors, in the backward pass too, wherever `backward()` is called; the sums of the
    products are float32. Everything else, tensors, parameters and gradients included, is float32
    as always, and float64 tensors are computed in float64. It holds for operations of this thread
    on the CPU.

    Args:
        dtype: "bfloat16".
        enabled: False switches it off within the block.

    Raises:
        BackendError: when it is entered, if the processor has no instruction for it; by an
            operation of tensors on the GPU.
        TypeError, ValueError: an argument is something else.
    """

    def __init__(self, dtype: str = "bfloat16", enabled: bool = True):
        super().__init__()
        if dtype != "bfloat16":
            raise ValueError(f"autocast: expected dtype 'bfloat16', got {dtype!r}")
        if not isinstance(enabled, bool):
            raise TypeError(f"autocast: enabled must be True or False, got {enabled!r}")
        self._enabled = enabled

    def _enter(self) -> bool:
        if self._enabled and not bf16.SUPPORTED:
            raise BackendError(
                "products in bfloat16 need a processor with the instructions avx512_bf16, which "
                "this one lacks; MINIGRAD_BF16_EMULATE=1 computes the same without them, at the "
                "speed of float32"
            )
        before = _mode.products_in_bfloat16
        _mode.products_in_bfloat16 = self._enabled
        return before

    def _leave(self, before: bool) -> None:
        _mode.products_in_bfloat16 = before


def rounds_factors(array: Any) -> bool:
    """Whether a product rounds its factors to bfloat16, of which `array` is one.

    Raises:
        BackendError: it should, but they are on the GPU.
    """
    if not _mode.products_in_bfloat16 or array.dtype != np.float32:
        return False
    if not isinstance(array, np.ndarray):
        raise BackendError(
            "autocast('bfloat16') is for tensors on the CPU; on the GPU "
            "set_float32_matmul_precision('high') multiplies in TF32"
        )
    return True
