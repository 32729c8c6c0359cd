"""Products in bfloat16, where `autocast` says so; all sums are float32."""

import threading
from typing import Any

import numpy as np

from minigrad.backend import Backend
from minigrad.blocks import Block
from minigrad.kernels.shared import bfloat16


class _Mode(threading.local):
    products_in_bfloat16 = False


_mode = _Mode()


class autocast(Block):
    """Within this block, or decorated function, products round their factors to bfloat16.

    ``with autocast("bfloat16"):`` and ``@autocast("bfloat16")``. Convolution, linear and matmul
    round their factors, in the backward pass too, wherever `backward()` is called; the sums of the
    products are float32. Everything else, parameters and their gradients included, is float32 as
    always, and float64 tensors are computed in float64. It holds for operations of this thread.

    On a GPU convolutions give images of bfloat16, half as many bytes. ReLU, normalization, pooling
    and dropout take them and give the same, computed in float32 and rounded once, and so are the
    gradients of such images. `linear` gives float32, and so does any other operation.

    Args:
        dtype: "bfloat16".
        enabled: False switches it off within the block.

    Raises:
        BackendError: by an operation on a device that cannot multiply so:
            `Backend.require_bfloat16` says which can.
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
        before = _mode.products_in_bfloat16
        _mode.products_in_bfloat16 = self._enabled
        return before

    def _leave(self, before: bool) -> None:
        _mode.products_in_bfloat16 = before


def type_of_images(backend: Backend) -> np.dtype:
    """The type in which a first convolution reads its images without converting them.

    Raises:
        BackendError: the device cannot multiply in bfloat16.
    """
    if backend.name == "cpu" or not _mode.products_in_bfloat16:
        return np.dtype(np.float32)
    backend.require_bfloat16()
    return bfloat16.DTYPE


def rounds_factors(backend: Backend, array: Any) -> bool:
    """Whether a product rounds its factors to bfloat16, of which `array` is one.

    Raises:
        BackendError: it should, but the device cannot.
    """
    if not _mode.products_in_bfloat16 or array.dtype == np.float64:
        return False
    backend.require_bfloat16()
    return True
