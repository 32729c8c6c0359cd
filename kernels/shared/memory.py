"""Memory for arrays on the CPU, used again as soon as the array it held is gone.

The first touch of fresh memory costs ten times more than its use (the operating system maps
and clears every page), and every training step needs the same sizes again.
"""

import math

import numpy as np


class MemoryPool:
    """Gives out arrays in blocks that garbage-collected arrays have left.

    A block comes back when the last view of its array is gone.
    """

    SMALLEST = 1 << 18  # bytes; below this malloc does the same job

    def __init__(self) -> None:
        self._free: dict[int, list[np.ndarray]] = {}

    def empty(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        """An uninitialized C-contiguous array, aligned to a cache line."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < self.SMALLEST:
            return np.empty(shape, dtype)
        # A block up to twice as large will do: the last batch of an epoch is a smaller one.
        fitting = [s for s, blocks in self._free.items() if blocks and size <= s <= 2 * size]
        block = self._free[min(fitting)].pop() if fitting else _aligned_bytes(size)
        lease = _Lease(block, self._free.setdefault(block.size, []))
        return np.asarray(lease)[:size].view(dtype).reshape(shape)

    def release(self) -> None:
        """Hand all unused blocks back to the operating system."""
        self._free.clear()


class _Lease:
    """Owner of a block: the base of the array, so it lives as long as any view of it."""

    def __init__(self, block: np.ndarray, home: list[np.ndarray]):
        self.__array_interface__ = block.__array_interface__
        self._block = block
        self._home = home

    def __del__(self) -> None:
        self._home.append(self._block)


def _aligned_bytes(size: int, alignment: int = 64) -> np.ndarray:
    raw = np.empty(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]


pool = MemoryPool()
